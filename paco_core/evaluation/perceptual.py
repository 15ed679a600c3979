"""How different two pictures look to a network: Zhang et al. 2018 ("The Unreasonable Effectiveness of Deep Features …").

It is named after its extractor. LPIPS is only what VGG's or AlexNet's features and their learned channel weights give.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64

from paco_core.evaluation.crops import Square, shares
from paco_core.evaluation.features import FeatureExtractor, WeightedExtractor

Maps = Sequence[Float32[np.ndarray, "_ _ _"]]
"""Of one picture, one entry (channels, height, width) per stage; every stage has its own number of channels."""
TINY = 1e-10
"""Added to the norm of a pixel's channels, as the authors' code does: pixels without any feature are all alike."""


def weights_of(extractor: FeatureExtractor) -> list[Float32[np.ndarray, " _"]] | None:
    """How much each channel counts, where the extractor has learned it."""
    return extractor.channel_weights if isinstance(extractor, WeightedExtractor) else None


def perceptual_distance(
    first: Maps,
    second: Maps,
    where: Bool[np.ndarray, "h w"],
    square: Square,
    weights: list[Float32[np.ndarray, " _"]] | None = None,
) -> float:
    """Zhang et al., equation 1, inside of a region of the frame of which both pictures show the same ``square``.

    Squared differences of the unit-normalised channels, summed over channels (times ``weights``), averaged over each stage's
    cells by the share of them that lies in ``where``, summed over stages. NaN where the region holds nothing of the square.
    """
    total = 0.0
    for stage, (a, b) in enumerate(zip(first, second, strict=True)):
        covered = shares(where, square, (a.shape[1], a.shape[2])).astype(np.float64)
        if not covered.any():
            return float("nan")
        squared = (_unit(a) - _unit(b)) ** 2
        each = squared.sum(axis=0) if weights is None else np.tensordot(weights[stage].astype(np.float64), squared, 1)
        total += float((each * covered).sum() / covered.sum())
    return total


def _unit(maps: Float32[np.ndarray, "c h w"]) -> Float64[np.ndarray, "c h w"]:
    wide = maps.astype(np.float64)
    return wide / (np.sqrt((wide**2).sum(axis=0, keepdims=True)) + TINY)
