"""``paco-feat-1`` for the stages and the evaluation: NumPy in, NumPy out."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from paco_core.errors import BadInput
from paco_core.nets.features import MIN_SIDE_PX, FeatureNet
from paco_core.nets.weights import load_weights

WEIGHTS = Path(__file__).parents[1] / "weights" / "paco-feat-1.safetensors"
MAX_PIXELS = 1 << 20
"""Of the pictures that are worked on at once: 0.25 GB of maps and what comes before them."""


class PacoFeat1:
    """Implements ``paco_core.evaluation.features.FeatureExtractor`` with the weights that come with the package.

    What they are good for, and what not, says ``paco_core/weights/paco-feat-1.md``: neither LPIPS nor FID.
    """

    name = "paco-feat-1"

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        net = FeatureNet()
        load_weights(net, WEIGHTS)
        self._net = convert_conv2d_weight_memory_format(net.to(self.device), torch.channels_last).eval()

    def maps(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> list[Float32[np.ndarray, "n _ _ _"]]:
        """Maps at 1/2, 1/4, 1/8 and 1/16 of the size. Raises ``BadInput`` for pictures below 16 px a side."""
        parts = [[m.float().cpu().numpy() for m in maps] for maps in self._in_parts(rgb)]
        return [np.concatenate(stage) for stage in zip(*parts, strict=True)]

    def pooled(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n d"]:
        """One vector a picture: what is wrong with it rather than what it shows. Raises ``BadInput`` below 16 px a side."""
        with torch.inference_mode():
            return np.concatenate([self._net.vector(maps).cpu().numpy() for maps in self._in_parts(rgb)])

    def _in_parts(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> list[list[torch.Tensor]]:
        n, h, w, _ = rgb.shape
        if n == 0 or min(h, w) < MIN_SIDE_PX:
            raise BadInput(f"{self.name} needs at least one picture of {MIN_SIDE_PX} px a side, not {n} of {w} x {h} px.")
        at_once = max(1, MAX_PIXELS // (h * w))
        with torch.inference_mode():
            return [self._net(self._tensor(rgb[i : i + at_once])) for i in range(0, n, at_once)]

    def _tensor(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> torch.Tensor:
        return torch.from_numpy(rgb.copy()).to(self.device).permute(0, 3, 1, 2).float() / 255
