"""Errors of depth maps against true ones, at every level of alignment: rankings change with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from paco_core.backends.base import DepthEstimator
from paco_core.camera import estimate_camera
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.table import bootstrap
from paco_core.progress import Progress, silent
from paco_core.rescue import level_floor
from paco_core.types import DepthMap

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


DepthMethod = Callable[[AmodalScene], DepthMap]


def constant(scene: AmodalScene) -> DepthMap:
    """A wall across the view."""
    return DepthMap(np.ones(scene.photo.hw, np.float32), np.ones(scene.photo.hw, bool), "relative", "constant")


def empty_floor(scene: AmodalScene) -> DepthMap:
    """A level floor without objects."""
    return level_floor(scene.camera or estimate_camera(scene.photo))


def by_estimator(estimator: DepthEstimator) -> DepthMethod:
    """A depth estimator as the program calls it."""
    return lambda scene: estimator.estimate(scene.photo, scene.segmentation, scene.camera or estimate_camera(scene.photo))


Row = tuple[str, Alignment, Sequence[tuple[DepthScore, DepthScore]]]
"""Method, alignment, and per scene the scores of the whole picture and of its objects."""


def evaluate_depth(
    scenes: Iterable[AmodalScene], methods: dict[str, DepthMethod], *, total: int = 0, progress: Progress = silent
) -> tuple[Row, ...]:
    """Every method on every scene whose depth is known; ``total`` of them, where that is known."""
    found: dict[tuple[str, Alignment], list[tuple[DepthScore, DepthScore]]] = {
        (name, how): [] for name in methods for how in ALIGNMENTS
    }
    for count, scene in enumerate(scenes, 1):
        if scene.depth is not None:
            objects = np.asarray(scene.segmentation.masks.any(axis=0))
            for name, method in methods.items():
                depth = method(scene)
                for how in ALIGNMENTS:
                    found[name, how].append((score_depth(depth, scene.depth, how), score_depth(depth, scene.depth, how, objects)))
        progress("depth", count, max(total, count), scene.photo.name)
    return tuple((name, how, scores) for (name, how), scores in found.items())


def depth_table(rows: Iterable[Row]) -> str:
    """Markdown: a row per method and alignment; means over scenes, with intervals."""
    lines = [
        "| depth | aligned by | AbsRel | δ < 1.25 | RMSE log | objects: AbsRel | objects: δ < 1.25 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, how, scores in rows:
        scenes = [[pair] for pair in scores]
        picks: list[Callable[[tuple[DepthScore, DepthScore]], float]] = [
            lambda pair: pair[0].abs_rel,
            lambda pair: pair[0].delta,
            lambda pair: pair[0].rmse_log,
            lambda pair: pair[1].abs_rel,
            lambda pair: pair[1].delta,
        ]
        cells = [str(bootstrap(scenes, lambda items, pick=pick: float(np.mean([pick(p) for p in items])))) for pick in picks]
        lines.append(f"| {name} | {how} | {' | '.join(cells)} |")
    return "\n".join(lines)
