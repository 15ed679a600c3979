"""Gravity and the floor from depth: the plane under everything (docs/method.md: RANSAC, least-squares refit, sanity gates)."""

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from paco_core.camera import pixel_rays, up_of_pitch
from paco_core.masks import dilate
from paco_core.types import Camera, DepthMap, Segmentation
from scene3d.types import Ground

log = logging.getLogger(__name__)

CAMERA_UP = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True)
class GroundConfig:
    """How the floor is found."""

    hypotheses: int = 1000
    """RANSAC triples; at 30 % inliers one in 40 is all-inlier."""
    inlier_m: float = 0.02
    """Inlier distance, metres (SAM 3D Objects uses 0.02); for relative depth only the share below counts."""
    inlier_of_z: float = 0.015
    """… or this share of the depth: the noise of depth grows with distance."""
    max_tilt_deg: float = 70.0
    """Between the floor's normal and the photo's up: table tops are photographed from up to 70° above."""
    min_candidates: int = 100
    min_share: float = 0.25
    """Of the candidates that must agree, else there is no floor in view."""
    lower_part: float = 0.65
    """The floor is looked for in this lower share of the photo."""
    seed: int = 0


def find_ground(depth: DepthMap, segmentation: Segmentation, camera: Camera, config: GroundConfig = GroundConfig()) -> Ground:
    """Up vector (camera frame) and the camera's height above the floor, in the depth's unit.

    A map that was made from a floor says where that is. Without a plane in view the camera is taken to be level and the floor to
    be under the lowest point seen; ``source`` says so.
    """
    if depth.up is not None:
        return Ground(depth.up, 1.0, "guess", 0.0)
    rays = pixel_rays(camera)
    step = max(1, round(max(depth.z.shape) / 200))  # 200 points along the longer side describe a plane well enough
    free = depth.valid & ~dilate(np.asarray(segmentation.masks.any(axis=0)), 3.0)
    points, free, valid = (a[::step, ::step] for a in (rays * depth.z[..., None].astype(float), free, depth.valid))
    candidates = points[_level_pixels(points, valid, config.max_tilt_deg) & free & _lower(free.shape, config.lower_part)]
    everything = points[valid]
    if len(candidates) >= config.min_candidates:
        ground = _fit(candidates, everything, depth.kind == "metric", config)
        if ground is not None:
            return ground
    return _assumed(everything)


def _lower(hw: tuple[int, int], part: float) -> Bool[np.ndarray, "h w"]:
    return np.broadcast_to((np.arange(hw[0]) >= (1 - part) * hw[0])[:, None], hw)


def _level_pixels(
    points: Float[np.ndarray, "h w 3"], valid: Bool[np.ndarray, "h w"], max_tilt_deg: float
) -> Bool[np.ndarray, "h w"]:
    """Pixels whose local surface faces up, by the cross product of differences over two cells."""
    across, down = np.zeros_like(points), np.zeros_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    down[1:-1] = points[2:] - points[:-2]
    whole = valid.copy()
    whole[:, 1:-1] &= valid[:, 2:] & valid[:, :-2]
    whole[1:-1] &= valid[2:] & valid[:-2]
    normal = np.cross(across, down)  # x right × y down = z away from the camera; flipped below
    length = np.linalg.norm(normal, axis=-1)
    normal = -normal / np.maximum(length, 1e-12)[..., None]
    return whole & (length > 1e-12) & (normal @ CAMERA_UP > np.cos(np.radians(max_tilt_deg)))


def _fit(
    candidates: Float[np.ndarray, "n 3"], everything: Float[np.ndarray, "m 3"], metric: bool, config: GroundConfig
) -> Ground | None:
    tolerance = config.inlier_of_z * candidates[:, 2]
    if metric:
        tolerance = np.maximum(tolerance, config.inlier_m)
    best, normal, height = -1.0, CAMERA_UP, 0.0
    rng = np.random.default_rng(config.seed)
    scene = everything[:: max(1, len(everything) // 4000)]
    for n, h in _hypotheses(candidates, config, rng):
        inliers = np.abs(candidates @ n + h) < tolerance
        under = np.mean(scene @ n + h < -3 * config.inlier_of_z * scene[:, 2])
        score = inliers.mean() - 2 * under  # a table top above the floor loses to the floor
        if score > best:
            best, normal, height = score, n, h
    for _ in range(3):
        inliers = np.abs(candidates @ normal + height) < tolerance
        if inliers.sum() < config.min_candidates:
            return None
        normal, height = _plane_through(candidates[inliers])
    share = float((np.abs(candidates @ normal + height) < tolerance).mean())
    if share < config.min_share or height <= 0:
        return None
    return Ground(normal, float(height), "plane", share)


def _hypotheses(candidates: Float[np.ndarray, "n 3"], config: GroundConfig, rng: np.random.Generator):
    """Unit normals facing up and camera heights of planes ``normal · x + height = 0`` through random triples."""
    triples = candidates[rng.integers(0, len(candidates), (config.hypotheses, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    ok = lengths > 1e-9 * np.square(candidates).sum(axis=1).mean()
    normals, triples = normals[ok] / lengths[ok, None], triples[ok]
    normals *= np.where(normals @ CAMERA_UP < 0, -1.0, 1.0)[:, None]
    steep = normals @ CAMERA_UP > np.cos(np.radians(config.max_tilt_deg))
    for normal, triple in zip(normals[steep], triples[steep], strict=True):
        height = -float(normal @ triple[0])
        if height > 0:
            yield normal, height


def _plane_through(points: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "3"], float]:
    centre = points.mean(axis=0)
    weight = 1 / points[:, 2]  # relative error: far points are noisier
    normal = np.linalg.svd((points - centre) * weight[:, None], full_matrices=False)[2][-1]
    normal = normal if normal @ CAMERA_UP > 0 else -normal
    return normal, -float(normal @ np.average(points, axis=0, weights=weight**2))


def _assumed(everything: Float[np.ndarray, "m 3"]) -> Ground:
    up = up_of_pitch(0.0)
    lowest = float(np.quantile(-(everything @ up), 0.98)) if len(everything) else 1.0
    log.warning("no floor in view: the camera is taken to be level")
    return Ground(up, max(lowest, 1e-3), "prior", 0.0)
