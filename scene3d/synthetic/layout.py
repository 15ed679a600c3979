"""Where things stand in a procedural room: a camera, and objects that rest, don't touch each other and can be seen."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, Int

from paco_core.types import Camera
from scene3d.rays import Hits, RayMesh
from scene3d.synthetic.patterns import Pattern, object_patterns
from scene3d.synthetic.shapes import FOR_FLOOR, FOR_TABLE, Piece
from scene3d.types import Pose

GAP_M = 0.015
"""Clear space between two footprints: masks touch, meshes never do."""

COARSE = 4
"""Layouts are judged at a quarter of the photo's size."""

MIN_VISIBLE = 0.35
"""Share of its silhouette that every object must show; with less, even people can't complete it."""

MIN_AREA = 0.002
"""Smallest visible share of the photo: 400 px at 384 x 512, the least that a segmenter returns reliably."""

MIN_INSIDE = 0.95
"""Share of an object's vertices inside the frame: most are whole, some are cut by the border a little."""

TRIES = 250
"""Proposals per room; a room usually needs 10-60."""


@dataclass(frozen=True)
class Item:
    """One object of the room. Its mesh is the concatenation of its pieces."""

    id: int
    name: str
    vertices: Float64[np.ndarray, "v 3"]
    """Object frame: y up, front +z, origin at the bottom-centre of the box, metres."""
    faces: Int[np.ndarray, "f 3"]
    piece_of_face: Int[np.ndarray, " f"]
    patterns: tuple[Pattern, ...]
    """One per piece, in the object frame."""
    world_from_object: Pose
    support_id: int | None
    """The table that carries it; None for the floor."""
    rays: RayMesh = field(repr=False)
    """Of the mesh in the object frame."""

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Width (x), height (y), depth (z) of the box in the object frame."""
        w, h, d = np.ptp(self.vertices, axis=0)
        return float(w), float(h), float(d)

    @property
    def world_vertices(self) -> Float64[np.ndarray, "v 3"]:
        """In world coordinates, metres."""
        pose = self.world_from_object.matrix
        return self.vertices @ pose[:3, :3].T + pose[:3, 3]

    def footprint(self, margin: float = 0.0) -> Float64[np.ndarray, "4 2"]:
        """Corners (x, z in the world) of the upright box around it, grown by ``margin``."""
        half = np.array([self.size_m[0], self.size_m[2]]) / 2 + margin
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        pose = self.world_from_object.matrix
        return corners @ pose[np.ix_([0, 2], [0, 2])].T + pose[[0, 2], 3]

    def seen_by(self, camera: Camera, world_from_camera: np.ndarray) -> Hits:
        """The object alone, through the room's camera."""
        camera_from_object = np.linalg.inv(world_from_camera) @ self.world_from_object.matrix
        return self.rays.render(camera.K, camera_from_object, (camera.height, camera.width))


def random_camera(rng: np.random.Generator, hw: tuple[int, int]) -> tuple[Camera, np.ndarray, float]:
    """Intrinsics, ``world_from_camera`` and the distance (m) to the middle of the scene.

    Elevation 5-40 degrees, horizontal field of view 40-70 degrees, roll within 1.5 degrees; the eye is at 0.6-2 m.
    """
    hfov, roll = np.deg2rad(rng.uniform(40, 70)), np.deg2rad(rng.uniform(-1.5, 1.5))
    f = hw[1] / 2 / np.tan(hfov / 2)
    camera = Camera(f, f, hw[1] / 2, hw[0] / 2, hw[1], hw[0], source="synthetic")
    while True:
        elevation, distance = np.deg2rad(rng.uniform(5, 40)), rng.uniform(1.7, 3.2)
        height = 0.3 + distance * np.tan(elevation)  # the axis meets the scene's middle 0.3 m above the floor
        if 0.6 <= height <= 2.0:
            break
    s, c = np.sin(elevation), np.cos(elevation)
    level = np.array([[1, 0, 0], [0, -c, -s], [0, s, -c]])  # columns: the camera's right, down and forward
    rolled = level @ np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rolled, [0, height, 0]
    return camera, world_from_camera, float(distance)


def furnish(
    rng: np.random.Generator, camera: Camera, world_from_camera: np.ndarray, distance: float, n_objects: int
) -> list[Item]:
    """Up to ``n_objects`` objects, added one by one; each must leave all others visible enough."""
    coarse = replace(
        camera, fx=camera.fx / COARSE, fy=camera.fy / COARSE, cx=camera.cx / COARSE, cy=camera.cy / COARSE,
        width=camera.width // COARSE, height=camera.height // COARSE,
    )  # fmt: skip
    items: list[Item] = []
    views: list[Hits] = []
    with_table = rng.random() < 0.7
    for _ in range(TRIES):
        if len(items) == n_objects:
            break
        item = _propose(rng, items, coarse, distance, force="table" if with_table and not items else None)
        if item is None or not (_is_clear(item, items) and _inside_share(item, coarse, world_from_camera) >= MIN_INSIDE):
            continue
        view = item.seen_by(coarse, world_from_camera)
        if _all_visible([*views, view]):
            items.append(item)
            views.append(view)
    return items


