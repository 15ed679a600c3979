"""What the photo shows through a cup's rim: how thick its wall is, and how full it is."""

import numpy as np
from jaxtyping import Float64, UInt8
from scipy import ndimage as ndi

from scene3d.relief.fields import Field2D
from scene3d.relief.profile import Profile, circles
from scene3d.relief.view import View

WALL = 0.08
"""Wall of a cup over its rim's radius where the photo shows no edge: 3 mm of 40 mm, typical porcelain."""
WALLS = np.linspace(0.05, 0.2, 24)
"""Walls to look for: glass … thick espresso cups. The thinnest is still two cells of the volume."""
FILLS = np.linspace(0.06, 0.8, 50)
"""Depths of the contents below the rim to look for, over the cup's height."""
EDGE_CONTRAST = 12.0
"""Grey levels of 255 across a real edge; shading of an empty white bowl stays below."""
STEP = 0.02
"""Contrast is measured across this share of the rim's radius (and at least a pixel)."""


def wall_thickness(rgb: UInt8[np.ndarray, "s s 3"], profile: Profile, view: View) -> float:
    """Width of the rim, work units: where the near arc of the rim's inner circle lies on the photo's strongest edge."""
    contrast = _rim_contrast(rgb, profile, view)
    best = int(contrast.argmax())
    return float(profile.rim * (WALLS[best] if contrast[best] > EDGE_CONTRAST else WALL))


def rim_evidence(rgb: UInt8[np.ndarray, "s s 3"], profile: Profile, view: View) -> float:
    """How clearly the photo shows the near rim where the profile has it: 0 … 1, where 1 is a real edge."""
    return float(np.clip(_rim_contrast(rgb, profile, view).max() / EDGE_CONTRAST, 0, 1))


def _rim_contrast(rgb: UInt8[np.ndarray, "s s 3"], profile: Profile, view: View) -> Float64[np.ndarray, "w"]:
    """The photo's contrast across the near arc of the rim's inner circle, for each of ``WALLS``."""
    photo = _Edges(rgb, profile, view)
    contrast = np.zeros(len(WALLS))
    for k, share in enumerate(WALLS):
        arc = circles(profile.axis_x, np.array([profile.top]), np.array([(1 - share) * profile.rim]))[0]
        contrast[k] = photo.contrast(arc[arc[:, 2] > 0.3 * profile.rim])
    return contrast


def fill_level(rgb: UInt8[np.ndarray, "s s 3"], profile: Profile, view: View, wall: float, default_fill: float) -> float:
    """Height of a cup's contents: where the far arc of a circle on the inner wall lies on the photo's strongest edge.

    Only the arc that is seen through the rim votes. Without a clear edge, ``default_fill`` times the height below the rim.
    """
    photo = _Edges(rgb, profile, view)
    height = profile.top - profile.bottom
    levels = profile.top - height * FILLS
    inner = np.maximum(profile.radius(levels) - wall, 0.01)
    contrast = np.zeros(len(levels))
    for k, (level, radius) in enumerate(zip(levels, inner, strict=True)):
        arc = circles(profile.axis_x, np.array([level]), np.array([radius]))[0]
        arc = arc[(arc[:, 2] < -0.3 * radius) & _seen_through_rim(arc, profile, view, wall)]
        contrast[k] = photo.contrast(arc)
    best = int(contrast.argmax())
    return float(levels[best]) if contrast[best] > EDGE_CONTRAST else profile.top - default_fill * height


class _Edges:
    """Contrast of the photo across curves in space."""

    def __init__(self, rgb: UInt8[np.ndarray, "s s 3"], profile: Profile, view: View) -> None:
        smooth = ndi.gaussian_filter(rgb.astype(np.float64), (1.0, 1.0, 0.0))
        self._channels = [Field2D(smooth[..., k], (0.5, 0.5), 1.0) for k in range(3)]
        self._step = np.array([0.0, max(1.0, STEP * profile.rim * view.focal_px / view.distance)])
        self._view = view

    def contrast(self, curve: Float64[np.ndarray, "n 3"]) -> float:
        """Rise of one channel across the image's vertical that four fifths of the curve share; 0 for short curves."""
        if len(curve) < 10:
            return 0.0
        uv, _ = self._view.project(curve)
        rises = [c.at(uv + self._step) - c.at(uv - self._step) for c in self._channels]
        return max(float(np.quantile(rise * np.sign(np.median(rise)), 0.2)) for rise in rises)


def _seen_through_rim(points: np.ndarray, profile: Profile, view: View, wall: float) -> np.ndarray:
    """Whether the sight line to points inside crosses the rim's plane inside the rim's inner circle."""
    eye = view.distance * view.toward
    share = (profile.top - points[:, 1]) / np.maximum(eye[1] - points[:, 1], 1e-6)
    crossing = points + share[:, None] * (eye - points)
    return np.hypot(crossing[:, 0] - profile.axis_x, crossing[:, 2]) < profile.rim - wall
