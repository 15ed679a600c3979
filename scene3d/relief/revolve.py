"""Solids of revolution about the vertical: bottles, vases, balls, and open cups with what is in them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D, Outline, thickness
from scene3d.relief.view import View
from scene3d.relief.volume import Shape, Solid

ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)
HEIGHTS = 96
RADII = 72
CORE = 0.55
"""A silhouette whose symmetric core is less than this share of it is not a solid of revolution that stands upright."""
PART = 0.004
"""Left-over parts (handles, spouts) smaller than this share of the silhouette are noise of the mask (notes 4.1.5)."""
WALL = 0.07
"""Wall of a cup over its rim's radius: 3 mm of 40 mm, typical porcelain, and thick enough for the volume's cells."""
MIN_OPEN_DEG = 10.0
"""Below this camera height the inside of a cup is not seen, and a closed top can't be told from an open one."""
DEFAULT_FILL = 0.25
"""Depth of the contents below the rim over the cup's height when the photo shows no edge of them."""


@dataclass(frozen=True)
class Profile:
    """Radius over height of a solid of revolution, work units."""

    axis_x: float
    heights: Float64[np.ndarray, "k"]
    radii: Float64[np.ndarray, "k"]
    bottom: float
    top: float

    def radius(self, y: np.ndarray) -> np.ndarray:
        """Radius at work heights (the end's radius beyond the ends)."""
        return np.interp(y, self.heights, self.radii)

    @property
    def rim(self) -> float:
        """Radius at the top."""
        return float(self.radius(np.array([self.top]))[0])


def find_profile(outline: Outline, view: View, *, round_ends: bool) -> Profile | None:
    """The largest upright solid of revolution whose silhouette stays inside the mask's symmetric core.

    Every circle of the true solid projects into the mask, so the largest circle at each height that does is the visual hull
    under the symmetry; it is exact under perspective. Ends are flat where circles begin to be stopped by the mask's top or bottom
    rather than by its sides, or continue as an ellipse (``round_ends``: balls and fruit). None when the mask has no upright axis.
    """
    core, axis_u = symmetric_core(outline)
    if core.sum() < CORE * outline.mask.sum():
        return None
    inside = _core_distance(core)
    axis_x = (axis_u - view.size_px / 2) / view.focal_px * view.distance
    low, high = _height_range(core, view)
    heights = np.linspace(low, high, HEIGHTS)
    radii, sides = _largest_circles(inside, view, axis_x, heights)
    good = np.flatnonzero(sides & (radii > 0.01))
    if len(good) < 4:
        return None
    bottom, top = heights[good[0]], heights[good[-1]]
    radii = np.where(radii > 0, radii, 1e-3)
    if round_ends:
        return _rounded(axis_x, heights[good], radii[good])
    keep = slice(good[0], good[-1] + 1)
    smooth = ndi.gaussian_filter1d(ndi.median_filter(radii[keep], 3, mode="nearest"), 0.7, mode="nearest")
    return Profile(axis_x, heights[keep], smooth, float(bottom), float(top))


