"""An ellipsoid in the silhouette's box: what is known when only the box is looked at."""

import numpy as np
from jaxtyping import Float64

from paco_core.classes import traits_of
from scene3d.relief.fields import Outline, outline_of
from scene3d.relief.finish import build, finish
from scene3d.relief.view import View, spine_height
from scene3d.relief.volume import Shape
from scene3d.texture import TextureConfig
from scene3d.types import LiftedMesh, LiftInput

CELL = 1 / 64
"""Work units: an ellipsoid has no detail."""
MAX_FACES = 4000
LEAST_COS = 0.3
"""Cameras higher than 72° say nothing about heights."""


class EllipsoidLifter:
    """Upright, as wide and high as the silhouette's box, as deep as the smaller of both."""

    name = "ellipsoid"

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        """Lift one object. Raises ``ObjectFailed`` when its mask has no area or no closed surface can be made."""
        outline = outline_of(obj.rgba[..., 3] / 255.0, truncated=obj.truncated)
        view = View(obj.focal_px, obj.rgba.shape[0], obj.elevation_deg, obj.focal_px / outline.side_px)
        centre, radii = _in_box(outline, view)

        def solid(points: np.ndarray) -> np.ndarray:
            return (1 - np.linalg.norm((points - centre) / radii, axis=1)) * radii.min()

        shape = Shape(view, solid, centre - radii, centre + radii, np.full(3, CELL), "ellipsoid")
        depth = None if obj.depth is None else np.where(obj.visible, obj.depth, np.nan).astype(np.float32)
        return finish(build(shape, outline, depth, MAX_FACES), obj.rgba, outline, TextureConfig(), back=traits_of(obj.name).back)


def _in_box(outline: Outline, view: View) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
    """Centre and radii, work units. A camera at height angle e sees the half height √((b cos e)² + (c sin e)²)."""
    rows, columns = np.nonzero(outline.mask)
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1.0
    across, up = (high - low) / outline.side_px / 2
    away = min(across, up)
    e = np.radians(view.elevation_deg)
    height = np.sqrt(max(up**2 - (away * np.sin(e)) ** 2, 0.0)) / max(np.cos(e), LEAST_COS)
    middle = (low + high)[None] / 2
    centre = view.lift_pixels(middle, spine_height(middle, view))[0]
    return centre, np.maximum([across, height, away], 2 * CELL)
