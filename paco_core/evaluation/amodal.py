"""How well completed masks meet true amodal masks: every definition that is in use, from the same counts of pixels.

The literature's "mIoU" is the pooled one: all intersections over all unions of a whole set (SSSD, Zhan et al. 2020,
``tools/test.py``), in which large objects dominate. The mean over objects and the IoU of what is hidden say more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

OCCLUDED = 0.05
"""An object counts as occluded when more than this share of its true mask is hidden: less is the slip of an outline."""


@dataclass(frozen=True)
class MaskScore:
    """One completed mask against the truth, in pixels."""

    true: int
    """Of the true amodal mask."""
    visible: int
    """Of the part of the true mask that the photo shows."""
    both: int
    """In the completed and in the true mask."""
    either: int
    hidden_both: int
    """The same outside of what is visible."""
    hidden_either: int

    @property
    def iou(self) -> float:
        """Of the whole masks; 1 where both are empty."""
        return _ratio(self.both, self.either)

    @property
    def hidden_iou(self) -> float:
        """Of the hidden parts alone: 0 for the visible mask as it is; NaN where nothing is hidden and nothing was added."""
        return self.hidden_both / self.hidden_either if self.hidden_either else math.nan

    @property
    def hidden_share(self) -> float:
        """Of the true mask, what is hidden."""
        return 1 - self.visible / self.true if self.true else 0.0


def score_mask(
    completed: Bool[np.ndarray, "h w"],
    amodal: Bool[np.ndarray, "h w"],
    visible: Bool[np.ndarray, "h w"],
    overdrawn: Bool[np.ndarray, "h w"] | None = None,
) -> MaskScore:
    """Count. ``visible`` may hold pixels outside of ``amodal`` (annotators draw the two apart); they are not hidden ones.

    ``overdrawn`` are pixels that a loose mask gives to the object where in truth neither it nor anything in front of it is seen:
    whoever keeps what is given claims nothing hidden there. They count in the whole masks.
    """
    both, either = completed & amodal, completed | amodal
    elsewhere = ~visible if overdrawn is None else ~(visible | overdrawn)
    return MaskScore(
        true=int(amodal.sum()),
        visible=int((visible & amodal).sum()),
        both=int(both.sum()),
        either=int(either.sum()),
        hidden_both=int((both & elsewhere).sum()),
        hidden_either=int((either & elsewhere).sum()),
    )


def pooled_iou(scores: Sequence[MaskScore]) -> float:
    """SSSD's mIoU: the sum of all intersections over the sum of all unions."""
    return _ratio(sum(s.both for s in scores), sum(s.either for s in scores))


def mean_iou(scores: Sequence[MaskScore]) -> float:
    """Every object counts the same."""
    return float(np.mean([s.iou for s in scores])) if scores else math.nan


def pooled_hidden_iou(scores: Sequence[MaskScore]) -> float:
    """Of all hidden pixels together."""
    return _ratio(sum(s.hidden_both for s in scores), sum(s.hidden_either for s in scores))


def mean_hidden_iou(scores: Sequence[MaskScore]) -> float:
    """Over the objects of which something is hidden, or was added."""
    each = [s.hidden_iou for s in scores if s.hidden_either]
    return float(np.mean(each)) if each else math.nan


def pixel_recall(scores: Sequence[MaskScore]) -> float:
    """SSSD's pAcc: of all true pixels, the share that was found."""
    return _ratio(sum(s.both for s in scores), sum(s.true for s in scores))


def occluded(scores: Sequence[MaskScore]) -> list[MaskScore]:
    """Those of which more than 5 % is hidden."""
    return [s for s in scores if s.hidden_share > OCCLUDED]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
