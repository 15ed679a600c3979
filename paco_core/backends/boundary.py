"""Occlusion order along shared boundaries (PACO section 4.3; cues after SSSD, CVPR 2020, and InstaOrder, CVPR 2022).

For every pair that touches, two cues vote: who is nearer in the two bands beside the common boundary, and whose convex
hull is more incomplete under the other. Where neither decides, the smaller object is in front.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from skimage.morphology import convex_hull_image

from paco_core.contacts import find_carriers, find_feet, touch_radius_px
from paco_core.depthfile import FROM_FILE
from paco_core.masks import box_slices, dilate, distance_to, erode
from paco_core.types import DepthMap, OcclusionEdge, Photo, Segmentation

MIN_CONTACT_PX = 6
"""Fewer common boundary pixels are a touch of corners."""
DEPTH_SCALE = 0.05
"""A depth step of 5 % of the depth is as clear as a cue gets; noise of monocular depth is 1–2 %."""
WEIGHT_MEASURED, WEIGHT_GUESSED, WEIGHT_CONVEX, WEIGHT_CARRIED = 3.0, 0.7, 1.5, 2.0
"""Measured depth beats convexity, also when its scale is unknown: who is nearer needs none. The geometric depth is itself a
guess from the same masks, and convexity alone is right for four of five occluding pairs of the five COCOA photos that come with
SSSD's repository."""
UNDECIDED = 0.15
"""Below this logit the area decides."""


@dataclass(frozen=True)
class BoundaryOrder:
    """Protocol ``OrderPredictor`` without weights."""

    name: str = "boundary"

    def order(self, photo: Photo, segmentation: Segmentation, depth: DepthMap) -> tuple[OcclusionEdge, ...]:
        """One edge per touching pair; weight = |logit| × √(contact length)."""
        carriers = find_carriers(segmentation, find_feet(segmentation))
        radius = touch_radius_px(photo.hw)
        slices = [box_slices(m, radius + 1) for m in segmentation.masks]
        grown = [dilate(m[box], radius) for m, box in zip(segmentation.masks, slices, strict=True)]
        edges = []
        for a in range(len(segmentation.ids)):
            for b in range(a + 1, len(segmentation.ids)):
                contact = _contact(segmentation.masks[b], grown[a], slices[a])
                if contact >= MIN_CONTACT_PX:
                    edges.append(_decide(segmentation, depth, a, b, contact, radius, carriers))
        return tuple(edges)


def _contact(other: Bool[np.ndarray, "h w"], grown: np.ndarray, box: tuple[slice, slice]) -> int:
    """Length of the common boundary, px: pixels of ``other`` within reach, divided by the width of that band."""
    inside = other[box] & grown
    if not inside.any():
        return 0
    return int((inside & ~erode(other[box], 1)).sum())


def _decide(
    segmentation: Segmentation, depth: DepthMap, a: int, b: int, contact: int, radius: int, carriers: dict[int, int]
) -> OcclusionEdge:
    ids = segmentation.ids
    step = _depth_step(segmentation.masks[a], segmentation.masks[b], depth, radius)
    hulls = _hull_cue(segmentation.masks[a], segmentation.masks[b])
    by_depth = (WEIGHT_MEASURED if depth.kind == "metric" or depth.source == FROM_FILE else WEIGHT_GUESSED) * step
    by_hull = WEIGHT_CONVEX * hulls
    by_support = WEIGHT_CARRIED * (float(carriers.get(ids[a]) == ids[b]) - float(carriers.get(ids[b]) == ids[a]))
    logit = by_depth + by_hull + by_support
    cues = {"depth": by_depth, "convexity": by_hull, "support": by_support}
    reason = max(cues, key=lambda k: cues[k] * math.copysign(1, logit))
    if abs(logit) < UNDECIDED:
        smaller = segmentation.masks[a].sum() <= segmentation.masks[b].sum()
        logit, reason = (UNDECIDED if smaller else -UNDECIDED), "area"
    front, behind = (ids[a], ids[b]) if logit > 0 else (ids[b], ids[a])
    return OcclusionEdge(front, behind, abs(logit) * math.sqrt(contact), contact, reason)


def _depth_step(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"], depth: DepthMap, radius: int) -> float:
    """In [-1, 1]: > 0 when ``a`` is nearer beside the common boundary; relative step of inverse depth, robust.

    The bands start ``radius`` px away from the other mask, where depth maps no longer bleed, and are 4 ``radius`` wide.
    """
    box = box_slices(a | b, 1)
    mask_a, mask_b = a[box], b[box]
    z, valid = depth.z[box], depth.valid[box]
    from_a, from_b = distance_to(mask_a), distance_to(mask_b)
    near_a = mask_a & valid & (from_b > radius) & (from_b <= 5 * radius)
    near_b = mask_b & valid & (from_a > radius) & (from_a <= 5 * radius)
    if near_a.sum() < 3 or near_b.sum() < 3:
        return 0.0
    inverse_a, inverse_b = np.median(1 / z[near_a]), np.median(1 / z[near_b])
    return float(np.clip((inverse_a - inverse_b) / (0.5 * (inverse_a + inverse_b)) / DEPTH_SCALE, -1, 1))


def _hull_cue(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    """In [-1, 1]: > 0 when ``b``'s hull lacks more under ``a`` than the other way round, so ``a`` is in front."""
    box = box_slices(a | b, 1)
    mask_a, mask_b = a[box], b[box]
    b_under_a = float((_hull(mask_b) & mask_a).sum())
    a_under_b = float((_hull(mask_a) & mask_b).sum())
    smaller = float(min(mask_a.sum(), mask_b.sum()))
    # a sliver of a hull (2 % of the smaller object) is noise of the outline, hence the constant in the denominator
    return (b_under_a - a_under_b) / (b_under_a + a_under_b + 0.02 * smaller)


def _hull(mask: Float[np.ndarray, "h w"] | Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    return convex_hull_image(mask) if mask.sum() > 2 else mask
