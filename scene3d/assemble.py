"""Stage: placed objects, floor and backdrop become one scene in the world."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from paco_core.errors import ObjectFailed
from paco_core.types import Deocclusion
from scene3d.environment import build_environment
from scene3d.glb import mesh_arrays
from scene3d.transforms import apply, world_from_camera
from scene3d.types import Ground, PlacedObject, Scene


@dataclass(frozen=True)
class Placement:
    """Objects where they belong."""

    objects: tuple[PlacedObject, ...]
    metres_per_unit: float
    """Of the depth map."""
    scale_source: str
    lost: tuple[str, ...]
    """A sentence per object that could not be placed in any way."""


def check_exportable(obj: PlacedObject) -> None:
    """Raises ``PacoError`` when no file could hold the object."""
    mesh_arrays(obj.mesh)
    pose = obj.world_from_object
    numbers = [obj.iou_visible, obj.pose_confidence, obj.visible_fraction, *pose.translation, *pose.wxyz]
    if not (np.isfinite(numbers).all() and np.isfinite(obj.mesh.vertices).all() and np.isfinite(obj.mesh.uv).all()):
        raise ObjectFailed("it has numbers that are not finite")


def assemble(deocclusion: Deocclusion, ground: Ground, placement: Placement, *, surroundings: bool = True) -> Scene:
    """Placed objects, floor and backdrop in one world."""
    objects, metres = placement.objects, placement.metres_per_unit
    pose = world_from_camera(ground, metres)
    floor = backdrop = None
    if surroundings:
        floor, backdrop = build_environment(
            _with_placed_depth(deocclusion, placement, pose), ground, pose, metres, _box_of(objects)
        )
    cut = tuple(f"order cycle: dropped {e.front} > {e.behind}" for e in deocclusion.occlusion.dropped)
    return Scene(
        name=deocclusion.photo.name,
        photo_sha256=deocclusion.photo.sha256,
        camera=deocclusion.camera,
        world_from_camera=pose,
        objects=objects,
        floor=floor,
        backdrop=backdrop,
        metric=deocclusion.depth.kind == "metric",
        scale_source=placement.scale_source,
        depth_source=deocclusion.depth.source,
        gravity_source=ground.source,
        occlusion_edges=tuple((e.front, e.behind) for e in deocclusion.occlusion.edges),
        notes=(*cut, *placement.lost),
    )


def _with_placed_depth(
    deocclusion: Deocclusion, placement: Placement, world_from_camera: Float[np.ndarray, "4 4"]
) -> Deocclusion:
    """Without measured depth, objects are as deep as they were placed: what surrounds them stays behind them."""
    depth = deocclusion.depth
    if depth.kind == "metric":
        return deocclusion
    z = depth.z.copy()
    camera_from_world = np.linalg.inv(world_from_camera)
    for obj in placement.objects:
        points = apply(camera_from_world @ obj.world_from_object.matrix, obj.mesh.vertices)
        farthest = float(points[:, 2].max()) / placement.metres_per_unit
        if np.isfinite(farthest) and farthest > 0:
            z[deocclusion.segmentation.mask(obj.id)] = farthest
    return replace(deocclusion, depth=replace(depth, z=z))


def _box_of(objects: tuple[PlacedObject, ...]) -> Float[np.ndarray, "2 3"]:
    """Corners (2, 3) of the world box around all objects, metres; of a metre before the camera when there are none."""
    if not objects:
        return np.array([[-0.5, 0.0, -2.5], [0.5, 1.0, -1.5]])
    points = np.concatenate([apply(o.world_from_object.matrix, o.mesh.vertices) for o in objects])
    return np.stack([points.min(axis=0), points.max(axis=0)])
