"""What masks leave of their objects: pencils in a cup, ski poles, hair, a rim of loose outlines, soft shadow."""

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from scipy import ndimage

from paco_core.fill import membrane
from paco_core.layout import LIGHT_SCALE, find_layout, light_at, resize, shrink
from paco_core.masks import dilate, distance_to

Mask = Bool[np.ndarray, "h w"]

RIM_PX = 480
"""Long side at which leftovers are looked for."""
FAR_DIAGONAL = 0.03
"""Surfaces are learnt farther from the hole than this share of the diagonal."""
UNLIKE = 26.0
"""Grey levels (root of the squares' sum over channels) from the surface's light that no noise explains …"""
UNLIKE_SIGMA = 2.6
"""… and standard deviations of the surface's own texture there."""
SOFT, SOFT_SIGMA, SOFT_PX = 9.0, 0.9, 1.5
"""The same two of local means (their standard deviation, px): soft shadow and blur around the hole, up to where surfaces are
learnt, which the hole would cut off in a line. What is more unlike is a thing, not a shadow."""
LEVELS = (1.0, 1.8, 3.0)
"""Parts are told apart at each of these multiples: a pencil stands out from the shadow that it stands in."""
TOUCH_PX = 2.5
"""A leftover begins this near to the hole."""
LEFTOVER_SHARE = 0.02
"""Larger pieces, as a share of the photo, are things of their own."""
SOURCES_MIN = 500
"""Fewer far pixels say nothing about the surfaces."""


def find_leftovers(
    rgb: UInt8[np.ndarray, "H W 3"], hole: Bool[np.ndarray, "H W"], reach_diagonal: float
) -> Bool[np.ndarray, "H W"]:
    """Pieces that touch the hole, look unlike every surface behind them, and end within the reach (a share of the diagonal).

    What goes on beyond the reach is background that objects hide a part of: a shelf, a door, a branch. Where the background is
    as varied as the piece, nothing is found.
    """
    colours, seen = shrink(rgb, np.ones_like(hole), RIM_PX)
    h, w = seen.shape
    taken = resize(hole, (w, h), Image.Resampling.BOX) > 0.01
    diagonal, distance = float(np.hypot(h, w)), distance_to(taken)
    far_px = FAR_DIAGONAL * diagonal
    far = distance > far_px
    if far.sum() < SOURCES_MIN:
        return np.zeros_like(hole)
    layout = find_layout(np.clip(colours + 0.5, 0, 255).astype(np.uint8), far)
    difference = colours - light_at(layout, colours, ~taken)
    deviation = (difference**2).sum(2)
    variance = _variance(deviation, far)
    unlikeness = np.sqrt(deviation / np.maximum(UNLIKE**2, UNLIKE_SIGMA**2 * variance))
    unlikeness[taken | (distance > reach_diagonal * diagonal)] = 0
    found = np.zeros_like(taken)
    for times in LEVELS:
        found |= _small_and_touching(unlikeness > times, distance, reach_diagonal * diagonal)
    found = dilate(found, 1.5) | taken
    soft = (_coherent(difference, ~taken) ** 2).sum(2) > np.maximum(SOFT**2, SOFT_SIGMA**2 * variance)
    soft &= (distance <= far_px) & (unlikeness < LEVELS[1])
    found = dilate(np.asarray(ndimage.binary_propagation(found, mask=found | soft), bool), 1.0)
    return (resize(found, (hole.shape[1], hole.shape[0])) > 0.5) & ~hole


def _coherent(difference: Float32[np.ndarray, "h w 3"], known: Mask) -> Float32[np.ndarray, "h w 3"]:
    """Local means over the known pixels: noise and fine texture average out, a soft shadow does not."""
    weight = np.maximum(ndimage.gaussian_filter(known.astype(np.float32), SOFT_PX), 1e-3)
    return np.stack([ndimage.gaussian_filter(difference[..., c] * known, SOFT_PX) / weight for c in range(3)], -1)


def _small_and_touching(unlike: Mask, distance: Float[np.ndarray, "h w"], reach: float) -> Mask:
    """The connected parts that begin at the hole, end before the reach and are no things of their own."""
    parts = np.asarray(ndimage.label(unlike, np.ones((3, 3)))[0], int)  # pyright: ignore[reportIndexIssue]
    keep = np.bincount(parts.ravel()) < LEFTOVER_SHARE * unlike.size
    keep &= np.isin(np.arange(len(keep)), parts[distance <= TOUCH_PX])
    keep[parts[distance > reach - 1.5]] = False
    keep[0] = False
    return keep[parts]


def _variance(deviation: Float32[np.ndarray, "h w"], known: Mask) -> Float32[np.ndarray, "h w"]:
    """Local mean of squared deviations over the known pixels, continued smoothly; at a quarter of the size."""
    step, (h, w) = 4, known.shape
    sigma = LIGHT_SCALE * max(h, w) / step
    weight = ndimage.gaussian_filter(known[::step, ::step].astype(np.float32), sigma)
    total = ndimage.gaussian_filter((deviation * known)[::step, ::step].astype(np.float32), sigma)
    mean = membrane((total / np.maximum(weight, 1e-3))[..., None].astype(np.float32), weight > 0.05)
    return resize(mean[..., 0], (w, h))
