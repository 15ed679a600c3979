"""Depth without weights: a level floor, a guess of the camera's pitch, and the rows where objects touch the floor.

The unit is the camera's height above the floor; the map is ``relative`` and no lifter gets to see it.
"""

import logging
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from paco_core.camera import pixel_rays, rays_of, up_of_pitch
from paco_core.classes import traits_of
from paco_core.contacts import Foot, find_carriers, find_enclosed, find_feet
from paco_core.errors import BadInput
from paco_core.heights import hangs, has_usual_size, largest_side
from paco_core.pitch import MIN_BELOW_HORIZON_DEG, PitchGuess, guess_pitch
from paco_core.types import Camera, DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)

FAR_FACTOR = 2.5
"""The floor ends (and a backdrop starts) this many times as far as the farthest object."""
FROM_ABOVE_DEG = 60.0
"""From here on what is seen is the upper side of things: all of them lie."""
HIGHER_UP = 2.2
"""What would be this many times its size on the floor stands on something nearer that nobody masked: a shelf, a wall, a rock."""
HANGING_FROM = 0.3
"""Least distance of what hangs, in distances of the nearest thing that stands."""
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
        feet, enclosed = find_feet(segmentation), find_enclosed(segmentation)
        guess = self._pitch(segmentation, camera, feet, enclosed)
        log.info("camera pitch %.1f°, %.2f m above the floor (%s)", guess.pitch_deg, guess.height_m, guess.reason)
        rays = pixel_rays(camera)
        up = up_of_pitch(guess.pitch_deg)
        floor = _floor_depth(rays, up)
        standing = _object_depths(segmentation, camera, up, guess.height_m, feet, enclosed)
        far = FAR_FACTOR * max([*standing.values(), 1.0])
        z = np.minimum(floor, far)
        for i, name, mask in zip(segmentation.ids, segmentation.names, segmentation.masks, strict=True):
            foot = _foot_ray(camera, feet[i]) * standing[i]
            lying = (traits_of(name).flat and not hangs(name)) or guess.pitch_deg >= FROM_ABOVE_DEG
            z[mask] = _paint(rays[mask], up, foot, floor[mask], lying=lying)
        return DepthMap(z.astype(np.float32), np.ones(photo.hw, bool), "relative", self.name, up)

    def _pitch(self, segmentation: Segmentation, camera: Camera, feet: dict[int, Foot], enclosed: dict[int, int]) -> PitchGuess:
        guess = guess_pitch(segmentation, camera, feet, enclosed)
        if self.pitch_deg is None:
            return guess
        lowest = math.degrees(math.atan((camera.height - camera.cy) / camera.fy))
        if not -lowest + MIN_BELOW_HORIZON_DEG <= self.pitch_deg <= 90:
            raise BadInput(f"--pitch-deg {self.pitch_deg:g} sees no floor: give degrees below the horizon, up to 90.")
        return PitchGuess(self.pitch_deg, guess.height_m, "user")


def _floor_depth(rays: Float[np.ndarray, "h w 3"], up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "h w"]:
    """z-depth of the floor one unit below the camera; inf at and above the horizon."""
    down = -(rays @ up)
    return np.where(down > 1e-4, 1.0 / np.maximum(down, 1e-4), np.inf)


def _object_depths(
    segmentation: Segmentation,
    camera: Camera,
    up: Float[np.ndarray, "3"],
    height_m: float,
    feet: dict[int, Foot],
    enclosed: dict[int, int],
) -> dict[int, float]:
    """z-depth at each object's foot: from the floor where the foot is seen, else bounded by its occluder, carrier or size."""
    carriers = find_carriers(segmentation, feet)
    seen = _seen_depths(segmentation, camera, up, height_m, feet)
    depths: dict[int, float] = {}

    def resolve(i: int, pending: frozenset[int]) -> float:
        if i in depths:
            return depths[i]
        j = carriers.get(i, enclosed.get(i, feet[i].below))
        if j > 0 and j not in pending and (j in (carriers.get(i), enclosed.get(i)) or not hangs(segmentation.name(i))):
            front = resolve(j, pending | {i})
            if i in carriers:
                depths[i] = seen[i] if traits_of(segmentation.name(j)).flat else front
            elif i in enclosed:
                depths[i] = front
            else:  # the foot is hidden by j: i stands between j and where its visible bottom would touch the floor
                depths[i] = math.sqrt(front * max(seen[i], 1.02 * front))
        else:
            depths[i] = seen[i]
        return depths[i]

    for i in segmentation.ids:
        resolve(i, frozenset({i}))
    return depths


def _seen_depths(
    segmentation: Segmentation, camera: Camera, up: Float[np.ndarray, "3"], height_m: float, feet: dict[int, Foot]
) -> dict[int, float]:
    """z-depth at each foot as if nothing were hidden or carried."""
    on_floor = {i: _floor_at(camera, up, f) for i, f in feet.items()}
    by_size = {i: _depth_by_size(segmentation.name(i), segmentation.mask(i), camera, height_m) for i in feet}
    seen: dict[int, float] = {}
    for i, z in on_floor.items():
        size = by_size[i]
        if z is None or hangs(segmentation.name(i)):
            continue
        higher = size is not None and has_usual_size(segmentation.name(i)) and z > HIGHER_UP * size
        seen[i] = size if higher and size else z
    low, high = (min(seen.values()), max(seen.values())) if seen else (0.0, 1 / math.sin(math.radians(MIN_BELOW_HORIZON_DEG)))
    for i in feet:
        if i not in seen:  # it hangs: where its size says, else behind what stands
            seen[i] = float(np.clip(_hanging_depth(segmentation, i, by_size[i], high), HANGING_FROM * low, FAR_FACTOR * high))
    return seen


def _hanging_depth(segmentation: Segmentation, i: int, by_size: float | None, farthest: float) -> float:
    """What its size says as far as that is known, else with the farthest that stands; size is a bound where the photo cuts it."""
    if by_size is None:
        return farthest
    mask = segmentation.mask(i)
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        return min(by_size, farthest)
    return by_size if has_usual_size(segmentation.name(i)) else math.sqrt(by_size * farthest)


def _depth_by_size(name: str, mask: Bool[np.ndarray, "h w"], camera: Camera, height_m: float) -> float | None:
    """z-depth, in camera heights, at which the visible part is as large as the whole thing: an upper bound where it is cut."""
    size = largest_side(name)
    if size is None:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    angle = max((rows[-1] - rows[0] + 1) / camera.fy, (columns[-1] - columns[0] + 1) / camera.fx)
    return size / angle / height_m


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
