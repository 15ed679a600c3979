"""Floor and walls of a procedural room."""

import numpy as np

from scene3d.synthetic.items import Item, Solid
from scene3d.synthetic.looks import PiecewiseLook
from scene3d.synthetic.patterns import FLOORS, WALLS, random_pattern

WALL_HEIGHT_M = 6.0
"""Higher than any camera of ``random_camera`` looks, so that the photo shows no sky."""

BEHIND_M = 3.0
"""Floor and side walls go on so far behind the camera."""


def make_shell(rng: np.random.Generator, items: list[Item], distance: float) -> Solid:
    """Walls just outside all objects: the back wall near, the side walls near on one side at most."""
    corners = np.concatenate([item.footprint() for item in items] + [np.array([[0.0, 0.0], [0.0, -1.3 * distance]])])
    (x0, z0), (x1, _) = corners.min(axis=0), corners.max(axis=0)
    back = z0 - rng.uniform(0.1, 1.2)
    near, far = rng.uniform(0.1, 0.7), rng.uniform(1.5, 3.0)
    left, right = (x0 - near, x1 + far) if rng.random() < 0.5 else (x0 - far, x1 + near)
    left, right = min(left, -1.5), max(right, 1.5)  # the photographer and the lights are inside as well
    y, front = WALL_HEIGHT_M, BEHIND_M
    floor = [[left, 0, front], [right, 0, front], [right, 0, back], [left, 0, back]]
    wall = [[left, 0, back], [right, 0, back], [right, y, back], [left, y, back]]
    left_wall = [[left, 0, front], [left, 0, back], [left, y, back], [left, y, front]]
    right_wall = [[right, 0, back], [right, 0, front], [right, y, front], [right, y, back]]
    quads = np.arange(16).reshape(4, 4)
    kind, dark, light = FLOORS[rng.integers(len(FLOORS))]
    period = {"planks": 0.14, "tiles": 0.4}.get(kind, 0.1)
    paint = random_pattern(rng, "plain", WALLS[rng.integers(len(WALLS))], 0.8)
    return Solid(
        vertices=np.array(floor + wall + left_wall + right_wall, float),
        faces=np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(8, 3),
        look=PiecewiseLook(np.arange(8) // 2, (random_pattern(rng, kind, (dark, light), period), paint, paint, paint)),
        smooth=False,
    )
