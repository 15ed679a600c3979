"""How well the whole weight-free job does on procedural rooms with true depth, camera and visible masks."""

import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paco_core.progress import Progress, silent
from paco_core.store import RunFolder
from scene3d.evaluation.scene_metrics import HEADER, SceneScore, quantile, score_scene, table_row
from scene3d.pipeline import Config, Inputs, build
from scene3d.synthetic.rooms import make_room

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoomGates:
    """What a release must reach on rooms with true depth and camera (medians over objects, worst over rooms for the floor)."""

    floor_tilt_deg: float = 5.0
    scale_error: float = 0.10
    foot_gap_cm: float = 1.0
    iou: float = 0.85
    box_depth_over_width: float = 0.15
    """Of every object that is not flat by nature: nobody is a cardboard cut-out."""


DEFAULT = Config()


def evaluate_rooms(seeds: Sequence[int], config: Config = DEFAULT, *, progress: Progress = silent) -> tuple[SceneScore, ...]:
    """Reconstruct one room per seed and score it against its truth."""
    scores = []
    for k, seed in enumerate(seeds):
        room = make_room(seed)
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder) / "run")
            _, scene = build(Inputs(room.photo, room.segmentation, room.camera, room.depth), run, config)
        scores.append(score_scene(scene, room))
        progress("rooms", k + 1, len(seeds), f"seed {seed}")
    return tuple(scores)


def failed_gates(scores: Sequence[SceneScore], gates: RoomGates = RoomGates()) -> tuple[str, ...]:
    """A sentence for every gate that is missed; empty when all are met."""
    objects = [obj for score in scores for obj in score.objects]
    measured = (
        ("worst floor tilt, degrees", max(s.floor_tilt_deg for s in scores), gates.floor_tilt_deg),
        ("median height error", _median(o.height_error for o in objects), gates.scale_error),
        ("median width error", _median(o.width_error for o in objects), gates.scale_error),
        ("median foot gap, cm", _median(o.foot_gap_cm for o in objects), gates.foot_gap_cm),
        ("median 1 - re-projection IoU", 1 - _median(o.iou for o in objects), 1 - gates.iou),
    )
    failed = [f"{name} is {value:.3g}, the gate {limit:.3g}" for name, value, limit in measured if value > limit]
    for obj in objects:
        if not obj.flat and obj.sticker_ratio < gates.box_depth_over_width:
            failed.append(f"{obj.name} is a sticker: its box is {obj.sticker_ratio:.2f} times as deep as wide")
    return tuple(failed)


def _median(values: Iterable[float]) -> float:
    return quantile(np.array(list(values)), 0.5)


def table(scores: Sequence[SceneScore], name: str) -> str:
    """Markdown: the pooled row."""
    return f"{HEADER}\n{table_row(name, scores)}"
