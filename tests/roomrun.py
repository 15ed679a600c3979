"""A run folder by construction, for tests of editors: a table, a cup on it, a chair in front; known places and true pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from paco_core.types import (
    Background,
    Camera,
    CompleteObject,
    Deocclusion,
    DepthMap,
    OcclusionEdge,
    OcclusionGraph,
    Photo,
    Segmentation,
)
from scene3d.export import export_pictures
from scene3d.pipeline import open_run
from scene3d.render import FLAT_SHADING, render_scene
from scene3d.scene import save_scene
from scene3d.transforms import similarity
from scene3d.types import PlacedObject, Pose, Scene
from tests.scenes import make_box, make_quad, make_scene

TABLE, CUP, CHAIR = 1, 2, 3
SIZES_M = {TABLE: (1.2, 0.7, 0.8), CUP: (0.2, 0.25, 0.2), CHAIR: (0.4, 0.5, 0.4)}
PLACES_M = {TABLE: (0.0, 0.0, -3.0), CUP: (0.15, 0.7, -2.9), CHAIR: (-0.35, 0.0, -2.2)}
COLOURS = {TABLE: (150, 100, 60), CUP: (200, 40, 40), CHAIR: (40, 90, 180)}
NAMES = {TABLE: "table", CUP: "cup", CHAIR: "chair"}
LAYERS = {TABLE: 1, CUP: 0, CHAIR: 0}
CAMERA = Camera(300.0, 300.0, 160.0, 120.0, 320, 240, "user")


def room_scene() -> Scene:
    """The camera stands 1.4 m high and looks 15° down."""
    shades = np.kron([[1.0, 0.9], [0.8, 0.7]], np.ones((32, 32)))[..., None]

    def thing(i: int) -> PlacedObject:
        mesh = make_box(SIZES_M[i], texture=(shades * COLOURS[i]).astype(np.uint8))
        support = ("object", TABLE) if i == CUP else ("floor", None)
        template = make_scene().objects[0]
        return replace(
            template,
            id=i,
            name=NAMES[i],
            mesh=mesh,
            world_from_object=Pose(np.array(PLACES_M[i]), np.array([1.0, 0, 0, 0])),
            support=support[0],
            support_id=support[1],
            layer=LAYERS[i],
        )

    floor = np.array([[-3, 0, 0.5], [3, 0, 0.5], [3, 0, -6], [-3, 0, -6]])
    wall = np.array([[-3, 0, -6], [3, 0, -6], [3, 3, -6], [-3, 3, -6]])
    s, c = np.sin(np.radians(15)), np.cos(np.radians(15))
    return replace(
        make_scene(),
        name="room",
        camera=CAMERA,
        world_from_camera=similarity(np.array([[1.0, 0, 0], [0, -c, -s], [0, s, -c]]), np.array([0.0, 1.4, 0.0])),
        objects=tuple(thing(i) for i in (TABLE, CUP, CHAIR)),
        floor=make_quad(floor, (shades * (190, 180, 165)).astype(np.uint8)),
        backdrop=make_quad(wall, (shades * (120, 150, 190)).astype(np.uint8)),
        occlusion_edges=((CHAIR, TABLE), (CUP, TABLE)),
    )


def room_deocclusion(scene: Scene) -> Deocclusion:
    """What the photo of the scene would give if every completion were true."""

    def seen(things: tuple[PlacedObject, ...], surroundings: bool = True):
        around = {} if surroundings else {"floor": None, "backdrop": None}
        return render_scene(replace(scene, objects=things, **around), CAMERA, scene.world_from_camera, shading=FLAT_SHADING)

    photo = seen(scene.objects)
    ids = tuple(item.id for item in scene.objects)
    masks = np.stack([photo.ids == i for i in ids])

    def complete(item: PlacedObject) -> CompleteObject:
        alone = seen((item,), surroundings=False)
        mask = alone.ids == item.id
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        crop = np.s_[box[1] : box[3], box[0] : box[2]]
        rgba = np.dstack([alone.rgb, np.where(mask, 255, 0).astype(np.uint8)])[crop]
        visible = (photo.ids == item.id)[crop]
        return CompleteObject(item.id, item.name, rgba, visible, box, item.layer, (), "truth", "truth")

    edges = tuple(OcclusionEdge(a, b, 1.0, 9, "depth") for a, b in scene.occlusion_edges)
    return Deocclusion(
        photo=Photo(photo.rgb, "room", "0" * 64),
        segmentation=Segmentation(ids, tuple(NAMES[i] for i in ids), masks),
        camera=CAMERA,
        depth=DepthMap(photo.z.astype(np.float32), np.ones(photo.z.shape, bool), "metric", "truth"),
        occlusion=OcclusionGraph(ids, edges, (), tuple(LAYERS[i] for i in ids)),
        objects=tuple(complete(item) for item in scene.objects),
        background=Background(seen(()).rgb, masks.any(0), "truth"),
    )


def make_room_run(folder: Path) -> Path:
    """The folder, with scene, pictures and layers."""
    scene = room_scene()
    with open_run(folder):
        assert export_pictures(room_deocclusion(scene), folder) == ()
        save_scene(scene, folder)
    return folder
