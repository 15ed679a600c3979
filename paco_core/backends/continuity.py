"""How well a completion goes on where the visible part ends: what tells better samples of a generator from worse ones."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from paco_core.backends.base import Completion, CompletionTarget

Pixels = tuple[np.ndarray, np.ndarray]
"""Rows and columns."""


def discontinuity(target: CompletionTarget, completion: Completion) -> float:
    """0 … 3: the sum of three means over pairs of neighbours (4 a pixel) of which one is visible or background, the other hidden.

    Where the object ends just as something in front begins: no part goes on behind it. Where a hidden part ends just as what
    hides it does, beside background. And steps of colour (mean over channels, of 255) where the object goes on. The first two
    would be coincidences of the viewpoint: outlines of two things seldom run along each other.
    """
    seen, hidden = target.visible, target.occluder & ~target.visible
    background = ~seen & ~hidden
    painted = completion.amodal & hidden
    clean = seen if target.mixed is None else seen & ~target.mixed  # a rim of mixed colours is repainted, too
    repainted = painted | seen & ~clean
    photo, invented = target.rgb.astype(np.float32), completion.rgb.astype(np.float32)
    breaks = [~painted[q] for _, q in _pairs(seen, hidden)]
    leans = [painted[q] for _, q in _pairs(background, hidden)]
    steps = [np.abs(photo[p] - invented[q]).mean(axis=-1) / 255 for p, q in _pairs(clean, repainted)]
    return sum(_mean(values) for values in (breaks, leans, steps))


def _pairs(one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> Iterator[tuple[Pixels, Pixels]]:
    """Neighbours, the first in ``one`` and the second in ``other``, direction by direction."""
    h, w = one.shape
    padded = np.pad(other, 1)
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        y, x = np.nonzero(one & padded[1 + down : 1 + down + h, 1 + right : 1 + right + w])
        yield (y, x), (y + down, x + right)


def _mean(parts: list[np.ndarray]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if values.size else 0.0
