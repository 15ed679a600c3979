"""What ``pcnet`` alone says about colours, as an inpainter: our own PCNet-C, to see what is gained over it."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.backends.base import CompletionTarget, InpaintStrategy
from paco_core.backends.pcnet import WEIGHTS
from paco_core.backends.pcnet_network import PcnetNetwork


class PcnetColours:
    """Protocol ``Inpainter``: the colours that the network predicts beside the mask, smooth ones; it asks for no hole."""

    name = "pcnet-colours"
    strategies: tuple[InpaintStrategy, ...] = ("hidden part",)

    def __init__(self, weights: Path | None = None) -> None:
        """``weights``: of pcnet; those of the package by default. Raises ``BadInput`` for another file."""
        self._network = PcnetNetwork(weights or WEIGHTS)

    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """Deterministic; ``seed`` is not used."""
        return self._network.answers([target])[0].rgb
