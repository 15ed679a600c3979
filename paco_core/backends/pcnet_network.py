"""``DirectNet`` on targets of any size: square windows as in its training, resampled there and back. Imported when it is used."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Shaped, UInt8
from PIL import Image
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from paco_core.backends.base import CompletionTarget
from paco_core.data.crops import windows
from paco_core.errors import ObjectFailed
from paco_core.nets.direct import DirectNet
from paco_core.nets.weights import load_weights

SIDE_PX = 128
"""Of the crops that the network sees, as in the last part of its training."""
AT_ONCE = 8
"""Crops a batch: 0.1 GB of maps; more at once are no faster on a processor."""
BEYOND = -1.0
"""Logit where the network was not asked."""


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
    """The network with its weights, on one device. Raises ``BadInput`` for a file that is not its weights."""

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        self.device = torch.device(device)
        net = DirectNet()
        load_weights(net, weights)
        self._net = convert_conv2d_weight_memory_format(net.to(self.device), torch.channels_last).eval()

    def answers(self, targets: Sequence[CompletionTarget]) -> list[Answer]:
        """One per target, in the same order. Raises ``ObjectFailed`` where memory does not do for a single one."""
        places = [window_of(target) for target in targets]
        crops = np.stack([crop_of(target, place) for target, place in zip(targets, places, strict=True)])
        with _on_one_thread():
            found = np.concatenate([self._asked(crops[k : k + AT_ONCE]) for k in range(0, len(crops), AT_ONCE)])
        return [_answer(*given) for given in zip(targets, places, found, strict=True)]

    def _asked(self, crops: Float32[np.ndarray, "n 5 s s"]) -> Float32[np.ndarray, "n 4 s s"]:
        """Colours and logits of crops; in halves where memory does not do for all of them."""
        try:
            return self._forward(crops)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if len(crops) == 1:
                raise ObjectFailed("there is no memory for the network: lower max_side_px, or close other programs") from error
        half = len(crops) // 2
        return np.concatenate([self._asked(crops[:half]), self._asked(crops[half:])])

    def _forward(self, crops: Float32[np.ndarray, "n 5 s s"]) -> Float32[np.ndarray, "n 4 s s"]:
        with torch.inference_mode():
            x = torch.from_numpy(crops).to(self.device)
            colours, logit, _ = self._net(x[:, :3], x[:, 3:4], x[:, 4:])
            return torch.cat([colours, logit], 1).cpu().numpy()


def window_of(target: CompletionTarget) -> Window:
    """Where training would have cut the target out, in whole pixels."""
    x, y, side = windows(*(torch.from_numpy(mask[None].copy()) for mask in (target.visible, target.occluder)))[0].tolist()
    whole = max(1, round(side))
    return Window(math.floor(x - whole / 2 + 0.5), math.floor(y - whole / 2 + 0.5), whole)  # moves as the target does


def crop_of(target: CompletionTarget, window: Window) -> Float32[np.ndarray, "5 s s"]:
    """What the network is given: colours 0 … 1, visible, occluder; antialiased where the window is larger."""
    rgb = _resized(window.cut(target.rgb), SIDE_PX).transpose(2, 0, 1) / np.float32(255)
    visible, occluder = (_resized_mask(window.cut(mask), SIDE_PX) for mask in (target.visible, target.occluder))
    return np.concatenate([rgb, np.stack([visible, occluder & ~visible]).astype(np.float32)])


def _answer(target: CompletionTarget, window: Window, found: Float32[np.ndarray, "4 s s"]) -> Answer:
    colours = np.rint(255 * np.nan_to_num(found[:3]).clip(0, 1)).astype(np.uint8).transpose(1, 2, 0)
    nowhere = np.full(target.visible.shape, BEYOND, np.float32)
    return Answer(
        window.paste(_resized(found[3], window.side), nowhere),
        window.paste(_resized(np.ascontiguousarray(colours), window.side), target.rgb),
    )


def _resized(picture: Shaped[np.ndarray, "s s ..."], side_px: int) -> Shaped[np.ndarray, "t t ..."]:
    """Bilinear, over all pixels that one of the answer covers."""
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BILINEAR))


def _resized_mask(mask: Bool[np.ndarray, "s s"], side_px: int) -> Bool[np.ndarray, "t t"]:
    """Where most of a pixel is covered; of lines too thin for that, what covers most."""
    share = _resized(np.where(mask, np.uint8(255), np.uint8(0)), side_px)
    return share > min(127, int(share.max()) // 2)


def _out_of_memory(error: Exception) -> bool:
    """Torch has a class of its own for GPUs alone."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """The same sums on any number of processors; 20 ms an object are little enough."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
