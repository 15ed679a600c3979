"""The network ``pcnet`` on targets of any size: square windows as in its training, resampled there and back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8
from PIL import Image

from paco_core.backends.base import CompletionTarget
from paco_core.backends.pcnet_numpy import DirectNumpy
from paco_core.errors import BadInput
from paco_core.nets.direct_plan import MARGIN, REACH
from paco_core.nets.weights import read_weights
from paco_core.threads import on_one_blas_thread

SIDE_PX = 128
"""Of the crops that the network sees, as in the last part of its training."""
BEYOND = -1.0
"""Logit where the network was not asked."""


Crop = tuple[Float32[np.ndarray, "s s 3"], Bool[np.ndarray, "s s"], Bool[np.ndarray, "s s"], Bool[np.ndarray, "s s"]]
"""Colours 0 … 1, and what is visible, in front, and a closed gap."""


@dataclass(frozen=True)
class Answer:
    """What the network says about one target, in the target's pixels."""

    logit: Float32[np.ndarray, "h w"]
    """Above 0 where the whole object more likely is than not; it holds within the occluder. ``BEYOND`` outside of the window."""
    rgb: UInt8[np.ndarray, "h w 3"]
    """Colours of the whole object where the logit is above 0, smooth ones; the target's own outside of the window."""


@dataclass(frozen=True)
class Window:
    """A square of a target's crop, px; it may leave the crop."""

    left: int
    top: int
    side: int

    def cut(self, picture: Shaped[np.ndarray, "h w ..."]) -> Shaped[np.ndarray, "s s ..."]:
        """The pixels within; 0 beyond the picture."""
        inside, own = self._common(picture.shape)
        out = np.zeros((self.side, self.side, *picture.shape[2:]), picture.dtype)
        out[own] = picture[inside]
        return out

    def paste(self, part: Shaped[np.ndarray, "s s ..."], picture: Shaped[np.ndarray, "h w ..."]) -> Shaped[np.ndarray, "h w ..."]:
        """The picture with ``part`` in the window."""
        inside, own = self._common(picture.shape)
        out = picture.copy()
        out[inside] = part[own]
        return out

    def _common(self, hw: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """What picture and window share: in the picture, and in the window."""
        x0, x1 = max(self.left, 0), min(self.left + self.side, hw[1])
        y0, y1 = max(self.top, 0), min(self.top + self.side, hw[0])
        return (slice(y0, y1), slice(x0, x1)), (
            slice(y0 - self.top, y1 - self.top),
            slice(x0 - self.left, x1 - self.left),
        )


class PcnetNetwork:
    """The network with its weights. Raises ``BadInput`` for a file that is not its weights."""

    def __init__(self, weights: Path) -> None:
        try:
            self._net = DirectNumpy(read_weights(weights))
        except ValueError as error:
            raise BadInput(f"{weights} holds the weights of another network: {error}.") from error

    @on_one_blas_thread
    def answers(self, targets: Sequence[CompletionTarget]) -> list[Answer]:
        """One per target, in the same order, each from the target alone."""
        return [self._answer(target) for target in targets]

    def _answer(self, target: CompletionTarget) -> Answer:
        window = window_of(target)
        crop = crop_of(target, window)
        colours, logit = self._both_ways(crop)
        colours = np.rint(255 * np.nan_to_num(colours).clip(0, 1)).astype(np.uint8)
        nowhere = np.full(target.visible.shape, BEYOND, np.float32)
        return Answer(
            window.paste(_resized(logit, window.side), nowhere),
            window.paste(_resized(colours, window.side), target.rgb),
        )

    def _both_ways(self, crop: Crop) -> tuple[Float32[np.ndarray, "s s 3"], Float32[np.ndarray, "s s"]]:
        """Means of what the network says about a crop and about its mirror image: a mirrored photo has the mirrored answer, and
        hidden IoU is .002 to .003 higher (150 validation targets a pack)."""
        colours, logit, _ = self._net(*crop)
        mirrored, its_logit, _ = self._net(*(np.ascontiguousarray(plane[:, ::-1]) for plane in crop))
        return (colours + mirrored[:, ::-1]) / 2, (logit + its_logit[:, ::-1]) / 2


def window_of(target: CompletionTarget) -> Window:
    """Where training would have cut the target out, in whole pixels."""
    x, y, side = window_px(target.visible, target.occluder)
    whole = max(1, round(side))
    return Window(math.floor(x - whole / 2 + 0.5), math.floor(y - whole / 2 + 0.5), whole)  # moves as the target does


def window_px(visible: Bool[np.ndarray, "h w"], occluder: Bool[np.ndarray, "h w"]) -> tuple[float, float, float]:
    """Centre x, y and side, px, of the square round the visible part and what hides it nearby, to the last bit as
    ``paco_core.data.crops.windows`` has it. The square may leave the picture."""
    low, high = _box(visible)
    reach = REACH * (high - low).max()
    near = [(low[k] - reach < at) & (at < high[k] + reach) for k, at in enumerate(np.arange(n) + 0.5 for n in visible.shape)]
    low, high = _box(visible | occluder & near[0][:, None] & near[1])
    y, x = (low + high) / 2
    return float(x), float(y), float(np.float32(MARGIN) * (high - low).max())


def _box(mask: Bool[np.ndarray, "h w"]) -> tuple[Float32[np.ndarray, "2"], Float32[np.ndarray, "2"]]:
    """First row and column, and those behind the last, of a mask that is not empty."""
    used = [np.flatnonzero(mask.any(1 - axis)) for axis in (0, 1)]
    return np.array([at[0] for at in used], np.float32), np.array([at[-1] + 1 for at in used], np.float32)


def crop_of(target: CompletionTarget, window: Window) -> Crop:
    """What the network is given: colours 0 … 1, visible, occluder, gaps; antialiased where the window is larger."""
    rgb = _resized(window.cut(target.rgb), SIDE_PX) / np.float32(255)
    visible, occluder = (_resized_mask(window.cut(mask), SIDE_PX) for mask in (target.visible, target.occluder))
    gaps = np.zeros_like(visible)
    if target.gaps is not None:
        gaps = _resized(np.where(window.cut(target.gaps), np.uint8(255), np.uint8(0)), SIDE_PX) > 127
    return rgb, visible, occluder & ~visible, gaps & ~visible


def _resized(picture: Shaped[np.ndarray, "s s ..."], side_px: int) -> Shaped[np.ndarray, "t t ..."]:
    """Bilinear, over all pixels that one of the answer covers."""
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BILINEAR))


def _resized_mask(mask: Bool[np.ndarray, "s s"], side_px: int) -> Bool[np.ndarray, "t t"]:
    """Where most of a pixel is covered; of lines too thin for that, what covers most."""
    share = _resized(np.where(mask, np.uint8(255), np.uint8(0)), side_px)
    return share > min(127, int(share.max()) // 2)
