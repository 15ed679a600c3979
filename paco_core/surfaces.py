"""Where the floor of a photo ends when there is no depth to tell: the foot of walls, houses, trees.

Below the line the photo shows floor, above it what stands. The line has up to three straight pieces, as walls and their corners
have, and is the best of all such lines under four kinds of evidence: colours like those along the bottom against colours like
those farther up (histograms, refined as in GrabCut: Rother, Kolmogorov, Blake 2004), upright edges, which floors seldom have
(Hoiem, Efros, Hebert 2005), a long level edge along the line itself, and that things stand before walls, not a mile off.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab

from paco_core.masks import dilate
from paco_core.stuff import FLOOR

COLUMNS = 128
"""Of the picture in which the line is looked for: corners of rooms are seen, grain is not."""
MOST_ROWS = 192
"""… also of a very tall photo."""
BINS = 12
"""Of lightness and of both colours of the histograms: 8 grey levels would split what light changes."""
ROUNDS = 3
"""Models and line are found in turns; nothing changes after the third."""
BOTTOM_ROWS = 0.06
"""Of the height: floor along the bottom, unless the line says otherwise with some force."""
EVIDENCE = 2.0
"""One pixel says no more than this (log-likelihood ratio)."""
TOLD = 6.0
"""What masks of stuff tell outweighs any evidence of the picture."""
INVENTED = 0.25
"""Weight of a pixel that was filled in behind an object."""
EDGE = 5.0
"""Weight of an edge along the line, in pixels of undecided colour."""
UPRIGHT = 0.6
"""Weight of upright edges against the floor."""
GRASS = 3.0
"""Weight of an even green for the floor: lawns reach to the horizon, leaves are light and dark."""
GRASS_CONTRAST = 5.0
"""Standard deviation of lightness within a cell above which green is leaves."""
FAR_COST = 8.0
"""In each column, per e-fold of distance behind the farthest foot."""
FARTHEST = 8.0
"""Times the farthest foot: farther walls look the same."""
FORBIDDEN = 5.0
"""In each column whose line is above the horizon or before an object: more than colours say, but finite: both are guesses."""
KNOTS = 12
"""Places of corners across the picture."""
HEIGHTS = 100
"""Rows that knots may have: every one of a 4:3 photo."""
SLANT = 1.0
"""Cost of every row of rise or fall: level where nothing is to be seen."""
CORNER = 1.5
"""Cost of a corner, per column of the picture: another piece must explain more than a pixel everywhere."""
STEEPEST = 1.2
"""Rows per column: walls that are steeper in the picture are seen edge-on, and say nothing."""


def find_floor_line(
    rgb: UInt8[np.ndarray, "h w 3"],
    invented: Bool[np.ndarray, "h w"],
    distance: Float[np.ndarray, "h w"],
    needed: Float[np.ndarray, " w"],
    stuff: UInt8[np.ndarray, "h w"] | None = None,
) -> Float[np.ndarray, " w"] | None:
    """The floor line of a photo without its objects: in every column the row (px, at pixel borders) above which nothing is floor.

    None where the whole photo may be floor, and without any object, which tells how large the place is.

    ``distance`` is how far away each pixel is if it shows floor, in any unit, inf where it can't be floor (above the
    horizon); ``needed`` for each column the least distance of the floor's end (behind the objects there), 0 where nothing
    is known. ``stuff`` (``Segmentation.stuff``) tells pixels that are floor or are not.
    """
    h, w = invented.shape
    if np.isfinite(distance).all() or not (needed > 0).any():
        return None
    small = _shrink(rgb, invented, distance, needed, np.zeros((h, w), np.uint8) if stuff is None else stuff)
    near = small.distance <= 1.3 * np.maximum(small.needed, small.farthest)  # a little behind what stands farthest back
    line = (small.hw[0] - near.sum(axis=0)).astype(float)
    for _ in range(ROUNDS):
        line = _best_line(_costs(small, _likelihood(small, line)))
    columns = (np.arange(w) + 0.5) * small.hw[1] / w - 0.5
    return np.interp(columns, np.arange(small.hw[1]), line) * h / small.hw[0]


@dataclass(frozen=True)
class _Small:
    """The evidence, at ``COLUMNS`` columns."""

    colour: Int[np.ndarray, "r c"]
    """Number of the histogram's cell."""
    weight: Float[np.ndarray, "r c"]
    edge: Float[np.ndarray, "r c"]
    """Strength of a level edge at the upper side of each pixel, 0 … 1."""
    upright: Float[np.ndarray, "r c"]
    """Strength of upright edges, 0 … 1."""
    grass: Float[np.ndarray, "r c"]
    distance: Float[np.ndarray, "r c"]
    bottom: Bool[np.ndarray, "r c"]
    told: Float[np.ndarray, "r c"]
    """What masks tell: evidence for the floor, 0 where they tell nothing."""
    needed: Float[np.ndarray, " c"]
    farthest: float
    """The largest of ``needed``."""

    @property
    def hw(self) -> tuple[int, int]:
        return self.colour.shape[0], self.colour.shape[1]


