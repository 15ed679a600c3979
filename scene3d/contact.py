"""What every object rests on, and the moves that bring it there (docs/method.md).

Heights are measured above the floor along gravity, in the depth map's unit, with the camera at ``ground.camera_height``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scene3d.rays import RayMesh
from scene3d.transforms import apply, similarity
from scene3d.types import Ground, Support

BASE_QUANTILE = 0.003
"""The base is the 0.3 % quantile of the vertices' heights: a dozen of 4,000, so that a stray vertex of a generated mesh does not
lift it, and four thin legs, which hold few of the vertices, still count as the base."""
NEAR_SHARE, NEAR_M = 0.2, 0.08
"""A base this close to a surface (share of the object's own height, or metres when depth is metric) rests on it."""
RAY_LIMITS = (0.7, 1.4)
"""With measured depth, a move along the ray by more than this contradicts the depth."""
GUESSED_LIMITS = (0.25, 1.7)
"""Relative depth may be wrong by a lot more, but what would have to go farther than this to meet the floor hangs."""


@dataclass(frozen=True)
class Resting:
    """The decision for one object."""

    kind: Support
    carrier: int | None
    height: float
    """Of the supporting surface above the floor."""


def heights(points_camera: Float[np.ndarray, "n 3"], ground: Ground) -> Float[np.ndarray, "n"]:
    """Height of camera-frame points above the floor."""
    return points_camera @ ground.up_camera + ground.camera_height


def base_height(mesh: RayMesh, camera_from_mesh: Float[np.ndarray, "4 4"], ground: Ground) -> float:
    """Height of the posed mesh's base above the floor."""
    return float(np.quantile(heights(apply(camera_from_mesh, mesh.vertices), ground), BASE_QUANTILE))


def extent_height(mesh: RayMesh, camera_from_mesh: Float[np.ndarray, "4 4"], ground: Ground) -> float:
    """The posed mesh's own height."""
    return float(np.ptp(heights(apply(camera_from_mesh, mesh.vertices), ground)))


def moved_along_ray(
    camera_from_mesh: Float[np.ndarray, "4 4"], base: float, support: float, ground: Ground
) -> tuple[Float[np.ndarray, "4 4"], float] | None:
    """Scale about the camera's centre until the base is on the support: the silhouette stays exactly as it is.

    Returns the pose and the factor ``k = (H − support) / (H − base)``; None when the base is not below the camera.
    """
    camera_height = ground.camera_height
    if base >= camera_height * 0.98 or support >= camera_height * 0.98:
        return None
    k = (camera_height - support) / (camera_height - base)
    return similarity(np.eye(3), np.zeros(3), k) @ camera_from_mesh, k


def moved_vertically(
    camera_from_mesh: Float[np.ndarray, "4 4"], base: float, support: float, ground: Ground
) -> Float[np.ndarray, "4 4"]:
    """Shift along gravity until the base is on the support; depth hardly changes, the silhouette does a little."""
    return similarity(np.eye(3), ground.up_camera * (support - base)) @ camera_from_mesh


def surface_under(
    carrier: RayMesh,
    camera_from_carrier: Float[np.ndarray, "4 4"],
    foot_points_camera: Float[np.ndarray, "n 3"],
    ground: Ground,
) -> float | None:
    """Height of the carrier's top under the given points (cast straight down); None when fewer than a fifth are above it."""
    carrier_from_camera = np.linalg.inv(camera_from_carrier)
    top = heights(apply(camera_from_carrier, carrier.vertices), ground).max()
    lift = (top + 0.01 * abs(top) + 1e-6 - heights(foot_points_camera, ground))[:, None] * ground.up_camera
    origins = apply(carrier_from_camera, foot_points_camera + lift)
    down = carrier_from_camera[:3, :3] @ -ground.up_camera
    down = down / np.linalg.norm(down)
    triangle, t = carrier.cast(origins, np.broadcast_to(down, origins.shape).copy())
    hit = triangle >= 0
    if hit.sum() < max(1, 0.2 * len(origins)):
        return None
    landed = apply(camera_from_carrier, origins[hit] + t[hit, None] * down)
    return float(np.quantile(heights(landed, ground), 0.8))  # the highest parts carry


def foot_points(mesh: RayMesh, camera_from_mesh: Float[np.ndarray, "4 4"], ground: Ground) -> Float[np.ndarray, "n 3"]:
    """Camera-frame vertices in the lowest tenth of the object (at most 200 of them, evenly picked)."""
    points = apply(camera_from_mesh, mesh.vertices)
    h = heights(points, ground)
    low = points[h <= np.quantile(h, BASE_QUANTILE) + 0.1 * np.ptp(h)]
    return low[:: max(1, len(low) // 200)]
