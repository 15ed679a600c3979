"""Whole reconstructions against exact scenes: shape, place, physics and order, at every level of input and of alignment."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paco_core.errors import error_text
from paco_core.progress import Progress, silent
from paco_core.store import RunFolder
from scene3d.evaluation.physics_metrics import DEEP_M, make_solid, penetrations
from scene3d.evaluation.points import distances
from scene3d.evaluation.pose_metrics import add_s, diameter, rotation_by_icp, turn_between, yaw_between
from scene3d.evaluation.scene_inputs import InputLevel, reconstruct_room
from scene3d.evaluation.scene_metrics import foot_gap_cm
from scene3d.evaluation.scene_pairs import (
    FoundObject,
    KnownObject,
    ScenePair,
    alignments,
    normalised_alone,
    pair_up,
    refined,
    true_objects,
)
from scene3d.evaluation.shape_metrics import box_iou, chamfer_half, chamfer_sum, f_score, upright_box, upright_box_iou
from scene3d.pipeline import Config
from scene3d.rays import RayMesh
from scene3d.synthetic.truth import TrueScene
from scene3d.transforms import apply
from scene3d.types import PlacedObject, Scene

log = logging.getLogger(__name__)

FAILED = float("inf")
Watcher = Callable[[TrueScene, InputLevel, Scene | None], None]
"""Is shown every reconstruction, and None where one failed."""
SCENE_POINTS = 4096
"""Per object: far neighbours are slow to find, and the truth against itself then has a CD-O of .05 (20,480 points: .024)."""
TURN_POINTS = 2048
"""For the rotation that is left."""


@dataclass(frozen=True)
class ObjectFit:
    """One object under one alignment. A failed one has IoU and F 0, its box's diagonal as Chamfer distance, infinite errors."""

    alignment: str
    id: int
    name: str
    visible_fraction: float
    cd: float
    """Sum of both means, in the true object's own [-1, 1] box; at most that box's diagonal. Under A3 the object is normalised
    and aligned alone (MIDI-3D)."""
    f10: float
    """At .1 of that box."""
    iou_box: float
    """Axis-aligned; under A3 of the normalised scenes before ICP."""
    iou_upright: float
    add_s: float
    """Share of the true diameter; under A3 of the object aligned alone."""
    scale_error: float
    """abs(diagonal of the upright box / true one - 1)."""
    centre_error_m: float
    centre_error: float
    """Over the true centre's distance from the camera."""


@dataclass(frozen=True)
class SceneFit:
    """All objects' points together under one alignment."""

    alignment: str
    cd: float
    """Sum of both means, in the true scene's [-1, 1] box; at most its diagonal."""
    f10: float
    f05: float
    cd_half_m: float
    f_10cm: float
    f_5cm: float


@dataclass(frozen=True)
class ObjectPose:
    """What does not depend on an alignment."""

    id: int
    name: str
    visible_fraction: float
    turn_deg: float
    """Rotation left (ICP), least over the true shape's symmetric yaws."""
    yaw_deg: float
    """NaN for what is round."""
    foot_gap_cm: float
    failure: str = ""


@dataclass(frozen=True)
class SceneResult:
    """One scene at one level of input."""

    level: str
    scene: str
    fits: tuple[SceneFit, ...]
    objects: tuple[ObjectFit, ...]
    poses: tuple[ObjectPose, ...]
    stuck_volume: float
    """Intersected volume over the smaller object's, summed over pairs."""
    stuck_depth_m: float
    """Of the deepest pair."""
    stuck_pairs: int
    """Deeper than 5 mm."""
    pairs: int
    """Of all found objects."""
    order: tuple[bool, ...]
    """Per true pair (front, behind): whether the reconstruction's depths say so."""


def evaluate_scenes(
    rooms: Iterable[TrueScene],
    levels: Sequence[InputLevel],
    config: Config,
    *,
    points: int = SCENE_POINTS,
    watcher: Watcher | None = None,
    total: int = 0,
    progress: Progress = silent,
) -> tuple[SceneResult, ...]:
    """Reconstruct every scene at every level, one scene at a time. A reconstruction that fails loses all objects."""
    results = []
    for k, room in enumerate(rooms):
        true = true_objects(room, points)
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder) / "run")  # one for all levels: what they have in common is computed once
            for n, level in enumerate(levels):
                scene, failure = _attempt(room, level, run, config)
                results.append(score_scene_3d(scene, room, true, level.name, failure=failure))
                if watcher is not None:
                    watcher(room, level, scene)
                done = k * len(levels) + n + 1
                progress("scenes", done, max(total * len(levels), done), f"{room.photo.name}, {level.name}")
    return tuple(results)


def _attempt(room: TrueScene, level: InputLevel, run: RunFolder, config: Config) -> tuple[Scene | None, str]:
    try:
        return reconstruct_room(room, level, run, config), ""
    except Exception as error:
        log.warning("%s can't be reconstructed from %s", room.photo.name, level.name, exc_info=True)
        return None, error_text(error)