def symmetric_core(outline: Outline) -> tuple[Bool[np.ndarray, "s s"], float]:
    """The part of the mask that a mirror at the best vertical axis leaves in place, and that axis (u, px)."""
    mask = outline.mask
    ys, xs = np.nonzero(mask)
    x0, x1 = int(xs.min()), int(xs.max())
    box = mask[ys.min() : ys.max() + 1, x0 : x1 + 1]
    width = box.shape[1]
    padded = np.pad(box[:, ::-1], ((0, 0), (width, width)))
    sums = range(width - 1 - width // 2, width - 1 + width // 2 + 1)  # twice the axis' column, within the middle half

    def mirrored(twice: int) -> np.ndarray:
        start = 2 * width - 1 - twice  # column j of the mirror image is column twice - j of the box
        return padded[:, start : start + width]

    step = max(1, width // 160)
    best = max(sums[::step], key=lambda t: (box & mirrored(t)).sum())
    best = max(range(best - step, best + step + 1), key=lambda t: (box & mirrored(t)).sum())
    core = np.zeros_like(mask)
    both = box & mirrored(best)
    reach = max(1, int(0.06 * box.shape[0]))  # opens handles that happen to have a counterpart
    opened = ndi.binary_opening(both, np.ones((1, 2 * reach + 1)))
    core[ys.min() : ys.max() + 1, x0 : x1 + 1] = opened if opened.sum() > 0.5 * both.sum() else both
    return core, x0 + best / 2 + 0.5


def _core_distance(core: np.ndarray) -> Field2D:
    """Signed distance to the core's contour, px, positive inside."""
    padded = np.pad(core, 8)  # so that a core that touches the crop's border ends there
    signed = np.where(padded, ndi.distance_transform_edt(padded) - 0.5, 0.5 - ndi.distance_transform_edt(~padded))
    return Field2D(signed.astype(np.float64), (0.5 - 8, 0.5 - 8), 1.0)


def _height_range(core: np.ndarray, view: View) -> tuple[float, float]:
    """Heights on the vertical through the origin that project to the core's lowest and highest rows."""
    rows = np.flatnonzero(core.any(axis=1))
    e = np.radians(view.elevation_deg)
    up = (view.size_px / 2 - np.array([rows[-1] + 1.0, float(rows[0])])) / view.focal_px
    low, high = np.clip(up * view.distance / np.maximum(np.cos(e) + up * np.sin(e), 0.05), -1.5, 1.5)
    return float(low), float(high)


def circles(axis_x: float, heights: np.ndarray, radii: np.ndarray) -> Float64[np.ndarray, "k a 3"]:
    """Points on horizontal circles around the axis."""
    x = axis_x + radii[:, None] * np.cos(ANGLES)
    z = radii[:, None] * np.sin(ANGLES)
    return np.stack([x, np.broadcast_to(heights[:, None], x.shape), z], axis=-1)


def _largest_circles(
    inside: Field2D, view: View, axis_x: float, heights: np.ndarray
) -> tuple[Float64[np.ndarray, "k"], Bool[np.ndarray, "k"]]:
    """Largest radius at each height whose circle projects inside, and whether its sides are what stops it."""
    radii = np.linspace(0.0, 0.75, RADII)
    every = circles(axis_x, np.repeat(heights, RADII), np.tile(radii, len(heights)))
    uv, _ = view.project(every.reshape(-1, 3))
    margin = inside.at(uv).reshape(len(heights), RADII, len(ANGLES))
    worst = margin.min(axis=2)
    fits = worst >= 0
    first_out = np.where(fits.any(axis=1), RADII - np.argmax(fits[:, ::-1], axis=1), 0)
    k = np.arange(len(heights))
    i = np.clip(first_out, 1, RADII - 1)
    inner, outer = worst[k, i - 1], worst[k, i]
    share = np.clip(inner / np.maximum(inner - outer, 1e-9), 0, 1)
    radius = np.where(first_out > 0, radii[i - 1] + share * (radii[i] - radii[i - 1]), 0.0)
    stopped_by = np.abs(np.cos(ANGLES[margin[k, i].argmin(axis=1)]))
    return radius, stopped_by > 0.5  # within 60 degrees of the image's horizontal


def _rounded(axis_x: float, heights: np.ndarray, radii: np.ndarray) -> Profile:
    """Continue the measured middle as an ellipse to both poles; r² is a quadratic of the height there."""
    a, b, c = np.polyfit(heights, radii**2, 2)
    disc = b * b - 4 * a * c
    if a >= -1e-3 or disc <= 0:
        return Profile(axis_x, heights, radii, float(heights[0]), float(heights[-1]))
    low, high = sorted((-b + sign * np.sqrt(disc)) / (2 * a) for sign in (-1, 1))
    low, high = min(low, heights[0]), max(high, heights[-1])
    y = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, HEIGHTS))) / 2  # dense at the poles
    ellipse = np.sqrt(np.maximum(a * y * y + b * y + c, 1e-6))
    measured = np.interp(y, heights, radii)
    return Profile(axis_x, y, np.where((y > heights[0]) & (y < heights[-1]), measured, ellipse), low, high)


def fill_level(rgb: UInt8[np.ndarray, "s s 3"], profile: Profile, view: View) -> float:
    """Height of a cup's contents: where the far arc of a circle on the inner wall lies on the photo's strongest edge.

    Only the arc that is seen through the rim votes. Without a clear edge, ``DEFAULT_FILL`` below the rim.
    """
    gray = ndi.gaussian_filter(rgb.astype(np.float64).mean(axis=2), 1.0)
    picture = Field2D(gray, (0.5, 0.5), 1.0)
    height = profile.top - profile.bottom
    levels = profile.top - height * np.linspace(0.06, 0.8, 50)
    inner = np.maximum(profile.radius(levels) - WALL * profile.rim, 0.01)
    contrast = np.zeros(len(levels))
    for k, (level, radius) in enumerate(zip(levels, inner, strict=True)):
        arc = circles(profile.axis_x, np.array([level]), np.array([radius]))[0]
        arc = arc[(arc[:, 2] < -0.3 * radius) & _seen_through_rim(arc, profile, view)]
        if len(arc) < 12:
            continue
        uv, _ = view.project(arc)
        step = np.array([0.0, max(1.0, 0.02 * profile.rim * view.focal_px / view.distance)])
        contrast[k] = np.abs(np.median(picture.at(uv + step) - picture.at(uv - step)))
    best = int(contrast.argmax())
    clear = contrast[best] > max(12.0, 3 * float(np.median(contrast[contrast > 0]))) if contrast.any() else False
    return float(levels[best]) if clear else profile.top - DEFAULT_FILL * height


def _seen_through_rim(points: np.ndarray, profile: Profile, view: View) -> np.ndarray:
    """Whether the sight line to points inside crosses the rim's plane inside the rim's inner circle."""
    e = np.radians(view.elevation_deg)
    eye = view.distance * np.array([0.0, np.sin(e), np.cos(e)])
    share = (profile.top - points[:, 1]) / np.maximum(eye[1] - points[:, 1], 1e-6)
    crossing = points + share[:, None] * (eye - points)
    return np.hypot(crossing[:, 0] - profile.axis_x, crossing[:, 2]) < (1 - WALL) * profile.rim


