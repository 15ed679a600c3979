"""What sticks out of a simple body: handles, spouts, knobs. Inflated about a vertical plane and joined to the body."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from scene3d.relief.fields import Field2D, Outline, thickness
from scene3d.relief.morphology import dilate, erode, islands
from scene3d.relief.view import View

PART = 0.004
"""Left-over parts smaller than this share of the silhouette are noise of the mask (docs/method.md)."""
FIT = 0.012
"""A body's outline is good to about this (work units); what is closer to it is no part."""
OVERLAP = 0.04
"""A part reaches this far into the body, so that the two are joined."""
MAX_AZIMUTH_DEG = 45
"""A handle's plane is at most this far from the picture's plane: closer to the line of sight its length can't be seen."""
MAX_REACH = 0.6
"""How far a handle may stick out of the body, in work units: no more than the body is wide, mostly."""


@dataclass(frozen=True)
class Handle:
    """One part, inflated about a vertical plane."""

    half: Field2D
    """Half thickness, work units; negative where the part is not."""
    foot: Float64[np.ndarray, "3"]
    normal: Float64[np.ndarray, "3"]
    """A point of the plane and its unit normal, work frame."""

    def solid(self, points: Float[np.ndarray, "n 3"], outline: Outline, view: View) -> Float64[np.ndarray, "n"]:
        """Distance-like inside value."""
        uv, _ = view.project(points)
        return np.minimum(self.half.at(uv) - np.abs((points - self.foot) @ self.normal), outline.distance.at(uv))

    def box(self, view: View) -> Float64[np.ndarray, "2 3"]:
        """Lowest and highest corner."""
        uv = self.half.uv[(self.half.values > 0).ravel()]
        points = on_plane(uv, view, self.foot, self.normal)
        return np.array([points.min(axis=0) - 0.05, points.max(axis=0) + 0.05])


def find_handles(
    outline: Outline,
    body: Bool[np.ndarray, "s s"],
    view: View,
    foot: Float64[np.ndarray, "3"],
    bottom: float,
    top: float,
    radius: Callable[[np.ndarray], np.ndarray],
    least: float = PART,
) -> tuple[Handle, ...]:
    """Parts of the mask that ``body`` (its silhouette) does not explain, of at least the share ``least`` of it.

    ``foot`` is a point of the body's vertical axis; ``radius`` its radius at work heights between ``bottom`` and ``top``.
    """
    reach = max(2, int(FIT * outline.side_px))
    rest = outline.mask & ~dilate(body, reach)
    sliver = max(1, reach // 3)
    label, size = islands(dilate(erode(rest, sliver), sliver))  # without slivers along the body's outline
    handles = []
    for k in range(1, len(size)):
        if size[k] <= least * outline.mask.sum():
            continue
        near = dilate(label == k, reach + int(OVERLAP * outline.side_px)) & outline.mask
        pixels = Field2D(near.astype(np.float64), (0.5, 0.5), 1.0)
        coarse = (pixels.at(outline.grid.uv).reshape(outline.inside.shape) > 0.5) & outline.inside
        if coarse.any():
            half = outline.grid.with_values(np.where(coarse, thickness(coarse, outline.cell), -0.05))
            handles.append(Handle(half, foot, _plane(half, view, foot, bottom, top, radius)))
    return tuple(handles)


def _plane(
    half: Field2D, view: View, foot: np.ndarray, bottom: float, top: float, radius: Callable[[np.ndarray], np.ndarray]
) -> Float64[np.ndarray, "3"]:
    """Normal of the vertical plane through the axis that a part lies in.

    A handle beside the body in the picture lies in the picture's plane; one below it points to the camera when the camera looks
    down. Of all azimuths, the one whose plane puts the part's pixels at the body's heights and outside its radius.
    """
    uv = half.uv[(half.values > 0).ravel()]
    axis_u = view.project(foot[None])[0][0, 0]
    side = 1.0 if uv[:, 0].mean() >= axis_u else -1.0
    best, best_cost = np.array([0.0, 0.0, 1.0]), np.inf
    for azimuth in np.radians(np.arange(-MAX_AZIMUTH_DEG, MAX_AZIMUTH_DEG + 1, 5)):
        outward = np.array([side * np.cos(azimuth), 0.0, np.sin(azimuth)])
        normal = np.array([-outward[2], 0.0, outward[0]])
        points = on_plane(uv, view, foot, normal)
        reach, y = (points - foot) @ outward, points[:, 1]
        outside = np.maximum(bottom - y, 0) + np.maximum(y - top, 0)
        deep = np.maximum(radius(y) - reach, 0) + np.maximum(reach - radius(y) - MAX_REACH, 0)
        cost = float((outside + deep).mean()) + 0.01 * abs(azimuth)  # the picture's plane when nothing speaks against it
        if cost < best_cost:
            best, best_cost = normal, cost
    return best


def on_plane(
    uv: Float[np.ndarray, "n 2"], view: View, foot: Float[np.ndarray, "3"], normal: Float[np.ndarray, "3"]
) -> Float64[np.ndarray, "n 3"]:
    """Where the rays of pixels meet a plane through ``foot``; rays that hardly do are cut at twice the object's size."""
    far = view.lift_pixels(uv, np.full(len(uv), -1.0))
    near = view.lift_pixels(uv, np.full(len(uv), 1.0))
    before, after = (near - foot) @ normal, (far - foot) @ normal
    slope = before - after
    share = before / np.where(np.abs(slope) < 1e-6, 1e-6, slope)
    return near + np.clip(share, 0, 1)[:, None] * (far - near)
