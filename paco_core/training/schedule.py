"""The learning rate over the budget, be it time or steps."""

import math
from dataclasses import dataclass

LOWEST = 0.01
"""The rate starts and ends at this share of the highest: a first step at 0 would do nothing."""


@dataclass(frozen=True)
class Budget:
    """How much training there is to be: whichever is spent first ends it."""

    seconds: float
    steps: int | None = None

    def share(self, seconds: float, steps: int) -> float:
        """How much of it is spent, 0 to 1."""
        by_steps = steps / self.steps if self.steps else 0.0
        return min(1.0, max(seconds / self.seconds, by_steps))


def rate_factor(share: float, warmup: float) -> float:
    """Learning rate / highest rate: a line up for the share ``warmup`` of the budget, then half a cosine down.

    By share, not by step: a run of M minutes ends annealed on any machine (cosine: Loshchilov and Hutter, SGDR, 2017).
    """
    if share < warmup:
        return LOWEST + (1 - LOWEST) * share / warmup
    turn = (share - warmup) / (1 - warmup)
    return LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * turn))
