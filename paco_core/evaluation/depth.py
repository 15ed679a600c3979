"""Errors of depth maps against true ones, at every level of alignment: rankings change with it."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from paco_core.backends.base import DepthEstimator
from paco_core.camera import estimate_camera
from paco_core.depth import estimate_depth
from paco_core.evaluation.figures import Row
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.table import bootstrap
from paco_core.progress import Progress, silent
from paco_core.rescue import level_floor
from paco_core.types import Camera, DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)

Alignment = Literal["scale", "scale and shift"]
"""One factor for the picture, by medians (Zhou et al. 2017); or factor and offset of 1/z, by least squares (MiDaS, 2020)."""
ALIGNMENTS: tuple[Alignment, ...] = ("scale", "scale and shift")
DELTA = 1.25
"""Eigen et al. 2014: the share of pixels whose ratio to the truth, or its inverse, is below this."""
LEAST_DISPARITY = 1e-3
"""Of the truth's largest: what an affine fit puts at infinity or behind the camera is taken to be this far away."""


@dataclass(frozen=True)
class DepthScore:
    """One picture, aligned."""

    abs_rel: float
    """Mean of |z − true| / true."""
    delta: float
    """Share within a factor of 1.25."""
    rmse_log: float


def align(z: Float64[np.ndarray, " n"], true: Float64[np.ndarray, " n"], how: Alignment) -> Float64[np.ndarray, " n"]:
    """Depths in the truth's scale; all > 0."""
    if how == "scale":
        return z * float(np.median(true) / np.median(z))
    terms = np.stack([1 / z, np.ones_like(z)], axis=1)
    fitted = terms @ np.linalg.lstsq(terms, 1 / true, rcond=None)[0]
    return 1 / np.maximum(fitted, LEAST_DISPARITY * float((1 / true).max()))


def score_depth(depth: DepthMap, true: DepthMap, how: Alignment, where: Bool[np.ndarray, "h w"] | None = None) -> DepthScore:
    """Aligned over all pixels that both know, scored over those of them in ``where``. Raises ``ValueError`` without any."""
    known = depth.valid & true.valid
    counted = known if where is None else known & where
    if not counted.any():
        raise ValueError("no pixel has both a depth and a true one")
    z, truth = depth.z[known].astype(np.float64), true.z[known].astype(np.float64)
    part = counted[known]
    aligned, truth = align(z, truth, how)[part], truth[part]
    ratio = np.maximum(aligned / truth, truth / aligned)
    return DepthScore(
        float(np.mean(np.abs(aligned - truth) / truth)),
        float((ratio < DELTA).mean()),
        float(np.sqrt(np.mean(np.log(aligned / truth) ** 2))),
    )


@dataclass(frozen=True)
class DepthScene:
    """A photo whose depth is known."""

    photo: Photo
    depth: DepthMap
    segmentation: Segmentation
    """What a method is told of objects, and where they are scored; n is 0 where nobody knows of any."""
    camera: Camera


DepthMethod = Callable[[DepthScene], DepthMap]


def depth_scene(scene: AmodalScene) -> DepthScene:
    """A scene whose depth is known. Raises ``ValueError`` for others."""
    if scene.depth is None:
        raise ValueError(f"the depth of {scene.photo.name} is not known")
    return DepthScene(scene.photo, scene.depth, scene.segmentation, scene.camera or estimate_camera(scene.photo))


def constant(scene: DepthScene) -> DepthMap:
    """A wall across the view."""
    return DepthMap(np.ones(scene.photo.hw, np.float32), np.ones(scene.photo.hw, bool), "relative", "constant")


def empty_floor(scene: DepthScene) -> DepthMap:
    """A level floor without objects."""
    return level_floor(scene.camera)


def by_estimator(estimator: DepthEstimator) -> DepthMethod:
    """A depth estimator as the program calls it."""
    return lambda scene: estimate_depth(scene.photo, scene.segmentation, scene.camera, estimator)


Scored = tuple[DepthScore, DepthScore | None]
"""One picture: the whole of it and its objects; None where it has none, or their depth is not known."""
PICKS: dict[str, Callable[[Scored], float]] = {
    "AbsRel": lambda pair: pair[0].abs_rel,
    "δ < 1.25": lambda pair: pair[0].delta,
    "RMSE log": lambda pair: pair[0].rmse_log,
    "objects: AbsRel": lambda pair: math.nan if pair[1] is None else pair[1].abs_rel,
    "objects: δ < 1.25": lambda pair: math.nan if pair[1] is None else pair[1].delta,
}


def evaluate_depth(
    scenes: Iterable[DepthScene], methods: dict[str, DepthMethod], *, total: int = 0, progress: Progress = silent
) -> tuple[Row, ...]:
    """A row per method and alignment, means over scenes, ``total`` of them where that is known; a failure counts as a wall."""
    found: dict[tuple[str, Alignment], list[list[Scored]]] = {(name, how): [] for name in methods for how in ALIGNMENTS}
    failed = dict.fromkeys(methods, 0)
    for count, scene in enumerate(scenes, 1):
        for name, method in methods.items():
            try:
                depth = method(scene)
                scores = [_score_scene(depth, scene, how) for how in ALIGNMENTS]
            except Exception:
                log.warning("%s fails on %s", name, scene.photo.name, exc_info=True)
                failed[name] += 1
                scores = [_score_scene(constant(scene), scene, how) for how in ALIGNMENTS]
            for how, score in zip(ALIGNMENTS, scores, strict=True):
                found[name, how].append([score])
        progress("depth", count, max(total, count), scene.photo.name)
    return tuple(_row(name, how, scores, failed[name]) for (name, how), scores in found.items())


def _score_scene(depth: DepthMap, scene: DepthScene, how: Alignment) -> Scored:
    objects = np.asarray(scene.segmentation.masks.any(axis=0))
    seen = (objects & depth.valid & scene.depth.valid).any()
    return score_depth(depth, scene.depth, how), score_depth(depth, scene.depth, how, objects) if seen else None


def _row(name: str, how: Alignment, scores: list[list[Scored]], failed: int) -> Row:
    def mean(pick: Callable[[Scored], float]) -> Callable[[Sequence[Scored]], float]:
        def measure(items: Sequence[Scored]) -> float:
            values = [value for item in items if not math.isnan(value := pick(item))]
            return float(np.mean(values)) if values else math.nan

        return measure

    figures = {column: bootstrap(scores, mean(pick)) for column, pick in PICKS.items()}
    return Row(f"{name}, {how}", figures, {"photos": str(len(scores)), "failed": str(failed)})
