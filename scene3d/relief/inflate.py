"""A front and a back surface over the silhouette: from metric depth, or inflated where there is none."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D, Outline, fill_outwards, membrane, thickness
from scene3d.relief.symmetry import Kind, Symmetry, find_symmetry
from scene3d.relief.view import View, spine_height
from scene3d.relief.volume import Shape, Solid, rigid_twin

BACK = 1.2
"""Back bulge over the inflated half thickness, with depth: best of 1.0 … 1.4 (lifting notes 4.2)."""
MAX_RANGE = 1.6
"""Visible depths of one object span less than this many silhouette sides; everyday objects 0.3 … 0.5 (notes 4.2)."""
GENERAL_IOU = 0.0
"""Nothing more general is left to try, so that thin masks, which never agree much, are taken as they are."""
SHELL = 0.025
"""What is seen has at least this thickness (work units), even where its symmetric image is not possible."""
FLOOR_SLACK = 0.01
"""What is not seen does not reach lower than what is seen, give or take this (work units): things stand on their visible feet."""


@dataclass(frozen=True)
class Relief:
    """Heights toward the camera of the front and back surfaces, work units, on the outline's coarse grid."""

    front: Field2D
    back: Field2D
    half: Float64[np.ndarray, "gh gw"]
    """Inflated half thickness."""


def relief_without_depth(outline: Outline, view: View, cap: float | None = None, swell: float = 1.0) -> Relief:
    """Inflate both ways around a spine through the origin that leans as ``spine_deg`` says. ``cap`` bounds the half thickness."""
    half = thickness(outline.inside, outline.cell) * swell
    if cap is not None:
        half = np.where(half > 0, cap * np.tanh(half / cap), 0.0)  # soft: no edge where the cap begins
    spine = spine_height(outline.grid.uv, view).reshape(half.shape)
    full = fill_outwards(half, outline.inside)
    return Relief(outline.grid.with_values(spine + full), outline.grid.with_values(spine - full), half)


def relief_from_depth(
    outline: Outline, height: Float[np.ndarray, "s s"], inflated: Float64[np.ndarray, "gh gw"] | None = None
) -> Relief:
    """Front from measured heights toward the camera (NaN where unknown), back inflated behind the rim's membrane.

    Where nothing was measured (occluded parts), the front is the harmonic interpolation of what was.
    """
    half = thickness(outline.inside, outline.cell) if inflated is None else inflated
    inside = outline.inside
    front, known = _measured_front(outline, height)
    front = np.where(known, front, membrane(inside, known, front))
    rim = inside & ~ndi.binary_erosion(inside, iterations=2)
    middle = membrane(inside, rim, ndi.median_filter(fill_outwards(front, inside), 3))
    back = np.minimum(middle, front - 0.25 * half) - BACK * half
    grid = outline.grid
    return Relief(grid.with_values(fill_outwards(front, inside)), grid.with_values(fill_outwards(back, inside)), half)


