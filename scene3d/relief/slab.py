"""Thin things that lie on something horizontal: the outline is rectified to the plane and given a small thickness."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D, Outline
from scene3d.relief.morphology import dilate, erode, signed_distance
from scene3d.relief.view import View
from scene3d.relief.volume import Shape

SAMPLES = 200
"""Samples along the longer side of the rectified outline."""
MIN_ELEVATION_DEG = 15.0
"""Below this a lying thing is seen so edge-on that a pixel covers more than 4 % of its depth: rectifying makes streaks."""
ROUND_ASPECT = (0.6, 1.7)
"""Same for things that are known to be round: the true ratio is 1, a wrong elevation of 10 degrees stays within this."""
MARGIN = 10
"""Empty samples around it."""
ELLIPSE_OFF = 0.03
"""Visible border points of a plate lie within this of an ellipse, relative to its radius."""


@dataclass(frozen=True)
class SlabProfile:
    """How thick and how raised at its rim a thin thing is, as shares of its longer side."""

    thickness: float
    rim: float = 0.0
    """Height of the rim's edge above the underside; 0 for flat things."""


def slab(
    outline: Outline,
    view: View,
    profile: SlabProfile,
    *,
    visible: Bool[np.ndarray, "s s"] | None = None,
) -> Shape | None:
    """A lying slab whose upper outline projects onto the mask, or None when the camera is too low for that.

    With ``visible`` the outline is completed to the ellipse through its visible border where that fits (round things: a circle
    seen from a slightly wrong elevation is an ellipse); None when a round thing would be far from round.
    """
    if view.elevation_deg < MIN_ELEVATION_DEG or (points := _outline_on_plane(outline, view, 0.0)) is None:
        return None
    width, depth = np.ptp(points, axis=0)
    if visible is not None and not ROUND_ASPECT[0] <= depth / max(width, 1e-6) <= ROUND_ASPECT[1]:
        return None
    size = float(max(width, depth))
    top, rise = profile.thickness * size, profile.rim * size
    upper = rise if rise > 0 else top
    edge = _rectify(outline, view, upper, 0.0 if rise > 0 else top, None if visible is None else visible)
    if edge is None:
        return None
    inside = (edge.values > 0).ravel()
    slope = 0.5 * float(edge.values.max()) if rise > 0 else 1.0  # a plate's well reaches from its centre to half way out

    def solid(points: np.ndarray) -> np.ndarray:
        inward = edge.at(points[:, [0, 2]])
        foot = rise * (1 - np.clip(inward / slope, 0, 1)) if rise > 0 else 0.0
        rounding = np.sqrt(np.clip(1 - (1 - np.clip(inward / (0.5 * top), 0, 1)) ** 2, 0, 1))
        steep = 1 / np.sqrt(1 + (rise / slope) ** 2)
        flat = (top / 2 * np.maximum(rounding, 0.2) - np.abs(points[:, 1] - foot - top / 2)) * steep
        return np.minimum(inward, flat)

    low, high = edge.uv[inside].min(axis=0), edge.uv[inside].max(axis=0)
    return Shape(
        view,
        solid,
        np.array([low[0], 0.0, low[1]]),
        np.array([high[0], rise + top, high[1]]),
        np.array([size / 150, top / 5, size / 150]),
        "slab(rim)" if rise > 0 else "slab",
        flat=True,
        smoothing=0.6,
        min_iou=0.7 if visible is not None else None,
    )


def _outline_on_plane(outline: Outline, view: View, height: float) -> Float64[np.ndarray, "n 2"] | None:
    border = outline.mask & ~erode(outline.mask)
    ys, xs = np.nonzero(border)
    return _plane_points(view, np.stack([xs, ys], axis=1) + 0.5, height)


