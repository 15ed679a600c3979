"""Every pixel of the photo without its objects: is it floor, or something that stands on it, and how far away?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from scipy import ndimage

from paco_core.camera import pixel_rays
from paco_core.fill import membrane
from paco_core.masks import dilate
from paco_core.surfaces import find_floor_line
from paco_core.types import Camera, Deocclusion


@dataclass(frozen=True)
class EnvironmentConfig:
    """How floor and backdrop are told apart and built. Lengths in metres of the scene."""

    floor_m: float = 0.04
    floor_of_z: float = 0.015
    """A background point lower than both is floor: the noise of depth grows with distance."""
    rim_of_width: float = 0.006
    """Depth this near to an object (share of the photo's width) may still be the object's."""
    min_share: float = 0.005
    """Of the photo: less floor, or less of anything else, is noise."""
    orbit_deg: float = 35.0
    """The floor covers what a camera sees that walks this far around the objects, either way."""
    far_objects: float = 6.0
    """The floor ends at the latest this many times as far as the farthest object."""
    texture_px: int = 2048
    """Longest side of a texture."""


DEFAULT = EnvironmentConfig()

BESIDE = 0.9
"""No wall is nearer than this share of the nearest object's distance."""
BULGE = 2.5
"""How fast a wall goes back behind an object that stands farther off than the wall: by a quarter within 6°, without a tear."""
FAR_WALL = 2.0
"""No wall is farther than this many times the end of the floor that the objects suggest."""
SOFT_CORNER = 0.01
"""Corners of walls without measured depth are rounded by this share of the photo's width."""
STANDS = 1.3
"""An object stands where the floor at its lower end is at most this many times as far away as the object."""
TOUCHING = 1.01
"""A clock on a wall is this much nearer than the wall."""
ROOM_BEHIND = 1.05
"""Behind an object's visible surface there is room for the rest of it, as a share of its depth."""
WALL_PX = 360
"""Long side of the picture at which the wall's depth is smoothed: more than the relief has cells."""
POCKET_PX = 61
"""Bays of shelves, doorways: what lies a little deeper within a sixth of the picture comes to the front."""
WALL_SIGMA_PX = 5
"""1.4 % of the picture: wider than cables and the noise of depth."""
WALL_STEP = 0.12
"""Steps of depth above about 25 % stay sharp: what stands apart by more is torn, not bent."""


@dataclass(frozen=True)
class Surroundings:
    """The photo without its objects, pixel by pixel, as floor and as wall (everything that is not floor)."""

    rgb: UInt8[np.ndarray, "h w 3"]
    generated: Bool[np.ndarray, "h w"]
    """Where ``rgb`` was invented."""
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]
    rays: Float64[np.ndarray, "h w 3"]
    """In world axes, one metre deep along the optical axis: ``eye + ray * z`` is the point at z-depth z."""
    floor_z: Float64[np.ndarray, "h w"]
    """z-depth of the plane y = 0; inf at and above the horizon."""
    wall_z: Float64[np.ndarray, "h w"]
    """z-depth of what stands on the floor, continued smoothly behind the objects and the floor."""
    is_floor: Bool[np.ndarray, "h w"]
    far_m: float
    """Level distance from the camera at which the floor ends."""

    @property
    def eye(self) -> Float64[np.ndarray, "3"]:
        """The camera's centre in the world."""
        return self.world_from_camera[:3, 3]


