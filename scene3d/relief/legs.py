"""Legs that vanish upwards behind something: they go on, upright, until they meet what hides them."""

import numpy as np
from jaxtyping import Bool

from scene3d.relief.fields import Outline
from scene3d.relief.inflate import Relief
from scene3d.relief.morphology import fill_outwards, signed_distance
from scene3d.relief.view import View
from scene3d.relief.volume import Solid

RISE = 0.3
"""Furthest that a leg is continued, silhouette sides: the hidden part of a leg is shorter than the leg."""
OVERLAP_CELLS = 6
"""The continuation begins this far down the seen part, so that the two are one."""
MAX_THICK = 0.06
"""A leg is not thicker than this from front to back, work units."""
WIDEN_CELLS = 0.7
"""A leg that the photo shows only a sliver of still gets two cells of width."""
MARGIN = 0.01
"""A leg ends this far (work units) before it would come out of the visible surface."""


def risen_legs(outline: Outline, view: View, relief: Relief, ends: Bool[np.ndarray, "h w"]) -> Solid | None:
    """A solid that continues what lies below ``ends`` (cells whose lower neighbour is a leg's top).

    In the picture an upright leg rises by tan(elevation) toward the camera per unit; it stops where the visible surface is no
    longer before it. None when there is nothing to continue.
    """
    front, back = relief.front.values, relief.back.values
    rows, columns = np.nonzero(ends)
    top, bottom, where = np.zeros_like(front), np.zeros_like(front), np.zeros(front.shape, dtype=bool)
    slope = np.tan(np.radians(np.clip(view.elevation_deg, -60.0, 60.0))) * outline.cell
    foot, thick = front[rows + 1, columns], np.minimum(front - back, MAX_THICK)[rows + 1, columns]
    rising = np.ones(len(rows), dtype=bool)
    for k in range(-OVERLAP_CELLS, int(RISE / outline.cell)):
        row, height = rows - k, foot + slope * (k + 1)
        within = (row >= 0) & (row < front.shape[0])
        row = np.clip(row, 0, front.shape[0] - 1)
        if k >= 0:
            rising &= within & outline.inside[row, columns] & (front[row, columns] > height + MARGIN)
        at = row[rising & within], columns[rising & within]
        top[at], bottom[at], where[at] = height[rising & within], (height - thick)[rising & within], True
    where &= outline.inside
    if not where.any():
        return None
    region = outline.grid.with_values((signed_distance(where) + WIDEN_CELLS) * outline.cell)
    upper = outline.grid.with_values(fill_outwards(top, where))
    lower = outline.grid.with_values(fill_outwards(bottom, where))

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        return np.minimum(region.at(uv), np.minimum(upper.at(uv) - z, z - lower.at(uv)))

    return solid
