"""A reconstructed scene against the exact truth of a procedural room.

Boxes are measured in the *viewer's box frame* of each object: up is gravity (each side's own), across is horizontal and at
right angles to the sight line from the camera to the object's true centre, away completes them. It is the frame in
which one photo knows something: width and height are seen, depth is inferred. Scene and room share the camera frame, so
no alignment of any kind is done. An object that the scene lacks counts as failed: IoU 0, every error infinite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scene3d.rays import RayMesh
from scene3d.render import FLAT_SHADING, render_scene
from scene3d.synthetic.truth import TrueObject, TrueScene
from scene3d.types import PlacedObject, Scene

FOOT_QUANTILE = 0.02
"""An object's foot is the 2 % quantile of its vertices' heights: a few stray vertices don't count as the foot."""

FOOT_BAND = 0.1
"""The lowest tenth of an object is probed for what lies under it."""

FAILED = float("inf")


@dataclass(frozen=True)
class ObjectScore:
    """One object. Errors are absolute; ``inf`` where the scene lacks the object."""

    id: int
    name: str
    height_error: float
    """abs(box height / true box height - 1)."""
    width_error: float
    """The same across the line of sight."""
    centre_error_m: float
    """Distance of the two boxes' centres, in the camera frame."""
    foot_gap_cm: float
    """abs(foot - support) in the scene's own world; the support is what truly carries the object: the floor's y = 0, or
    the reconstructed carrier's surface under the foot."""
    iou: float
    """Of the id rendered with mutual occlusion, and the input mask."""
    sticker_ratio: float
    """Box depth / box width in the viewer's box frame; a cardboard cut-out is near 0."""
    flat: bool
    """Thin by its class: exempt from the sticker gate."""


@dataclass(frozen=True)
class SceneScore:
    """One scene."""

    name: str
    floor_tilt_deg: float
    """Angle between predicted and true up, in the camera frame."""
    camera_height_error: float
    """abs(camera height above the floor / true height - 1): the global scale."""
    objects: tuple[ObjectScore, ...]


def score_scene(scene: Scene, room: TrueScene) -> SceneScore:
    """Compare a scene that was reconstructed from ``room.photo`` and its masks with the room."""
    up = scene.world_from_camera[:3, :3].T @ np.array([0.0, 1.0, 0.0])
    true_up = room.world_from_camera[:3, :3].T @ np.array([0.0, 1.0, 0.0])
    tilt = np.rad2deg(np.arctan2(np.linalg.norm(np.cross(up, true_up)), up @ true_up))
    view = render_scene(scene, scene.camera, scene.world_from_camera, hw=room.photo.hw, shading=FLAT_SHADING)
    placed = {obj.id: obj for obj in scene.objects}
    scores = []
    for truth in room.objects:
        iou = _iou(view.ids == truth.id, room.segmentation.mask(truth.id))
        obj = placed.get(truth.id)
        scores.append(_missing(truth) if obj is None else _score_object(scene, room, obj, truth, placed, iou))
    height_error = abs(scene.world_from_camera[1, 3] / room.world_from_camera[1, 3] - 1)
    return SceneScore(room.photo.name, float(tilt), float(height_error), tuple(scores))


def _missing(truth: TrueObject) -> ObjectScore:
    return ObjectScore(truth.id, truth.name, FAILED, FAILED, FAILED, FAILED, 0.0, 0.0, False)


def _score_object(
    scene: Scene, room: TrueScene, obj: PlacedObject, truth: TrueObject, placed: dict[int, PlacedObject], iou: float
) -> ObjectScore:
    true_in_camera = _moved(np.linalg.inv(room.world_from_camera), truth.vertices)
    in_camera = _moved(np.linalg.inv(scene.world_from_camera), _world_vertices(obj))
    true_axes = _viewer_axes(true_in_camera, room.world_from_camera)
    axes = _viewer_axes(true_in_camera, scene.world_from_camera)
    low, high = _extent(in_camera @ axes.T)
    true_low, true_high = _extent(true_in_camera @ true_axes.T)
    size, true_size = high - low, true_high - true_low
    centre, true_centre = axes.T @ (low + high) / 2, true_axes.T @ (true_low + true_high) / 2
    return ObjectScore(
        id=truth.id,
        name=truth.name,
        height_error=float(abs(size[1] / true_size[1] - 1)),
        width_error=float(abs(size[0] / true_size[0] - 1)),
        centre_error_m=float(np.linalg.norm(centre - true_centre)),
        foot_gap_cm=foot_gap_cm(obj, truth, placed),
        iou=iou,
        sticker_ratio=float(size[2] / size[0]),
        flat=obj.flat,
    )


