"""What ``paco eval scene`` shows and keeps: every level of input at every level of alignment, physics, occlusion bins, lines."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from paco_core.evaluation.figures import Row, Table, number
from paco_core.evaluation.table import bootstrap
from scene3d.evaluation.pose_metrics import ADD_LIMIT
from scene3d.evaluation.scene_metrics import quantile
from scene3d.evaluation.scene_pairs import ALIGNMENTS
from scene3d.evaluation.scenes3d import ObjectFit, ObjectPose, SceneFit, SceneResult

FIT_COLUMNS = ("CD-S", "F-S", "CD-O", "F-O", "IoU-B", "IoU upright", "ADD-S@.1", "scale err", "centre err")
METRIC_COLUMNS = ("CD half, m", "F@10cm", "F@5cm", "centre err, m")
POSE_COLUMNS = ("turn °", "yaw °", "foot gap cm", "foot < 1 cm", "stuck volume", "stuck mm", "pairs stuck", "order-3D")
CLOSE_CM = 1.0
"""A foot that is nearer to what carries it stands on it."""
BINS = (("> .95", 0.95, 1.01), (".7 – .95", 0.7, 0.95), (".4 – .7", 0.4, 0.7), ("< .4", -0.01, 0.4))
"""Of the visible share of an object: name, more than, up to."""

Results = Sequence[SceneResult]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _median(values: Sequence[float]) -> float:
    """Of what is known; errors of failed objects are infinite and stay."""
    known = np.array([v for v in values if not math.isnan(v)], float)
    return quantile(known, 0.5) if len(known) else math.nan


SCENE_FIGURES: dict[str, Callable[[SceneFit], float]] = {
    "CD-S": lambda f: f.cd,
    "F-S": lambda f: f.f10,
    "F-S@.05": lambda f: f.f05,
    "CD half, m": lambda f: f.cd_half_m,
    "F@10cm": lambda f: f.f_10cm,
    "F@5cm": lambda f: f.f_5cm,
}
OBJECT_MEANS: dict[str, Callable[[ObjectFit], float]] = {
    "CD-O": lambda o: o.cd,
    "F-O": lambda o: o.f10,
    "IoU-B": lambda o: o.iou_box,
    "IoU upright": lambda o: o.iou_upright,
    "ADD-S@.1": lambda o: float(o.add_s < ADD_LIMIT),
}
OBJECT_MEDIANS: dict[str, Callable[[ObjectFit], float]] = {
    "ADD-S": lambda o: o.add_s,
    "scale err": lambda o: o.scale_error,
    "centre err": lambda o: o.centre_error,
    "centre err, m": lambda o: o.centre_error_m,
}


def fit_rows(results: Results) -> list[Row]:
    """A row per level of input and of alignment: means (errors: medians) with intervals over scenes."""
    return [_fit_row(level, name, of) for level, of in _by_level(results).items() for name in ALIGNMENTS]


def _fit_row(level: str, alignment: str, results: Results) -> Row:
    scenes = [[fit for fit in r.fits if fit.alignment == alignment] for r in results]
    objects = [[obj for obj in r.objects if obj.alignment == alignment] for r in results]
    figures = {name: bootstrap(scenes, _pooled(_mean, of)) for name, of in SCENE_FIGURES.items()}
    figures |= {name: bootstrap(objects, _pooled(_mean, of)) for name, of in OBJECT_MEANS.items()}
    figures |= {name: bootstrap(objects, _pooled(_median, of)) for name, of in OBJECT_MEDIANS.items()}
    return Row(f"{level}: {alignment}", figures, _facts(results))


def pose_rows(results: Results) -> list[Row]:
    """A row per level of input: what does not depend on the alignment, and physics."""
    return [_pose_row(level, of) for level, of in _by_level(results).items()]


def _pose_row(level: str, results: Results) -> Row:
    poses, whole = [r.poses for r in results], [[r] for r in results]
    figures = {
        "turn °": bootstrap(poses, _pooled(_median, lambda p: p.turn_deg)),
        "yaw °": bootstrap(poses, _pooled(_median, lambda p: p.yaw_deg)),
        "foot gap cm": bootstrap(poses, _pooled(_median, lambda p: p.foot_gap_cm)),
        "foot < 1 cm": bootstrap(poses, _pooled(_mean, lambda p: float(p.foot_gap_cm < CLOSE_CM))),
        "stuck volume": bootstrap(whole, _pooled(_mean, lambda r: r.stuck_volume)),
        "stuck mm": bootstrap(whole, _pooled(_mean, lambda r: 1000 * r.stuck_depth_m)),
        "pairs stuck": bootstrap(whole, lambda rs: sum(r.stuck_pairs for r in rs) / max(sum(r.pairs for r in rs), 1)),
        "order-3D": bootstrap([r.order for r in results], _pooled(_mean, float)),
    }
    return Row(level, figures, _facts(results))


def _pooled(measure: Callable[[Sequence[float]], float], of: Callable[[Any], float]) -> Callable[[Sequence[Any]], float]:
    return lambda items: measure([of(item) for item in items])


def _facts(results: Results) -> dict[str, str]:
    poses = [pose for r in results for pose in r.poses]
    return {"scenes": str(len(results)), "objects": str(len(poses)), "failed": str(sum(bool(p.failure) for p in poses))}


def _by_level(results: Results) -> dict[str, list[SceneResult]]:
    levels = dict.fromkeys(r.level for r in results)
    return {level: [r for r in results if r.level == level] for level in levels}


def bins_table(results: Results, alignment: str) -> Table:
    """Every level of input by how much of the object is visible, at one alignment."""
    rows = []
    for level, of in _by_level(results).items():
        known = [(fit, _pose_of(r, fit)) for r in of for fit in r.objects if fit.alignment == alignment]
        for name, *_ in BINS:
            here = [(fit, pose) for fit, pose in known if visible_bin(fit.visible_fraction) == name]
            rows.append((level, name, str(len(here)), *_bin_cells([f for f, _ in here], [p for _, p in here])))
    head = ("input", "visible", "objects", "failed", "CD-O", "F-O", "IoU-B", "IoU upright", "ADD-S@.1", "centre err", "yaw °")
    return Table(head, tuple(rows))


def _pose_of(result: SceneResult, fit: ObjectFit) -> ObjectPose:
    return next(pose for pose in result.poses if pose.id == fit.id)


def _bin_cells(fits: Sequence[ObjectFit], poses: Sequence[ObjectPose]) -> tuple[str, ...]:
    failed = str(sum(bool(pose.failure) for pose in poses))
    means = (number(_mean([of(fit) for fit in fits])) for of in OBJECT_MEANS.values())
    return failed, *means, number(_median([f.centre_error for f in fits])), number(_median([p.yaw_deg for p in poses]), 1)


def object_lines(results: Results) -> list[dict[str, Any]]:
    """One flat line per level, alignment and object, for a CSV file."""
    lines = []
    for r in results:
        for fit in r.objects:
            pose = dataclasses.asdict(_pose_of(r, fit))
            values = {**dataclasses.asdict(fit), **pose, "bin": visible_bin(fit.visible_fraction)}
            rounded = {name: round(v, 5) if isinstance(v, float) else v for name, v in values.items()}
            lines.append({"scene": r.scene, "input": r.level, **rounded})
    return lines


def visible_bin(visible_fraction: float) -> str:
    """The name of the bin."""
    return next(name for name, low, high in BINS if low < visible_fraction <= high)
