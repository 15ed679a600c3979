"""A synthetic scene as meshes with textures, for GLB: models keep theirs, solid patterns and tilings are baked."""

import math

import numpy as np

from scene3d.synthetic.items import Item, Solid
from scene3d.synthetic.looks import Seen, TexturedLook
from scene3d.synthetic.truth import TrueScene
from scene3d.types import PlacedObject, Scene, TexturedMesh

OBJECT_PX = 512
"""Texture of a procedural object: like those of models."""
SURROUNDINGS_PX = 512
"""Texture of floor, walls and table together: coarse, but four times as many texels would take longer than the scene."""


def textured(solid: Solid, scale: float = 1.0, size_px: int = OBJECT_PX) -> TexturedMesh:
    """A solid as a mesh with a texture, ``scale`` times as large."""
    if isinstance(solid.look, TexturedLook):
        mesh, gain = solid.look.mesh, solid.look.gain
        texture = np.minimum(mesh.texture * gain, 255).astype(np.uint8) if gain != 1 else mesh.texture
        return TexturedMesh(mesh.vertices * scale, mesh.faces, mesh.uv, texture)
    return _baked(solid, scale, size_px)


def _baked(solid: Solid, scale: float, size_px: int) -> TexturedMesh:
    """Every triangle gets a square cell of the texture; the half beyond it continues the look, so that nothing bleeds in."""
    count = len(solid.faces)
    cells = math.ceil(math.sqrt(count))
    side = max(size_px // cells, 4)
    texture_px = 2 ** math.ceil(math.log2(cells * side))
    cells = texture_px // side
    at = np.arange(side) / (side - 1)
    b, c = (grid.ravel() for grid in np.meshgrid(at, at))
    bary = np.tile(np.stack([1 - b - c, b, c], axis=-1), (count, 1))
    triangle = np.repeat(np.arange(count), side * side)
    corners = solid.vertices[solid.faces]
    points = np.einsum("nk,nkj->nj", bary, corners[triangle])
    edges = np.linalg.norm(corners[:, 1:] - corners[:, :1], axis=-1).max(axis=1)
    colour = solid.look.colour(Seen(triangle, bary, points, (edges / side)[triangle]))
    texture = np.full((texture_px, texture_px, 3), 128, np.uint8)
    blocks = np.clip(np.rint(colour), 0, 255).astype(np.uint8).reshape(count, side, side, 3)
    row, col = np.divmod(np.arange(count), cells)
    rows, cols = row[:, None] * side + np.arange(side), col[:, None] * side + np.arange(side)
    texture[rows[:, :, None], cols[:, None, :]] = blocks
    corner = np.stack([col, row], axis=-1)[:, None] * side + 0.5 + (side - 1) * np.array([[0, 0], [1, 0], [0, 1]])
    return TexturedMesh(
        vertices=corners.reshape(-1, 3) * scale,
        faces=np.arange(3 * count).reshape(-1, 3),
        uv=corner.reshape(-1, 2) / texture_px,
        texture=texture,
    )


def scene_of(truth: TrueScene) -> Scene:
    """The truth as a scene that can be exported and rendered. Needs what it was rendered from: see ``TrueScene.shot``."""
    if truth.shot is None:
        raise ValueError("a scene that was read from a file has its GLB there")
    visible = dict(zip(truth.segmentation.ids, truth.visible_fractions, strict=True))
    layers = dict(zip(truth.segmentation.ids, truth.layers, strict=True))
    return Scene(
        name=truth.photo.name,
        photo_sha256=truth.photo.sha256,
        camera=truth.camera,
        world_from_camera=truth.world_from_camera,
        objects=tuple(_placed(item, layers[item.id], visible[item.id]) for item in truth.shot.items),
        floor=None,
        backdrop=textured(truth.shot.layers[0].solid, size_px=SURROUNDINGS_PX),
        metric=True,
        scale_source="truth",
        depth_source="truth",
        gravity_source="truth",
        occlusion_edges=truth.hides,
    )


def _placed(item: Item, layer: int, visible: float) -> PlacedObject:
    return PlacedObject(
        id=item.id,
        name=item.name,
        mesh=textured(item.solid, item.scale),
        world_from_object=item.world_from_object,
        support="floor" if item.support_id is None else "object",
        support_id=item.support_id,
        iou_visible=1.0,
        pose_confidence=1.0,
        steps=(),
        lift_method="truth",
        flat=False,
        watertight=False,
        layer=layer,
        visible_fraction=visible,
    )
