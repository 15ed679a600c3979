"""What a reconstruction of a known scene is told: masks alone, the camera, the depth, or the true shapes too."""

from dataclasses import dataclass, replace

import numpy as np

from paco_core.pipeline import deocclude
from paco_core.store import RunFolder, StageResult, fingerprint
from scene3d.evaluation.lift_truth import in_lift_frame
from scene3d.pipeline import Config, Inputs, Lifted, lift_objects, place_objects
from scene3d.synthetic.truth import TrueScene
from scene3d.transforms import apply
from scene3d.types import LiftedMesh, Scene, TexturedMesh


@dataclass(frozen=True)
class InputLevel:
    """Visible masks are always given."""

    name: str
    camera: bool = False
    """True intrinsics."""
    depth: bool = False
    """True metric depth."""
    true_shapes: bool = False
    """Oracle lift: the placer gets the true meshes, so that its errors are its own."""


LEVELS = (
    InputLevel("masks"),
    InputLevel("masks, K", camera=True),
    InputLevel("masks, K, true shapes", camera=True, true_shapes=True),
    InputLevel("masks, K, depth", camera=True, depth=True),
    InputLevel("masks, K, depth, true shapes", camera=True, depth=True, true_shapes=True),
)
"""In the order in which a run folder can use most of what the level before left there."""


def reconstruct_room(room: TrueScene, level: InputLevel, run: RunFolder, config: Config) -> Scene:
    """The objects that the main job makes of a room's photo and what the level tells; without floor and backdrop."""
    inputs = Inputs(room.photo, room.segmentation, room.camera if level.camera else None, room.depth if level.depth else None)
    flat = deocclude(inputs, run, config.deocclusion, seed=config.seed, device=config.device)
    if level.true_shapes:
        plain = lift_objects(flat, run, replace(config, lifter=config.fallback_lifter))
        lifted = with_true_shapes(plain, room, metric=level.depth)
    else:
        lifted = lift_objects(flat, run, config)
    return place_objects(flat, lifted, run, config, surroundings=False).scene.value


def with_true_shapes(lifted: Lifted, room: TrueScene, *, metric: bool) -> Lifted:
    """The same objects as a perfect lifter would return them; their size in metres only where depth was told."""
    camera_from_world = np.linalg.inv(room.world_from_camera)
    truths = {truth.id: truth for truth in room.objects}
    meshes = []
    for item in lifted.items:
        truth = truths[item.id]
        plain = np.full((len(truth.vertices), 2), 0.5), np.full((2, 2, 3), 128, np.uint8)
        in_camera = TexturedMesh(apply(camera_from_world, truth.vertices), truth.faces, *plain)
        mesh, crop_from_lift, metres = in_lift_frame(in_camera, item)
        value = LiftedMesh(mesh, crop_from_lift, metres if metric else None, "truth", watertight=True)
        meshes.append(StageResult(value, fingerprint(value), 0.0, cached=False))
    return replace(lifted, meshes=tuple(meshes))