def find_surroundings(
    deocclusion: Deocclusion,
    world_from_camera: Float64[np.ndarray, "4 4"],
    metric_scale: float,
    objects_box_world: Float[np.ndarray, "2 3"],
    config: EnvironmentConfig = DEFAULT,
) -> Surroundings:
    """Tell floor from wall in every pixel, also behind the objects."""
    camera, depth = deocclusion.camera, deocclusion.depth
    rays = pixel_rays(camera) @ world_from_camera[:3, :3].T
    height = float(world_from_camera[1, 3])
    floor_z = np.where(rays[..., 1] < -1e-6, height / np.maximum(-rays[..., 1], 1e-6), np.inf)
    z = depth.z.astype(np.float64) * metric_scale
    objects = np.asarray(deocclusion.segmentation.masks.any(axis=0))
    seen = depth.valid & ~dilate(objects, max(2.0, config.rim_of_width * camera.width))
    low = height + z * rays[..., 1] < np.maximum(config.floor_m, config.floor_of_z * z)
    far = _far_end(rays, z, seen & low, world_from_camera[:3, 3], objects_box_world, config)
    wall = ndimage.binary_opening(seen & ~low, iterations=2)
    background = deocclusion.background
    if depth.kind == "metric" and wall.mean() >= config.min_share:
        wall_z = _continue_wall(z, wall, seen & low, objects & depth.valid)
    else:
        level = np.linalg.norm(rays[..., [0, 2]], axis=-1)
        behind = _behind_objects(deocclusion, level * z, level * floor_z)
        stuff = deocclusion.segmentation.stuff
        line = find_floor_line(background.rgb, background.generated, floor_z * level, behind, stuff)
        seen = low = wall = np.zeros_like(low)  # nothing was measured: the line says what is floor
        if line is None:
            wall_z = _upright_plane_z(rays, far)
        else:
            wall_z = _walls_z(rays, height, line, behind, FAR_WALL * far)
            far = max(far, float((wall_z * level).max()))
    is_floor = _median(np.where(wall, False, np.where(seen & low & np.isfinite(floor_z), True, floor_z < wall_z)))
    is_floor &= np.isfinite(floor_z)
    return Surroundings(background.rgb, background.generated, camera, world_from_camera, rays, floor_z, wall_z, is_floor, far)


def _far_end(
    rays: Float64[np.ndarray, "h w 3"],
    z: Float64[np.ndarray, "h w"],
    floor: Bool[np.ndarray, "h w"],
    eye: Float64[np.ndarray, "3"],
    box: Float[np.ndarray, "2 3"],
    config: EnvironmentConfig,
) -> float:
    """How far away (level, against world z) the floor ends: where it is last seen, and behind every object."""
    behind_objects = 1.05 * max(float(eye[2] - box[0, 2]), 0.1)
    if floor.mean() < config.min_share:
        return 1.5 * behind_objects
    seen = float(np.quantile((-rays[..., 2] * z)[floor], 0.995))
    return min(max(seen, behind_objects), config.far_objects * behind_objects)


def _upright_plane_z(rays: Float64[np.ndarray, "h w 3"], far: float) -> Float64[np.ndarray, "h w"]:
    """z-depth of the upright plane that stands across the view at level distance ``far``."""
    forward = -rays[..., 2]
    return far / np.maximum(forward, 0.1)  # rays that hardly go forward: somewhere far up or under the floor


def _behind_objects(
    deocclusion: Deocclusion, distance: Float64[np.ndarray, "h w"], floor_distance: Float64[np.ndarray, "h w"]
) -> Float64[np.ndarray, " w"]:
    """In every column the level distance behind all objects there, 0 where there is none.

    What stands has a back; what hangs (its lower end is not at the floor) touches the wall.
    """
    behind = np.zeros(distance.shape[1])
    for mask in deocclusion.segmentation.masks:
        here = np.where(mask & deocclusion.depth.valid, distance, 0.0)
        row = int(np.flatnonzero(mask.any(axis=1))[-1])
        stands = floor_distance[row][mask[row]].min() < STANDS * here.max()
        behind = np.maximum(behind, (ROOM_BEHIND if stands else TOUCHING) * here.max(axis=0))
    return behind


def _walls_z(
    rays: Float64[np.ndarray, "h w 3"],
    height: float,
    row: Float[np.ndarray, " w"],
    behind: Float[np.ndarray, " w"],
    farthest: float,
) -> Float64[np.ndarray, "h w"]:
    """z-depth of upright walls whose foot is at ``row`` in every column, behind all objects and not beyond ``farthest``.

    A wall's foot is given by its level distance over the azimuth, so that walls are upright whatever the camera's pitch.
    """
    h, w = rays.shape[:2]
    columns = np.arange(w)
    upper = np.clip(np.floor(row - 0.5), 0, h - 2).astype(int)
    part = (row - 0.5 - upper)[:, None]
    foot = rays[upper, columns] * (1 - part) + rays[upper + 1, columns] * part
    azimuth, level = np.arctan2(foot[:, 0], -foot[:, 2]), np.linalg.norm(foot[:, [0, 2]], axis=1)
    reach = np.where(foot[:, 1] < 0, height * level / np.maximum(-foot[:, 1], 1e-9), np.inf)
    order = np.argsort(azimuth)
    azimuth, reach, behind = azimuth[order], np.minimum(reach[order], farthest), _bulged(azimuth[order], behind[order])
    smooth = ndimage.gaussian_filter1d(np.maximum(reach, behind), max(SOFT_CORNER * w, 0.5), mode="nearest")
    reach = np.maximum(smooth, behind)
    ray_level = np.linalg.norm(rays[..., [0, 2]], axis=-1)
    distance = np.interp(np.arctan2(rays[..., 0], -rays[..., 2]), azimuth, reach)
    return distance / np.maximum(ray_level, 1e-3)


