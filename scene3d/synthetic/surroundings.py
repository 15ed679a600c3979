"""What objects stand on and before: a room, a table with something behind it, open ground under a sky."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scene3d.synthetic.items import Item, Solid
from scene3d.synthetic.looks import Tiling
from scene3d.synthetic.patterns import FLOOR_PERIODS_M, WOODS, Pattern, random_pattern
from scene3d.synthetic.patterns import FLOORS as PATTERN_FLOORS
from scene3d.synthetic.patterns import WALLS as PATTERN_WALLS
from scene3d.synthetic.shell import Cover, Quads
from scene3d.synthetic.stock import FLOORS, GROUNDS, TABLES, WALLS, Stock, load_texture

Kind = Literal["room", "table", "open"]

BEHIND_M = 4.0
"""Floors and side walls go on so far behind the camera."""
TABLE_HEIGHT_M = 0.74
"""Usual for tables that people sit at: so far below it lies the floor."""
TILE_M = 2.0
"""Side of a wall's or floor's texture where it is not repeated: a picture of that much surface looks natural."""
GROUND_M = 60.0
"""Open ground reaches so far: its end is lost in the horizon."""
TINT = 0.12
"""Walls of one texture differ so much in brightness and hue."""


@dataclass(frozen=True)
class Slab:
    """A table's top, at y = 0, turned about the vertical."""

    centre: tuple[float, float]
    """x and z."""
    half: tuple[float, float]
    yaw: float

    def holds(self, footprint: np.ndarray) -> bool:
        """Whether all corners (n, 2: x, z) lie on it, 2 cm from its edge."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        local = (footprint - self.centre) @ np.array([[c, s], [-s, c]])
        return bool((np.abs(local) <= np.array(self.half) - 0.02).all())


def random_slab(rng: np.random.Generator, distance: float) -> Slab:
    """A table top under the scene's middle, larger than what a near camera sees of it or not."""
    half = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.3, 0.6))
    return Slab((float(rng.uniform(-0.15, 0.15)), -distance * float(rng.uniform(0.9, 1.15))), half, float(rng.uniform(-0.4, 0.4)))


def make_surroundings(
    rng: np.random.Generator, kind: Kind, stock: Stock, items: list[Item], slab: Slab | None, distance: float, eye_xz: np.ndarray
) -> Solid:
    """Quads in world coordinates that face the camera. A table or open ground may leave the view to the sky."""
    quads = Quads()
    if kind == "open":
        quads.floor(-GROUND_M, GROUND_M, -GROUND_M, GROUND_M, 0.0, _cover(rng, stock, GROUNDS, "xz"))
    elif slab is None:
        _room(quads, rng, stock, np.concatenate([i.footprint() for i in items] or [np.zeros((1, 2))]), 0.0, distance)
    else:
        _slab(quads, slab, _cover(rng, stock, TABLES, "xz", slab.yaw))
        if rng.random() < 0.6 or not stock.textures:
            c, s = np.cos(slab.yaw), np.sin(slab.yaw)
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * slab.half @ np.array([[c, -s], [s, c]]) + slab.centre
            _room(quads, rng, stock, np.vstack([corners, eye_xz]), -TABLE_HEIGHT_M, distance)
    return quads.solid()


def _room(quads: Quads, rng: np.random.Generator, stock: Stock, held: np.ndarray, y: float, distance: float) -> None:
    """Floor and three walls around points (n, 2) that must be inside: the back wall near, one side wall near at most."""
    (x0, z0), (x1, _) = held.min(axis=0), held.max(axis=0)
    back = min(z0, -1.1 * distance) - rng.uniform(0.1, 1.5)
    near, far = rng.uniform(0.2, 0.9), rng.uniform(1.5, 3.0)
    left, right = (x0 - near, x1 + far) if rng.random() < 0.5 else (x0 - far, x1 + near)
    left, right = min(left, -1.2), max(right, 1.2)
    quads.floor(left, right, back, BEHIND_M, y, _cover(rng, stock, FLOORS, "xz"))
    paint = _cover(rng, stock, WALLS, "xy")
    quads.walls(left, right, back, BEHIND_M, y, paint, _turned(paint, np.array([0.0, 0.0, 1.0])))


def _slab(quads: Quads, slab: Slab, piece: Cover, thick: float = 0.035) -> None:
    """Its top and its four sides; nobody looks at it from below."""
    c, s = np.cos(slab.yaw), np.sin(slab.yaw)
    flat = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]]) * slab.half @ np.array([[c, -s], [s, c]]) + slab.centre
    top = [[x, 0.0, z] for x, z in flat]
    quads.quad(top, piece)
    for a, b in zip(top, top[1:] + top[:1], strict=True):
        piece = _turned(piece, np.subtract(b, a))
        quads.quad([[a[0], -thick, a[2]], [b[0], -thick, b[2]], b, a], piece)


def _cover(rng: np.random.Generator, stock: Stock, categories: tuple[str, ...], plane: str, yaw: float = 0.0) -> Cover:
    """A texture of one of the categories, else a pattern."""
    choice = stock.covering(categories)
    if not choice:
        return _pattern(rng, categories)
    category = sorted({entry.category for entry in choice})
    drawn = category[rng.integers(len(category))]
    entries = [entry for entry in choice if entry.category == drawn]
    entry = entries[rng.integers(len(entries))]
    gain = rng.uniform(1 - TINT, 1 + TINT) * (1 + rng.uniform(-TINT / 3, TINT / 3, 3))
    columns = np.array([np.cos(yaw), 0.0, -np.sin(yaw)]) if plane == "xz" else np.array([1.0, 0.0, 0.0])
    rows = np.array([np.sin(yaw), 0.0, np.cos(yaw)]) if plane == "xz" else np.array([0.0, -1.0, 0.0])
    size = TILE_M / entry.tiles * rng.uniform(0.7, 1.4) * (0.5 if categories is TABLES else 1.0)
    red, green, blue = gain
    return Tiling(load_texture(entry.path), np.stack([columns, rows]), float(size), (float(red), float(green), float(blue)))


def _turned(piece: Cover, along: np.ndarray) -> Cover:
    """The cover on an upright surface: its columns go ``along``, its rows down."""
    if isinstance(piece, Pattern):
        return piece
    return replace(piece, axes=np.stack([along / np.linalg.norm(along), np.array([0.0, -1.0, 0.0])]))


def _pattern(rng: np.random.Generator, categories: tuple[str, ...]) -> Pattern:
    if categories is WALLS:
        return random_pattern(rng, "plain", PATTERN_WALLS[rng.integers(len(PATTERN_WALLS))], 0.8)
    if categories is TABLES:
        return random_pattern(rng, "wood", WOODS[rng.integers(len(WOODS))], float(rng.uniform(0.05, 0.15)))
    kind, dark, light = PATTERN_FLOORS[rng.integers(len(PATTERN_FLOORS))]
    return random_pattern(rng, kind, (dark, light), FLOOR_PERIODS_M[kind])
