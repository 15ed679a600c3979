"""Inpainting without a network, asked in the same ways as networks: what an answer owes to the question alone."""

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.backends.base import CompletionTarget, InpaintStrategy
from paco_core.backends.exemplar import ExemplarBackground

RADIUS_PX = 3
"""What OpenCV's own examples use."""


class TeleaInpainter:
    """Protocol ``Inpainter``: OpenCV's, after Telea (2004): colours flow in from all round the hole."""

    name = "telea"
    strategies: tuple[InpaintStrategy, ...] = ("hidden part", "grey occluder", "whole occluder")

    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """Deterministic; ``seed`` is not used."""
        import cv2

        return np.asarray(cv2.inpaint(target.rgb, hole.astype(np.uint8), RADIUS_PX, cv2.INPAINT_TELEA), np.uint8)


class ExemplarInpainter:
    """Protocol ``Inpainter``: patches of all that is to be seen, by the program's background filler."""

    name = "exemplar"
    strategies: tuple[InpaintStrategy, ...] = ("hidden part", "grey occluder", "whole occluder")

    def __init__(self) -> None:
        self._filler = ExemplarBackground()

    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """Deterministic; ``seed`` is not used."""
        return self._filler.fill(target.rgb, hole)
