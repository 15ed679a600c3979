"""2-D fields over the crop: the outline's signed distance, thickness, harmonic interpolation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy import ndimage as ndi
from scipy import sparse
from scipy.sparse.linalg import spsolve
from skimage.morphology import skeletonize

from paco_core.errors import ObjectFailed

CELLS = 96
"""Longest side of the silhouette in cells of the coarse grid: 1 % of the object, finer than inflation can be trusted."""
PAD = 8
"""Empty cells around it, so that blurs and gradients never see the border."""
FINE_PX = 420
"""The signed distance is kept at up to this many samples along the silhouette: finer than any volume we sample."""
THREAD = 0.005
"""Stems and spokes are made this thick (radius, work units), so that the finest cells do not miss them (notes 4.3 d)."""
ISLAND = 0.01
"""Islands smaller than this share of the largest one are noise of the mask (lifting notes 4.1.1)."""


@dataclass(frozen=True)
class Field2D:
    """Samples on a regular grid over the crop; sample ``[j, i]`` lies at pixel ``origin_uv + step_px * (i, j)``."""

    values: Float64[np.ndarray, "gh gw"]
    origin_uv: tuple[float, float]
    step_px: float

    def at(self, uv: Float[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n"]:
        """Bilinear value at pixels; the nearest sample outside the grid."""
        i = (uv[:, 0] - self.origin_uv[0]) / self.step_px
        j = (uv[:, 1] - self.origin_uv[1]) / self.step_px
        return ndi.map_coordinates(self.values, [j, i], order=1, mode="nearest", prefilter=False)

    def with_values(self, values: Float[np.ndarray, "gh gw"]) -> "Field2D":
        """Other values on the same grid."""
        return Field2D(np.asarray(values, dtype=np.float64), self.origin_uv, self.step_px)

    @cached_property
    def uv(self) -> Float64[np.ndarray, "n 2"]:
        """Pixel of every sample, row by row."""
        h, w = self.values.shape
        u, v = np.meshgrid(self.origin_uv[0] + self.step_px * np.arange(w), self.origin_uv[1] + self.step_px * np.arange(h))
        return np.stack([u.ravel(), v.ravel()], axis=1)


@dataclass(frozen=True)
class Outline:
    """The object's silhouette in the crop, without specks."""

    mask: Bool[np.ndarray, "s s"]
    side_px: float
    """Longest side of the silhouette's box: the work frame's unit."""
    distance: Field2D
    """Signed distance to the contour in work units, positive inside."""
    grid: Field2D
    """Coarse grid; its values are 1 inside and 0 outside."""

    @property
    def inside(self) -> Bool[np.ndarray, "gh gw"]:
        """The silhouette on the coarse grid."""
        return self.grid.values > 0.5

    @property
    def cell(self) -> float:
        """Cell of the coarse grid, work units."""
        return self.grid.step_px / self.side_px


def outline_of(alpha: Float[np.ndarray, "s s"], *, min_px: int = 12) -> Outline:
    """Describe the silhouette of a soft mask with values in [0, 1].

    Raises ``ObjectFailed`` when nothing that has an area is left (fewer than ``min_px`` pixels).
    """
    mask = without_specks(alpha > 0.5)
    if mask.sum() < min_px:
        raise ObjectFailed(f"The mask has {int(mask.sum())} pixels; a shape needs at least {min_px}.")
    ys, xs = np.nonzero(mask)
    center = ((xs.min() + xs.max() + 1) / 2, (ys.min() + ys.max() + 1) / 2)
    side = float(max(np.ptp(xs), np.ptp(ys)) + 1)
    distance = _signed_distance(np.where(ndi.binary_dilation(mask), alpha, 0.0), mask, side)
    n, step = CELLS + 2 * PAD, side / CELLS
    start = (center[0] - (n - 1) / 2 * step, center[1] - (n - 1) / 2 * step)
    grid = Field2D(np.zeros((n, n)), start, step)
    inside = distance.at(grid.uv).reshape(n, n) > 0
    if not inside.any():
        raise ObjectFailed("The mask is thinner than one percent of its length everywhere.")
    return Outline(mask, side, distance, grid.with_values(inside.astype(np.float64)))


