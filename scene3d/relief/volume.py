"""From an implicit shape to a closed triangle mesh."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy import ndimage as ndi
from skimage.measure import marching_cubes

from paco_core.errors import ObjectFailed
from scene3d.relief.view import View

Solid = Callable[[np.ndarray], np.ndarray]
"""Work points (n, 3) to a signed distance-like value (n,): positive inside, at most about one unit per unit of length."""

Twin = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Work points and outward normals (n, 3) to others of the same surface that should look the same."""

COARSE = 4
"""Stride of the first, coarse look at a solid; only blocks near its surface are sampled finely."""
BAND = 6.0
"""A coarse sample this many cells away from the surface decides for its whole block: half a block's diagonal (3.5 cells) with
a margin for fields that grow a little faster than distance."""


@dataclass(frozen=True)
class Shape:
    """A solid in the work frame and what is known about it."""

    view: View
    """The camera that it was made for."""
    solid: Solid
    low: Float64[np.ndarray, "3"]
    high: Float64[np.ndarray, "3"]
    """Box that contains the solid."""
    cell: Float64[np.ndarray, "3"]
    """Edge lengths of the cells to sample it with."""
    method: str
    flat: bool = False
    twins: tuple[Twin, ...] = ()
    """Where else to look for the colour of what is unseen, best first."""
    smoothing: float = 0.7
    """Sigma of the blur of the sampled solid, cells: hides the stairs of a mask, rounds edges."""
    metres_per_unit: float | None = None
    min_iou: float | None = None
    """Silhouette agreement that this shape asks for, when it knows better than the mask what the outline is."""


def extract(shape: Shape, coarsen: float = 1.0) -> tuple[Float64[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Closed surface of a shape, counter-clockwise from outside. Raises ``ObjectFailed`` when the shape is empty."""
    cell = shape.cell * coarsen
    values = sample(shape, cell)
    if not (values > 0).any():
        raise ObjectFailed("The shape is empty at this resolution.")
    vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="ascent")
    return shape.low - 3 * cell + vertices.astype(np.float64) * cell, faces.astype(np.int64)


def sample(shape: Shape, cell: Float64[np.ndarray, "3"]) -> Float[np.ndarray, "nx ny nz"]:
    """Values of the solid on a grid that starts 3 cells before ``low``; in cells, clipped, negative at the border."""
    count = np.ceil((shape.high - shape.low) / cell).astype(int) + 7
    count = (count + COARSE - 1) // COARSE * COARSE + 1
    axes = [shape.low[k] + (np.arange(count[k]) - 3) * cell[k] for k in range(3)]
    unit = float(cell.max())
    coarse = _evaluate(shape.solid, [a[::COARSE] for a in axes]) / unit
    near = ndi.maximum_filter((np.abs(coarse) < BAND).astype(np.uint8), 2, origin=-1)[:-1, :-1, :-1] > 0
    values = np.repeat(np.repeat(np.repeat(coarse, COARSE, 0), COARSE, 1), COARSE, 2)
    values = values[: count[0], : count[1], : count[2]]
    fine = np.zeros(values.shape, dtype=bool)
    fine[:-1, :-1, :-1] = np.repeat(np.repeat(np.repeat(near, COARSE, 0), COARSE, 1), COARSE, 2)
    i, j, k = np.nonzero(fine)
    values[fine] = shape.solid(np.stack([axes[0][i], axes[1][j], axes[2][k]], axis=1)) / unit
    return _polish(np.clip(values, -3, 3), shape.smoothing)


def _evaluate(solid: Solid, axes: list[np.ndarray]) -> np.ndarray:
    grid = np.meshgrid(*axes, indexing="ij")
    return solid(np.stack([g.ravel() for g in grid], axis=1)).reshape(grid[0].shape)


def _polish(values: np.ndarray, sigma: float) -> np.ndarray:
    """Blur the stairs away but keep parts that are thinner than the blur; close the border; avoid exact zeros."""
    out = values
    if sigma > 0:
        smooth = ndi.gaussian_filter(values, sigma)
        out = np.where(values > 0.15, np.maximum(smooth, 0.3 * values), smooth)
    for axis in range(3):
        np.moveaxis(out, axis, 0)[[0, -1]] = -1.0
    return np.where(np.abs(out) < 1e-3, -1e-3, out).astype(np.float32)


def rigid_twin(work_from_work: Float64[np.ndarray, "4 4"]) -> Twin:
    """The twin under a reflection or rotation that takes the shape to itself."""
    turn, shift = work_from_work[:3, :3].T, work_from_work[:3, 3]
    return lambda points, normals: (points @ turn + shift, normals @ turn)
