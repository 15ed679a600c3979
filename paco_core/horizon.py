"""How the camera looks down and how high it is, from things of known height that stand on the floor.

After Hoiem, Efros and Hebert, "Putting objects in perspective" (IJCV 2008): every standing thing of known height ties the
horizon to the camera's height. The likeliest pair is found on a grid; things that stand on something else are outliers.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from paco_core.camera import rays_of, up_of_pitch
from paco_core.types import Camera

PITCHES_DEG = np.arange(-15.0, 90.5, 0.5)
HEIGHTS_M = np.geomspace(0.1, 20.0, 107)
"""5 % apart."""
OUTLIER = 6.0
"""Squared deviation, in variances, from which on a thing is taken to be no evidence: it sits, lies, or stands on something."""
SKEW, SHEET_OUTLIER = 0.03, 16.0
"""Cosine of a corner that masks drawn by hand get wrong (2°); beyond four times that it is no rectangle."""
ABOVE_HORIZON = 10.0
"""A foot above the horizon is worse than a size that does not fit: even what stands on a table is mostly below the eye."""
LEAST_BELOW_HORIZON = math.sin(math.radians(1.0))


@dataclass(frozen=True)
class Standing:
    """One thing that stands on the floor, its foot and its top in view."""

    foot_uv: tuple[float, float]
    top_v: float
    height_m: float
    spread: float
    """Standard deviation of the logarithm of the height."""


@dataclass(frozen=True)
class Prior:
    """What is known before anything is measured."""

    pitch_deg: float
    pitch_spread_deg: float
    height_m: float
    height_spread: float
    """Standard deviation of the logarithm."""


@dataclass(frozen=True)
class View:
    """The camera above its floor."""

    pitch_deg: float
    height_m: float
    agreeing: int
    """Things whose height fits."""


def likeliest_view(
    things: tuple[Standing, ...],
    prior: Prior,
    camera: Camera,
    *,
    least_pitch_deg: float = -15.0,
    most_pitch_deg: float = 90.0,
    sheets: tuple[Float[np.ndarray, "4 2"], ...] = (),
) -> View:
    """Pitch and height above the floor that explain heights and right angles best, within bounds of the pitch.

    ``sheets`` are the corners (u, v) of rectangles that lie on something level.
    """
    first = int(np.searchsorted(PITCHES_DEG[:-1], least_pitch_deg))
    pitches = PITCHES_DEG[first : max(int(np.searchsorted(PITCHES_DEG, most_pitch_deg, side="right")), first + 1)]
    log_h = np.log(HEIGHTS_M)
    cost = ((pitches - prior.pitch_deg) / prior.pitch_spread_deg)[:, None] ** 2
    cost = cost + ((log_h - math.log(prior.height_m)) / prior.height_spread)[None] ** 2
    for corners in sheets:
        skew = np.array([skew_of(corners, camera, p) for p in pitches])
        cost = cost + np.minimum((skew / SKEW) ** 2, SHEET_OUTLIER)[:, None]
    deviations = []
    for thing in things:
        ratio = np.array([height_over_camera(thing, camera, p) for p in pitches])
        implied = np.where(ratio > 0, math.log(thing.height_m) - np.log(np.maximum(ratio, 1e-9)), np.inf)
        deviations.append(((log_h[None] - implied[:, None]) / thing.spread) ** 2)
        cost = cost + np.where(ratio > 0, np.minimum(deviations[-1].T, OUTLIER), ABOVE_HORIZON).T
    i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return View(float(pitches[i]), float(HEIGHTS_M[j]), sum(bool(d[i, j] < OUTLIER) for d in deviations))


def height_over_camera(thing: Standing, camera: Camera, pitch_deg: float) -> float:
    """Height of an upright thing in camera heights; 0 where its foot is not below the horizon."""
    up = up_of_pitch(pitch_deg)
    u, v = thing.foot_uv
    foot, top = rays_of(camera, np.array([[u, v], [u, thing.top_v]]))
    down = -_dot(foot, up)
    if down < LEAST_BELOW_HORIZON * float(np.linalg.norm(foot)):
        return 0.0
    forward = np.array([0.0, 0.0, 1.0]) - up * up[2]
    toward = _dot(top, forward)
    if toward <= 1e-6:
        return 0.0
    return 1 + _dot(top, up) * _dot(foot / down, forward) / toward


def skew_of(corners: Float[np.ndarray, "4 2"], camera: Camera, pitch_deg: float) -> float:
    """Root mean square cosine of the corners of a quadrangle that is laid on the floor; 1 where it is not below the horizon."""
    up = up_of_pitch(pitch_deg)
    rays = rays_of(camera, corners)
    down = -rays @ up
    if down.min() < LEAST_BELOW_HORIZON:
        return 1.0
    points = rays / down[:, None]
    sides = np.roll(points, -1, axis=0) - points
    sides /= np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-12)
    return float(np.sqrt(np.mean(np.sum(sides * np.roll(sides, 1, axis=0), axis=1) ** 2)))


def _dot(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]) -> float:
    return float(a @ b)