def score_scene_3d(
    scene: Scene | None, room: TrueScene, true: dict[int, KnownObject], level: str, *, failure: str = ""
) -> SceneResult:
    """Compare; without a scene, every object is lost."""
    pair = ScenePair(room, true, {}) if scene is None else pair_up(scene, room, true)
    matrices = dict.fromkeys(("A0", "A1", "A2", "A3"), np.eye(4)) if scene is None else alignments(scene, pair)
    placed = {} if scene is None else {obj.id: obj for obj in scene.objects}
    solids = [
        make_solid(obj.id, apply(obj.world_from_object.matrix, obj.mesh.vertices), obj.mesh.faces) for obj in placed.values()
    ]
    stuck = penetrations(solids)
    return SceneResult(
        level=level,
        scene=room.photo.name,
        fits=tuple(_scene_fit(name, pair, matrix) for name, matrix in matrices.items()),
        objects=tuple(_object_fit(name, pair, k, matrix) for name, matrix in matrices.items() for k in true),
        poses=tuple(_pose(true[k], pair.found.get(k), placed, failure) for k in true),
        stuck_volume=sum(p.share for p in stuck),
        stuck_depth_m=max((p.depth_m for p in stuck), default=0.0),
        stuck_pairs=sum(p.depth_m > DEEP_M for p in stuck),
        pairs=len(solids) * (len(solids) - 1) // 2,
        order=order_kept(scene, room),
    )


def _scene_fit(name: str, pair: ScenePair, true_from_found: np.ndarray) -> SceneFit:
    points = pair.true_points
    to_normal, across = 2 / float(np.ptp(pair.true_vertices, axis=0).max()), diameter(pair.true_vertices)
    if not pair.found:
        return SceneFit(name, across * to_normal, 0.0, 0.0, across / 2, 0.0, 0.0)
    matrix = refined(pair, true_from_found) if name == "A3" else true_from_found
    metric = distances(pair.found_points(matrix), points)
    normal = metric.times(to_normal)
    return SceneFit(
        name,
        min(chamfer_sum(normal), across * to_normal),
        f_score(normal, 0.1),
        f_score(normal, 0.05),
        min(chamfer_half(metric), across / 2),
        f_score(metric, 0.10),
        f_score(metric, 0.05),
    )


def _object_fit(name: str, pair: ScenePair, object_id: int, true_from_found: np.ndarray) -> ObjectFit:
    true, found = pair.true[object_id], pair.found.get(object_id)
    known = (name, object_id, true.truth.name, true.visible_fraction)
    to_normal, across = 2 / float(np.ptp(true.truth.vertices, axis=0).max()), diameter(true.truth.vertices)
    if found is None:
        return ObjectFit(*known, across * to_normal, 0.0, 0.0, 0.0, FAILED, FAILED, FAILED, FAILED)
    there = found.under(true_from_found)
    shape = found.under(normalised_alone(found, true)) if name == "A3" else there
    d = distances(shape.points, true.points)
    normal, box = d.times(to_normal), upright_box(there.vertices, true.box)
    error = float(np.linalg.norm(_middle(there.vertices) - _middle(true.truth.vertices)))
    far = float(np.linalg.norm(_middle(true.truth.vertices) - pair.room.world_from_camera[:3, 3]))
    return ObjectFit(
        *known,
        cd=min(chamfer_sum(normal), across * to_normal),
        f10=f_score(normal, 0.1),
        iou_box=box_iou(there.vertices, true.truth.vertices),
        iou_upright=upright_box_iou(box, true.box),
        add_s=add_s(d, across),
        scale_error=abs(box.diagonal / true.box.diagonal - 1),
        centre_error_m=error,
        centre_error=error / far,
    )


def _middle(points: np.ndarray) -> np.ndarray:
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _pose(true: KnownObject, found: FoundObject | None, placed: dict[int, PlacedObject], failure: str) -> ObjectPose:
    known = (true.truth.id, true.truth.name, true.visible_fraction)
    if found is None:
        return ObjectPose(*known, FAILED, FAILED, FAILED, failure or "the scene lacks it")
    turn = rotation_by_icp(found.points[:TURN_POINTS], true.points[:TURN_POINTS])
    gap = foot_gap_cm(placed[true.truth.id], true.truth, placed)
    return ObjectPose(*known, turn_between(turn, true.yaws), yaw_between(turn, true.yaws), gap)


def order_kept(scene: Scene | None, room: TrueScene) -> tuple[bool, ...]:
    """Per true pair (front, behind) whether the reconstructed front is nearer where both cover a pixel (most of the pixels), or,
    where none is left to compare, by their median depths. False where one of them is lost.
    """
    z = {} if scene is None else {obj.id: _depth_alone(obj, scene, room) for obj in scene.objects}
    return tuple(a in z and b in z and _nearer(z[a], z[b]) for a, b in room.hides)


def _depth_alone(obj: PlacedObject, scene: Scene, room: TrueScene) -> np.ndarray:
    camera_from_object = np.linalg.inv(scene.world_from_camera) @ obj.world_from_object.matrix
    return RayMesh(obj.mesh.vertices, obj.mesh.faces).render(scene.camera.K, camera_from_object, room.photo.hw).z


def _nearer(front: np.ndarray, behind: np.ndarray) -> bool:
    both = np.isfinite(front) & np.isfinite(behind)
    if both.any():
        return bool(np.mean(front[both] < behind[both]) > 0.5)
    seen = [z[np.isfinite(z)] for z in (front, behind)]
    return all(len(z) > 0 for z in seen) and bool(np.median(seen[0]) < np.median(seen[1]))
