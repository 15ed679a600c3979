"""A front and a back surface over the silhouette, inflated around an upright spine: bodies without depth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy import ndimage as ndi

from scene3d.relief.contour import local_radius
from scene3d.relief.fields import Field2D, Outline, thickness_within
from scene3d.relief.morphology import dilate, edt, fill_outwards
from scene3d.relief.view import View, spine_height
from scene3d.relief.volume import Shape, Solid

BEVEL = 0.5
"""An extruded outline is rounded over this share of its half depth, so that it is neither a pillow nor cut from a board."""
BEFORE = 0.3
"""Share of an extruded thing's depth before the plane that it stands in: its feet are seen at its front."""
GENERAL_IOU = 0.0
"""Nothing more general is left to try, so that thin masks, which never agree much, are taken as they are."""


@dataclass(frozen=True)
class Relief:
    """Heights toward the camera of the front and back surfaces, work units, on the outline's coarse grid."""

    front: Field2D
    back: Field2D
    half: Float64[np.ndarray, "gh gw"]
    """Inflated half thickness."""


def relief_without_depth(outline: Outline, view: View, cap: float | None = None, swell: float = 1.0) -> Relief:
    """Inflate both ways around a spine through the origin that leans as ``spine_deg`` says. ``cap`` bounds the half thickness."""
    half = thickness_within(outline, outline.inside) * swell
    if cap is not None:
        half = np.where(half > 0, cap * np.tanh(half / cap), 0.0)  # soft: no edge where the cap begins
    spine = spine_height(outline.grid.uv, view).reshape(half.shape)
    full = fill_outwards(half, outline.inside)
    return Relief(outline.grid.with_values(spine + full), outline.grid.with_values(spine - full), half)


def solid_of(outline: Outline, view: View, relief: Relief) -> Solid:
    """Inside the silhouette's cone, behind the front and before the back."""
    front_slope, back_slope = steepness(relief.front, outline), steepness(relief.back, outline)

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        value = np.minimum((relief.front.at(uv) - z) * front_slope.at(uv), (z - relief.back.at(uv)) * back_slope.at(uv))
        return np.minimum(value, outline.distance.at(uv))

    return solid


def steepness(surface: Field2D, outline: Outline) -> Field2D:
    """1/√(1+|∇z|²): turns a difference of heights into a distance to first order. Jumps do not count."""
    slopes = []
    for axis in (0, 1):
        step = np.diff(surface.values, axis=axis, append=np.take(surface.values, [-1], axis=axis))
        before = np.roll(step, 1, axis=axis)
        slopes.append(np.where(np.abs(step) < np.abs(before), step, before))  # the smaller of both sides
    return surface.with_values(1 / np.sqrt(1 + (slopes[0] ** 2 + slopes[1] ** 2) / outline.cell**2))


def bounds_of(outline: Outline, view: View, relief: Relief) -> tuple[np.ndarray, np.ndarray]:
    """Box in the work frame that contains everything between front and back."""
    inside = dilate(outline.inside, 2).ravel()
    uv = outline.grid.uv[inside]
    corners = [view.lift_pixels(uv, field.values.ravel()[inside]) for field in (relief.front, relief.back)]
    points = np.concatenate(corners)
    return points.min(axis=0) - 0.01, points.max(axis=0) + 0.01


def inflate(
    outline: Outline,
    view: View,
    cell: float,
    *,
    cap: float | None = None,
    swell: float = 1.0,
    method: str = "inflate",
    flat: bool = False,
) -> Shape:
    """A round body without any depth."""
    relief = relief_without_depth(outline, view, cap, swell)
    low, high = bounds_of(outline, view, relief)
    return Shape(view, solid_of(outline, view, relief), low, high, np.full(3, cell), method, flat=flat, min_iou=GENERAL_IOU)


def extrude(outline: Outline, view: View, cell: float, half_depth: float) -> Shape:
    """The outline with an even depth, rounded at its edges, standing on a flat bottom: what is no box but has a base."""
    spine = spine_height(outline.grid.uv, view).reshape(outline.inside.shape)
    depth = edt(outline.inside) * outline.cell / (BEVEL * half_depth)
    deepest = np.minimum(
        half_depth, ndi.gaussian_filter(local_radius(outline.inside) * outline.cell, 1.0)
    )  # pencils stay pencils
    half = fill_outwards(deepest * np.sqrt(1 - (1 - np.clip(depth, 0, 1)) ** 2), outline.inside)
    grid = outline.grid
    relief = Relief(grid.with_values(spine + 2 * BEFORE * half), grid.with_values(spine - 2 * (1 - BEFORE) * half), half)
    standing = view.lift_pixels(grid.uv[outline.inside.ravel()], spine[outline.inside])
    floor = float(np.quantile(standing[:, 1], 0.005))
    low, high = bounds_of(outline, view, relief)
    low[1] = max(low[1], floor)
    body = solid_of(outline, view, relief)

    def solid(points: np.ndarray) -> np.ndarray:
        return np.minimum(body(points), points[:, 1] - floor)

    return Shape(view, solid, low, high, np.full(3, cell), "extrude")