def _bulged(azimuth: Float64[np.ndarray, " w"], behind: Float64[np.ndarray, " w"]) -> Float64[np.ndarray, " w"]:
    """The least distances that are nowhere below ``behind`` and change by no more than ``BULGE`` per radian (of the logarithm).

    Nowhere nearer than almost the nearest object: a wall beside the camera would hide everything from the side.
    """
    seen = behind[behind > 0]
    least = np.maximum(behind, BESIDE * seen.min() if len(seen) else 1e-3)
    out = np.log(least)
    step = BULGE * np.diff(azimuth)
    for k in range(1, len(out)):
        out[k] = max(out[k], out[k - 1] - step[k - 1])
    for k in range(len(out) - 2, -1, -1):
        out[k] = max(out[k], out[k + 1] - step[k])
    return np.exp(out)


def _continue_wall(
    z: Float64[np.ndarray, "h w"], wall: Bool[np.ndarray, "h w"], floor: Bool[np.ndarray, "h w"], objects: Bool[np.ndarray, "h w"]
) -> Float64[np.ndarray, "h w"]:
    """The wall's z-depth everywhere, never before an object.

    Behind objects 1/z is interpolated, which is linear over a plane's picture: planes go on as planes. Under the floor that
    is seen, the wall goes on as it was at its foot.
    """
    low, high = np.quantile(z[wall], [0.005, 0.995])  # single wrong matches of a stereo camera
    inverse = 1 / np.clip(np.where(wall, z, high), low, high)
    whole = membrane(inverse[..., None].astype(np.float32), wall, ~floor)[..., 0].astype(np.float64)
    row, column = ndimage.distance_transform_edt(floor, return_distances=False, return_indices=True)  # pyright: ignore
    whole = np.maximum(whole[row, column], 0.5 / high)
    flat = 1 / _flattened(whole)
    object_z = ndimage.grey_dilation(np.where(objects, z, 0.0), size=(7, 7))
    niche = object_z > flat / ROOM_BEHIND
    return np.where(niche, np.maximum(1 / whole, ROOM_BEHIND * object_z), flat)


def _flattened(inverse: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Bilateral mean of the logarithm: posts, cables and noise lie down on what is around them, large steps stay sharp.

    From the side a thin thing that is painted on the wall looks right, one that is torn from it does not.
    """
    step = max(1, round(max(inverse.shape) / WALL_PX))
    small = ndimage.median_filter(np.log(inverse[::step, ::step]), 5, mode="nearest")
    small = np.minimum(ndimage.grey_closing(small, size=(POCKET_PX, POCKET_PX), mode="nearest"), small + 2 * WALL_STEP)
    soft = np.zeros_like(small)
    total = np.zeros_like(small)
    reach = np.arange(-WALL_SIGMA_PX * 2, WALL_SIGMA_PX * 2 + 1)
    padded = np.pad(small, WALL_SIGMA_PX * 2, mode="edge")
    h, w = small.shape
    for dy in reach:
        for dx in reach:
            other = padded[reach[-1] + dy : reach[-1] + dy + h, reach[-1] + dx : reach[-1] + dx + w]
            weight = np.exp(-(dy**2 + dx**2) / (2 * WALL_SIGMA_PX**2) - (other - small) ** 2 / (2 * WALL_STEP**2))
            soft += weight * other
            total += weight
    rows, columns = (np.minimum(np.arange(n) // step, m - 1) for n, m in zip(inverse.shape, small.shape, strict=True))
    return np.exp((soft / total)[rows[:, None], columns[None]])


def _median(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Majority over 5 × 5: no salt and pepper."""
    return ndimage.uniform_filter(mask.astype(np.float32), 5, mode="nearest") > 0.5
