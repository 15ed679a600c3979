"""What turns pictures into features, for measures that compare looks; which network it is belongs to every figure's name."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8


@runtime_checkable
class FeatureExtractor(Protocol):
    """A network that is not trained any more. Deterministic: the same picture has the same features in every batch."""

    name: str
    """As tables show it, e.g. ``paco-feat-1`` or ``inception-v3 (torchvision)``."""

    def maps(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> list[Float32[np.ndarray, "n _ _ _"]]:
        """Features at several scales, each (n, channels, height, width) of its own, for the perceptual distance."""
        ...

    def pooled(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n d"]:
        """One vector a picture, for KID and the Fréchet distance."""
        ...


@runtime_checkable
class WeightedExtractor(FeatureExtractor, Protocol):
    """One that also knows how much each channel says, as LPIPS has learned it from people."""

    channel_weights: list[Float32[np.ndarray, " _"]]
    """Per stage of ``maps``, ≥ 0."""
