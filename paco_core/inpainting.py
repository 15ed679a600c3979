"""Inpainting as a rival of deocclusion: what a network that knows of no objects is asked, and what is made of its answer.

Section 5.3 of the PACO paper tries three ways to ask, ``InpaintStrategy``. Each needs the whole object's mask; where nobody knows
it, ``InpaintedCompleter`` takes another completer's.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.backends.base import Completer, Completion, CompletionTarget, Inpainter, InpaintStrategy
from paco_core.masks import box_slices, dilate

ROOM = 1.5
"""Side of the window that an inpainter sees, in those of the object's box: surroundings, and still pixels for the object."""
RIM_PX = 1
"""Holes are wider by it: pixels along an edge mix in the colour of what is on its other side."""
GREY = 127
"""The "uniform color, specifically gray" of the second strategy."""

Rgb = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]


class InpaintedCompleter:
    """Protocol ``Completer``: shapes by one, colours by an inpainter that is told these shapes."""

    def __init__(self, shapes: Completer, inpainter: Inpainter, strategy: InpaintStrategy) -> None:
        self._shapes, self._inpainter = shapes, inpainter
        self._strategy: InpaintStrategy = strategy
        self.name = f"{shapes.name}, colours by {inpainter.name}"

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order; an object of which nothing is invented is not painted."""
        found = zip(targets, self._shapes.complete_layer(targets, seed=seed), strict=True)
        return tuple(self._painted(target, completion, seed) for target, completion in found)

    def _painted(self, target: CompletionTarget, completion: Completion, seed: int) -> Completion:
        if not (completion.amodal & ~target.visible).any():
            return completion
        rgb = inpaint(self._inpainter, target, completion.amodal, self._strategy, seed=seed)
        return replace(completion, rgb=rgb, fill_method=self._inpainter.name)


def inpaint(inpainter: Inpainter, target: CompletionTarget, amodal: Mask, strategy: InpaintStrategy, *, seed: int = 0) -> Rgb:
    """The target's picture where the strategy's hole is painted; it holds ``amodal & ~target.visible`` and the rim round that.

    The picture as it is where nothing is hidden, or nothing to be seen.
    """
    if not (amodal & ~target.visible).any() or not target.visible.any():
        return target.rgb
    window = window_of(target.visible | amodal)
    asked, hole = question(_cropped(target, window), amodal[window], strategy)
    painted = inpainter.paint(asked, hole, seed=seed)
    out = target.rgb.copy()
    out[window] = np.where(hole[..., None], painted, target.rgb[window])
    return out


def question(target: CompletionTarget, amodal: Mask, strategy: InpaintStrategy) -> tuple[CompletionTarget, Mask]:
    """What an inpainter is shown, and the hole that it is to paint. What lies beyond the photo is part of every hole."""
    hidden, front = amodal & ~target.visible, target.occluder & ~target.visible
    hole = dilate(hidden | front if strategy == "whole occluder" else hidden, RIM_PX)
    if target.beyond is not None:
        hole |= target.beyond
    if strategy == "grey occluder":
        target = replace(target, rgb=np.where(front[..., None], np.uint8(GREY), target.rgb))
    return target, hole


def window_of(amodal: Mask) -> tuple[slice, slice]:
    """Rows and columns of a square, ``ROOM`` times the mask's box, moved into the picture; less than a square where that ends."""
    boxes = box_slices(amodal)
    side = round(ROOM * max(s.stop - s.start for s in boxes))
    rows, columns = (_within(s, side, length) for s, length in zip(boxes, amodal.shape, strict=True))
    return rows, columns


def _within(box: slice, side: int, length: int) -> slice:
    start = max(0, min((box.start + box.stop - side) // 2, length - side))
    return slice(start, min(start + side, length))


def _cropped(target: CompletionTarget, window: tuple[slice, slice]) -> CompletionTarget:
    rows, columns = window
    x, y = target.origin_xy
    return replace(
        target,
        rgb=np.ascontiguousarray(target.rgb[window]),
        visible=target.visible[window],
        occluder=target.occluder[window],
        origin_xy=(x + columns.start, y + rows.start),
        beyond=None if target.beyond is None else target.beyond[window],
        gaps=None if target.gaps is None else target.gaps[window],
        mixed=None if target.mixed is None else target.mixed[window],
    )
