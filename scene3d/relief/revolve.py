"""Solids of revolution about the vertical: bottles, vases, balls, and open cups with what is in them."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D, Outline
from scene3d.relief.handles import find_handles
from scene3d.relief.morphology import signed_distance
from scene3d.relief.opening import fill_level, rim_evidence, wall_thickness
from scene3d.relief.profile import ANGLES, Profile, circles
from scene3d.relief.view import View
from scene3d.relief.volume import Shape, Solid, Twin, rigid_twin

HEIGHTS = 72
RADII = 72
CORE = 0.55
"""A silhouette whose symmetric core is less than this share of it is not a solid of revolution that stands upright."""
MIN_OPEN_DEG = 10.0
"""Below this camera height the inside of a cup is not seen, and a closed top can't be told from an open one."""
ELEVATION_WEIGHT = 0.02
"""Silhouette agreement that a factor e on the elevation must gain: a rim's ellipse changes it by more, noise by less."""
MIN_PROFILE_IOU = 0.9
"""Below, the core is not a solid of revolution's at any elevation (a mug whose handle's hole is masked, for one)."""
BASE, CONTAINER_BASE = 0.3, 0.5
"""Least radius of a hidden base over the largest radius: bottles and vases, cups and bowls."""
EDGE_PX = 0.5
"""Circles may leave the mask by this much: what the volume's blur takes away again."""
RIM_TOUCH = 0.022
"""A rim's far point lies on the mask's upper border, to this share of the silhouette."""
HIDDEN_BASE_DEG = 20.0
"""From higher up the body hides its own base, and the base's radius is at least a share of the widest one: things stand."""
MIN_RADIUS = 0.012
"""Thinner stems would fall through the cells of the volume."""
PROFILE_IOU = 0.965
"""A true solid of revolution seen from the assumed elevation reaches .97 and more; then no other elevation is tried."""
ELEVATION_FACTORS = (1.0, 0.8, 1.25, 0.6, 1.6, 0.4, 0.2)
CONTAINER_FACTORS = (1.0, 0.95, 1.05, 0.9, 1.1, 1.15, 0.8, 1.2, 1.35, 0.6, 0.4, 0.2)
"""Finer for cups, where the opening has to lie where the photo shows it."""
RIM_SHARE, RIM_WEIGHT, NO_RIM = 0.92, 0.3, 0.6
"""A cup is about as wide at its rim as anywhere; at a wrong elevation the largest rim that fits is narrower. With less than
the last share the mask is not that of an upright cup (its core has steps)."""
EDGE_WEIGHT = 0.02
"""Silhouette agreement that a near rim on a real edge of the photo is worth: masks differ by less between elevations."""