def edt(inside: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Euclidean distance of every inside sample to the nearest outside one, samples."""
    return np.asarray(ndi.distance_transform_edt(inside), dtype=np.float64)


def signed_distance(inside: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Distance to the border between inside and outside samples, positive inside, samples."""
    return np.where(inside, edt(inside) - 0.5, 0.5 - edt(~inside))


def without_specks(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Drop islands that are smaller than ``ISLAND`` of the largest one."""
    label, count = ndi.label(mask, np.ones((3, 3)))
    if count < 2:
        return mask
    size = np.bincount(label.ravel())
    size[0] = 0
    return np.isin(label, np.flatnonzero(size >= ISLAND * size.max()))


def _signed_distance(alpha: np.ndarray, mask: np.ndarray, side: float) -> Field2D:
    """Signed distance in units of ``side``, sub-pixel near the contour where the mask is soft."""
    border = max(4, int(0.1 * side))  # so that a mask that touches the crop's border is closed there
    soft, hard = np.pad(alpha, border), np.pad(mask, border)
    signed = signed_distance(hard)
    near = np.abs(signed) < 1
    signed = np.where(near, np.clip(soft - 0.5, -0.5, 0.5), signed) / side
    q = max(1, int(side // FINE_PX))
    signed = np.maximum(signed, _threads(hard, side))
    if q > 1:
        signed = ndi.uniform_filter(signed, q)[q // 2 :: q, q // 2 :: q]
    first = 0.5 - border + q // 2 - (0.5 if q % 2 == 0 and q > 1 else 0.0)
    return Field2D(signed.astype(np.float64), (first, first), float(q))


def _threads(mask: np.ndarray, side: float) -> np.ndarray:
    """Signed distance of tubes of ``THREAD`` around parts of the mask that are thinner; far outside elsewhere."""
    radius = THREAD * side
    if radius < 0.5:
        return np.full(mask.shape, -1.0)
    solid = edt(~(edt(mask) > radius)) < radius + 1  # the opening of the mask by a disc
    thin = mask & ~solid
    if not thin.any():
        return np.full(mask.shape, -1.0)
    return (radius - edt(~skeletonize(thin))) / side


def thickness(inside: Bool[np.ndarray, "h w"], cell: float, floor: float = 0.012) -> Float64[np.ndarray, "h w"]:
    """Half thickness of a plausible round body, work units; 0 outside (lifting notes 4.1.2).

    The mean of h² from Poisson inflation (∇²u = -2.6, h = √u) and from the union of maximal medial balls:
    the best of the depth-free variants measured (notes 4.2). ``floor`` keeps thin parts alive.
    """
    square = 0.5 * poisson(inside, 2.6) + 0.5 * medial_balls(inside)
    half = np.sqrt(np.where(inside, ndi.gaussian_filter(square, 1.0), 0)) * cell
    return np.where(inside, np.maximum(half, floor), 0.0)


def medial_balls(inside: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """h²(p) = max over q of DT(q)² - |p-q|², cells²: the union of inscribed balls, exact and separable."""
    square = np.where(inside, edt(inside) ** 2, -1e9)
    for axis in (1, 0):
        i = np.arange(square.shape[axis])
        apart = (i[:, None] - i[None]) ** 2.0
        rows = square if axis == 1 else square.T
        rows = np.stack([(row[None] - apart).max(axis=1) for row in rows])
        square = rows if axis == 1 else rows.T
    return np.where(inside, np.maximum(square, 0), 0)


def poisson(inside: Bool[np.ndarray, "h w"], source: float) -> Float64[np.ndarray, "h w"]:
    """Solve ∇²u = -source (cells) with u = 0 outside."""
    laplace, where = _laplacian(inside)
    out = np.zeros(inside.size)
    out[where] = spsolve(laplace + sparse.diags(4.0 - laplace.diagonal()), np.full(len(where), source))
    return out.reshape(inside.shape)


def membrane(
    inside: Bool[np.ndarray, "h w"],
    known: Bool[np.ndarray, "h w"],
    values: Float[np.ndarray, "h w"],
    stiffness: float = 10.0,
) -> Float64[np.ndarray, "h w"]:
    """Harmonic interpolation over ``inside`` of values that are given where ``known`` (natural boundary elsewhere)."""
    laplace, where = _laplacian(inside)
    weight = stiffness * (known & inside).ravel()[where]
    system = (laplace + sparse.diags(weight + 1e-9)).tocsc()
    out = np.zeros(inside.size)
    out[where] = spsolve(system, weight * np.where(known, values, 0.0).ravel()[where])
    return out.reshape(inside.shape)


def _laplacian(inside: np.ndarray) -> tuple[sparse.csc_matrix, np.ndarray]:
    """Graph Laplacian of the 4-connected cells inside, and their flat indices."""
    h, w = inside.shape
    where = np.flatnonzero(inside.ravel())
    index = np.full(inside.size, -1)
    index[where] = np.arange(len(where))
    index = index.reshape(h, w)
    pairs = [
        np.stack([a[both], b[both]])
        for a, b in ((index[:, :-1], index[:, 1:]), (index[:-1], index[1:]))
        for both in [(a >= 0) & (b >= 0)]
    ]
    i, j = np.concatenate(pairs, axis=1)
    n = len(where)
    adjacent = sparse.csc_matrix((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), (n, n))
    return (sparse.diags(np.asarray(adjacent.sum(axis=1)).ravel()) - adjacent).tocsc(), where


def fill_outwards(values: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Every unknown sample takes the nearest known one."""
    nearest = ndi.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(values, dtype=np.float64)[tuple(nearest)]
