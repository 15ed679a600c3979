"""Lifters on single models: every lifter gets the same complete crop, and its mesh is compared with the model."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from paco_core.errors import BadInput, error_text
from paco_core.progress import Progress, silent
from scene3d.backends.base import Lifter
from scene3d.evaluation.alignment import depth_scale
from scene3d.evaluation.lift_truth import LiftTruth, Maker
from scene3d.evaluation.points import POINTS, Distances, distances, sample_surface
from scene3d.evaluation.pose_metrics import diameter
from scene3d.evaluation.shape_metrics import chamfer_half, f_score, voxel_iou
from scene3d.evaluation.unseen_views import View, look_around, nothing_to_see, view_iou, view_psnr, view_ssim
from scene3d.rays import RayMesh
from scene3d.transforms import apply, similarity
from scene3d.types import LiftedMesh, LiftInput, TexturedMesh

log = logging.getLogger(__name__)

ALIGN_PX = 128
"""Side of the picture in which both shapes' distances from the camera are compared."""


@dataclass(frozen=True)
class LiftMethod:
    """A lifter and what it is told."""

    lifter: Lifter
    with_depth: bool = False
    """The true depth of what is seen."""
    named: bool = True
    """What the object is."""
    seed: int = 0

    def __call__(self, item: LiftInput) -> LiftedMesh:
        """Lift. Raises whatever the lifter raises."""
        told = replace(item, depth=item.depth if self.with_depth else None, name=item.name if self.named else "")
        return self.lifter.lift(told, seed=self.seed)


@dataclass(frozen=True)
class ShapeScore:
    """Under one alignment. Unit: the truth's longest side."""

    chamfer: float
    """Half the sum of both directed means; at most the truth's diagonal, which is what a failed object has."""
    f05: float
    f02: float
    f01: float
    view_iou: float
    """Of silhouettes, mean over six unseen views."""


@dataclass(frozen=True)
class LiftScore:
    """One object by one method."""

    method: str
    name: str
    style: str
    box: ShapeScore
    """Both in the lift frame as it is: each centred in its box, its longest side 1."""
    view: ShapeScore
    """The prediction at the truth's distance from the camera (median over pixels that both cover): what the crop can't tell is
    not counted, what it shows is."""
    voxel_iou: float
    """In the view's alignment."""
    psnr: float
    """dB, colours of the six unseen views, in the view's alignment."""
    ssim: float
    watertight: bool
    faces: int
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class LiftRun:
    """All methods on the same objects."""

    scores: dict[str, tuple[LiftScore, ...]] = field(default_factory=dict)
    """By method; the same objects in the same order."""
    makers: tuple[Maker, ...] = ()
    """Of these objects."""
    skipped: tuple[str, ...] = ()
    """A sentence per model that can't be used."""


def evaluate_lifters(
    makers: Sequence[Maker], methods: Mapping[str, LiftMethod], *, points: int = POINTS, progress: Progress = silent
) -> LiftRun:
    """Every method on every object. Raises ``BadInput`` when no object can be used."""
    scores: dict[str, list[LiftScore]] = {name: [] for name in methods}
    used, skipped = [], []
    for k, maker in enumerate(makers):
        try:
            truth = _Truth.of(maker(), points)
        except BadInput as flaw:
            skipped.append(str(flaw))
            continue
        for name, method in methods.items():
            scores[name].append(_attempt(name, method, truth))
        used.append(maker)
        progress("lift", k + 1, len(makers), truth.of_model.name)
    if not used:
        raise BadInput(f"No model is left to lift: {' '.join(skipped[:3]) or 'there was none.'}")
    return LiftRun({name: tuple(found) for name, found in scores.items()}, tuple(used), tuple(skipped))


@dataclass(frozen=True)
class _Truth:
    """What every method is compared with, made once."""

    of_model: LiftTruth
    points: Float64[np.ndarray, "n 3"]
    views: tuple[View, ...]

    @classmethod
    def of(cls, truth: LiftTruth, count: int) -> "_Truth":
        try:
            points = sample_surface(truth.mesh.vertices, truth.mesh.faces, count, seed=1)
        except ValueError as flaw:
            raise BadInput(f"{truth.name}: {flaw}.") from flaw
        return cls(truth, points, look_around(truth.mesh))


