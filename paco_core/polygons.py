"""Polygons become masks: even-odd inside, sampled at the pixels' centres."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

from paco_core.errors import BadInput

MAX_CROSSINGS = 5_000_000
"""How often the outline of one object may pass a row of pixels: 500 times up and down a photo of 10,000 rows, in 0.3 s."""
MAX_COORDINATE = 1e6
"""Px; outlines may leave the photo, but beyond this a coordinate is a mistake (and would cost precision)."""


def polygon_points(coordinates: object) -> Float64[np.ndarray, "n 2"]:
    """Points from ``[x0, y0, x1, y1, …]`` or ``[[x0, y0], [x1, y1], …]``, px. Raises ``BadInput`` unless they are ≥ 3 numbers."""
    flat = _numbers(coordinates)
    if flat.size % 2 or (flat.ndim == 2 and flat.shape[1] != 2) or flat.ndim not in (1, 2):
        raise BadInput("a polygon must list pairs of numbers, x and y.")
    points = flat.reshape(-1, 2)
    if len(points) < 3:
        raise BadInput(f"a polygon needs at least 3 points; this one has {len(points)}.")
    return points


def point_pair(coordinates: object, what: str) -> Float64[np.ndarray, "2 2"]:
    """The two points of a rectangle or circle. Raises ``BadInput``."""
    points = _numbers(coordinates)
    if points.shape != (2, 2):
        raise BadInput(f"a {what} needs 2 points, [[x, y], [x, y]].")
    return points


def _numbers(coordinates: object) -> Float64[np.ndarray, "..."]:
    try:
        values = np.asarray(coordinates)
    except (ValueError, OverflowError):  # lists of different lengths
        values = np.asarray(None)
    if values.dtype.kind not in "if":
        raise BadInput("the coordinates of a shape must be numbers, x and y in turns.")
    values = values.astype(np.float64)
    if not (np.abs(values) <= MAX_COORDINATE).all():
        raise BadInput(f"a coordinate is not finite or farther than {MAX_COORDINATE:.0e} px away. Draw the shape again.")
    return values


def fill_polygons(polygons: list[Float64[np.ndarray, "_ 2"]], hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The union of polygons (one object in several pieces), cut at the photo's border; each is even-odd inside, as in COCO.

    A point (x, y) lies in pixel (⌊x⌋, ⌊y⌋); a pixel is inside when its centre is. Raises ``BadInput`` for outlines that
    pass more than ``MAX_CROSSINGS`` rows.
    """
    mask = np.zeros(hw, bool)
    left = MAX_CROSSINGS
    for points in polygons:
        rows, columns = _crossings(points, hw, left)
        left -= len(rows)
        if len(rows):
            top, bottom = int(rows.min()), int(rows.max()) + 1
            mask[top:bottom] |= _even_odd(rows - top, columns, (bottom - top, hw[1]))
    return mask


def circle_points(centre: Float64[np.ndarray, " 2"], radius_px: float) -> Float64[np.ndarray, "n 2"]:
    """A circle as a polygon that leaves it by at most a tenth of a pixel."""
    count = max(16, int(np.ceil(np.pi / np.sqrt(0.2 / max(radius_px, 1.0)))))  # sagitta r(1 − cos(π/n)) ≈ r(π/n)²/2 = 0.1
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return centre + radius_px * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _crossings(
    points: Float64[np.ndarray, "n 2"], hw: tuple[int, int], limit: int
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Row and first column right of it for every crossing of an edge with the horizontal line through a row's centres."""
    ends = np.stack([points, np.roll(points, -1, axis=0)])
    falls = ends[0, :, 1] <= ends[1, :, 1]
    upper, lower = np.where(falls[:, None], ends, ends[::-1])  # so that an edge that two polygons share is the same for both
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, hw[0]).astype(np.int64)
    count = np.clip(np.ceil(lower[:, 1] - 0.5), 0, hw[0]).astype(np.int64) - first
    if count.sum() > limit:
        raise BadInput("its outline goes up and down too often to be an outline. Simplify it, or give the masks as PNG.")
    edge = np.repeat(np.arange(len(points)), count)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    dx, dy = (lower - upper)[edge].T
    x = upper[edge, 0] + (rows + 0.5 - upper[edge, 1]) * dx / dy
    return rows, np.clip(np.ceil(x - 0.5), 0, hw[1]).astype(np.int64)


def _even_odd(rows: Int64[np.ndarray, " m"], columns: Int64[np.ndarray, " m"], hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Pixels with an odd number of crossings at or left of them in their row."""
    places, times = np.unique(rows * (hw[1] + 1) + columns, return_counts=True)
    toggle = np.zeros((hw[0], hw[1] + 1), np.uint8)
    toggle.reshape(-1)[places[times % 2 == 1]] = 1
    return np.bitwise_xor.accumulate(toggle, axis=1)[:, :-1].astype(bool)
