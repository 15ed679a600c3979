"""The silhouette with one thickness everywhere: the plainest body that has a side, and a row that others have to beat."""

import numpy as np

from paco_core.classes import traits_of
from scene3d.relief.fields import outline_of
from scene3d.relief.finish import build, finish
from scene3d.relief.inflate import Relief, bounds_of, solid_of
from scene3d.relief.view import View, spine_height
from scene3d.relief.volume import Shape
from scene3d.texture import TextureConfig
from scene3d.types import LiftedMesh, LiftInput

CELL = 1 / 96
"""Work units: 1 % of the silhouette's longest side."""
MAX_FACES = 8000


class ExtrusionLifter:
    """An even plate around the plane in which the silhouette stands."""

    name = "extrusion"

    def __init__(self, half_thickness: float = 0.2):
        """``half_thickness`` over the silhouette's longest side; .2 has less Chamfer distance than .1 (docs/evaluation.md)."""
        self.half_thickness = half_thickness

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        """Lift one object. Raises ``ObjectFailed`` when its mask has no area or no closed surface can be made."""
        outline = outline_of(obj.rgba[..., 3] / 255.0, truncated=obj.truncated)
        view = View(obj.focal_px, obj.rgba.shape[0], obj.elevation_deg, obj.focal_px / outline.side_px)
        spine = spine_height(outline.grid.uv, view).reshape(outline.inside.shape)
        half = np.full(spine.shape, self.half_thickness)
        relief = Relief(outline.grid.with_values(spine + half), outline.grid.with_values(spine - half), half)
        low, high = bounds_of(outline, view, relief)
        shape = Shape(view, solid_of(outline, view, relief), low, high, np.full(3, CELL), f"extrusion({self.half_thickness:g})")
        depth = None if obj.depth is None else np.where(obj.visible, obj.depth, np.nan).astype(np.float32)
        solid = build(shape, outline, depth, MAX_FACES)
        return finish(solid, obj.rgba, outline, TextureConfig(), back=traits_of(obj.name).back)
