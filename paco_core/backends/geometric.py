"""Depth without weights: a level floor, a guess of the camera's pitch, and the rows where objects touch the floor.

The unit is the camera's height above the floor; the map is ``relative`` and no lifter gets to see it.
"""

import logging
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from skimage.measure import EllipseModel, find_contours

from paco_core.camera import pixel_rays, rays_of, up_of_pitch
from paco_core.classes import TABLE_TOP, is_a, traits_of
from paco_core.contacts import Foot, find_carriers, find_feet, touch_radius_px
from paco_core.errors import BadInput
from paco_core.masks import dilate
from paco_core.types import Camera, DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)

PITCH_TABLE_DEG = 35.0
"""People look down on a table from a chair or standing: 25–50°."""
PITCH_ROOM_DEG = 12.0
"""A hand-held photo of a room or a street looks slightly down."""
MIN_BELOW_HORIZON_DEG = 4.0
"""A floor contact nearer than this to the horizon would be tens of camera heights away."""
FAR_FACTOR = 2.5
"""The floor ends (and a backdrop starts) this many times as far as the farthest object."""
LYING_LIFT = 0.99
"""Things that lie on the floor are this much nearer than the floor itself: enough for the order, not for the eye."""


@dataclass(frozen=True)
class GeometricDepth:
    """Protocol ``DepthEstimator`` from masks and names alone."""

    pitch_deg: float | None = None
    """How far the camera looks down, degrees; None: estimated."""
    name: str = "geometric"

    def estimate(self, photo: Photo, segmentation: Segmentation, camera: Camera) -> DepthMap:
        """Relative z-depth, unit: camera height. Raises ``BadInput`` for a pitch that sees no floor."""
        feet = find_feet(segmentation)
        pitch, reason = self._pitch(segmentation, camera, feet)
        log.info("camera pitch %.1f° (%s)", pitch, reason)
        rays = pixel_rays(camera)
        up = up_of_pitch(pitch)
        floor = _floor_depth(rays, up)
        standing = _object_depths(segmentation, camera, up, feet)
        far = FAR_FACTOR * max([*standing.values(), 1.0])
        z = np.minimum(floor, far)
        for i, mask in zip(segmentation.ids, segmentation.masks, strict=True):
            foot = _foot_ray(camera, feet[i]) * standing[i]
            z[mask] = _paint(rays[mask], up, foot, floor[mask], lying=traits_of(segmentation.name(i)).flat)
        return DepthMap(z.astype(np.float32), np.ones(photo.hw, bool), "relative", self.name)

    def _pitch(self, segmentation: Segmentation, camera: Camera, feet: dict[int, Foot]) -> tuple[float, str]:
        if self.pitch_deg is not None:
            lowest = math.degrees(math.atan((camera.height - camera.cy) / camera.fy))
            if not -lowest + MIN_BELOW_HORIZON_DEG <= self.pitch_deg <= 90:
                raise BadInput(f"--pitch-deg {self.pitch_deg:g} sees no floor: give degrees below the horizon, up to 90.")
            return self.pitch_deg, "user"
        round_ones = [p for p in (_pitch_from_circle(segmentation, i, camera) for i in segmentation.ids) if p is not None]
        if round_ones:
            return float(np.median(round_ones)), "ellipse of a round object"
        on_table = np.mean([is_a(n, TABLE_TOP) for n in segmentation.names]) > 0.5
        guess = PITCH_TABLE_DEG if on_table else PITCH_ROOM_DEG
        typical = float(np.median([f.v for f in feet.values()])) if feet else float(camera.height)
        needed = MIN_BELOW_HORIZON_DEG - math.degrees(math.atan((typical - camera.cy) / camera.fy))
        return max(guess, needed), "table-top names" if on_table else "default"


def _pitch_from_circle(segmentation: Segmentation, object_id: int, camera: Camera) -> float | None:
    """Pitch from a round flat thing: its outline is an ellipse with axis ratio sin(elevation)."""
    if traits_of(segmentation.name(object_id)).family != "round flat":
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


def _floor_depth(rays: Float[np.ndarray, "h w 3"], up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "h w"]:
    """z-depth of the floor one unit below the camera; inf at and above the horizon."""
    down = -(rays @ up)
    return np.where(down > 1e-4, 1.0 / np.maximum(down, 1e-4), np.inf)


def _object_depths(
    segmentation: Segmentation,
    camera: Camera,
    up: Float[np.ndarray, "3"],
    feet: dict[int, Foot],
) -> dict[int, float]:
    """z-depth at each object's foot: from the floor where the foot is seen, else bounded by its occluder or carrier."""
    carriers = find_carriers(segmentation, feet)
    seen = {i: _floor_at(camera, up, f) for i, f in feet.items()}
    standing = [z for z in seen.values() if z is not None]
    elsewhere = float(np.median(standing)) if standing else 1 / math.sin(math.radians(MIN_BELOW_HORIZON_DEG))
    seen = {i: elsewhere if z is None else z for i, z in seen.items()}  # what hangs is about where the others are
    depths: dict[int, float] = {}

    def resolve(i: int, pending: frozenset[int]) -> float:
        if i in depths:
            return depths[i]
        j = carriers.get(i, feet[i].below)
        if j > 0 and j not in pending:
            front = resolve(j, pending | {i})
            if i in carriers:
                depths[i] = seen[i] if traits_of(segmentation.name(j)).flat else front
            else:  # the foot is hidden by j: i stands between j and where its visible bottom would touch the floor
                depths[i] = math.sqrt(front * max(seen[i], 1.02 * front))
        else:
            depths[i] = seen[i]
        return depths[i]

    for i in segmentation.ids:
        resolve(i, frozenset({i}))
    return depths


def _floor_at(camera: Camera, up: Float[np.ndarray, "3"], foot: Foot) -> float | None:
    """z-depth at which the foot's ray meets the floor; None at and above the horizon: the thing hangs or is on a wall."""
    ray = _foot_ray(camera, foot)
    down = -float(ray @ up)
    return 1.0 / down if down > math.sin(math.radians(MIN_BELOW_HORIZON_DEG)) * float(np.linalg.norm(ray)) else None


def _foot_ray(camera: Camera, foot: Foot) -> Float[np.ndarray, "3"]:
    return rays_of(camera, np.array([[foot.u, foot.v]]))[0]


def _paint(
    rays: Float[np.ndarray, "n 3"],
    up: Float[np.ndarray, "3"],
    foot: Float[np.ndarray, "3"],
    floor: Float[np.ndarray, "n"],
    *,
    lying: bool,
) -> Float[np.ndarray, "n"]:
    """Depth of one object's pixels: on the floor when it lies, else on the upright plane through its foot (camera frame)."""
    z_foot = float(foot[2])
    if lying:
        return np.minimum(floor, FAR_FACTOR * z_foot) * LYING_LIFT
    forward = np.array([0.0, 0.0, 1.0]) - up * up[2]
    if np.linalg.norm(forward) < 0.2:  # looking straight down: height is along the axis and can't be seen
        return np.full(len(rays), z_foot * LYING_LIFT)
    toward = rays @ forward
    ahead = float(foot @ forward)
    z = np.where(toward > 1e-3, ahead / np.maximum(toward, 1e-3), np.inf)
    return np.minimum(np.clip(z, 0.4 * z_foot, 1.5 * z_foot), floor * LYING_LIFT)
