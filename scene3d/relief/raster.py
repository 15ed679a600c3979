"""A small triangle rasteriser in NumPy: depth buffers of our own meshes, texels of an atlas."""

import numpy as np
from jaxtyping import Float, Float64, Int


def cover(
    triangles: Float[np.ndarray, "f 3 2"], width: int, height: int, grow: float = 0.0
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"], Float64[np.ndarray, "n 3"]]:
    """Every pixel centre that a triangle covers: flat pixel index, triangle and barycentric coordinates.

    Pixel centres lie at +0.5. A pixel may occur for several triangles. ``grow`` (barycentric) also takes pixels just outside.
    """
    low = np.clip(np.floor(triangles.min(axis=1) - 0.5), 0, [width, height]).astype(np.int64)
    high = np.clip(np.ceil(triangles.max(axis=1) + 0.5), 0, [width, height]).astype(np.int64)
    size = np.maximum(high - low, 0)
    count = size[:, 0] * size[:, 1]
    tri = np.repeat(np.arange(len(triangles)), count)
    within = np.arange(len(tri)) - np.repeat(np.cumsum(count) - count, count)
    x = low[tri, 0] + within % np.maximum(size[tri, 0], 1)
    y = low[tri, 1] + within // np.maximum(size[tri, 0], 1)
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    twice_area = _cross(b - a, c - a)
    ok = np.abs(twice_area) > 1e-12
    scale = np.where(ok, 1 / np.where(ok, twice_area, 1.0), 0.0)
    p = np.stack([x + 0.5, y + 0.5], axis=1)
    wa = _cross(b[tri] - p, c[tri] - p) * scale[tri]
    wb = _cross(c[tri] - p, a[tri] - p) * scale[tri]
    weights = np.stack([wa, wb, 1 - wa - wb], axis=1)
    keep = ok[tri] & (weights.min(axis=1) >= -grow)
    return (y * width + x)[keep], tri[keep], weights[keep]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def depth_buffer(
    uv: Float[np.ndarray, "v 2"],
    depth: Float[np.ndarray, "v"],
    faces: Int[np.ndarray, "f 3"],
    size: int,
    scale: float = 1.0,
    *,
    farthest: bool = False,
) -> Float64[np.ndarray, "r r"]:
    """z-depth of the nearest surface per pixel of a square picture of side ``round(size * scale)``; inf where nothing is.

    ``farthest``: of the last surface that a sight line meets, instead of the first.
    """
    side = round(size * scale)
    pixel, tri, weights = cover(uv[faces] * (side / size), side, side)
    inverse = (weights / depth[faces][tri]).sum(axis=1)  # perspective: 1/z is linear on the screen
    if farthest:
        out = np.full(side * side, np.inf)
        np.minimum.at(out, pixel, inverse)
        out[np.isinf(out)] = 0.0
    else:
        out = np.zeros(side * side)
        np.maximum.at(out, pixel, inverse)
    with np.errstate(divide="ignore"):
        return (1 / out).reshape(side, side)
