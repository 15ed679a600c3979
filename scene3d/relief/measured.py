"""Bodies with a measured front: metric depth where the photo shows them, symmetry and inflation behind."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D, Outline, membrane, thickness, thickness_within, thin_plate
from scene3d.relief.inflate import GENERAL_IOU, Relief, bounds_of, solid_of, steepness
from scene3d.relief.legs import risen_legs
from scene3d.relief.morphology import dilate, erode, fill_outwards
from scene3d.relief.symmetry import Kind, Symmetry, find_symmetry
from scene3d.relief.view import View
from scene3d.relief.volume import Shape, Solid, rigid_twin

BACK = 1.2
"""Back bulge over the inflated half thickness: best of 1.0 … 1.4 (docs/method.md)."""
MAX_RANGE = 1.6
"""Visible depths of one object span less than this many silhouette sides; everyday objects 0.3 … 0.5 (docs/method.md)."""
SHELL = 0.025
"""What is seen has at least this thickness (work units), even where its symmetric image is not possible."""
MIN_HALF = 0.02
"""Least half thickness where depth tells parts apart (work units): two cells survive the volume's blur."""
LEG, LEG_REACH = 0.045, 6
"""Half thickness below which a part is a leg or a bar (work units), and how many cells from its border to look for its middle."""
FLOOR_SLACK = 0.01
"""What is not seen does not reach lower than what is seen, give or take this (work units): things stand on their visible feet."""
JUMP = 0.08
"""Neighbouring cells that differ by this much in height (eight times a cell's width) …"""
JUMP_OVER_SLOPE = 3.0
"""… and by this many times the usual step around them belong to different parts, one before the other."""


