"""Rotations and similarities shared by the 3D stages. Quaternions are ``wxyz``; matrices are named ``a_from_b``."""

import numpy as np
from jaxtyping import Float

from scene3d.types import Ground


def similarity(
    rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, "3"], scale: float = 1.0
) -> Float[np.ndarray, "4 4"]:
    """``x ↦ scale · rotation · x + translation`` as a 4×4 matrix."""
    out = np.eye(4)
    out[:3, :3] = scale * rotation
    out[:3, 3] = translation
    return out


def apply(a_from_b: Float[np.ndarray, "4 4"], points_b: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Points in frame b, expressed in frame a."""
    return points_b @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def rotation_between(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that turns unit vector ``a`` into unit vector ``b`` (Rodrigues)."""
    cross, dot = np.cross(a, b), float(a @ b)
    if dot < -1 + 1e-9:  # opposite: half a turn about any axis across a
        axis = np.linalg.svd(a[None])[2][-1]
        return 2 * np.outer(axis, axis) - np.eye(3)
    K = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + K + K @ K / (1 + dot)


def wxyz_from_rotation(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4"]:
    """Unit quaternion of a rotation matrix, w ≥ 0."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    out = np.array([w, x, y, z])
    return out if w >= 0 else -out


def world_axes_in_camera(up_camera: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation ``world_from_camera``: y is up, z is toward the viewer (against the camera's level heading), x right.

    A camera that looks straight down has no heading: the photo's upper edge is taken for it.
    """
    up = up_camera / np.linalg.norm(up_camera)
    heading = np.array([0.0, 0.0, 1.0]) - up * up[2]
    if np.linalg.norm(heading) < 0.05:  # within 3° of straight down (or up)
        top = np.array([0.0, -1.0, 0.0])
        heading = top - up * (up @ top)
    z = -heading / np.linalg.norm(heading)
    return np.stack([np.cross(up, z), up, z])


def world_from_camera(ground: Ground, metres_per_unit: float) -> Float[np.ndarray, "4 4"]:
    """Rigid: camera axes in metres to the world, whose origin is the foot of the camera's plumb line on the floor."""
    origin = np.array([0.0, ground.camera_height * metres_per_unit, 0.0])
    return similarity(world_axes_in_camera(ground.up_camera), origin)