def _rectify(
    outline: Outline, view: View, height: float, below: float, visible: Bool[np.ndarray, "s s"] | None
) -> Field2D | None:
    """Signed distance to the outline in the plane y = ``height`` (its "pixels" are x and z).

    With ``below`` > 0 a point must also project into the mask when it is lowered by that much, since the mask shows the front
    side of a slab too.
    """
    points = _outline_on_plane(outline, view, height)
    ellipse = None if visible is None else _visible_ellipse(outline, view, height, visible)
    if points is None:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    if ellipse is not None:
        low, high = np.minimum(low, ellipse[0] - ellipse[1]), np.maximum(high, ellipse[0] + ellipse[1])
    step = float((high - low).max()) / SAMPLES
    corner = low - MARGIN * step
    grid = Field2D(np.zeros(np.ceil((high - low) / step).astype(int)[::-1] + 2 * MARGIN), (corner[0], corner[1]), step)
    if ellipse is not None:
        inside = (((grid.uv - ellipse[0]) / ellipse[1]) ** 2).sum(axis=1) < 1
    else:
        inside = np.ones(len(grid.uv), dtype=bool)
        for y in (height, height - below):
            at = np.stack([grid.uv[:, 0], np.full(len(grid.uv), y), grid.uv[:, 1]], axis=1)
            inside &= outline.distance.at(view.project(at)[0]) > 0
    if not inside.any():
        return None
    return grid.with_values(ndi.gaussian_filter(signed_distance(inside.reshape(grid.values.shape)) * step, 0.7))


def _visible_ellipse(
    outline: Outline, view: View, height: float, visible: Bool[np.ndarray, "s s"]
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]] | None:
    """Centre and half axes (x, z) of the ellipse through the visible part of the outline; None when it is not one.

    Least squares on x² + b z² + c x + d z + e = 0, twice, the second time without the worst fifth of the points.
    """
    real = outline.mask & ~erode(outline.mask) & dilate(visible, 2)
    real &= ~dilate(outline.mask & ~visible, 3)  # there the outline is a guess
    ys, xs = np.nonzero(real)
    if len(xs) < 40:
        return None
    points = _plane_points(view, np.stack([xs, ys], axis=1) + 0.5, height)
    if points is None:
        return None
    first = _fit_ellipse(points)
    if first is None:
        return None
    off = _off_ellipse(points, *first)
    used = points[off <= np.quantile(off, 0.8)]
    second = _fit_ellipse(used)
    if second is None:
        return None
    center, half = second
    everything = _outline_on_plane(outline, view, height)
    assert everything is not None  # some of it was projected above
    beyond = np.quantile((((everything - center) / half) ** 2).sum(axis=1), 0.9)
    grown = np.pi * half.prod() / max(np.ptp(everything, axis=0).prod() * np.pi / 4, 1e-9)
    off = np.median(_off_ellipse(used, center, half))
    fits = off < ELLIPSE_OFF and beyond < (1 + 3 * ELLIPSE_OFF) ** 2 and grown < 1.5
    return (center, half) if fits else None


def _fit_ellipse(points: np.ndarray) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]] | None:
    """Centre and half axes of the axis-parallel ellipse through points (n, 2), by linear least squares."""
    x, z = points.T
    b, c, d, e = np.linalg.lstsq(np.stack([z * z, x, z, np.ones_like(x)], axis=1), -x * x, rcond=None)[0]
    square = c * c / 4 + d * d / (4 * b) - e if b > 0 else -1.0
    return (np.array([-c / 2, -d / (2 * b)]), np.sqrt([square, square / b])) if square > 0 else None


def _off_ellipse(points: np.ndarray, center: np.ndarray, half: np.ndarray) -> Float64[np.ndarray, "n"]:
    """How far points are off the ellipse, relative to its radius."""
    return np.abs(np.sqrt((((points - center) / half) ** 2).sum(axis=1)) - 1)


def _plane_points(view: View, uv: np.ndarray, height: float) -> Float64[np.ndarray, "n 2"] | None:
    """(x, z) where the rays of pixels meet the plane y = ``height``; None when one of them never does."""
    far = view.lift_pixels(uv, np.full(len(uv), -1.0))
    eye = view.distance * view.toward
    ray = far - eye
    if (ray[:, 1] > -1e-3 * view.distance).any():
        return None
    hit = eye + ((height - eye[1]) / ray[:, 1])[:, None] * ray
    return hit[:, [0, 2]]