def _measured_front(outline: Outline, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measured heights on the coarse grid, and where they can be trusted: not at the mask's very edge (mixed pixels)."""
    inside, grid = outline.inside, outline.grid
    core = ndi.binary_erosion(outline.mask, iterations=2)
    thin = outline.mask & ~ndi.binary_dilation(core, iterations=4)
    known = np.isfinite(height) & (core | thin)
    known = known if known.any() else np.isfinite(height) & outline.mask
    values = fill_outwards(np.where(known, height, 0.0), known)
    middle = float(np.median(values[known]))
    step = max(1.0, grid.step_px)
    weight = ndi.gaussian_filter(known.astype(float), 0.4 * step)
    smooth = ndi.gaussian_filter(np.where(known, values, 0.0), 0.4 * step) / np.maximum(weight, 1e-6)
    pixels = Field2D(smooth, (0.5, 0.5), 1.0)
    trust = Field2D(weight, (0.5, 0.5), 1.0)
    shape = grid.values.shape
    front = pixels.at(grid.uv).reshape(shape)
    usable = inside & (trust.at(grid.uv).reshape(shape) > 0.5)
    usable = usable if usable.any() else inside
    low, high = np.quantile(front[usable], [0.005, 0.995])
    reach = MAX_RANGE / 2
    return np.clip(front, max(low, middle - reach), min(high, middle + reach)), usable


def solid_of(outline: Outline, view: View, relief: Relief, floor: float | None = None) -> Solid:
    """Inside the silhouette's cone, behind the front and before the back; above ``floor`` (work y) when one is given."""
    front_slope, back_slope = _steepness(relief.front, outline), _steepness(relief.back, outline)

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        value = np.minimum((relief.front.at(uv) - z) * front_slope.at(uv), (z - relief.back.at(uv)) * back_slope.at(uv))
        value = np.minimum(value, outline.distance.at(uv))
        return value if floor is None else np.minimum(value, points[:, 1] - floor)

    return solid


def front_cone(outline: Outline, view: View, front: Field2D) -> Solid:
    """Everything that the photo does not prove to be empty: inside the silhouette's cone and behind the front."""
    slope = _steepness(front, outline)

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        return np.minimum(outline.distance.at(uv), (front.at(uv) - z) * slope.at(uv))

    return solid


def symmetric_solid(outline: Outline, view: View, relief: Relief, symmetry: Symmetry, floor: float | None) -> Solid:
    """Visible cone, closed behind by the mean of the inflated back and of the visible cone's symmetric image.

    The half-and-half blend measured better than either alone (lifting notes 4.1.4 and 4.2).
    """
    cone = front_cone(outline, view, relief.front)
    slope, front_slope = _steepness(relief.back, outline), _steepness(relief.front, outline)
    image = symmetry.work_from_work

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        inflated = np.clip((z - relief.back.at(uv)) * slope.at(uv), -0.3, 0.3)
        twin = np.clip(cone(points @ image[:3, :3].T + image[:3, 3]), -0.3, 0.3)
        shell = SHELL - (relief.front.at(uv) - z) * front_slope.at(uv)
        value = np.minimum(cone(points), np.maximum(0.5 * inflated + 0.5 * twin, shell))
        return value if floor is None else np.minimum(value, points[:, 1] - floor)

    return solid


def _steepness(surface: Field2D, outline: Outline) -> Field2D:
    """1/√(1+|∇z|²): turns a difference of heights into a distance to first order."""
    down, right = np.gradient(surface.values)
    return surface.with_values(1 / np.sqrt(1 + (down**2 + right**2) / outline.cell**2))


def bounds_of(outline: Outline, view: View, relief: Relief) -> tuple[np.ndarray, np.ndarray]:
    """Box in the work frame that contains everything between front and back."""
    inside = ndi.binary_dilation(outline.inside, iterations=2).ravel()
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


def relief_shape(
    outline: Outline,
    view: View,
    depth: Float[np.ndarray, "s s"],
    cell: float,
    symmetries: frozenset[Kind],
    *,
    swell: float = 1.0,
    seed: int = 0,
) -> Shape:
    """A body with a measured front (z-depth in metres, NaN where unknown), closed by symmetry and inflation."""
    reference = float(np.median(depth[outline.mask & np.isfinite(depth)]))
    metres_per_unit = reference / view.distance
    height = view.distance - depth / metres_per_unit
    half = thickness(outline.inside, outline.cell) * swell
    relief = relief_from_depth(outline, height, half)
    seen = view.lift_pixels(outline.grid.uv[outline.inside.ravel()], relief.front.values[outline.inside])
    floor = float(np.quantile(seen[:, 1], 0.001)) - FLOOR_SLACK
    low, high = bounds_of(outline, view, relief)
    symmetry = find_symmetry(outline, view, relief.front, symmetries, seed=seed) if symmetries else None
    if symmetry is None:
        solid, twins, method = solid_of(outline, view, relief, floor), (), "relief"
    else:
        solid = symmetric_solid(outline, view, relief, symmetry, floor)
        twins, method = (rigid_twin(symmetry.work_from_work),), f"relief+{symmetry.kind}"
        image = seen @ symmetry.work_from_work[:3, :3].T + symmetry.work_from_work[:3, 3]
        low, high = np.minimum(low, image.min(axis=0)), np.maximum(high, image.max(axis=0))
    low[1] = max(low[1], floor)
    cells = np.full(3, cell)
    return Shape(view, solid, low, high, cells, method, twins=twins, metres_per_unit=metres_per_unit, min_iou=GENERAL_IOU)
