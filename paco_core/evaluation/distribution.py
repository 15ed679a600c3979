"""Distances between two sets of pictures, from one feature vector each: KID, and the Fréchet distance that FID is."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

SUBSETS = 100
"""Drawn for KID, as in the authors' code and in torchmetrics."""
SUBSET_SIZE = 1000
"""At most: as there."""
FRECHET_LEAST = 2048
"""Pictures, below which the covariance of Inception's 2,048 features has no full rank and FID is mostly its own bias."""
PER_THOUSAND = 1000.0
"""KID is shown times 1000, as most papers do."""

Vectors = Float[np.ndarray, "_ d"]


@dataclass(frozen=True)
class SetDistance:
    """A distance between two sets, with their sizes: it means little without them."""

    value: float
    made: int
    """How many pictures were compared …"""
    real: int
    """… and with how many."""
    std: float = math.nan
    """Over random subsets, where there are any (no confidence interval)."""

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "–"
        spread = "" if math.isnan(self.std) else f" ± {self.std:.2f}"
        return f"{self.value:.2f}{spread} (n {self.made}, {self.real})"


def kid(made: Vectors, real: Vectors, *, paired: bool = False, subsets: int = SUBSETS, seed: int = 0) -> SetDistance:
    """Kernel Inception distance × 1000 (Bińkowski et al. 2018, section 4): the unbiased MMD² under k(x, y) = (x·y / d + 1)³.

    Mean over random subsets without repetition, each of half of the smaller set (at most 1000). Small sets are noisy, not
    biased; a negative value means that they can't be told apart. ``paired``: row i of both shows the same object, and is drawn
    in both. NaN with fewer than four pictures on either side.
    """
    if min(len(made), len(real)) < 4:
        return SetDistance(math.nan, len(made), len(real))
    rng = np.random.default_rng(seed)
    size = min(SUBSET_SIZE, min(len(made), len(real)) // 2)

    def drawn() -> float:
        first = rng.choice(len(made), size, replace=False)
        second = first if paired else rng.choice(len(real), size, replace=False)
        return mmd2(made[first], real[second], paired=paired)

    values = [drawn() for _ in range(subsets)]
    mean, std = (PER_THOUSAND * float(of(values)) for of in (np.mean, np.std))
    return SetDistance(mean, len(made), len(real), std)


def mmd2(x: Vectors, y: Vectors, *, paired: bool = False) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy, cubic kernel (Gretton et al. 2012).

    Equation 3 for independent samples. ``paired``: equation 4, which leaves out k(xᵢ, yᵢ): pictures of the same object
    resemble each other, and with these terms even a perfect method would get a value below zero, another one at each size.
    """
    m, n = len(x), len(y)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = (xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1))
    across = (xy.sum() - np.trace(xy)) / (m * (m - 1)) if paired else xy.mean()
    return float(within - 2 * across)


def _kernel(x: Vectors, y: Vectors) -> Float64[np.ndarray, "m n"]:
    return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3


def frechet(made: Vectors, real: Vectors, *, least: int = FRECHET_LEAST) -> SetDistance:
    """Fréchet distance of two Gaussians (Heusel et al. 2017, equation 6): |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁C₂)^½).

    The trace of the root is taken from the eigenvalues of C₁^½ C₂ C₁^½, which are real and not negative whatever the rank, so
    that no imaginary part has to be thrown away. NaN below ``least`` pictures on either side (two is the least that there is):
    of fewer than ``FRECHET_LEAST`` the value is biased upward.
    """
    if min(len(made), len(real)) < max(least, 2):
        return SetDistance(math.nan, len(made), len(real))
    first, second = (np.atleast_2d(np.cov(v.astype(np.float64), rowvar=False)) for v in (made, real))
    values, axes = np.linalg.eigh(first)
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    product = np.linalg.eigvalsh(root @ second @ root)
    between = made.mean(axis=0, dtype=np.float64) - real.mean(axis=0, dtype=np.float64)
    traces = np.trace(first) + np.trace(second) - 2 * np.sqrt(np.maximum(product, 0)).sum()
    return SetDistance(max(float(between @ between + traces), 0.0), len(made), len(real))
