"""Which objects of a layer share a canvas, and where it lies: crops that give small objects pixels (PACO, section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paco_core.backends.base import CompletionTarget
from paco_core.masks import box_slices

ROOM = 1.06
"""Of a canvas round the objects' crops, as in training."""
SPREAD = 2.5
"""Objects share a canvas while its side is at most so many times that of the largest one's crop: small ones need pixels, too."""
MOST = 4
"""Objects on a canvas; scenes of training sample 1 to 5."""


@dataclass(frozen=True)
class Canvas:
    """The square of the photo that one pass sees, px; it may leave the photo."""

    left: int
    top: int
    side: int

    def cut(self, target: CompletionTarget, picture: np.ndarray) -> np.ndarray:
        """The canvas (side, side, …) with a picture of the target's crop where it lies; 0 elsewhere."""
        own, there = self._shared(target)
        out = np.zeros((self.side, self.side, *picture.shape[2:]), picture.dtype)
        out[there] = picture[own]
        return out

    def back(self, target: CompletionTarget, picture: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
        """What a picture of the canvas shows of the target's crop, and ``elsewhere`` where it shows nothing."""
        own, there = self._shared(target)
        out = elsewhere.copy()
        out[own] = picture[there]
        return out

    def _shared(self, target: CompletionTarget) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """What crop and canvas share: in the crop, and on the canvas."""
        own, there = [], []
        for start, begin, length in zip((self.top, self.left), target.origin_xy[::-1], target.visible.shape, strict=True):
            low, high = max(start, begin), max(min(start + self.side, begin + length), max(start, begin))
            own.append(slice(low - begin, high - begin))
            there.append(slice(low - start, high - start))
        return (own[0], own[1]), (there[0], there[1])


def grouped(targets: Sequence[CompletionTarget]) -> list[list[CompletionTarget]]:
    """Which targets share a canvas: those near to a larger one. Every target is in one group; groups keep the larger first."""
    left = sorted(targets, key=lambda target: -_side(target))
    groups = []
    while left:
        group = [left.pop(0)]
        for target in list(left):
            if len(group) < MOST and canvas_of([*group, target]).side <= SPREAD * ROOM * _side(group[0]):
                group.append(target)
                left.remove(target)
        groups.append(group)
    return groups


def canvas_of(targets: Sequence[CompletionTarget]) -> Canvas:
    """The square round what matters of all targets: their visible parts and what hides them in their crops."""
    boxes = np.array([_box(target) for target in targets])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = max(1, round(ROOM * float((high - low).max())))
    left, top = (int(np.floor((a + b - side) / 2 + 0.5)) for a, b in zip(low, high, strict=True))
    return Canvas(left, top, side)


def _box(target: CompletionTarget) -> tuple[int, int, int, int]:
    """On the photo, px: left, top, right, bottom."""
    rows, columns = box_slices(target.visible | target.occluder)
    x, y = target.origin_xy
    return columns.start + x, rows.start + y, columns.stop + x, rows.stop + y


def _side(target: CompletionTarget) -> int:
    left, top, right, bottom = _box(target)
    return max(right - left, bottom - top)