def _propose(rng: np.random.Generator, items: list[Item], camera: Camera, distance: float, force: str | None) -> Item | None:
    tables = [item for item in items if item.name == "table"]
    if tables and rng.random() < 0.4:
        return _on_table(rng, len(items) + 1, tables[rng.integers(len(tables))])
    names = [name for name in FOR_FLOOR if name != "table" or not tables]  # one table leaves room for the rest
    name = force or names[rng.integers(len(names))]
    place = _on_floor(rng, [item for item in items if item.support_id is None], camera, distance)
    return _make(rng, len(items) + 1, name, FOR_FLOOR[name](rng), place, rng.uniform(0, 2 * np.pi), None)


def _on_floor(rng: np.random.Generator, standing: list[Item], camera: Camera, distance: float) -> np.ndarray:
    """A place on the floor: anywhere in view, or (half the time) before or behind something, so that things overlap."""
    if standing and rng.random() < 0.5:
        other = standing[rng.integers(len(standing))].world_from_object.translation
        along = other / np.linalg.norm(other) * rng.uniform(0.35, 1.1) * rng.choice([-1, 1])
        place = other + along + rng.uniform(-0.25, 0.25, 3)
        return place * [1, 0, 1]
    away = distance * rng.uniform(0.62, 1.45)
    half_width = away * camera.width / 2 / camera.fx
    return np.array([rng.uniform(-0.85, 0.85) * half_width, 0.0, -away])


def _on_table(rng: np.random.Generator, item_id: int, table: Item) -> Item | None:
    """Something that stands wholly on the table's top, or None where it is too large for it."""
    names = list(FOR_TABLE)
    name = names[rng.integers(len(names))]
    pieces = FOR_TABLE[name](rng)
    item = _make(rng, item_id, name, pieces, np.zeros(3), rng.uniform(0, 2 * np.pi), table.id)
    reach = np.abs(item.footprint()).max(axis=0).max() * np.sqrt(2)  # whatever the table's yaw
    free = np.array(table.size_m)[[0, 2]] / 2 - reach
    if free.min() <= 0:
        return None
    x, z = rng.uniform(-free, free)
    pose = table.world_from_object.matrix
    place = pose[:3, :3] @ np.array([x, table.size_m[1], z]) + pose[:3, 3]
    return replace(item, world_from_object=replace(item.world_from_object, translation=place))


def _make(
    rng: np.random.Generator, item_id: int, name: str, pieces: list[Piece], place: np.ndarray, yaw: float, on: int | None
) -> Item:
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = vertices - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, starts[:-1], strict=True)])
    piece_of_face = np.repeat(np.arange(len(pieces)), [len(piece.faces) for piece in pieces])
    patterns = tuple(object_patterns(rng, name, len(pieces)))
    pose = Pose(place, np.array([np.cos(yaw / 2), 0, np.sin(yaw / 2), 0]))
    return Item(item_id, name, vertices, faces, piece_of_face, patterns, pose, on, RayMesh(vertices, faces))


def _is_clear(item: Item, items: list[Item]) -> bool:
    """No footprint of an object on the same support comes nearer than the gap."""
    siblings = [other for other in items if other.support_id == item.support_id]
    return not any(_overlap(item.footprint(GAP_M), other.footprint()) for other in siblings)


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two rectangles (4, 2) overlap: no side of either separates them (separating-axis theorem)."""
    for axis in (a[1] - a[0], a[2] - a[1], b[1] - b[0], b[2] - b[1]):
        along_a, along_b = a @ axis, b @ axis
        if along_a.max() <= along_b.min() or along_b.max() <= along_a.min():
            return False
    return True


def _inside_share(item: Item, camera: Camera, world_from_camera: np.ndarray) -> float:
    """Share of the object's vertices that the frame shows; 0 when it comes nearer than 0.4 m to the camera's plane."""
    points = (item.world_vertices - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    if points[:, 2].min() < 0.4:
        return 0.0
    uv = (points @ camera.K.T)[:, :2] / points[:, 2:]
    return float(np.mean(((uv >= 0) & (uv <= [camera.width, camera.height])).all(axis=1)))


def _all_visible(views: list[Hits]) -> bool:
    """Every object shows enough of itself with all of them in place."""
    depth = np.stack([view.z for view in views])
    nearest = depth.argmin(axis=0)
    for index, view in enumerate(views):
        visible = int((view.mask & (nearest == index)).sum())
        if visible < max(MIN_VISIBLE * view.mask.sum(), MIN_AREA * view.mask.size):
            return False
    return True
