"""Stable Diffusion's inpainting as an inpainter: PACO's rival in sections 5.3 and 7 of its paper."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from paco_core.backends.base import CompletionTarget, InpaintStrategy
from paco_core.backends.brought import given
from paco_core.backends.squares import from_square, squared
from paco_core.nets.sd_inpaint import sd_inpainting


class SdInpainting:
    """Protocol ``Inpainter``: the object's name is the prompt. Made for a GPU."""

    name = "sd-inpainting"
    strategies: tuple[InpaintStrategy, ...] = ("hidden part", "grey occluder", "whole occluder")
    """The three of section 5.3; the third is the best of them by section 7."""

    def __init__(
        self, weights: Path | None = None, *, device: str = "cpu", side_px: int = 512, steps: int = 50, guidance: float = 7.5
    ) -> None:
        """``weights``: a folder as diffusers writes it. The size is the network's; steps and guidance are diffusers' defaults.

        Raises ``BadInput`` for a folder of something else.
        """
        folder = given(weights, self.name, "the folder of a Stable Diffusion for inpainting, as diffusers writes it")
        self._pipeline = sd_inpainting(folder, device)
        self._side_px, self._steps, self._guidance = side_px, steps, guidance

    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """One denoising; deterministic for a seed."""
        picture, mask = squared(target.rgb, hole, self._side_px)
        answer: Any = self._pipeline(
            prompt=target.name,
            image=picture,
            mask_image=mask,
            height=self._side_px,
            width=self._side_px,
            num_inference_steps=self._steps,
            guidance_scale=self._guidance,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        )
        painted = np.rint(255 * np.nan_to_num(answer.images[0]).clip(0, 1)).astype(np.uint8)
        return from_square(painted, hole.shape)
