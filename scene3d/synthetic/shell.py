"""Flat surroundings made of quads, and floor and walls of a procedural room."""

from collections.abc import Sequence

import numpy as np

from scene3d.synthetic.items import Item, Solid
from scene3d.synthetic.looks import PiecewiseLook, Tiling
from scene3d.synthetic.patterns import FLOOR_PERIODS_M, FLOORS, WALLS, Pattern, random_pattern

Cover = Tiling | Pattern

WALL_HEIGHT_M = 6.0
"""Higher than any camera here looks, so that no ceiling is needed."""

BEHIND_M = 3.0
"""Floor and side walls go on so far behind the camera."""


class Quads:
    """Collects quads, each with what covers it."""

    def __init__(self) -> None:
        self._corners: list[np.ndarray] = []
        self._covers: list[Cover] = []

    def quad(self, corners: Sequence[Sequence[float]], cover: Cover) -> None:
        """Four corners, counter-clockwise as seen from where it faces."""
        self._corners.append(np.array(corners, float))
        self._covers.append(cover)

    def floor(self, left: float, right: float, back: float, front: float, y: float, cover: Cover) -> None:
        """Level, facing up."""
        self.quad([[left, y, front], [right, y, front], [right, y, back], [left, y, back]], cover)

    def walls(self, left: float, right: float, back: float, front: float, y: float, wall: Cover, side: Cover) -> None:
        """Back wall, left and right wall on a floor at ``y``, facing inwards."""
        top = y + WALL_HEIGHT_M
        self.quad([[left, y, back], [right, y, back], [right, top, back], [left, top, back]], wall)
        self.quad([[left, y, front], [left, y, back], [left, top, back], [left, top, front]], side)
        self.quad([[right, y, back], [right, y, front], [right, top, front], [right, top, back]], side)

    def solid(self) -> Solid:
        """All of them, with flat normals."""
        quads = np.arange(4 * len(self._corners)).reshape(-1, 4)
        faces = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
        look = PiecewiseLook(np.arange(len(faces)) // 2, self._covers)
        return Solid(np.concatenate(self._corners), faces, look, smooth=False)


def make_shell(rng: np.random.Generator, items: list[Item], distance: float) -> Solid:
    """Walls just outside all objects: the back wall near, the side walls near on one side at most."""
    corners = np.concatenate([item.footprint() for item in items] + [np.array([[0.0, 0.0], [0.0, -1.3 * distance]])])
    (x0, z0), (x1, _) = corners.min(axis=0), corners.max(axis=0)
    back = z0 - rng.uniform(0.1, 1.2)
    near, far = rng.uniform(0.1, 0.7), rng.uniform(1.5, 3.0)
    left, right = (x0 - near, x1 + far) if rng.random() < 0.5 else (x0 - far, x1 + near)
    left, right = min(left, -1.5), max(right, 1.5)  # the photographer and the lights are inside as well
    kind, dark, light = FLOORS[rng.integers(len(FLOORS))]
    paint = random_pattern(rng, "plain", WALLS[rng.integers(len(WALLS))], 0.8)
    quads = Quads()
    quads.floor(left, right, back, BEHIND_M, 0.0, random_pattern(rng, kind, (dark, light), FLOOR_PERIODS_M[kind]))
    quads.walls(left, right, back, BEHIND_M, 0.0, paint, paint)
    return quads.solid()