def silhouette(profile: Profile, view: View) -> Bool[np.ndarray, "s s"]:
    """The solid's silhouette in the crop."""
    picture = Image.new("1", (view.size_px, view.size_px))
    draw = ImageDraw.Draw(picture)
    uv, _ = view.project(circles(profile.axis_x, profile.heights, profile.radii).reshape(-1, 3))
    uv = uv.reshape(len(profile.heights), len(ANGLES), 2) - 0.5
    for ring in uv:
        draw.polygon([tuple(p) for p in ring.tolist()], fill=1)
    sides = np.concatenate([uv[:, 0], uv[::-1, len(ANGLES) // 2]])
    draw.polygon([tuple(p) for p in sides.tolist()], fill=1)
    return np.asarray(picture, dtype=bool)


def parts_beside(outline: Outline, core: Bool[np.ndarray, "s s"]) -> Field2D | None:
    """Half thickness of what the core does not explain (handles, spouts), negative elsewhere; None when there is nothing."""
    reach = max(2, int(0.012 * outline.side_px))  # a core's fit is good to about one percent
    rest = outline.mask & ~ndi.binary_dilation(core, iterations=reach)
    label, count = ndi.label(rest, np.ones((3, 3)))
    size = np.bincount(label.ravel(), minlength=count + 1)
    size[0] = 0
    rest = np.isin(label, np.flatnonzero(size > PART * outline.mask.sum()))
    if not rest.any():
        return None
    near = ndi.binary_dilation(rest, iterations=reach + int(0.04 * outline.side_px)) & outline.mask
    coarse = Field2D(near.astype(np.float64), (0.5, 0.5), 1.0).at(outline.grid.uv).reshape(outline.inside.shape) > 0.5
    return outline.grid.with_values(np.where(coarse, thickness(coarse, outline.cell), -0.05))


def solid_of_revolution(profile: Profile) -> Solid:
    """Distance-like inside value of the closed solid."""
    slope = np.gradient(profile.radii, profile.heights)
    steep = 1 / np.sqrt(1 + np.clip(slope, -8, 8) ** 2)

    def solid(points: np.ndarray) -> np.ndarray:
        y = points[:, 1]
        across = np.hypot(points[:, 0] - profile.axis_x, points[:, 2])
        side = (profile.radius(y) - across) * np.interp(y, profile.heights, steep)
        return np.minimum(side, np.minimum(y - profile.bottom, profile.top - y))

    return solid


def revolve(
    outline: Outline,
    view: View,
    rgb: UInt8[np.ndarray, "s s 3"],
    cell: float,
    *,
    container: bool = False,
    round_ends: bool = False,
) -> Shape | None:
    """An upright solid of revolution with its handles; open, with a wall and contents, when the inside of a container is seen."""
    profile = find_profile(outline, view, round_ends=round_ends)
    if profile is None:
        return None
    body = solid_of_revolution(profile)
    parts = parts_beside(outline, silhouette(profile, view))
    wall = WALL * profile.rim
    opened = container and view.elevation_deg > MIN_OPEN_DEG and profile.rim > 0.5 * profile.radii.max()
    level = fill_level(rgb, profile, view) if opened else profile.top

    def solid(points: np.ndarray) -> np.ndarray:
        value = body(points)
        if parts is not None:
            uv, _ = view.project(points)
            beside = np.minimum(parts.at(uv) - np.abs(points[:, 2]), outline.distance.at(uv))
            value = np.maximum(value, beside)
        if opened:
            across = np.hypot(points[:, 0] - profile.axis_x, points[:, 2])
            cavity = np.minimum(profile.radius(points[:, 1]) - wall - across, points[:, 1] - level)
            value = np.minimum(value, -cavity)
        return value

    widest = float(profile.radii.max())
    low = np.array([profile.axis_x - widest, profile.bottom, -widest])
    high = np.array([profile.axis_x + widest, profile.top, widest])
    if parts is not None:
        reach = parts.uv[(parts.values > 0).ravel()]
        ends = view.lift_pixels(reach, _height_on_axis_plane(reach, view))
        low, high = np.minimum(low, ends.min(axis=0) - 0.02), np.maximum(high, ends.max(axis=0) + 0.02)
    size = min(cell, wall / 2.2) if opened else cell  # a wall of two cells survives sampling
    front_from_back = np.diag([1.0, 1.0, -1.0, 1.0])
    method = "revolve(open)" if opened else "revolve"
    return Shape(solid, low, high, np.full(3, size), method, symmetries=(front_from_back,), smoothing=0.5)


def _height_on_axis_plane(uv: np.ndarray, view: View) -> np.ndarray:
    """Height toward the camera at which each pixel's ray crosses the vertical plane z = 0."""
    up = (view.size_px / 2 - uv[:, 1]) / view.focal_px * np.tan(np.radians(view.elevation_deg))
    return up * view.distance / np.maximum(1 + up, 0.05)
