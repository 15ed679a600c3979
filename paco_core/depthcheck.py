"""Does a depth map that the user brings make sense for the photo? Doubts are said; they stop nothing."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from paco_core.contacts import touch_radius_px
from paco_core.masks import distance_to
from paco_core.types import DepthMap, Segmentation

CHECK_SIDE_PX = 512
"""Maps are looked at with about this many pixels along their longer side; more tells nothing more."""

INVERTED_CORRELATION = 0.5
"""Rank correlation of row and depth. Of 112 photos and rooms with true depth none is above 0 (nearer towards the bottom),
and 105 are below -0.5: turned around, those are found (docs/method.md)."""

MIN_ROWS = 12
"""Rows that must show some background, and the share of each row that must."""
MIN_ROW_SHARE = 0.05

CLEAR_STEP = 0.1
"""Of the depth: a plate in front of what stands on it, and noise, stay below it."""

MIN_BAND_PX = 20
"""Pixels on either side of a common boundary whose median is believed."""


def looks_inverted(depth: DepthMap, segmentation: Segmentation) -> bool:
    """Whether near seems to be far: the background of nearly all photos comes nearer from the top to the bottom."""
    step = _step(depth)
    seen = (depth.valid & ~segmentation.masks.any(axis=0))[::step, ::step]
    rows = np.flatnonzero(seen.mean(axis=1) >= MIN_ROW_SHARE)
    if len(rows) < MIN_ROWS:
        return False
    medians = np.array([np.median(depth.z[::step, ::step][row][seen[row]]) for row in rows])
    if medians.min() == medians.max():
        return False
    return bool(np.corrcoef(rows, rankdata(medians))[0, 1] > INVERTED_CORRELATION)


def contradicted(depth: DepthMap, segmentation: Segmentation, order: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Those (front, behind) whose front is clearly the farther one beside their common boundary."""
    return tuple((front, behind) for front, behind in order if _farther(depth, segmentation, front, behind))


def _farther(depth: DepthMap, segmentation: Segmentation, front: int, behind: int) -> bool:
    step = _step(depth)
    a, b = (segmentation.mask(i)[::step, ::step] for i in (front, behind))
    z, valid = depth.z[::step, ::step], depth.valid[::step, ::step]
    reach = 5 * touch_radius_px(a.shape)
    beside_a, beside_b = a & valid & (distance_to(b) <= reach), b & valid & (distance_to(a) <= reach)
    if min(beside_a.sum(), beside_b.sum()) < MIN_BAND_PX:
        return False
    return bool(np.median(z[beside_a]) > (1 + CLEAR_STEP) * np.median(z[beside_b]))


def _step(depth: DepthMap) -> int:
    return max(1, round(max(depth.z.shape) / CHECK_SIDE_PX))
