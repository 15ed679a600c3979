"""What stands out in a photo: regions that differ from what its frame is connected with."""

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.sparse.csgraph import dijkstra

from paco_core.backends.regions import RegionTree, best_cut, measure

MAX_OBJECTS = 8
"""A handful of good objects beats many pieces."""
MIN_SHARE, MAX_SHARE = 0.004, 0.25
"""Of the photo's area: smaller is a detail, larger the place itself."""
MAX_SIDE_SHARE = 0.5
"""Of one side of the photo: what takes more of it is sky, floor or wall."""
COLOUR_SIGMA = 10.0
"""Lab units at which two superpixels look different (as in the paper)."""
FRAME_SIGMA = 1.0
"""Boundary connectivity from which a region is background (as in the paper)."""
CENTRE_SIGMA = 0.42
"""Of the picture's sides: people put into the middle what they photograph; at the middle of a side half as much counts."""
MIN_WORTH = 0.05
"""What stands out less is no more than a patch of grass."""
COST = 0.008
"""Of every object, in photo areas times worth: pieces of one thing must each be worth more than the whole."""
PLANE_TOLERANCE = 0.03
"""Of the spread of 1/z: so near a plane a pixel belongs to it."""
PLANE_SHARE = 0.15
"""Of the picture: large planes are floor, wall or table top."""
MAX_PLANES = 4


def standing_out(tree: RegionTree, inverse_depth: Float32[np.ndarray, "h w"] | None) -> tuple[Bool[np.ndarray, " n"], ...]:
    """Superpixels of every object, the largest first: the set of regions of the tree that is worth most without overlaps."""
    members = tree.members()
    background = background_likelihood(tree)
    if inverse_depth is not None:
        background = np.maximum(background, _planes(tree, inverse_depth))
    values = _values(tree, members, background)
    kept = sorted(best_cut(tree, values), key=lambda i: -values[i])[:MAX_OBJECTS]
    return tuple(members[i] for i in sorted(kept, key=lambda i: -float(members[i] @ tree.areas)))


def background_likelihood(tree: RegionTree) -> Float64[np.ndarray, " n"]:
    """0…1 for every superpixel: how much of what it is connected with touches the frame (Zhu et al. 2014, section 3)."""
    far = dijkstra(tree.steps(), directed=False)
    near = np.exp(-(far**2) / (2 * COLOUR_SIGMA**2))
    on_frame = tree.frame().any(axis=0)
    size = tree.areas / tree.areas.mean()
    connectivity = near @ on_frame / np.sqrt(np.maximum(near @ size, 1e-9))
    return 1 - np.exp(-(connectivity**2) / (2 * FRAME_SIGMA**2))


def _values(
    tree: RegionTree, members: Bool[np.ndarray, "m n"], background: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " m"]:
    """What every region is worth as one object; below 0 what is none."""
    shapes = measure(tree, members)
    foreground = 1 - members @ (background * tree.areas) / (members @ tree.areas)
    off_centre = ((shapes.centre - 0.5) ** 2).sum(axis=1)
    worth = (
        np.exp(-off_centre / (2 * CENTRE_SIGMA**2))
        * shapes.contrast
        * foreground
        * (1 - shapes.on_frame)
        * np.sqrt(shapes.roundness)
    )
    value = (worth - MIN_WORTH) * shapes.share - COST
    allowed = (shapes.share >= MIN_SHARE) & (shapes.share <= MAX_SHARE) & (shapes.of_side <= MAX_SIDE_SHARE)
    return np.where(allowed, value, -1.0)


@dataclass(frozen=True)
class _Plane:
    support: int
    plane: Float64[np.ndarray, " 3"]


def _planes(tree: RegionTree, inverse_depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, " n"]:
    """Share of every superpixel in the picture's large planes: floor, walls, table tops. A plane is one in (x, y, 1/z), too."""
    rows, columns = np.mgrid[: inverse_depth.shape[0], : inverse_depth.shape[1]]
    known = np.isfinite(inverse_depth)
    points = np.stack([columns[known], rows[known], np.ones(known.sum())], axis=1).astype(np.float64)
    value = inverse_depth[known].astype(np.float64)
    on_plane = np.zeros(len(value), bool)
    if len(value) < 100:
        return np.zeros(tree.count)
    tolerance = PLANE_TOLERANCE * float(np.subtract(*np.quantile(value, [0.98, 0.02])))
    rng = np.random.default_rng(0)
    for _ in range(MAX_PLANES):
        left = np.flatnonzero(~on_plane)
        if len(left) < PLANE_SHARE * tree.areas.sum():
            break
        sample = left[rng.integers(len(left), size=4000)]
        tries: list[_Plane] = [_support(points, value, sample, rng, tolerance) for _ in range(200)]
        best = max(tries, key=attrgetter("support")).plane
        near = np.abs(points @ best - value) <= tolerance
        if near.sum() < PLANE_SHARE * tree.areas.sum():
            break
        on_plane |= near
    picture = np.zeros(inverse_depth.shape)
    picture[known] = on_plane
    return np.bincount(tree.labels.ravel(), picture.ravel(), tree.count) / tree.areas


def _support(
    points: Float64[np.ndarray, "p 3"],
    value: Float64[np.ndarray, " p"],
    sample: Int64[np.ndarray, " k"],
    rng: np.random.Generator,
    tolerance: float,
) -> _Plane:
    """How many of the sample lie on the plane through three of them, and that plane."""
    three = rng.choice(sample, 3, replace=False)
    try:
        plane = np.linalg.solve(points[three], value[three])
    except np.linalg.LinAlgError:
        return _Plane(0, np.zeros(3))
    return _Plane(int((np.abs(points[sample] @ plane - value[sample]) <= tolerance).sum()), plane)