def _viewer_axes(points_camera: np.ndarray, world_from_camera: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Rows: across, up, towards the viewer; unit vectors in the camera frame."""
    up = world_from_camera[:3, :3].T @ np.array([0.0, 1.0, 0.0])
    low, high = _extent(points_camera)
    across = np.cross((low + high) / 2, up)
    across = across / np.linalg.norm(across)
    return np.stack([across, up, np.cross(across, up)])


def foot_gap_cm(obj: PlacedObject, truth: TrueObject, placed: dict[int, PlacedObject]) -> float:
    """``ObjectScore.foot_gap_cm`` of one object; ``placed``: the scene's objects by id. ``inf`` where its carrier is lost."""
    points = _world_vertices(obj)
    foot = float(np.quantile(points[:, 1], FOOT_QUANTILE))
    if truth.support_id is None:
        return 100 * abs(foot)
    carrier = placed.get(truth.support_id)
    if carrier is None:
        return FAILED
    low = points[points[:, 1] <= foot + FOOT_BAND * np.ptp(points[:, 1])]
    return 100 * abs(foot - _surface_under(_world_vertices(carrier), carrier.mesh.faces, low))


def _surface_under(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> float:
    """Median height of the highest surface in the plumb line of points (n, 3); the carrier's top where none is hit."""
    top = float(vertices[:, 1].max())
    origins = points * [1, 0, 1] + [0, top + 0.01, 0]
    triangle, t = RayMesh(vertices, faces).cast(origins, np.tile([0.0, -1.0, 0.0], (len(points), 1)))
    landed = (top + 0.01 - t)[triangle >= 0]
    return float(np.median(landed)) if len(landed) else top


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(int((a | b).sum()), 1))


def _extent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points.min(axis=0), points.max(axis=0)


def _moved(a_from_b: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def _world_vertices(obj: PlacedObject) -> np.ndarray:
    return _moved(obj.world_from_object.matrix, obj.mesh.vertices)


HEADER = (
    "| scenes | objects | failed | tilt ° med/p90 | height err % med/p90 | width err % med/p90 | centre cm med/p90 "
    "| foot gap cm med/p90 | IoU med/p10 | sticker min |\n" + "|---" * 10 + "|"
)
"""Of the Markdown table that ``table_row`` belongs to."""


def table_row(name: str, scores: Sequence[SceneScore]) -> str:
    """One Markdown row over all objects of all scenes; failed objects stay in every quantile."""
    objects = [obj for score in scores for obj in score.objects]

    def spread(of: Callable[[ObjectScore], float], factor: float = 1.0) -> str:
        values = np.array([of(obj) for obj in objects]) * factor
        return f"{quantile(values, 0.5):.1f} / {quantile(values, 0.9):.1f}"

    tilts = np.array([score.floor_tilt_deg for score in scores])
    ious = np.array([obj.iou for obj in objects])
    failed = sum(obj.height_error == FAILED for obj in objects)
    stickers = [obj.sticker_ratio for obj in objects if not obj.flat]
    cells = [
        name,
        str(len(objects)),
        str(failed),
        f"{quantile(tilts, 0.5):.2f} / {quantile(tilts, 0.9):.2f}",
        spread(lambda obj: obj.height_error, 100),
        spread(lambda obj: obj.width_error, 100),
        spread(lambda obj: obj.centre_error_m, 100),
        spread(lambda obj: obj.foot_gap_cm),
        f"{quantile(ious, 0.5):.3f} / {quantile(ious, 0.1):.3f}",
        f"{min(stickers, default=float('nan')):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def quantile(values: Float[np.ndarray, " n"], q: float) -> float:
    """A member of the sample (never an average of a number and infinity)."""
    return float(np.quantile(values, q, method="higher"))
