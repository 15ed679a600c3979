"""Where things stand in a procedural room: a camera as a person holds it, furniture, and small things on a table."""

from dataclasses import replace

import numpy as np

from paco_core.types import Camera
from scene3d.synthetic.items import Item, solid_of_pieces, upright
from scene3d.synthetic.layout import fill, looking_down
from scene3d.synthetic.patterns import object_patterns
from scene3d.synthetic.shapes import FOR_FLOOR, FOR_TABLE, Piece


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
    return camera, looking_down(elevation, roll, height), float(distance)


def furnish(
    rng: np.random.Generator, camera: Camera, world_from_camera: np.ndarray, distance: float, n_objects: int
) -> list[Item]:
    """Up to ``n_objects`` objects on the floor and, in most rooms, on one table."""
    with_table = rng.random() < 0.7

    def propose(items: list[Item]) -> Item | None:
        return _propose(rng, items, camera, distance, force="table" if with_table and not items else None)

    return fill(rng, propose, camera, world_from_camera, n_objects)


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
    solid = solid_of_pieces(pieces, tuple(object_patterns(rng, name, len(pieces))))
    return Item(item_id, name, solid, 1.0, upright(place, yaw), on)
