"""Completed masks without any training, given visible masks: the rows that a network has to beat."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from paco_core.evaluation.order import Order, ancestors
from paco_core.evaluation.outlines import outlined_hull

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


METHODS: dict[str, MaskMethod] = {
    "visible": raw,
    "hull": hull,
    "hull clipped": hull_clipped,
    "all under occluders": everything_hidden,
}


def under_occluders(visible: Masks, order: Order) -> Masks:
    """For each object the visible masks of everything in front of it, through any number of steps."""
    return np.stack([visible[ancestors(order, i)].any(axis=0) for i in range(len(visible))])
