"""Completed masks without any training, given visible masks: the rows that a network has to beat."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from paco_core.evaluation.order import Order, ancestors
from paco_core.evaluation.outlines import outlined_hull
from paco_core.masks import box_slices
from paco_core.shape import best_mirrors

Masks = Bool[np.ndarray, "n h w"]
MaskMethod = Callable[[Masks, Order], Masks]
"""Visible masks and who hides whom → completed masks."""


def raw(visible: Masks, order: Order) -> Masks:
    """What is visible, and nothing more."""
    return visible


def hull(visible: Masks, order: Order) -> Masks:
    """Convex hulls, as SSSD draws them (outline included)."""
    return np.stack([outlined_hull(mask) for mask in visible])


def hull_clipped(visible: Masks, order: Order) -> Masks:
    """Convex hulls, cut down to what is visible or lies under an occluder (SSSD's "convexR")."""
    return hull(visible, order) & (visible | under_occluders(visible, order))


def everything_hidden(visible: Masks, order: Order) -> Masks:
    """All of every occluder that touches: the most that can be hidden."""
    return visible | under_occluders(visible, order)


def mirrored_clipped(visible: Masks, order: Order) -> Masks:
    """What is visible and, under occluders, its mirror image at the axis that fits best (any direction)."""
    hidden = under_occluders(visible, order)
    return np.stack([_mirrored(*pair) for pair in zip(visible, hidden, strict=True)])


def hull_or_mirror_clipped(visible: Masks, order: Order) -> Masks:
    """The hull and the mirror image together, under occluders: the best without training on composites of cut-outs."""
    return hull_clipped(visible, order) | mirrored_clipped(visible, order)


METHODS: dict[str, MaskMethod] = {
    "visible": raw,
    "hull": hull,
    "hull clipped": hull_clipped,
    "symmetry clipped": mirrored_clipped,
    "hull or symmetry, clipped": hull_or_mirror_clipped,
    "all under occluders": everything_hidden,
}


def under_occluders(visible: Masks, order: Order) -> Masks:
    """For each object the visible masks of everything in front of it, through any number of steps."""
    return np.stack([visible[ancestors(order, i)].any(axis=0) for i in range(len(visible))])


def _mirrored(visible: Bool[np.ndarray, "h w"], hidden: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    if not visible.any() or not (hidden & ~visible).any():
        return visible
    box = box_slices(visible | hidden, 1)
    mirror = best_mirrors(visible[box], hidden[box] & ~visible[box])[0]
    out = visible.copy()
    out[box] |= mirror.reflect(visible[box]) & hidden[box]
    return out
