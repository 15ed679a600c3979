"""Where things stand in a rendered scene: on a floor or a table top, and on each other wherever a surface is flat enough."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from paco_core.types import Camera
from scene3d.synthetic.items import Item, Solid, solid_of_pieces, upright
from scene3d.synthetic.patterns import object_patterns
from scene3d.synthetic.shapes import FOR_FLOOR, FOR_TABLE
from scene3d.synthetic.stock import Stock, longest_side_m
from scene3d.synthetic.surroundings import Kind, Slab

ON_TOP = 0.35
"""Share of proposals that are meant for something that stands already."""
NEAR = 0.75
"""Share of things on the ground that are put before, behind or beside another: the rest stands anywhere."""
FLAT_M = 0.004
"""A surface that varies by less under a whole footprint carries things."""
PROBES = 7
"""Rays along each side of a footprint: they miss what is thinner than a sixth of it."""
LANDINGS = 8
"""Places that are tried for one thing on others."""
NARROWER = 0.8
"""What stands on something else is at most so wide, measured by the longest sides: more would look precarious."""


@dataclass(frozen=True)
class Place:
    """Where a scene is arranged."""

    kind: Kind
    camera: Camera
    distance: float
    """Metres from the camera's foot to the scene's middle."""
    slab: Slab | None
    """The table's top, for scenes on a table."""


def proposer(rng: np.random.Generator, stock: Stock, place: Place) -> Callable[[list[Item]], Item | None]:
    """Draws the next candidate: new things, standing somewhere."""
    on_floor, on_table = stock.standing(False), stock.standing(True)

    def propose(items: list[Item]) -> Item | None:
        small = place.kind == "table" or (bool(items) and rng.random() < ON_TOP)
        made = _draw(rng, stock, on_table if small else on_floor, small)
        if made is None:
            return None
        solid, scale, name, source = made
        pose = upright(np.zeros(3), rng.uniform(0, 2 * np.pi))
        item = Item(len(items) + 1, name, solid, scale, pose, None, source)
        if items and small and (place.kind != "table" or rng.random() < ON_TOP):
            return _on_top(rng, item, items)
        item = replace(item, world_from_object=replace(pose, translation=_on_ground(rng, items, place)))
        return item if place.slab is None or place.slab.holds(item.footprint()) else None

    return propose


def _draw(rng: np.random.Generator, stock: Stock, models: dict, small: bool) -> tuple[Solid, float, str, str] | None:
    """A model of a category drawn evenly, or a procedural shape: solid, metres per unit, name, source."""
    if not models:
        shapes = FOR_TABLE if small else FOR_FLOOR
        name = list(shapes)[rng.integers(len(shapes))]
        pieces = shapes[name](rng)
        return solid_of_pieces(pieces, tuple(object_patterns(rng, name, len(pieces)))), 1.0, name, "procedural"
    categories = sorted(models)
    of_category = models[categories[rng.integers(len(categories))]]
    entry = of_category[rng.integers(len(of_category))]
    longest = longest_side_m(entry, small, rng)
    solid = stock.solid(entry)
    if solid is None:
        return None
    source = entry.path.relative_to(stock.root).as_posix() if stock.root is not None else entry.path.name
    return solid, longest / max(solid.size), entry.name.replace("_", " "), source


def _on_ground(rng: np.random.Generator, items: list[Item], place: Place) -> np.ndarray:
    """Before, behind or beside something, so that things overlap, or anywhere in view."""
    standing = [item for item in items if item.support_id is None]
    if standing and rng.random() < NEAR:
        other = standing[rng.integers(len(standing))]
        foot = other.world_from_object.translation
        step = max(other.size_m) * rng.uniform(0.5, 1.3)
        angle = rng.normal(0, 0.4) + (np.pi if rng.random() < 0.5 else 0.0)  # mostly along the line of sight
        along = foot * [1, 0, 1] / max(float(np.linalg.norm(foot[[0, 2]])), 1e-6)
        across = np.array([-along[2], 0.0, along[0]])
        return foot + step * (np.cos(angle) * along + np.sin(angle) * across)
    away = place.distance * rng.uniform(0.7, 1.4)
    half_width = away * place.camera.width / 2 / place.camera.fx
    return np.array([rng.uniform(-0.8, 0.8) * half_width, 0.0, -away])


def _on_top(rng: np.random.Generator, item: Item, items: list[Item]) -> Item | None:
    """The item on one of those that stand, where that is flat under all of its footprint; None where no such place is found."""
    for _ in range(LANDINGS):
        carrier = items[rng.integers(len(items))]
        width, _, depth = carrier.size_m
        spot = carrier.world_from_object.matrix @ [*(rng.uniform(-0.5, 0.5, 3) * [width, 0, depth]), 1.0]
        if max(item.size_m[0], item.size_m[2]) > NARROWER * max(width, depth):
            continue
        landed = replace(item, world_from_object=replace(item.world_from_object, translation=spot[:3]), support_id=carrier.id)
        height = _flat_height(carrier, landed.footprint())
        if height is not None:
            spot[1] = height
            return replace(landed, world_from_object=replace(item.world_from_object, translation=spot[:3]))
    return None


def _flat_height(carrier: Item, footprint: np.ndarray) -> float | None:
    """World height of the carrier's topmost surface under a footprint (4, 2), where it is one flat surface."""
    a, b = np.meshgrid(np.linspace(0, 1, PROBES), np.linspace(0, 1, PROBES))
    xz = footprint[0] + a.reshape(-1, 1) * (footprint[1] - footprint[0]) + b.reshape(-1, 1) * (footprint[3] - footprint[0])
    above = carrier.world_vertices[:, 1].max() + 0.1
    origins = np.stack([xz[:, 0], np.full(len(xz), above), xz[:, 1]], axis=-1)
    solid_from_world = np.linalg.inv(carrier.world_from_solid)
    local = origins @ solid_from_world[:3, :3].T + solid_from_world[:3, 3]
    down = np.tile(solid_from_world[:3, :3] @ [0.0, -1.0, 0.0], (len(xz), 1))
    t = carrier.solid.rays.cast(local, down)[1]
    if not np.isfinite(t).all() or np.ptp(t) > FLAT_M:
        return None
    return float(above - t.min())
