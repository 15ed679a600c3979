"""LaMa as an inpainter: PACO's rival in section 7 of its paper, which also fills the paper's backgrounds."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from paco_core.backends.base import CompletionTarget, InpaintStrategy
from paco_core.backends.brought import given
from paco_core.nets.lama import DOWN, load_lama

MULTIPLE = 1 << DOWN
LEAST_PX = 4 * MULTIPLE
"""Smaller pictures have no room for reflections at the bottleneck."""


class Lama:
    """Protocol ``Inpainter``: pictures at their own size, one pass."""

    name = "lama"
    strategies: tuple[InpaintStrategy, ...] = ("hidden part", "whole occluder")
    """The second is the paper's choice (section 7)."""

    def __init__(self, weights: Path | None = None, *, device: str = "cpu") -> None:
        """``weights``: a file with the generator's, as ``paco_core.nets.foreign`` reads it. Raises ``BadInput`` for another."""
        path = given(weights, self.name, "a file with big-lama's generator")
        self._device = torch.device(device)
        self._net = load_lama(path).to(self._device)

    @torch.inference_mode()
    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """Deterministic; ``seed`` is not used. Pictures go on mirrored below and to the right, to a multiple of 8."""
        more = [(0, max(LEAST_PX, -(-length // MULTIPLE) * MULTIPLE) - length) for length in hole.shape]
        rgb, mask = np.pad(target.rgb, (*more, (0, 0)), mode="symmetric"), np.pad(hole, more, mode="symmetric")
        seen = np.dstack([np.where(mask[..., None], np.float32(0), rgb / np.float32(255)), mask.astype(np.float32)])
        seen_by = torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)))[None].to(self._device)
        answer = self._net(seen_by)[0].clamp(0, 1).nan_to_num()
        painted = (255 * answer).round().byte().permute(1, 2, 0).cpu().numpy()
        return painted[: hole.shape[0], : hole.shape[1]]
