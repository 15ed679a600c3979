"""What a hidden part may look like before anything is learned: gaps closed, colours diffused, the object mirrored.

Torch only, fixed shapes, no loop over pictures. Masks are float 0 or 1, (n, 1, s, s); sides must be even.
"""

import torch
from torch.nn import functional

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


def grown(mask: torch.Tensor, by_px: int) -> torch.Tensor:
    """A mask and everything within ``by_px`` of it (square neighbourhoods); beyond the picture there is nothing.

    Running maxima whose windows double, one axis after the other: eight times as fast on a CPU as pooling.
    """
    mask = functional.pad(mask, (by_px,) * 4)
    for axis in (2, 3):
        width = 1
        while width < 2 * by_px + 1:
            step = min(width, 2 * by_px + 1 - width)
            length = mask.shape[axis] - step
            mask = torch.maximum(mask.narrow(axis, 0, length), mask.narrow(axis, step, length))
            width += step
    return mask


def close_gaps(visible: torch.Tensor, occluder: torch.Tensor) -> torch.Tensor:
    """The occluder (n, 1, s, s) with the slits between it and the visible part, without any pixel of the visible part.

    Slits are what a morphological closing of both together adds near both.
    """
    reach = max(1, round(GAP_PX * visible.shape[-1] / NATIVE_PX))
    closed = 1 - grown(1 - grown(torch.maximum(visible, occluder), reach), reach)
    slits = closed * grown(visible, 2 * reach) * grown(occluder, 2 * reach)
    return torch.maximum(slits, occluder) * (1 - visible)


def known_colours(visible: torch.Tensor) -> torch.Tensor:
    """The visible mask without its rim of 1 px, whose colours are mixed with what lies beside it."""
    inner = -functional.max_pool2d(-functional.pad(visible, (1, 1, 1, 1), value=0.0), 3, stride=1)
    return torch.where(inner.sum((1, 2, 3), keepdim=True) >= LEAST_KNOWN_PX, inner, visible)


def diffused(rgb: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """``rgb`` (n, 3, s, s) where ``known`` is 1, elsewhere smooth colours (pull-push: Gortler et al., SIGGRAPH 1996, "The
    Lumigraph", section 3.4): means of what is known, at the finest scale that knows anything. 0 where nothing is known at all."""
    scales = [(rgb * known, known)]
    while scales[-1][0].shape[-1] % 2 == 0:
        coarse, weight = scales[-1]
        scales.append((functional.avg_pool2d(coarse, 2), functional.avg_pool2d(weight, 2)))
    coarse, weight = (value.mean((2, 3), keepdim=True) for value in scales[-1])
    colours = coarse / weight.clamp(min=EMPTY_WEIGHT)
    for level, (coarse, weight) in reversed(list(enumerate(scales))):
        above = functional.interpolate(colours, size=coarse.shape[-2:], mode="bilinear", align_corners=False)
        own = coarse / weight.clamp(min=EMPTY_WEIGHT)
        trust = (weight > 0).float() if level == 0 else weight
        colours = above + trust * (own - above)
    return colours


def mirrored(rgb: torch.Tensor, visible: torch.Tensor, occluder: torch.Tensor) -> torch.Tensor:
    """(n, 4, s, s): colours times mask, and mask, of the visible part mirrored at its best upright axis."""
    shrink = max(1, visible.shape[-1] // AXIS_PX)
    seen, hiding = (functional.avg_pool2d(mask, shrink)[:, 0] for mask in (visible, occluder))
    axis = _best_axis(seen, hiding) * shrink + shrink - 1
    side = visible.shape[-1]
    at = axis[:, None] - torch.arange(side, device=visible.device)
    inside = ((at >= 0) & (at < side))[:, None, None]
    both = torch.cat([rgb * visible, visible], 1)
    return both.gather(3, at.clamp(0, side - 1)[:, None, None].expand_as(both)) * inside


def _best_axis(seen: torch.Tensor, hiding: torch.Tensor) -> torch.Tensor:
    """(n,): the sum of a column and its mirror image's, for which the mirrored mask agrees best (a correlation by FFT)."""
    worth = seen + OCCLUDER_GAIN * hiding - BACKGROUND_COST * (1 - seen) * (1 - hiding)
    length = 2 * seen.shape[-1]
    spectrum = torch.fft.rfft(seen.float(), n=length) * torch.fft.rfft(worth.float(), n=length)
    agreement = torch.fft.irfft(spectrum, n=length).sum(1)[:, : length - 1]
    return (AXIS_STEPS * agreement).round().argmax(1)