def _attempt(method_name: str, method: LiftMethod, truth: _Truth) -> LiftScore:
    start = time.perf_counter()
    try:
        lifted = method(truth.of_model.item)
        seconds = time.perf_counter() - start
        return _score(method_name, lifted, truth, seconds)
    except Exception as error:  # a backend may fail in any way, or return what is no shape
        log.warning("%s fails on %s", method_name, truth.of_model.name, exc_info=True)
        return _failed(method_name, truth, time.perf_counter() - start, error_text(error))


def _score(method_name: str, lifted: LiftedMesh, truth: _Truth, seconds: float) -> LiftScore:
    mesh, model = lifted.mesh, truth.of_model
    points = sample_surface(mesh.vertices, mesh.faces, len(truth.points), seed=2)
    lift_from_lifted = at_true_distance(lifted, model)
    aligned = TexturedMesh(apply(lift_from_lifted, mesh.vertices), mesh.faces, mesh.uv, mesh.texture)
    views = look_around(aligned)
    return LiftScore(
        method_name,
        model.name,
        model.style,
        _shape_score(distances(points, truth.points), look_around(mesh), truth),
        _shape_score(distances(apply(lift_from_lifted, points), truth.points), views, truth),
        voxel_iou(aligned.vertices, aligned.faces, model.mesh.vertices, model.mesh.faces),
        view_psnr(views, truth.views),
        view_ssim(views, truth.views),
        lifted.watertight,
        len(mesh.faces),
        seconds,
    )


def _shape_score(d: Distances, views: tuple[View, ...], truth: _Truth) -> ShapeScore:
    chamfer = min(chamfer_half(d), diameter(truth.points))
    return ShapeScore(chamfer, f_score(d, 0.05), f_score(d, 0.02), f_score(d, 0.01), view_iou(views, truth.views))


def _failed(method_name: str, truth: _Truth, seconds: float, reason: str) -> LiftScore:
    model, empty = truth.of_model, nothing_to_see()
    worst = ShapeScore(diameter(truth.points), 0.0, 0.0, 0.0, 0.0)
    psnr, ssim = view_psnr(empty, truth.views), view_ssim(empty, truth.views)
    return LiftScore(method_name, model.name, model.style, worst, worst, 0.0, psnr, ssim, False, 0, seconds, reason)


def at_true_distance(lifted: LiftedMesh, truth: LiftTruth) -> Float64[np.ndarray, "4 4"]:
    """``lift_from_lifted``: the crop stays as it is, and the median visible distance becomes the true one (a scaling about the
    camera). Where both cover no pixel together, the centres' distances are made equal.
    """
    lifted_z = _z_seen(lifted.mesh, lifted.crop_from_lift, truth.item)
    true_z = _z_seen(truth.mesh, truth.crop_from_lift, truth.item)
    scale = depth_scale(true_z, lifted_z, np.isfinite(true_z))
    if scale is None:
        scale = float(np.linalg.norm(truth.crop_from_lift[:3, 3]) / np.linalg.norm(lifted.crop_from_lift[:3, 3]))
    return np.linalg.inv(truth.crop_from_lift) @ similarity(np.eye(3), np.zeros(3), scale) @ lifted.crop_from_lift


def _z_seen(mesh: TexturedMesh, crop_from_mesh: np.ndarray, item: LiftInput) -> np.ndarray:
    focal = item.focal_px * ALIGN_PX / item.rgba.shape[0]
    K = np.array([[focal, 0, ALIGN_PX / 2], [0, focal, ALIGN_PX / 2], [0, 0, 1]])
    return RayMesh(mesh.vertices, mesh.faces).render(K, crop_from_mesh, (ALIGN_PX, ALIGN_PX)).z


def by_rank(scores: Sequence[LiftScore], count: int) -> Iterator[tuple[str, int]]:
    """``best``, ``median`` and ``worst`` objects by Chamfer distance as seen: (which, index), each at most once."""
    order = sorted(range(len(scores)), key=lambda k: (bool(scores[k].failure), scores[k].view.chamfer))
    count = min(count, max(len(order) // 3, 1))
    middle = max((len(order) - count) // 2, 0)
    parts = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}
    seen: set[int] = set()
    for which, part in parts.items():
        for k in part:
            if k not in seen:
                seen.add(k)
                yield which, k
