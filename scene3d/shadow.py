"""Contact shadows: how much of the sky the objects take from the floor around them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter, map_coordinates

from scene3d.rays import RayMesh

CELLS = 96
"""Cells along the longer side of the floor's shadow map: 2-4 cm for a room of 2-4 m, and 0.2 s of rays."""

RAYS = 16
"""Directions over the sky per cell; blurring over the map hides the noise of so few."""


@dataclass(frozen=True)
class FloorShadow:
    """How much of the sky objects take from the floor (y = 0), on a grid of cells over x and z."""

    occlusion: Float[np.ndarray, "nz nx"]
    corner_xz: Float[np.ndarray, "2"]
    cell: float
    tolerance: float
    """Points this near y = 0 count as floor, in the scene's unit."""

    def at(self, points: np.ndarray) -> np.ndarray:
        """Occlusion (n,) in [0, 1] at world points (n, 3)."""
        column, row = ((points[:, [0, 2]] - self.corner_xz) / self.cell - 0.5).T
        return map_coordinates(self.occlusion, [row, column], order=1, mode="constant", cval=0.0)


def floor_shadow(objects: RayMesh, reach: float) -> FloorShadow:
    """Ambient occlusion of the floor by world-space ``objects``, by cosine-weighted rays that end after ``reach``."""
    used = objects.vertices[objects.faces].reshape(-1, 3)[:, [0, 2]]
    low, high = used.min(axis=0) - reach, used.max(axis=0) + reach
    cell = float((high - low).max() / CELLS)
    nx, nz = np.ceil((high - low) / cell).astype(int)
    gz, gx = np.mgrid[:nz, :nx]
    above = np.full(gx.shape, 0.01 * reach)  # rays start off the floor, so that they see what stands on it
    floor = np.stack([low[0] + (gx + 0.5) * cell, above, low[1] + (gz + 0.5) * cell], axis=-1)
    blocked = _sky_blocked(objects, floor.reshape(-1, 3), reach).reshape(gx.shape)
    return FloorShadow(gaussian_filter(blocked, 1.0, mode="constant"), low, cell, tolerance=0.02 * reach)


def _sky_blocked(rays: RayMesh, points: np.ndarray, reach: float) -> np.ndarray:
    """Share (n,) of a cosine-weighted sky that is blocked within ``reach``, nearer blockers counting more."""
    spiral = (np.arange(RAYS) + 0.5) / RAYS
    azimuth = np.arange(RAYS) * np.pi * (3 - np.sqrt(5))  # golden angle: even cover for any number of rays
    sine = np.sqrt(spiral)
    directions = np.stack([sine * np.cos(azimuth), np.sqrt(1 - spiral), sine * np.sin(azimuth)], axis=-1)
    _, t = rays.cast(np.repeat(points, RAYS, axis=0), np.tile(directions, (len(points), 1)))
    return np.clip(1 - t / reach, 0, 1).reshape(-1, RAYS).mean(axis=1)
