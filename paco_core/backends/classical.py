"""Completion without weights: shape from ellipse, symmetry, hull and continued outlines inside the occluders; colours by
``hidden_colours``.

Hidden IoU of the shapes on 240 composites of two cut-outs: hull .595, with outlines .628, with symmetry and ellipses .656.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.backends.hidden_colours import Rgb, invent
from paco_core.masks import box_slices, dilate, erode
from paco_core.shape import Mirror, best_mirrors, continue_outline, convex_hull, fit_ellipse, free_outline

Mask = Bool[np.ndarray, "h w"]

MARGIN_PX = 2
"""Round the object, so that patches of 5 px at its edge lie in the picture. More makes some pictures large enough to be halved,
in which fine stripes are lost."""
ELLIPSE_RESIDUAL = 0.04
"""Nine tenths of the free outline lie this near to the ellipse, in radii."""
ELLIPSE_ARC = 0.3
"""Share of the ellipse's directions that the free outline covers: less, and the ellipse is guessed."""
ELLIPSE_SLACK = 0.04
"""Share of the ellipse that may fall beside the object, and of the object that may fall beside the ellipse."""
MIRROR_SLACK = 0.10
"""Share of the mirrored object that may fall on what is neither object nor occluder (best of 0.05 … 0.2 on the composites)."""
SLIVER = 0.05
"""Claims thinner than this on either side of their middle, in √area, are leftovers of slips in the masks."""
CRUMB = 0.03
"""Claims outside the hull are this share of the visible area at least."""
OPEN = 0.65
"""Objects that fill less than this share of their hull are made of bars (benches, chairs, bicycles): their outline has no corners
to prolong, and where they are symmetric, symmetry says more than the hull."""


@dataclass(frozen=True)
class ClassicalCompleter:
    """Completes each object on its own, from nothing but its visible part and what is in front of it."""

    name: str = "classical"

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order."""
        return tuple(complete_one(target, seed) for target in targets)


def complete_one(target: CompletionTarget, seed: int = 0) -> Completion:
    """Shape first, then appearance inside it."""
    mirrors = best_mirrors(target.visible, target.occluder)
    beyond = np.zeros_like(target.visible) if target.beyond is None else target.beyond
    amodal, mask_method = amodal_mask(target.visible, target.occluder, beyond, mirrors)
    rgb, fill_method = painted(target, amodal, mirrors, seed)
    return Completion(rgb, amodal, mask_method, fill_method)


def painted(
    target: CompletionTarget, amodal: Mask, mirrors: tuple[Mirror, ...], seed: int = 0, network_rgb: Rgb | None = None
) -> tuple[Rgb, str]:
    """The target's picture with appearance inside a whole mask, wherever that and a network's colours come from, and how it was
    made."""
    trusted = target.visible if target.mixed is None else target.visible & ~target.mixed
    box = box_slices(amodal, MARGIN_PX)
    shifted = tuple(replace(mirror, foot=mirror.foot - [box[0].start, box[1].start]) for mirror in mirrors)
    rgb = target.rgb.copy()
    part = None if network_rgb is None else network_rgb[box]
    front = target.occluder if target.beyond is None else target.occluder & ~target.beyond
    rgb[box], method = invent(rgb[box], amodal[box], trusted[box], part, shifted, seed, front[box])
    return rgb, method


def amodal_mask(visible: Mask, occluder: Mask, beyond: Mask, mirrors: tuple[Mirror, ...]) -> tuple[Mask, str]:
    """The visible mask and what shape says about the occluders' pixels; the parts of that which touch the visible mask.

    Outside the photo (``beyond``) only an ellipse is believed: anything straight could end anywhere.
    """
    ellipse = whole_ellipse(visible, occluder)
    if ellipse is not None:
        return ellipse, "ellipse"
    images = [mirror.reflect(visible) for mirror in mirrors]
    images = [image for image in images if (image & ~visible & ~occluder).sum() < MIRROR_SLACK * visible.sum()]
    twin = np.logical_or.reduce(images, initial=False) & occluder & ~beyond if images else np.zeros_like(visible)
    hull = convex_hull(visible)
    if images and visible.sum() < OPEN * (hull & ~occluder).sum():  # the hull of a thing of bars is a web between them
        whole = visible | twin | _bridges(visible | twin, occluder & ~beyond)
        return np.asarray(ndimage.binary_propagation(visible, mask=whole), bool), "symmetry"
    claim = hull & ~beyond
    if visible.sum() > OPEN * (hull & ~occluder).sum():
        claim = claim | continue_outline(visible, occluder) & ~beyond
    return _tidy(visible | (claim | twin) & occluder, visible), "hull, symmetry" if images else "hull"


def _bridges(known: Mask, occluder: Mask) -> Mask:
    """Runs of hidden pixels in a row that end at the object on both sides: what is level goes on (seats, boards, rails)."""
    hidden = occluder & ~known
    steps = np.diff(np.pad(hidden, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
    framed = np.pad(known, ((0, 0), (1, 1)))
    out = np.zeros_like(known)
    for (row, first), (_, after) in zip(starts, ends, strict=True):
        if framed[row, first] and framed[row, after + 1]:
            out[row, first:after] = True
    return out


def _tidy(region: Mask, visible: Mask) -> Mask:
    """Without slivers, crumbs, and parts that do not hang together with the visible ones."""
    radius = max(1.0, SLIVER * float(np.sqrt(visible.sum())))
    region = region & (visible | dilate(erode(region, radius), radius))
    parts = np.asarray(ndimage.label(region & ~convex_hull(visible))[0], int)  # pyright: ignore[reportIndexIssue]
    crumbs = np.bincount(parts.ravel()) < CRUMB * visible.sum()
    crumbs[0] = False
    return np.asarray(ndimage.binary_propagation(visible, mask=region & ~crumbs[parts]), bool)


def whole_ellipse(visible: Mask, occluder: Mask) -> Mask | None:
    """The whole mask of an object that is an ellipse, as plates, balls and wheels are; None if it is none."""
    points = free_outline(visible, occluder)
    first = fit_ellipse(points)
    if first is None:
        return None
    error = np.abs(first.radius(points) - 1)
    ellipse = fit_ellipse(points[error <= np.percentile(error, 90)]) or first  # without the worst: a handle, a mask's slip
    offset = (points - ellipse.centre) @ ellipse.unit_from_offset.T
    directions = np.unique(np.floor(np.arctan2(*offset.T) * 18 / np.pi))  # of 36
    filled = ellipse.fill(visible.shape)
    fits = (
        np.percentile(np.abs(ellipse.radius(points) - 1), 90) < ELLIPSE_RESIDUAL
        and len(directions) >= 36 * ELLIPSE_ARC
        and (filled & ~visible & ~occluder).sum() < ELLIPSE_SLACK * filled.sum()
        and (visible & ~filled).sum() < ELLIPSE_SLACK * visible.sum()
    )
    return _tidy(visible | filled & occluder, visible) if fits else None
