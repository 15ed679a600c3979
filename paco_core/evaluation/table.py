"""Measures with how sure they are: bootstrap intervals over scenes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")
RESAMPLES = 500
"""Of a bootstrap: its interval's ends are then known to about a tenth of its width."""


@dataclass(frozen=True)
class Estimate:
    """A measure and its 95 % interval; the interval's ends are NaN where there is none."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "–"
        if math.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


def bootstrap(scenes: Sequence[Sequence[T]], measure: Callable[[Sequence[T]], float], *, seed: int = 0) -> Estimate:
    """The measure over all items, and its interval when scenes (not their items, which depend on each other) are drawn anew.

    Efron's percentile interval, 2.5 % to 97.5 %; with one scene it has no width, which says nothing.
    """
    rng = np.random.default_rng(seed)
    whole = measure([item for scene in scenes for item in scene])
    drawn = rng.integers(0, len(scenes), (RESAMPLES, len(scenes))) if scenes else np.zeros((0, 0), int)
    values = np.array([measure([item for k in picks for item in scenes[k]]) for picks in drawn])
    values = values[~np.isnan(values)]
    if not len(values):
        return Estimate(whole, math.nan, math.nan)
    with np.errstate(invalid="ignore"):  # between infinite errors of failed objects there is no interval
        low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(whole, float(low), float(high))
