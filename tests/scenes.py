"""Small scenes by construction, shared by tests: textured boxes on a floor in front of a wall."""

import numpy as np

from paco_core.types import Camera
from scene3d.types import PlacedObject, Pose, Scene, TexturedMesh

CUBE_FACES = np.array(
    [
        [3, 2, 0],
        [1, 3, 0],
        [7, 5, 4],
        [6, 7, 4],
        [5, 1, 0],
        [4, 5, 0],
        [7, 6, 2],
        [3, 7, 2],
        [6, 4, 0],
        [2, 6, 0],
        [7, 3, 1],
        [5, 7, 1],
    ]
)


def make_box(size_whd=(1.0, 1.0, 1.0), *, texture: np.ndarray | None = None) -> TexturedMesh:
    """A closed box in the object frame (origin at the bottom-centre), counter-clockwise from outside."""
    w, h, d = size_whd
    corners = np.array([(x, y, z) for x in (-w / 2, w / 2) for y in (0.0, h) for z in (-d / 2, d / 2)])
    uv = (corners[:, [0, 1]] - corners[:, [0, 1]].min(0)) / np.maximum([w, h], 1e-9)
    picture = np.full((4, 4, 3), 128, np.uint8) if texture is None else texture
    return TexturedMesh(corners, CUBE_FACES.copy(), uv, picture)


def make_quad(corners: np.ndarray, texture: np.ndarray) -> TexturedMesh:
    """A rectangle from four corners given counter-clockwise, seen from its front."""
    uv = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    return TexturedMesh(corners.astype(np.float64), np.array([[0, 1, 2], [0, 2, 3]]), uv, texture)


def make_object(object_id: int, name: str, rng: np.random.Generator) -> PlacedObject:
    """A box of random size, colour, place and yaw on the floor."""
    texture = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    yaw = rng.uniform(0, 2 * np.pi)
    pose = Pose(np.array([rng.uniform(-1, 1), 0.0, rng.uniform(-4, -2)]), np.array([np.cos(yaw / 2), 0, np.sin(yaw / 2), 0]))
    return PlacedObject(
        id=object_id,
        name=name,
        mesh=make_box(tuple(rng.uniform(0.2, 0.9, 3)), texture=texture),
        world_from_object=pose,
        support="floor",
        support_id=None,
        iou_visible=0.9,
        pose_confidence=0.8,
        steps=(),
        lift_method="box",
        flat=False,
        watertight=True,
        layer=object_id - 1,
        visible_fraction=0.7,
    )


def make_scene(seed: int = 0, names: tuple[str, ...] = ("chair", "vase")) -> Scene:
    """Boxes on a 6 m floor in front of a wall; the camera stands 1.5 m high and looks level."""
    rng = np.random.default_rng(seed)
    floor = np.array([[-3, 0, 0.5], [3, 0, 0.5], [3, 0, -6], [-3, 0, -6]])
    wall = np.array([[-3, 0, -6], [3, 0, -6], [3, 3, -6], [-3, 3, -6]])
    world_from_camera = np.diag([1.0, -1.0, -1.0, 1.0])
    world_from_camera[1, 3] = 1.5
    return Scene(
        name="room",
        photo_sha256="0" * 64,
        camera=Camera(300.0, 300.0, 160.0, 120.0, 320, 240, "user"),
        world_from_camera=world_from_camera,
        objects=tuple(make_object(i + 1, name, rng) for i, name in enumerate(names)),
        floor=make_quad(floor, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)),
        backdrop=make_quad(wall, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)),
        metric=True,
        scale_source="depth",
        depth_source="file",
        gravity_source="plane",
        occlusion_edges=((1, 2),),
        notes=("a note",),
    )
