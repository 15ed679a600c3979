"""The scene that a perfect reconstruction would return: the truth itself, with a plain texture.

It proves metrics and renderers (its errors must be nil), and stands in for the 2D half and the lift where only what
comes after them is looked at.
"""

import numpy as np

from scene3d.synthetic.truth import TrueObject, TrueScene
from scene3d.types import PlacedObject, Scene, TexturedMesh


def true_scene(room: TrueScene) -> Scene:
    """A room as a scene; every object in its mean visible colour, on a grey floor."""
    x, z = 6.0, 8.0  # metres of floor to either side and ahead: more than any photo of a room shows near objects
    floor = TexturedMesh(
        vertices=np.array([[-x, 0, 1], [x, 0, 1], [x, 0, -z], [-x, 0, -z]], float),
        faces=np.array([[0, 1, 2], [0, 2, 3]]),
        uv=np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float),
        texture=np.full((2, 2, 3), 190, np.uint8),
    )
    return Scene(
        name=room.photo.name,
        photo_sha256=room.photo.sha256,
        camera=room.camera,
        world_from_camera=room.world_from_camera,
        objects=tuple(_placed(room, truth) for truth in room.objects),
        floor=floor,
        backdrop=None,
        metric=True,
        scale_source="truth",
        depth_source="truth",
        gravity_source="truth",
        occlusion_edges=room.order,
    )


def _placed(room: TrueScene, truth: TrueObject) -> PlacedObject:
    mask = room.segmentation.mask(truth.id)
    colour = room.photo.rgb[mask].mean(axis=0).astype(np.uint8)
    object_from_world = np.linalg.inv(truth.world_from_object.matrix)
    vertices = truth.vertices @ object_from_world[:3, :3].T + object_from_world[:3, 3]
    return PlacedObject(
        id=truth.id,
        name=truth.name,
        mesh=TexturedMesh(vertices, truth.faces, np.full((len(vertices), 2), 0.5), np.tile(colour, (2, 2, 1))),
        world_from_object=truth.world_from_object,
        support=truth.support,
        support_id=truth.support_id,
        iou_visible=1.0,
        pose_confidence=1.0,
        steps=(),
        lift_method="truth",
        flat=False,
        watertight=True,
        layer=0,
        visible_fraction=room.visible_fractions[room.segmentation.ids.index(truth.id)],
    )