def _shrink(
    rgb: UInt8[np.ndarray, "h w 3"],
    invented: Bool[np.ndarray, "h w"],
    distance: Float[np.ndarray, "h w"],
    needed: Float[np.ndarray, " w"],
    stuff: UInt8[np.ndarray, "h w"],
) -> _Small:
    h, w = invented.shape
    hw = int(np.clip(round(COLUMNS * h / w), 8, MOST_ROWS)), COLUMNS
    lab = rgb2lab(np.asarray(Image.fromarray(rgb).resize((hw[1], hw[0]), Image.Resampling.BOX)))
    rows, columns = (np.minimum((np.arange(n) + 0.5) * s / n, s - 1).astype(int) for n, s in zip(hw, (h, w), strict=True))
    at = np.ix_(rows, columns)
    bands = np.minimum(np.arange(w) * hw[1] // w, hw[1] - 1)
    least = np.zeros(hw[1])
    np.maximum.at(least, bands, needed)
    soft = ndimage.gaussian_filter(lab, (1, 1, 0))
    down, across = (np.linalg.norm(ndimage.sobel(soft, axis), axis=-1) / 8 for axis in (0, 1))
    bottom = np.zeros(hw, bool)
    bottom[-max(round(BOTTOM_ROWS * hw[0]), 1) :] = True
    return _Small(
        colour=_cells(lab),
        weight=np.where(dilate(invented[at], 1), INVENTED, 1.0),
        edge=_share(ndimage.uniform_filter1d(np.maximum(down - across, 0), 7, axis=1)),
        upright=_share(ndimage.uniform_filter1d(np.maximum(across - down, 0), 7, axis=0)),
        grass=_grass(lab),
        distance=distance[at],
        bottom=bottom,
        told=np.select([stuff[at] == FLOOR, stuff[at] > FLOOR], [TOLD, -TOLD], 0.0),
        needed=least,
        farthest=float(needed.max()),
    )


def _share(strength: Float[np.ndarray, "r c"]) -> Float[np.ndarray, "r c"]:
    """Edge strength against the picture's own: 1 from the 97th percentile on, never less than 4 steps of lightness."""
    return np.clip(strength / max(float(np.quantile(strength, 0.97)), 4.0), 0, 1)


def _grass(lab: Float[np.ndarray, "r c 3"]) -> Float[np.ndarray, "r c"]:
    """1 where the picture is evenly green, else 0."""
    light = lab[..., 0]
    mean = ndimage.uniform_filter(light, 5)
    contrast = np.sqrt(np.maximum(ndimage.uniform_filter(light**2, 5) - mean**2, 0))
    return ((lab[..., 1] < -6) & (lab[..., 2] > 12) & (contrast < GRASS_CONTRAST)).astype(float)


def _cells(lab: Float[np.ndarray, "r c 3"]) -> Int[np.ndarray, "r c"]:
    parts = [lab[..., 0] / 100, lab[..., 1] / 80 + 0.5, lab[..., 2] / 80 + 0.5]
    cell = np.zeros(lab.shape[:2], int)
    for part in parts:
        cell = cell * BINS + np.clip(part * BINS, 0, BINS - 1).astype(int)
    return cell


def _likelihood(small: _Small, line: Float[np.ndarray, " c"]) -> Float[np.ndarray, "r c"]:
    """Log-likelihood ratio of floor against what stands, per pixel, from the colours on both sides of ``line``."""
    floor = (np.arange(small.hw[0])[:, None] >= line) | small.bottom
    ratio = np.log(_histogram(small, floor)) - np.log(_histogram(small, ~floor))
    return np.clip(ratio[small.colour], -EVIDENCE, EVIDENCE)


def _histogram(small: _Small, where: Bool[np.ndarray, "r c"]) -> Float[np.ndarray, " k"]:
    """Shares of the colours in a region, softened, among them 1.7 times as many of all colours alike: one pixel proves little."""
    counts = np.bincount(small.colour[where], small.weight[where], BINS**3).astype(float).reshape(BINS, BINS, BINS)
    soft = ndimage.gaussian_filter(counts, 0.8, mode="nearest").ravel()
    soft += 1e-3 * soft.sum() + 1e-6
    return soft / soft.sum()


def _costs(small: _Small, likelihood: Float[np.ndarray, "r c"]) -> Float[np.ndarray, "r1 c"]:
    """Cost of every line row in every column; row r means that rows r … are floor."""
    says = small.weight * (likelihood - UPRIGHT * small.upright + GRASS * small.grass)
    says[small.bottom] = np.maximum(says[small.bottom], 1.0)
    says = np.where(small.told != 0, small.told, says)
    nothing = np.zeros((1, small.hw[1]))
    cost = np.concatenate([nothing, np.cumsum(np.maximum(says, 0), axis=0)])
    cost += np.concatenate([np.cumsum(np.maximum(-says, 0)[::-1], axis=0)[::-1], nothing])
    cost[:-1] -= EDGE * small.edge * small.weight
    end = np.concatenate([small.distance, small.distance[-1:]])
    cost += FAR_COST * np.log(np.clip(end / small.farthest, 1.0, FARTHEST))
    return cost + FORBIDDEN * (np.isinf(end) | (end < small.needed))


def _best_line(cost: Float[np.ndarray, "r c"]) -> Float[np.ndarray, " c"]:
    """The cheapest line of up to three straight pieces that meet at knots: its row at every column."""
    rows, columns = cost.shape
    knots = [round(k * (columns - 1) / KNOTS) for k in range(KNOTS + 1)]
    heights = np.unique(np.rint(np.linspace(0, rows - 1, min(rows, HEIGHTS))).astype(int))
    first, last, inner = knots[0], knots[-1], knots[1:-1]
    piece = {(a, b): _piece_costs(cost, a, b, heights) for i, a in enumerate(knots) for b in knots[i + 1 :]}
    left = {k: piece[first, k].min(axis=0) for k in inner}
    right = {k: piece[k, last].min(axis=1) for k in inner}
    options = [(piece[first, last], (first, last))]
    options += [((left[k] + right[k] + CORNER * columns)[None], (k, k)) for k in inner]
    options += [
        (left[a][:, None] + piece[a, b] + right[b] + 2 * CORNER * columns, (a, b))
        for i, a in enumerate(inner)
        for b in inner[i + 1 :]
    ]
    total, (a, b) = min(options, key=lambda option: option[0].min())
    at_a, at_b = (int(i) for i in np.unravel_index(np.argmin(total), total.shape))
    if a == first:
        places, at = [first, last], [at_a, at_b]
    else:
        at_a = at_b if a == b else at_a
        start, end = int(np.argmin(piece[first, a][:, at_a])), int(np.argmin(piece[b, last][at_b]))
        places, at = [first, a, b, last], [start, at_a, at_b, end]
    return np.interp(np.arange(columns), places, heights[at])


def _piece_costs(
    cost: Float[np.ndarray, "r c"], start: int, end: int, heights: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n n"]:
    """Cost of the straight pieces from column ``start`` to before ``end``, by their rows at both."""
    share = (np.arange(start, end) - start) / (end - start)
    row = heights[:, None, None] * (1 - share) + heights[None, :, None] * share
    total = cost[np.rint(row).astype(int), np.arange(start, end)].sum(axis=-1)
    rise = np.abs(heights[:, None] - heights)
    return np.where(rise > STEEPEST * (end - start), np.inf, total + SLANT * rise)