def find_profile(
    core: Bool[np.ndarray, "s s"],
    axis_u: float,
    view: View,
    *,
    round_ends: bool,
    base_share: float = BASE,
    open_top: bool = False,
) -> Profile | None:
    """The largest upright solid of revolution whose silhouette stays inside a symmetric mask.

    Every circle of the true solid projects into the mask, so the largest circle at each height that does is the visual hull
    under the symmetry; it is exact under perspective. Ends are flat where circles begin to be stopped by the mask's top or bottom
    rather than by its sides, or continue as an ellipse (``round_ends``: balls and fruit). ``base_share``: least radius of a
    hidden base over the largest radius. ``open_top``: the top is the lowest circle that reaches the mask's upper border.
    None when no circle fits.
    """
    inside = _core_distance(core)
    axis_x = (axis_u - view.size_px / 2) / view.focal_px * view.distance
    low, high = _height_range(core, view)
    heights = np.linspace(low, high, HEIGHTS)
    radii, sides, back = _largest_circles(inside, view, axis_x, heights)
    good = _longest_run(sides & (radii > 0.004))
    if open_top and len(good):  # above the rim, circles still fit into the opening's far side: not a part of the body
        touches = np.flatnonzero(back[good] <= RIM_TOUCH * np.ptp(np.nonzero(core), axis=1).max())
        good = good[: touches[0] + 1] if len(touches) else good
    if len(good) < 4:
        return None
    radii = np.maximum(radii, MIN_RADIUS)
    if round_ends:
        return _rounded(axis_x, heights[good], radii[good])
    stands = np.flatnonzero(radii >= base_share * radii[good].max())
    first = max(int(good[0]), int(stands[0])) if view.elevation_deg > HIDDEN_BASE_DEG else int(good[0])
    bottom, top = heights[first], heights[good[-1]]
    keep = slice(first, good[-1] + 1)
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
    # holes of glass and highlights are filled; a handle's hole has no counterpart
    both = np.asarray(ndi.binary_fill_holes(box & mirrored(best)))
    runs = np.zeros(both.shape, dtype=np.int64)
    ndi.label(both, [[0, 0, 0], [1, 1, 1], [0, 0, 0]], output=runs)  # a pair of handles is no part of the run through the axis
    through = np.unique(runs[:, [best // 2, (best + 1) // 2]])
    core[ys.min() : ys.max() + 1, x0 : x1 + 1] = np.isin(runs, through[through > 0])
    return core, x0 + best / 2 + 0.5


def _core_distance(core: np.ndarray) -> Field2D:
    """Signed distance to the core's contour, px, positive inside."""
    padded = np.pad(core, 8)  # so that a core that touches the crop's border ends there
    return Field2D(signed_distance(padded), (0.5 - 8, 0.5 - 8), 1.0)


def _height_range(core: np.ndarray, view: View) -> tuple[float, float]:
    """Heights on the vertical through the origin that project to the core's lowest and highest rows."""
    rows = np.flatnonzero(core.any(axis=1))
    e = np.radians(view.elevation_deg)
    up = (view.size_px / 2 - np.array([rows[-1] + 1.0, float(rows[0])])) / view.focal_px
    low, high = np.clip(up * view.distance / np.maximum(np.cos(e) + up * np.sin(e), 0.05), -1.5, 1.5)
    return float(low), float(high)


def _largest_circles(
    inside: Field2D, view: View, axis_x: float, heights: np.ndarray
) -> tuple[Float64[np.ndarray, "k"], Bool[np.ndarray, "k"], Float64[np.ndarray, "k"]]:
    """Largest radius at each height whose circle projects inside, whether its sides are what stops it, and how far its back is
    from the mask's border, px."""
    radii = np.linspace(0.0, 0.75, RADII)
    every = circles(axis_x, np.repeat(heights, RADII), np.tile(radii, len(heights)))
    uv, _ = view.project(every.reshape(-1, 3))
    margin = inside.at(uv).reshape(len(heights), RADII, len(ANGLES))
    worst = margin.min(axis=2)
    fits = worst >= -EDGE_PX
    first_out = np.where(fits.any(axis=1), RADII - np.argmax(fits[:, ::-1], axis=1), 0)
    k = np.arange(len(heights))
    i = np.clip(first_out, 1, RADII - 1)
    inner, outer = worst[k, i - 1], worst[k, i]
    share = np.clip((inner + EDGE_PX) / np.maximum(inner - outer, 1e-9), 0, 1)
    radius = np.where(first_out > 0, radii[i - 1] + share * (radii[i] - radii[i - 1]), 0.0)
    stopped_by = np.abs(np.cos(ANGLES[margin[k, i].argmin(axis=1)]))
    back = margin[k, i - 1, np.argmin(np.sin(ANGLES))]
    return radius, stopped_by > 0.5, back  # within 60 degrees of the image's horizontal


def _longest_run(chosen: Bool[np.ndarray, "k"], gap: int = 3) -> Int[np.ndarray, "m"]:
    """Indices of the chosen entries in the longest stretch of them; holes of up to ``gap`` entries do not end it."""
    index = np.flatnonzero(chosen)
    if len(index) == 0:
        return index
    pieces = np.split(index, np.flatnonzero(np.diff(index) > gap + 1) + 1)
    return max(pieces, key=lambda piece: int(piece[-1] - piece[0]))


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


def _best_elevation(
    outline: Outline,
    core: Bool[np.ndarray, "s s"],
    axis_u: float,
    view: View,
    rgb: UInt8[np.ndarray, "s s 3"],
    round_ends: bool,
    container: bool,
) -> tuple[Profile, View] | None:
    """The profile at the given elevation, or, where no solid of revolution looks like the mask from there, at a nearby one.

    Elevations without depth are guesses, and a rim's ellipse is a good protractor: minor over major axis is its sine. A cup's
    silhouette ends at the rim's far side; where the near side is, only the photo tells.
    """
    if core.sum() < CORE * outline.mask.sum():
        return None
    best, best_score = None, -np.inf
    for factor in CONTAINER_FACTORS if container else ELEVATION_FACTORS:
        other = replace(view, elevation_deg=view.elevation_deg * factor)
        base = CONTAINER_BASE if container else BASE
        profile = find_profile(core, axis_u, other, round_ends=round_ends, base_share=base, open_top=container)
        if profile is None:
            continue
        seen = silhouette(profile, other)
        iou = float((seen & core).sum() / (seen | core).sum())
        narrow = max(0.0, RIM_SHARE - profile.rim / profile.radii.max()) if container else 0.0
        edge = rim_evidence(rgb, profile, other) if container else 1.0
        score = EDGE_WEIGHT * edge + iou - ELEVATION_WEIGHT * abs(np.log(factor)) - RIM_WEIGHT * narrow
        if score > best_score and iou > MIN_PROFILE_IOU and narrow < RIM_SHARE - NO_RIM:
            best, best_score = (profile, other), score
        if factor == 1.0 and iou > PROFILE_IOU and narrow == 0 and edge == 1:
            break
    return best


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
    default_fill: float = 0.3,
    round_ends: bool = False,
) -> Shape | None:
    """An upright solid of revolution with its handles; open, with a wall and contents, when the inside of a container is seen.

    None when the mask has no upright axis.
    """
    core, axis_u = symmetric_core(outline)
    found = _best_elevation(outline, core, axis_u, view, rgb, round_ends, container)
    if found is None:
        return None
    profile, view = found
    body = solid_of_revolution(profile)
    foot = np.array([profile.axis_x, 0.0, 0.0])
    extents = (profile.bottom, profile.top, profile.radius)
    handles = find_handles(outline, silhouette(profile, view) | core, view, foot, *extents)
    opened = container and view.elevation_deg > MIN_OPEN_DEG and profile.rim > 0.5 * profile.radii.max()
    wall = wall_thickness(rgb, profile, view) if opened else 0.0
    level = fill_level(rgb, profile, view, wall, default_fill) if opened else profile.top

    def solid(points: np.ndarray) -> np.ndarray:
        value = body(points)
        for handle in handles:
            value = np.maximum(value, handle.solid(points, outline, view))
        value = np.minimum(value, points[:, 1] - profile.bottom)  # it stands on its base, not on its handle
        if opened:
            across = np.hypot(points[:, 0] - profile.axis_x, points[:, 2])
            cavity = np.minimum(profile.radius(points[:, 1]) - wall - across, points[:, 1] - level)
            value = np.minimum(value, -cavity)
        return value

    widest = float(profile.radii.max())
    boxes = [np.array([[-widest, profile.bottom, -widest], [widest, profile.top, widest]]) + foot]
    boxes += [handle.box(view) for handle in handles]
    low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
    size = min(cell, wall / 2.2) if opened else cell  # a wall of two cells survives sampling
    method = "revolve(open)" if opened else "revolve"
    twins = (rigid_twin(np.diag([1.0, 1.0, -1.0, 1.0])), _turned(profile.axis_x, 1.0), _turned(profile.axis_x, -1.0))
    return Shape(view, solid, low, high, np.full(3, size), method, twins=twins, smoothing=0.5)


def _turned(axis_x: float, facing: float) -> Twin:
    """Turn every point about the axis to within 45 degrees of the near (``facing`` 1) or far (-1) side, continuously."""

    def twin(points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, z = points[:, 0] - axis_x, facing * points[:, 2]
        azimuth = np.arctan2(x, z)
        folded = np.where(np.abs(azimuth) > np.pi / 2, np.sign(azimuth) * np.pi - azimuth, azimuth) / 2
        radius, turn = np.hypot(x, z), facing * (folded - azimuth)
        c, s = np.cos(turn), np.sin(turn)
        moved = np.stack([axis_x + radius * np.sin(folded), points[:, 1], facing * radius * np.cos(folded)], axis=1)
        turned = np.stack([c * normals[:, 0] + s * normals[:, 2], normals[:, 1], c * normals[:, 2] - s * normals[:, 0]], axis=1)
        return moved, turned

    return twin
