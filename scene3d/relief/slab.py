"""Thin things that lie on something horizontal: the outline is rectified to the plane and given a small thickness."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D, Outline, fill_outwards
from scene3d.relief.view import View
from scene3d.relief.volume import Shape

SAMPLES = 200
"""Samples along the longer side of the rectified outline."""
MIN_ELEVATION_DEG = 12.0
"""Below this a lying thing is seen so edge-on that a pixel covers more than 5 % of its depth: rectifying makes streaks."""
MAX_ASPECT = 3.5
"""Rectified depth over width above this means that the thing stands upright instead of lying (or leans on a wall)."""
ROUND_ASPECT = (0.6, 1.7)
"""Same for things that are known to be round: the true ratio is 1, a wrong elevation of 10 degrees stays within this."""


@dataclass(frozen=True)
class SlabProfile:
    """How thick and how raised at its rim a thin thing is, as shares of its longer side."""

    thickness: float
    rim: float = 0.0
    """Height of the rim's edge above the underside; 0 for flat things."""


def slab(outline: Outline, view: View, profile: SlabProfile, *, round_outline: bool = False) -> Shape | None:
    """A lying slab whose upper outline projects onto the mask, or None when the outline can't be lying on a plane."""
    if view.elevation_deg < MIN_ELEVATION_DEG:
        return None
    edge, width, depth = _rectify(outline, view, 0.0, 0.0)
    if edge is None or not _lies(width, depth, round_outline):
        return None
    size = max(width, depth)
    top, rise = profile.thickness * size, profile.rim * size
    edge, _, _ = _rectify(outline, view, rise if rise > 0 else top, 0.0 if rise > 0 else top)
    if edge is None:
        return None
    widest = float(edge.values.max())
    slope = 0.5 * widest if rise > 0 else 1.0  # a plate's well reaches from its centre to half way out

    def solid(points: np.ndarray) -> np.ndarray:
        inward = edge.at(points[:, [0, 2]])
        foot = rise * (1 - np.clip(inward / slope, 0, 1)) if rise > 0 else 0.0
        rounding = np.sqrt(np.clip(1 - (1 - np.clip(inward / (0.5 * top), 0, 1)) ** 2, 0, 1))
        middle = foot + top / 2
        steep = 1 / np.sqrt(1 + (rise / slope) ** 2)
        return np.minimum(inward, (top / 2 * np.maximum(rounding, 0.2) - np.abs(points[:, 1] - middle)) * steep)

    flat = fill_outwards(edge.values, np.ones(edge.values.shape, bool)) > 0
    xz = edge.uv[flat.ravel()]
    low = np.array([xz[:, 0].min(), 0.0, xz[:, 1].min()])
    high = np.array([xz[:, 0].max(), rise + top, xz[:, 1].max()])
    cell = np.array([size / 150, top / 5, size / 150])
    return Shape(solid, low, high, cell, "slab(rim)" if rise > 0 else "slab", flat=True, smoothing=0.6)


def _lies(width: float, depth: float, round_outline: bool) -> bool:
    ratio = depth / max(width, 1e-6)
    low, high = ROUND_ASPECT if round_outline else (0.0, MAX_ASPECT)
    return low <= ratio <= high


def _rectify(outline: Outline, view: View, height: float, below: float) -> tuple[Field2D | None, float, float]:
    """Signed distance to the outline in the plane y = ``height`` (its "pixels" are x and z), with width and depth.

    With ``below`` > 0 a point must also project into the mask when it is lowered by that much, since the mask shows the front
    side of a slab too.
    """
    ys, xs = np.nonzero(outline.mask)
    uv = np.stack([xs, ys], axis=1) + 0.5
    on_plane = _plane_points(view, uv, height)
    if on_plane is None:
        return None, 0.0, 0.0
    low, high = on_plane.min(axis=0), on_plane.max(axis=0)
    step = float((high - low).max()) / SAMPLES
    margin = 10
    shape = tuple(np.ceil((high - low) / step).astype(int)[::-1] + 2 * margin)
    grid = Field2D(np.zeros(shape), tuple((low - margin * step).tolist()), step)
    inside = np.ones(len(grid.uv), dtype=bool)
    soft = np.full(len(grid.uv), np.inf)
    for y in {height, height - below}:
        points = np.stack([grid.uv[:, 0], np.full(len(grid.uv), y), grid.uv[:, 1]], axis=1)
        soft = np.minimum(soft, outline.distance.at(view.project(points)[0]))
    inside = (soft > 0).reshape(shape)
    if not inside.any():
        return None, 0.0, 0.0
    signed = np.where(inside, ndi.distance_transform_edt(inside) - 0.5, 0.5 - ndi.distance_transform_edt(~inside))
    rows, columns = np.nonzero(inside)
    smooth = ndi.gaussian_filter(signed * step, 0.7)
    return grid.with_values(smooth), float(np.ptp(columns) + 1) * step, float(np.ptp(rows) + 1) * step


def _plane_points(view: View, uv: np.ndarray, height: float) -> Float64[np.ndarray, "n 2"] | None:
    """(x, z) where the rays of pixels meet the plane y = ``height``; None when one of them never does."""
    e = np.radians(view.elevation_deg)
    far = view.lift_pixels(uv, np.full(len(uv), -1.0))
    eye = view.distance * np.array([0.0, np.sin(e), np.cos(e)])
    ray = far - eye
    if (ray[:, 1] > -1e-3 * view.distance).any():
        return None
    hit = eye + ((height - eye[1]) / ray[:, 1])[:, None] * ray
    return hit[:, [0, 2]]
