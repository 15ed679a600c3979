"""What to do about steps whose loss or gradient is not a number."""

from dataclasses import dataclass
from typing import Literal

MAX_IN_A_ROW = 16
"""Skipped steps in a row before the weights themselves are suspected. In fp16 the first few are skipped while the scale of the
gradients, 2^16 at the start, is halved until they fit."""
MAX_RETURNS = 3
"""Returns to the last checkpoint, each with half the rate: an eighth of the rate that diverges, too, is no rate problem."""

Verdict = Literal["go on", "return", "give up"]


@dataclass
class Guard:
    """Counts. What it says is obeyed by the runner."""

    skipped: int = 0
    """Of the whole run."""
    in_a_row: int = 0
    returns: int = 0

    def judge(self, *, finite: bool) -> Verdict:
        """Take note of one step, and say how to go on."""
        if finite:
            self.in_a_row = 0
            return "go on"
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row < MAX_IN_A_ROW:
            return "go on"
        self.in_a_row = 0
        self.returns += 1
        return "return" if self.returns <= MAX_RETURNS else "give up"

    @property
    def rate(self) -> float:
        """What the learning rate is multiplied by."""
        return 0.5**self.returns
