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
from scene3d.relief.morphology import dilate, edt, islands, signed_distance

CELLS = 96
"""Longest side of the silhouette in cells of the coarse grid: 1 % of the object, finer than inflation can be trusted."""
PAD = 8
"""Empty cells around it, so that blurs and gradients never see the border."""
FINE_PX = 420
"""The signed distance is kept at up to this many samples along the silhouette: finer than any volume we sample."""
THREAD = 0.005
"""Stems and spokes are made this thick (radius, work units), so that the finest cells do not miss them (docs/method.md)."""
CUT_SHARE = 0.5
"""A truncated mask's side is a cut when more than this share of it is one straight line (the crop may tilt it by 7 degrees)."""
ISLAND = 0.01
"""Islands smaller than this share of the largest one are noise of the mask (docs/method.md)."""


@dataclass(frozen=True)
class Field2D:
    """Samples on a regular grid over the crop; sample ``[j, i]`` lies at pixel ``origin_uv + step_px * (i, j)``."""

    values: Float64[np.ndarray, "gh gw"]
    origin_uv: tuple[float, float]
    step_px: float
    torn: Bool[np.ndarray, "gh gw"] | None = None
    """Squares (by their first corner) inside which the field jumps: there the nearest sample counts, not a mean."""

    def at(self, uv: Float[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n"]:
        """Bilinear value at pixels; the nearest sample outside the grid."""
        i = (uv[:, 0] - self.origin_uv[0]) / self.step_px
        j = (uv[:, 1] - self.origin_uv[1]) / self.step_px
        out = ndi.map_coordinates(self.values, [j, i], order=1, mode="nearest", prefilter=False)
        if self.torn is not None:
            h, w = self.values.shape
            square = np.clip(j.astype(int), 0, h - 1), np.clip(i.astype(int), 0, w - 1)
            jump = self.torn[square]
            nearest = np.clip(np.rint(j[jump]), 0, h - 1).astype(int), np.clip(np.rint(i[jump]), 0, w - 1).astype(int)
            out[jump] = self.values[nearest]
        return out

    def with_values(self, values: Float[np.ndarray, "gh gw"], torn: Bool[np.ndarray, "gh gw"] | None = None) -> "Field2D":
        """Other values on the same grid."""
        return Field2D(np.asarray(values, dtype=np.float64), self.origin_uv, self.step_px, torn)

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
    truncated: bool = False
    """Whether the photo's border cuts the object: straight borders are then cuts, not edges."""

    @property
    def inside(self) -> Bool[np.ndarray, "gh gw"]:
        """The silhouette on the coarse grid."""
        return self.grid.values > 0.5

    @property
    def cell(self) -> float:
        """Cell of the coarse grid, work units."""
        return self.grid.step_px / self.side_px


def outline_of(alpha: Float[np.ndarray, "s s"], *, truncated: bool = False, min_px: int = 12) -> Outline:
    """Describe the silhouette of a soft mask with values in [0, 1].

    Raises ``ObjectFailed`` when nothing that has an area is left (fewer than ``min_px`` pixels).
    """
    mask = without_specks(alpha > 0.5)
    if mask.sum() < min_px:
        raise ObjectFailed(f"The mask has {int(mask.sum())} pixels; a shape needs at least {min_px}.")
    ys, xs = np.nonzero(mask)
    center = ((xs.min() + xs.max() + 1) / 2, (ys.min() + ys.max() + 1) / 2)
    side = float(max(np.ptp(xs), np.ptp(ys)) + 1)
    distance = _signed_distance(np.where(dilate(mask), alpha, 0.0), mask, side)
    n, step = CELLS + 2 * PAD, side / CELLS
    start = (center[0] - (n - 1) / 2 * step, center[1] - (n - 1) / 2 * step)
    grid = Field2D(np.zeros((n, n)), start, step)
    inside = distance.at(grid.uv).reshape(n, n) > 0
    if not inside.any():
        raise ObjectFailed("The mask is thinner than one percent of its length everywhere.")
    return Outline(mask, side, distance, grid.with_values(inside.astype(np.float64)), truncated)


def without_specks(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Drop islands that are smaller than ``ISLAND`` of the largest one."""
    label, size = islands(mask)
    return np.isin(label, np.flatnonzero(size >= ISLAND * max(int(size.max()), 1))) & mask


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
    """Half thickness of a plausible round body, work units; 0 outside (docs/method.md).

    The mean of h² from Poisson inflation (∇²u = -2.6, h = √u) and from the union of maximal medial balls:
    the best of the depth-free variants measured (docs/method.md). ``floor`` keeps thin parts alive.
    """
    square = 0.5 * poisson(inside, 2.6) + 0.5 * medial_balls(inside)
    half = np.sqrt(np.where(inside, ndi.gaussian_filter(square, 1.0), 0)) * cell
    return np.where(inside, np.maximum(half, floor), 0.0)


def thickness_within(outline: Outline, inside: Bool[np.ndarray, "h w"], floor: float = 0.012) -> Float64[np.ndarray, "h w"]:
    """``thickness`` of a part of the outline's grid; a body cut by the photo's border goes on behind the cut, mirrored."""
    if not outline.truncated:
        return thickness(inside, outline.cell, floor)
    whole, steps = inside, []
    for turns in range(4):  # bottom, then left, top, right become the bottom
        turned = np.rot90(whole, turns)
        last = int(np.flatnonzero(turned.any(axis=1))[-1])
        if _is_cut(turned):
            steps.append((turns, last, turned.shape[0]))
            whole = np.rot90(np.concatenate([turned[: last + 1], turned[last::-1]]), -turns)
    half = thickness(whole, outline.cell, floor)
    for turns, last, rows in reversed(steps):
        turned = np.rot90(half, turns)[: last + 1]
        half = np.rot90(np.pad(turned, ((0, rows - last - 1), (0, 0))), -turns)
    return half


def _is_cut(inside: np.ndarray) -> bool:
    """Whether the lowest border of a mask is one straight, nearly level line over more than ``CUT_SHARE`` of its width."""
    columns = np.flatnonzero(inside.any(axis=0))
    lowest = inside.shape[0] - 1 - np.argmax(inside[::-1][:, columns], axis=0)
    near = lowest >= lowest.max() - 0.12 * len(columns)
    if near.sum() < max(4, CUT_SHARE * len(columns)):
        return False
    slope, offset = np.polyfit(columns[near], lowest[near], 1)
    straight = np.abs(slope * columns + offset - lowest) <= 1.0
    return bool(straight.sum() > CUT_SHARE * len(columns) and abs(slope) < 0.12)


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
    out[where] = np.asarray(spsolve(laplace + sparse.diags(4.0 - laplace.diagonal()), np.full(len(where), source)))
    return out.reshape(inside.shape)


def membrane(
    inside: Bool[np.ndarray, "h w"],
    known: Bool[np.ndarray, "h w"],
    values: Float[np.ndarray, "h w"],
    stiffness: float = 10.0,
    tears: tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]] | None = None,
) -> Float64[np.ndarray, "h w"]:
    """Harmonic interpolation over ``inside`` of values that are given where ``known`` (natural boundary elsewhere).

    ``tears``: where the link to the right, and the link downwards, is cut. A part without known values becomes 0.
    """
    laplace, where = _laplacian(inside, tears)
    weight = stiffness * (known & inside).ravel()[where]
    system = (laplace + sparse.diags(weight + 1e-9)).tocsc()
    out = np.zeros(inside.size)
    out[where] = np.asarray(spsolve(system, weight * np.where(known, values, 0.0).ravel()[where]))
    return out.reshape(inside.shape)


def thin_plate(
    inside: Bool[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], values: Float[np.ndarray, "h w"], tension: float = 1e-3
) -> Float64[np.ndarray, "h w"]:
    """Fill ``inside & ~known`` with the least bent surface: a plane that is partly known goes on as that plane.

    Minimises the squared second differences (Grimson 1981) plus ``tension`` × the squared first ones, which keeps parts that are
    known on one side only from running away. Known cells come back unchanged; only those within 6 cells of a hole matter.
    """
    hole = inside & ~known
    if not hole.any() or not (inside & known).any():
        return np.where(inside, values, 0.0)
    near = inside & dilate(hole, 6)
    index = np.full(near.shape, -1)
    where = np.flatnonzero(near.ravel())
    index.ravel()[where] = np.arange(len(where))
    bend = [_stencil(index, cells, weights) for cells, weights in _SECOND]
    stretch = [_stencil(index, cells, weights) for cells, weights in _FIRST]
    rows = sparse.vstack([*bend, *(np.sqrt(tension) * s for s in stretch)]).tocsc()
    weight = 10.0 * known.ravel()[where]
    system = rows.T @ rows + sparse.diags(weight + 1e-9)
    solved = np.asarray(spsolve(system.tocsc(), weight * np.where(known, values, 0.0).ravel()[where]))
    out = np.where(known & inside, values, 0.0).astype(np.float64)
    out.ravel()[where] = np.where(known.ravel()[where], out.ravel()[where], solved)
    return out


_SECOND = (
    (((0, 0), (0, 1), (0, 2)), (1.0, -2.0, 1.0)),
    (((0, 0), (1, 0), (2, 0)), (1.0, -2.0, 1.0)),
    (((0, 0), (0, 1), (1, 0), (1, 1)), (2**0.5, -(2**0.5), -(2**0.5), 2**0.5)),
)
_FIRST = ((((0, 0), (0, 1)), (1.0, -1.0)), (((0, 0), (1, 0)), (1.0, -1.0)))


def _stencil(index: np.ndarray, cells: tuple[tuple[int, int], ...], weights: tuple[float, ...]) -> sparse.csr_matrix:
    """One row per place where all cells of the stencil are inside."""
    h, w = index.shape
    tall, wide = max(c[0] for c in cells), max(c[1] for c in cells)
    members = np.stack([index[r : h - tall + r, c : w - wide + c].ravel() for r, c in cells], axis=1)
    members = members[(members >= 0).all(axis=1)]
    n = len(members)
    data = np.tile(weights, n)
    return sparse.csr_matrix((data, (np.repeat(np.arange(n), len(cells)), members.ravel())), (n, int(index.max()) + 1))


def _laplacian(inside: np.ndarray, tears: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[sparse.csc_matrix, np.ndarray]:
    """Graph Laplacian of the 4-connected cells inside, and their flat indices."""
    h, w = inside.shape
    where = np.flatnonzero(inside.ravel())
    index = np.full(inside.size, -1)
    index[where] = np.arange(len(where))
    index = index.reshape(h, w)
    right, down = (~tears[0][:, :-1], ~tears[1][:-1]) if tears is not None else (True, True)
    pairs = []
    for a, b, linked in ((index[:, :-1], index[:, 1:], right), (index[:-1], index[1:], down)):
        both = (a >= 0) & (b >= 0) & linked
        pairs.append(np.stack([a[both], b[both]]))
    i, j = np.concatenate(pairs, axis=1)
    n = len(where)
    adjacent = sparse.csc_matrix((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), (n, n))
    return (sparse.diags(np.asarray(adjacent.sum(axis=1)).ravel()) - adjacent).tocsc(), where
