"""How far the camera looks down, from masks and names alone. Each clue that is stronger than habit replaces it."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.spatial import ConvexHull
from skimage.measure import EllipseModel, find_contours

from paco_core.classes import LIVING, TABLE_TOP, TABLES, is_a, traits_of
from paco_core.contacts import Foot, touch_radius_px
from paco_core.heights import hangs, largest_side, standing_height
from paco_core.horizon import Prior, Standing, likeliest_view
from paco_core.masks import dilate
from paco_core.stuff import FLOOR, SKY
from paco_core.types import Camera, Segmentation

TABLE = Prior(35.0, 12.0, 0.45, 0.5)
"""People look down on a table from a chair or standing: 25–50°, half a metre above it."""
CONTENT = Prior(50.0, 10.0, 0.45, 0.5)
"""Who sees what is in a bowl looks over its rim."""
STACK = Prior(60.0, 15.0, 0.6, 0.5)
"""Flat things inside the outline of flat things lie on each other, and are seen from above."""
ROOM = Prior(10.0, 9.0, 1.5, 0.5)
"""A hand-held photo of a room or a street looks slightly down, from the height of an eye: 1.2–1.7 m, more from stairs."""
MIN_BELOW_HORIZON_DEG = 4.0
"""A floor contact nearer than this to the horizon would be tens of camera heights away."""
UNNAMED = (1.0, 0.7)
"""Height of something, and the spread of its logarithm: many of them still tell where things grow smaller."""
LOWER_PART = 0.45
"""Of the photo, from the top: unnamed things whose foot is above this may hang."""
QUADRANGLE = 0.93
"""Share of a hull that four of its corners hold when it is one: rounded corners cost 2–4 %."""
STUFF_ROW = 0.02
"""Share of a row that floor or sky must fill to be no slip of the brush."""
SITTING_ASPECT = 1.7
"""A person who is lower than this many times as wide sits, crouches or rides."""


@dataclass(frozen=True)
class PitchGuess:
    """The camera above its floor."""

    pitch_deg: float
    height_m: float
    """Above the floor, or the table, as typical sizes tell."""
    reason: str


def guess_pitch(segmentation: Segmentation, camera: Camera, feet: dict[int, Foot], enclosed: dict[int, int]) -> PitchGuess:
    """The strongest clue that there is: a round plate, things inside of each other, things of known height, habit."""
    least, most = horizon_bounds(segmentation.stuff, camera)
    prior, habit = _habit(segmentation, enclosed)
    things = _standing(segmentation, feet, enclosed, table=prior is not ROOM)
    round_ones = [p for p in (pitch_from_circle(segmentation, i, camera) for i in segmentation.ids) if p is not None]
    if round_ones:
        measured = Prior(float(np.median(round_ones)), 1.0, prior.height_m, prior.height_spread)
        view = likeliest_view(things, measured, camera, least_pitch_deg=measured.pitch_deg - 1.0)
        return PitchGuess(measured.pitch_deg, view.height_m, "ellipse of a round object")
    on_floor = [f.v for i, f in feet.items() if not hangs(segmentation.name(i)) and i not in enclosed]
    typical = float(np.median(on_floor)) if on_floor else float(camera.height)
    needed = max(least, MIN_BELOW_HORIZON_DEG - math.degrees(math.atan((typical - camera.cy) / camera.fy)))
    sheets = _sheets(segmentation, enclosed)
    lowest = needed if not things else max(least, -15.0)
    view = likeliest_view(things, prior, camera, least_pitch_deg=lowest, most_pitch_deg=max(most, lowest), sheets=sheets)
    reason = f"heights of {view.agreeing} things" if view.agreeing else "corners of flat things" if sheets else habit
    return PitchGuess(max(view.pitch_deg, needed if not view.agreeing else -90.0), view.height_m, reason)


def horizon_bounds(stuff: UInt8[np.ndarray, "h w"] | None, camera: Camera) -> tuple[float, float]:
    """Least and largest pitch (degrees down) by which the floor lies below the horizon and the sky above it.

    ±90 where no mask tells. A lawn under the sky ends at the horizon, which tells the pitch; a slope is taken for level.
    """
    if stuff is None:
        return -90.0, 90.0
    floor, sky = (np.flatnonzero((stuff == kind).mean(axis=1) > STUFF_ROW) for kind in (FLOOR, SKY))

    def pitch_of_horizon(row: float) -> float:
        return math.degrees(math.atan((camera.cy - row) / camera.fy))

    least = pitch_of_horizon(float(floor[0])) if len(floor) else -90.0
    most = pitch_of_horizon(float(sky[-1]) + 1) if len(sky) else 90.0
    return least, max(most, least)


def _habit(segmentation: Segmentation, enclosed: dict[int, int]) -> tuple[Prior, str]:
    pairs = [(segmentation.name(a), segmentation.name(b)) for a, b in enclosed.items()]
    if any(_flat(a) and _flat(b) for a, b in pairs):
        return STACK, "flat things on each other"
    if any(not is_a(a, LIVING) and traits_of(b).family == "container" for a, b in pairs):
        return CONTENT, "content seen in containers"
    if _table_top_share(segmentation) > 0.5:
        return TABLE, "table-top names"
    return ROOM, "default"


def _table_top_share(segmentation: Segmentation) -> float:
    """How much of what is masked belongs on a table, by area: a kitchen has more cups than cupboards and yet is a room.

    Tables themselves count for neither.
    """
    areas = segmentation.masks.sum(axis=(1, 2))
    on_table, elsewhere = 0, 0
    for name, area in zip(segmentation.names, areas, strict=True):
        if is_a(name, TABLE_TOP):
            on_table += int(area)
        elif not is_a(name, TABLES):
            elsewhere += int(area)
    return on_table / max(on_table + elsewhere, 1)


def _flat(name: str) -> bool:
    return traits_of(name).flat or is_a(name, frozenset({"laptop"}))


def _standing(
    segmentation: Segmentation, feet: dict[int, Foot], enclosed: dict[int, int], *, table: bool
) -> tuple[Standing, ...]:
    """Things that nothing hides or cuts and that have a typical height."""
    found = []
    h = segmentation.masks.shape[1]
    unnamed = not any(largest_side(name) for name in segmentation.names)
    for i, name, mask in zip(segmentation.ids, segmentation.names, segmentation.masks, strict=True):
        height, foot = standing_height(name), feet[i]
        if unnamed and foot.v > LOWER_PART * h:
            height = UNNAMED
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        small = is_a(name, TABLE_TOP)  # in a room, these stand on furniture that nobody masked
        upright = not is_a(name, frozenset({"person"})) or len(rows) > SITTING_ASPECT * len(columns)
        whole = rows[0] > 1 and rows[-1] < h - 2 and columns[0] > 1 and columns[-1] < mask.shape[1] - 2
        if height is not None and upright and whole and foot.below == 0 and i not in enclosed and (table or not small):
            found.append(Standing((foot.u, foot.v), float(rows[0]), *height))
    return tuple(found)


def _sheets(segmentation: Segmentation, enclosed: dict[int, int]) -> tuple[Float[np.ndarray, "4 2"], ...]:
    """Corners (u, v) of flat things whose outline is a quadrangle: rectangles that lie. Laptops only when stacked: closed."""
    stacked = {*enclosed, *enclosed.values()}
    found = []
    for i, name, mask in zip(segmentation.ids, segmentation.names, segmentation.masks, strict=True):
        lies = traits_of(name).family == "flat" or (is_a(name, frozenset({"laptop"})) and i in stacked)
        corners = _quadrangle(mask) if lies else None
        if corners is not None:
            found.append(corners)
    return tuple(found)


def _quadrangle(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "4 2"] | None:
    """Corners of the convex hull where it is a quadrangle inside of the photo."""
    points = np.argwhere(mask)
    if len(points) < 100 or np.ptp(points, axis=0).min() < 8:
        return None
    hull = points[ConvexHull(points).vertices].astype(float)
    if hull.min() < 2 or (hull[:, 0] > mask.shape[0] - 3).any() or (hull[:, 1] > mask.shape[1] - 3).any():
        return None
    corners = hull
    while len(corners) > 4:  # without the corner that cuts off least
        areas = [_area(corners[[k - 1, k, (k + 1) % len(corners)]]) for k in range(len(corners))]
        corners = np.delete(corners, int(np.argmin(areas)), axis=0)
    if len(corners) < 4 or _area(corners) < QUADRANGLE * _area(hull):
        return None
    return corners[:, ::-1] + 0.5


def _area(corners: Float[np.ndarray, "n 2"]) -> float:
    y, x = corners.T
    return 0.5 * abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1)))


def pitch_from_circle(segmentation: Segmentation, object_id: int, camera: Camera) -> float | None:
    """Pitch from a round flat thing: its outline is an ellipse with axis ratio sin(elevation)."""
    name = segmentation.name(object_id)
    if traits_of(name).family != "round flat" or hangs(name):
        return None
    points = _free_contour(segmentation, object_id)
    if len(points) < 20:
        return None
    model = EllipseModel.from_estimate(points)
    if not model:
        return None
    (xc, yc), (a, b) = model.center, model.axis_lengths
    inside = 0 < xc < camera.width and 0 < yc < camera.height
    if not inside or np.abs(model.residuals(points)).mean() > 0.02 * max(a, b) or max(a, b) > camera.width:
        return None
    elevation = math.degrees(math.asin(min(1.0, min(a, b) / max(a, b))))
    return float(np.clip(elevation - math.degrees(math.atan((yc - camera.cy) / camera.fy)), 5.0, 88.0))


def _free_contour(segmentation: Segmentation, object_id: int) -> Float[np.ndarray, "n 2"]:
    """Outline points (u, v) of a mask that are its own: away from other masks and from the photo's border."""
    mask = segmentation.mask(object_id)
    others = segmentation.masks.any(axis=0) & ~mask
    contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
    if not contours:
        return np.zeros((0, 2))
    points = max(contours, key=len)[:, ::-1] - 0.5  # padded array indices to pixel-centre coordinates
    h, w = mask.shape
    reach = 2 * touch_radius_px((h, w))
    near_other = dilate(others, reach)
    rows = np.clip(points[:, 1].astype(int), 0, h - 1)
    columns = np.clip(points[:, 0].astype(int), 0, w - 1)
    inside = (points > 3).all(axis=1) & (points[:, 0] < w - 3) & (points[:, 1] < h - 3)
    return points[inside & ~near_other[rows, columns]]
