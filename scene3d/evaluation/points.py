"""Points on surfaces, and how far two sets of them lie apart: what Chamfer distance, F-score and ADD-S are made of."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.spatial import KDTree

POINTS = 20_480
"""Per object in tables: as many as MIDI-3D evaluates with (Huang et al., CVPR 2025, VAST-AI-Research/MIDI-3D)."""


def sample_surface(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], count: int, seed: int = 0
) -> Float64[np.ndarray, "n 3"]:
    """Points drawn uniformly by area, in the mesh's frame; the same seed gives the same points.

    Raises ``ValueError`` for a mesh without area.
    """
    a, b, c = np.moveaxis(np.asarray(vertices, np.float64)[faces], 1, 0)
    up_to = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    if not len(up_to) or not up_to[-1] > 0:
        raise ValueError("a mesh without area has no points on it")
    rng = np.random.default_rng(seed)
    face = np.searchsorted(up_to, rng.random(count) * up_to[-1], side="right").clip(max=len(up_to) - 1)
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return a[face] + u * (b - a)[face] + v * (c - a)[face]


def nearest(points: Float[np.ndarray, "n 3"], others: Float[np.ndarray, "m 3"]) -> Float64[np.ndarray, " n"]:
    """Distance of every point to the nearest of the others."""
    return np.asarray(KDTree(others).query(points)[0], np.float64)


@dataclass(frozen=True)
class Distances:
    """Between points on two surfaces, both ways; any unit."""

    to_truth: Float64[np.ndarray, " n"]
    """Of every predicted point."""
    to_prediction: Float64[np.ndarray, " m"]
    """Of every true point."""

    def times(self, factor: float) -> "Distances":
        """The same in another unit."""
        return Distances(self.to_truth * factor, self.to_prediction * factor)


def distances(predicted: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "m 3"]) -> Distances:
    """Nearest distances both ways."""
    return Distances(nearest(predicted, true), nearest(true, predicted))
