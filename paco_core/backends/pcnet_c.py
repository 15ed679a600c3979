"""SSSD's own PCNet-C as an inpainter, for weights that somebody has fetched."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from paco_core.backends.base import CompletionTarget, InpaintStrategy
from paco_core.backends.brought import given
from paco_core.backends.squares import from_square, squared
from paco_core.nets.pcnet_c import load_pcnet_c

MEAN, STD = np.array((0.485, 0.456, 0.406), np.float32), np.array((0.229, 0.224, 0.225), np.float32)
"""What colours are made less of, and divided by (``experiments/COCOA/pcnet_c/config.yaml``)."""
SIDE_PX = 256
"""``input_size`` there."""


class PcnetC:
    """Protocol ``Inpainter``: it reads the visible mask besides; the hole is "erased" to grey."""

    name = "pcnet-c"
    strategies: tuple[InpaintStrategy, ...] = ("hidden part",)
    """As it was trained: what hides the object stays in the picture."""

    def __init__(self, weights: Path | None = None, *, device: str = "cpu") -> None:
        """``weights``: the published file, or one of the same network. Raises ``BadInput`` for another."""
        path = given(weights, self.name, "SSSD's file PCNet-C.pth or the like")
        self._device = torch.device(device)
        self._net = load_pcnet_c(path).to(self._device)

    @torch.inference_mode()
    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """Deterministic; ``seed`` is not used."""
        picture, missing = squared(target.rgb, hole, SIDE_PX)
        _, visible = squared(target.rgb, target.visible & ~hole, SIDE_PX)
        known = np.asarray(missing) == 0
        colours = (np.asarray(picture, np.float32) / 255 - MEAN) / STD * known[..., None]
        values = self._tensor(np.dstack([colours, (np.asarray(visible) > 0) & known]))
        answer = self._net(values, self._tensor(np.repeat(known[..., None], values.shape[1], axis=2)))
        rgb = 255 * (answer[0].permute(1, 2, 0).cpu().numpy() * STD + MEAN)
        return from_square(np.rint(np.nan_to_num(rgb).clip(0, 255)).astype(np.uint8), hole.shape)

    def _tensor(self, picture: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None].to(self._device)
