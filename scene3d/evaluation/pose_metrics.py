"""How well an object is placed: turned, sized and put where it belongs. World axes: y up; metres."""

import numpy as np
from jaxtyping import Float, Float64

from scene3d.evaluation.alignment import icp
from scene3d.evaluation.points import Distances, nearest

ADD_LIMIT = 0.1
"""ADD-S below this share of the diameter is a found pose (Hinterstoisser et al. 2012)."""
YAWS_DEG = tuple(range(15, 360, 15))
"""Turns about the vertical that are tried as symmetries; they include those of 2, 3, 4, 6, 8 and 12 equal sides."""
SAME = 0.005
"""A turned shape is the same when its points lie no farther from it than this share of its diameter, on average and over what
their spacing explains: 15° of a cube make .012."""


def diameter(points: Float[np.ndarray, "n 3"]) -> float:
    """Diagonal of the box: the usual stand-in for the largest distance of two points."""
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def add_s(d: Distances, true_diameter: float) -> float:
    """Mean distance of the true points to the nearest predicted one, over the true diameter (Xiang et al. 2018, eq. 9)."""
    return float(d.to_prediction.mean()) / true_diameter


def rotation_angle_deg(rotation: Float[np.ndarray, "3 3"]) -> float:
    """Geodesic distance from the identity, 0 … 180."""
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    return float(np.rad2deg(np.arctan2(np.linalg.norm(skew) / 2, (np.trace(rotation) - 1) / 2)))


def about_y(degrees: float) -> Float64[np.ndarray, "3 3"]:
    """Right-handed turn about the vertical."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def symmetric_yaws(points: Float[np.ndarray, "n 3"]) -> tuple[float, ...]:
    """Turns (degrees) about the vertical through the box's centre that leave the shape as it is; 0 is always one."""
    centred = points - (points.min(axis=0) + points.max(axis=0)) / 2
    some, others = centred[::2], centred[1::2]
    limit = SAME * diameter(points) + float(nearest(some, others).mean())
    same = [yaw for yaw in YAWS_DEG if nearest(some @ about_y(yaw).T, others).mean() < limit]
    return (0.0, *map(float, same))


def turn_between(rotation: Float[np.ndarray, "3 3"], yaws_deg: tuple[float, ...]) -> float:
    """Geodesic angle (degrees) of a rotation about the shape's own axes, least over its symmetric yaws.

    A shape that looks the same from all sides has no yaw: then only the lean of its axis counts.
    """
    if len(yaws_deg) == len(YAWS_DEG) + 1:
        up = rotation[:, 1]
        return float(np.rad2deg(np.arctan2(np.hypot(up[0], up[2]), up[1])))
    return min(rotation_angle_deg(rotation @ about_y(yaw)) for yaw in yaws_deg)


def yaw_between(rotation: Float[np.ndarray, "3 3"], yaws_deg: tuple[float, ...]) -> float:
    """Turn about the vertical alone (degrees, 0 … 180), least over the symmetric yaws; NaN for what is round and has no yaw."""
    if len(yaws_deg) == len(YAWS_DEG) + 1:
        return float("nan")
    yaw = np.rad2deg(np.arctan2(rotation[0, 2] - rotation[2, 0], rotation[0, 0] + rotation[2, 2]))
    return min(float(abs((yaw + other + 180) % 360 - 180)) for other in yaws_deg)


def rotation_by_icp(predicted: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "m 3"]) -> Float64[np.ndarray, "3 3"]:
    """What is left to turn until the predicted shape lies on the true one (SAM 3D Objects' ICP-Rot): the shapes' own frames
    can't be compared, since every method chooses its own. Both are centred, and the prediction gets the true diameter.
    """
    a, b = (p - (p.min(axis=0) + p.max(axis=0)) / 2 for p in (predicted, true))
    return icp(a * (diameter(b) / diameter(a)), b)[:3, :3]