@dataclass(frozen=True)
class Tears:
    """Where the visible surface jumps: between a cell and the one to its right, and between a cell and the one below."""

    right: Bool[np.ndarray, "h w"]
    down: Bool[np.ndarray, "h w"]
    tops: Bool[np.ndarray, "h w"]
    """Cells above the upper end of a thin part that vanishes behind them."""

    @property
    def squares(self) -> Bool[np.ndarray, "h w"]:
        """Squares of four cells, by their first one, that a jump runs through."""
        out = self.right | self.down
        out[:-1] |= self.right[1:]
        out[:, :-1] |= self.down[:, 1:]
        return out

    def farther(self, front: Float64[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
        """The cells on the far side of every jump."""
        out = np.zeros(front.shape, dtype=bool)
        for tear, axis in ((self.right, 1), (self.down, 0)):
            following = np.roll(front, -1, axis=axis)
            out |= tear & (following > front)
            out |= np.roll(tear & (following <= front), 1, axis=axis)
        return out


def find_tears(front: Float64[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"]) -> Tears:
    """Jumps of the front inside the silhouette; steep but even slopes are none."""
    found = []
    for axis in (1, 0):
        step = np.abs(np.roll(front, -1, axis=axis) - front)
        both = inside & np.roll(inside, -1, axis=axis)
        usual = ndi.median_filter(np.where(both, step, 0.0), size=(1, 9) if axis == 1 else (9, 1))
        jump = both & (step > JUMP) & (step > JUMP_OVER_SLOPE * usual)
        np.moveaxis(jump, axis, 0)[-1] = False  # np.roll wraps around
        found.append(jump)
    return Tears(found[0], found[1], found[1] & (np.roll(front, -1, axis=0) < front))


def _beside_thin_parts(tears: Tears, half: Float64[np.ndarray, "h w"]) -> Tears:
    """The tears with a leg or a bar on one side; thick parts (an armrest before its seat) hang together behind what is seen."""
    kept = []
    for tear, axis in ((tears.right, 1), (tears.down, 0)):
        before = np.max([np.roll(half, k, axis=axis) for k in range(LEG_REACH)], axis=0)
        after = np.max([np.roll(half, -k - 1, axis=axis) for k in range(LEG_REACH)], axis=0)
        kept.append(tear & (np.minimum(before, after) < LEG))
    below = np.max([np.roll(half, -k - 1, axis=0) for k in range(LEG_REACH)], axis=0)
    return Tears(kept[0], kept[1], tears.tops & (below < LEG))


def relief_from_depth(outline: Outline, view: View, height: Float[np.ndarray, "s s"], swell: float = 1.0) -> tuple[Relief, Tears]:
    """Front from measured heights toward the camera (NaN where unknown), back inflated behind the rim's membrane.

    Where nothing was measured (occluded parts), the front goes on as ``_continued`` says. Parts that the photo shows
    one before the other (a chair's legs) are inflated apart, each behind its own front.
    """
    inside, grid = outline.inside, outline.grid
    front, known = _measured_front(outline, height)
    front = _continued(inside, known, front, view)
    tears = find_tears(front, inside)
    tears = _beside_thin_parts(tears, thickness(inside & ~tears.farther(front), outline.cell))
    apart = inside & ~tears.farther(front)
    half = np.where(inside, fill_outwards(thickness_within(outline, apart, MIN_HALF), apart), 0.0) * swell
    rim = inside & ~erode(apart, 2)
    middle = membrane(inside, rim, front, tears=(tears.right, tears.down))
    back = np.minimum(middle, front - 0.25 * half) - BACK * half
    torn = tears.squares
    relief = Relief(
        grid.with_values(fill_outwards(front, inside), torn), grid.with_values(fill_outwards(back, inside), torn), half
    )
    return relief, tears


def _continued(
    inside: Bool[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], front: Float64[np.ndarray, "h w"], view: View
) -> Float64[np.ndarray, "h w"]:
    """Measured heights, and over the holes their least bent continuation in inverse depth, in which planes are linear.

    It stays within the range of what was measured: what is seen on one side only must not run away.
    """
    inverse = thin_plate(inside, known, 1 / np.maximum(view.distance - front, 0.05 * view.distance))
    seen = front[known & inside]
    filled = np.clip(view.distance - 1 / np.maximum(inverse, 1e-6), seen.min(), seen.max()) if len(seen) else front
    return np.where(known, front, filled)


def _measured_front(
    outline: Outline, height: Float[np.ndarray, "s s"]
) -> tuple[Float64[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Measured heights on the coarse grid, and where they can be trusted: not at the mask's very edge (mixed pixels)."""
    inside, grid = outline.inside, outline.grid
    core = erode(outline.mask, 2)
    thin = outline.mask & ~dilate(core, 4)
    known = np.isfinite(height) & (core | thin)
    known = known if known.any() else np.isfinite(height) & outline.mask
    values = fill_outwards(np.where(known, height, 0.0), known)
    size = 1 + 2 * int(0.5 * grid.step_px)  # about a cell: noise goes, jumps stay sharp
    smooth = Field2D(ndi.median_filter(values, size=size), (0.5, 0.5), 1.0)
    trust = Field2D(ndi.uniform_filter(known.astype(np.float64), size=size), (0.5, 0.5), 1.0)
    shape = grid.values.shape
    front = smooth.at(grid.uv).reshape(shape)
    usable = inside & (trust.at(grid.uv).reshape(shape) > 0.5)
    usable = usable if usable.any() else inside
    middle = float(np.median(values[known]))
    low, high = np.quantile(front[usable], [0.005, 0.995])
    reach = MAX_RANGE / 2
    return np.clip(front, max(low, middle - reach), min(high, middle + reach)), usable


def front_cone(outline: Outline, view: View, front: Field2D) -> Solid:
    """Everything that the photo does not prove to be empty: inside the silhouette's cone and behind the front."""
    slope = steepness(front, outline)

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        return np.minimum(outline.distance.at(uv), (front.at(uv) - z) * slope.at(uv))

    return solid


def symmetric_solid(outline: Outline, view: View, relief: Relief, symmetry: Symmetry) -> Solid:
    """Visible cone, closed behind by the mean of the inflated back and of the visible cone's symmetric image.

    The half-and-half blend measured better than either alone (docs/method.md).
    """
    cone = front_cone(outline, view, relief.front)
    slope, front_slope = steepness(relief.back, outline), steepness(relief.front, outline)
    image = symmetry.work_from_work

    def solid(points: np.ndarray) -> np.ndarray:
        uv, z = view.project(points)
        inflated = np.clip((z - relief.back.at(uv)) * slope.at(uv), -0.3, 0.3)
        twin = np.clip(cone(points @ image[:3, :3].T + image[:3, 3]), -0.3, 0.3)
        shell = SHELL - (relief.front.at(uv) - z) * front_slope.at(uv)
        return np.minimum(cone(points), np.maximum(0.5 * inflated + 0.5 * twin, shell))

    return solid


def _ceiling(outline: Outline, view: View, depth: Float[np.ndarray, "s s"]) -> float:
    """Height (work y) that nothing exceeds: seen from above, an object's highest point is in sight."""
    rows, columns = np.nonzero(outline.mask & np.isfinite(depth))
    if view.elevation_deg <= 0:
        return np.inf
    uv = np.column_stack([columns + 0.5, rows + 0.5])
    seen = view.lift_pixels(uv, view.distance - depth[rows, columns].astype(np.float64))
    return float(np.quantile(seen[:, 1], 0.999)) + FLOOR_SLACK


def _between(solid: Solid, floor: float, ceiling: float) -> Solid:
    """The part of a solid between two heights (work y)."""

    def part(points: np.ndarray) -> np.ndarray:
        return np.minimum(solid(points), np.minimum(points[:, 1] - floor, ceiling - points[:, 1]))

    return part


def _union(one: Solid, other: Solid) -> Solid:
    return lambda points: np.maximum(one(points), other(points))


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
    metres_per_unit = float(np.median(depth[outline.mask & np.isfinite(depth)])) / view.distance
    relief, tears = relief_from_depth(outline, view, view.distance - depth / metres_per_unit, swell)
    seen = view.lift_pixels(outline.grid.uv[outline.inside.ravel()], relief.front.values[outline.inside])
    floor, ceiling = float(np.quantile(seen[:, 1], 0.001)) - FLOOR_SLACK, _ceiling(outline, view, depth / metres_per_unit)
    low, high = bounds_of(outline, view, relief)
    symmetry = find_symmetry(outline, view, relief.front, symmetries, seed=seed) if symmetries else None
    if symmetry is None:
        solid, twins, method = solid_of(outline, view, relief), (), "relief"
    else:
        solid = symmetric_solid(outline, view, relief, symmetry)
        twins, method = (rigid_twin(symmetry.work_from_work),), f"relief+{symmetry.kind}"
        image = seen @ symmetry.work_from_work[:3, :3].T + symmetry.work_from_work[:3, 3]
        low, high = np.minimum(low, image.min(axis=0)), np.maximum(high, image.max(axis=0))
    legs = risen_legs(outline, view, relief, tears.tops)
    if legs is not None:
        solid = _union(solid, legs)
    low[1], high[1] = max(low[1], floor), min(high[1], ceiling)
    cells = np.full(3, cell)
    return Shape(
        view,
        _between(solid, floor, ceiling),
        low,
        high,
        cells,
        method,
        twins=twins,
        metres_per_unit=metres_per_unit,
        min_iou=GENERAL_IOU,
    )
