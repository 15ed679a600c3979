"""``paco_core.nets.priors`` in NumPy and SciPy, for one crop: what a hidden part may look like before anything is learned.

The same numbers but for rounding; masks, which have no rounding, are the same. Sides are square and even.
"""

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from paco_core.nets.direct_plan import (
    AXIS_PX,
    AXIS_STEPS,
    BACKGROUND_COST,
    EMPTY_WEIGHT,
    GAP_PX,
    LEAST_KNOWN_PX,
    NATIVE_PX,
    OCCLUDER_GAIN,
)


def close_gaps(visible: Bool[np.ndarray, "s s"], occluder: Bool[np.ndarray, "s s"]) -> Bool[np.ndarray, "s s"]:
    """The occluder with the slits between it and the visible part, without any pixel of the visible part.

    Slits are what a morphological closing of both together adds near both.
    """
    reach = max(1, round(GAP_PX * visible.shape[0] / NATIVE_PX))
    closed = ~_grown(~_grown(visible | occluder, reach), reach)
    slits = closed & _grown(visible, 2 * reach) & _grown(occluder, 2 * reach)
    return (slits | occluder) & ~visible


def _grown(mask: Bool[np.ndarray, "s s"], by_px: int) -> Bool[np.ndarray, "s s"]:
    """A mask and everything within ``by_px`` of it (square neighbourhoods); beyond the picture there is nothing."""
    return ndimage.maximum_filter(mask, 2 * by_px + 1, mode="constant")


def known_colours(visible: Bool[np.ndarray, "s s"]) -> Bool[np.ndarray, "s s"]:
    """The visible mask without its rim of 1 px, whose colours are mixed with what lies beside it."""
    inner = ndimage.minimum_filter(visible, 3, mode="constant")
    return inner if inner.sum() >= LEAST_KNOWN_PX else visible


def diffused(rgb: Float32[np.ndarray, "s s 3"], known: Bool[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s 3"]:
    """``rgb`` where ``known``, elsewhere smooth colours (pull-push: Gortler et al., SIGGRAPH 1996, "The Lumigraph", section
    3.4): means of what is known, at the finest scale that knows anything. 0 where nothing is known at all."""
    weight = known[..., None].astype(np.float32)
    scales = [(rgb * weight, weight)]
    while len(scales[-1][0]) % 2 == 0:
        coarse, weight = scales[-1]
        scales.append((_means(coarse, 2), _means(weight, 2)))
    coarse, weight = (_means(value, len(value)) for value in scales[-1])
    colours = _over(coarse, weight)
    for level, (coarse, weight) in reversed(list(enumerate(scales))):
        above = colours if level == len(scales) - 1 else _doubled(_doubled(colours, 0), 1)
        trust = (weight > 0).astype(np.float32) if level == 0 else weight
        colours = above + trust * (_over(coarse, weight) - above)
    return colours


def mirrored(
    rgb: Float32[np.ndarray, "s s 3"], visible: Bool[np.ndarray, "s s"], occluder: Bool[np.ndarray, "s s"]
) -> Float32[np.ndarray, "s s 4"]:
    """Colours times mask, and mask, of the visible part mirrored at its best upright axis."""
    side = len(visible)
    shrink = max(1, side // AXIS_PX)
    seen, hiding = (_means(mask.astype(np.float32)[..., None], shrink)[..., 0] for mask in (visible, occluder))
    at = _best_axis(seen, hiding) * shrink + shrink - 1 - np.arange(side)
    both = np.dstack([rgb, np.ones_like(rgb[..., :1])]) * visible[..., None]
    return both[:, at.clip(0, side - 1)] * ((at >= 0) & (at < side))[:, None]


def _best_axis(seen: Float32[np.ndarray, "t t"], hiding: Float32[np.ndarray, "t t"]) -> int:
    """The sum of a column and its mirror image's, for which the mirrored mask agrees best (a correlation by FFT)."""
    worth = seen + OCCLUDER_GAIN * hiding - BACKGROUND_COST * (1 - seen) * (1 - hiding)
    length = 2 * seen.shape[1]
    spectrum = np.fft.rfft(seen, length) * np.fft.rfft(worth, length)
    agreement = np.fft.irfft(spectrum, length).sum(0)[: length - 1]
    return int((AXIS_STEPS * agreement).round().argmax())


def _over(total: Float32[np.ndarray, "h w c"], weight: Float32[np.ndarray, "h w 1"]) -> Float32[np.ndarray, "h w c"]:
    return total / np.maximum(weight, np.float32(EMPTY_WEIGHT))


def _means(values: Float32[np.ndarray, "h w c"], block: int) -> Float32[np.ndarray, "p q c"]:
    high, wide, channels = values.shape
    return values.reshape(high // block, block, wide // block, block, channels).mean((1, 3))


def _doubled(values: Float32[np.ndarray, "h w c"], axis: int) -> Float32[np.ndarray, "p q c"]:
    """Twice as long, bilinear: every value's two are 3/4 its own and 1/4 its neighbour's; ends are their own neighbours."""
    rows = np.moveaxis(values, axis, 0)
    before, after = np.concatenate([rows[:1], rows[:-1]]), np.concatenate([rows[1:], rows[-1:]])
    pairs = np.stack([0.75 * rows + 0.25 * before, 0.75 * rows + 0.25 * after], 1)
    return np.moveaxis(pairs.reshape(-1, *rows.shape[1:]), 0, axis)
