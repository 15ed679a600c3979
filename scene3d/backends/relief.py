"""The embedded, weight-free lifter: a closed relief, a solid of revolution, a block or a slab, chosen by the object's name."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32

from paco_core.classes import NEUTRAL, Traits, traits_of
from paco_core.errors import ObjectFailed
from scene3d.relief.block import Proportion, block
from scene3d.relief.contour import base_share, roundness, solidity
from scene3d.relief.fields import Outline, outline_of
from scene3d.relief.finish import Solid3D, build, depth_scale, finish
from scene3d.relief.inflate import extrude, inflate
from scene3d.relief.measured import relief_shape
from scene3d.relief.morphology import dilate, erode
from scene3d.relief.revolve import revolve
from scene3d.relief.slab import SlabProfile, slab
from scene3d.relief.view import View
from scene3d.relief.volume import Shape
from scene3d.texture import TextureConfig
from scene3d.types import LiftedMesh, LiftInput

log = logging.getLogger(__name__)

MIN_DEPTH_OVER_WIDTH = 0.15
"""Less is a sticker (acceptance bound of the first scene)."""
MAX_RESIDUAL = 0.025
"""A shape guessed from the outline must agree with metric depth to this (work units), or the measured relief is used."""
SWELL = (1.0, 1.8, 3.5)
"""A body that came out as a sticker is inflated again by these."""
LEGGED_CAP = 0.10
"""Half thickness of chairs and tables without depth, work units: seats and tops are plates, not balloons."""
BOX_IOU = {"box": 0.7, "legged": 0.75, "body": 0.88}
"""Without depth, the least agreement of a cuboid with the mask of what the name says is a box, a sofa, a piece of cake. Bonnets
and backrests leave .7 … .8 of a car's and a sofa's; of round bread the cuboid explains .85."""
UNNAMED = Proportion(depth_over_width=0.35, spread=0.6)
"""A thing without a name is a box when a cuboid agrees with its mask. Where only its front is seen it is a picture, a pillow or a
cupboard: something between a panel and a box."""
UNNAMED_SLACK = 0.01
"""The cuboid must agree better than an ellipse (of a disc it explains .88), or nearly: cars have rounded corners."""
UNNAMED_SOLID = 0.85
"""And the mask must fill its convex hull so far."""
LEGLESS_SOLID = 0.9
"""A chair or a table that fills its convex hull so far shows no legs: a cushioned seat, a top that the photo's border cuts."""
CLASS_SPREAD = 0.3
"""Of the logarithm of depth over width within a class that has a ratio of its own."""
ROUND = 0.93
"""A silhouette that agrees so well with an ellipse is a ball's or an egg's."""
THIN_BOX = 0.15
"""Boxes that are thinner, over their width, are panels by nature: doors, pictures, signs."""
UNNAMED_CAP = 0.3
"""Half thickness of other things without a name over their smaller side, at most: a fuller body would be a guess, and a bulge."""
BROAD_BASE, BROAD_SOLID = 0.6, 0.7
"""What stands on this share of its width, and fills this share of its convex hull, has a flat bottom and an even depth."""
THIN_SHARE = 0.06
"""A silhouette that loses more than this to an opening by one cell has spokes or legs and needs finer cells."""


@dataclass(frozen=True)
class ReliefConfig:
    """Resolution of the embedded lifter."""

    max_faces: int = 8000
    """Triangles after decimation: what a texture of 1024 px can use."""
    cells: int = 96
    """Volume cells along the silhouette's longest side."""
    thin_cells: int = 150
    """The same for silhouettes with thin parts."""
    min_iou: float = 0.88
    """A guessed shape whose silhouette agrees less with the mask gives way to the next one."""
    texture: TextureConfig = field(default_factory=TextureConfig)


class ReliefLifter:
    """One photo of one object in, a closed textured mesh out; CPU only, no weights, deterministic."""

    name = "relief"

    def __init__(self, config: ReliefConfig | None = None):
        self.config = config or ReliefConfig()

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        """Lift one object. Raises ``ObjectFailed`` when its mask has no area or no closed surface can be made."""
        outline = outline_of(obj.rgba[..., 3] / 255.0, truncated=obj.truncated)
        view = View(obj.focal_px, obj.rgba.shape[0], obj.elevation_deg, obj.focal_px / outline.side_px)
        depth = None if obj.depth is None else np.where(obj.visible & outline.mask, obj.depth, np.nan)
        if depth is not None and depth_scale(depth, outline.mask) is None:
            depth = None
        solid = self._best(obj, outline, view, None if depth is None else depth.astype(np.float32), seed)
        return finish(solid, obj.rgba, outline, self.config.texture, back=traits_of(obj.name).back)

    def _best(self, obj: LiftInput, outline: Outline, view: View, depth: Float32[np.ndarray, "s s"] | None, seed: int) -> Solid3D:
        """The first proposed shape that explains mask and depth; else the last, which is the most general."""
        last: Solid3D | None = None
        reason = "no shape was proposed"
        for shape in self._proposals(obj, outline, view, depth, seed):
            try:
                solid = build(shape, outline, depth, self.config.max_faces)
            except ObjectFailed as error:
                reason = str(error)
                continue
            log.debug("%s: %s iou %.3f residual %.3f", obj.name, shape.method, solid.iou, solid.residual)
            if self._accepted(solid):
                return solid
            last = solid
        if last is None:
            raise ObjectFailed(f"{obj.name} could not be lifted: {reason}")
        return last

    def _accepted(self, solid: Solid3D) -> bool:
        shape = solid.shape
        min_iou = self.config.min_iou if shape.min_iou is None else shape.min_iou
        fat = shape.flat or solid.depth_over_width >= MIN_DEPTH_OVER_WIDTH
        return fat and solid.iou >= min_iou and solid.residual <= MAX_RESIDUAL

    def _proposals(
        self, obj: LiftInput, outline: Outline, view: View, depth: Float32[np.ndarray, "s s"] | None, seed: int
    ) -> Iterator[Shape]:
        """Shapes to try, the class's own first, the general ones last, thicker and thicker."""
        traits = traits_of(obj.name)
        cell = 1.0 / (self.config.thin_cells if _thin_parts(outline) else self.config.cells)
        guess = _class_shape(traits, obj, outline, view, depth, cell)
        if guess is not None:
            yield guess
        if depth is None and (half_depth := _even_depth(traits, outline)) is not None:
            yield extrude(outline, view, cell, half_depth)
        for swell in SWELL:
            if depth is not None:
                yield relief_shape(outline, view, depth, cell, traits.symmetry, swell=swell, seed=seed)
            elif traits.flat:
                yield inflate(outline, view, cell, cap=max(0.5 * traits.thickness, cell), method="plate", flat=True)
            elif traits.family == "legged":
                yield inflate(outline, view, cell, cap=LEGGED_CAP, swell=swell, method="plate")
            else:
                yield inflate(outline, view, cell, swell=swell, cap=_unnamed_cap(traits, outline))


def _class_shape(
    traits: Traits, obj: LiftInput, outline: Outline, view: View, depth: Float32[np.ndarray, "s s"] | None, cell: float
) -> Shape | None:
    """The shape that the class suggests, or None when the outline contradicts it."""
    if traits.family in ("revolve", "container", "ball"):
        rgb = obj.rgba[..., :3]
        container, ball = traits.family == "container", traits.family == "ball"
        return revolve(outline, view, rgb, cell, container=container, default_fill=traits.fill, round_ends=ball)
    if traits.flat:
        profile = SlabProfile(traits.thickness, traits.rim)
        return slab(outline, view, profile, visible=obj.visible if traits.family == "round flat" else None)
    return _box_shape(traits, outline, view, depth, cell)


def _box_shape(
    traits: Traits, outline: Outline, view: View, depth: Float32[np.ndarray, "s s"] | None, cell: float
) -> Shape | None:
    """A block, for what the name or, without depth, the outline says is one."""
    if depth is not None:
        return block(outline, view, cell, depth) if traits.family == "box" else None
    if traits is NEUTRAL or (traits.family == "legged" and traits.depth_over_width is None):
        least = UNNAMED_SOLID if traits is NEUTRAL else LEGLESS_SOLID
        return _unnamed_block(outline, view, cell) if solidity(outline) >= least else None
    if traits.family != "box" and traits.depth_over_width is None:
        return None
    ratio = Proportion.depth_over_width if traits.depth_over_width is None else traits.depth_over_width
    spread = Proportion.spread if traits.depth_over_width is None else CLASS_SPREAD
    proportion = Proportion(ratio, spread, traits.rounding, BOX_IOU[traits.family])
    return block(outline, view, cell, None, proportion, flat=ratio < THIN_BOX, twin=traits.back == "mirror")


def _unnamed_block(outline: Outline, view: View, cell: float) -> Shape | None:
    boxy = max(UNNAMED.min_iou, roundness(outline) - UNNAMED_SLACK)
    return block(outline, view, cell, proportion=replace(UNNAMED, min_iou=boxy))


def _even_depth(traits: Traits, outline: Outline) -> float | None:
    """Half depth, work units, of what is no cuboid but stands on a broad base: a stack of books, a couch. None: it does not."""
    furniture = traits.family in ("box", "legged") and traits.depth_over_width is not None
    if base_share(outline) < BROAD_BASE or solidity(outline) < BROAD_SOLID:
        return None
    if not furniture:
        return _unnamed_cap(traits, outline)
    return 0.5 * min(traits.depth_over_width or 1.0, 1.0) * _smaller_side(outline)


def _smaller_side(outline: Outline) -> float:
    rows, columns = np.nonzero(outline.inside)
    return float(min(np.ptp(rows), np.ptp(columns)) + 1) * outline.cell


def _unnamed_cap(traits: Traits, outline: Outline) -> float | None:
    """Half thickness of an inflated body at most, work units; None where it is as deep as it is wide."""
    if traits is not NEUTRAL or roundness(outline) > ROUND:
        return None
    return UNNAMED_CAP * _smaller_side(outline)


def _thin_parts(outline: Outline) -> bool:
    inside = outline.inside
    lost = inside & ~dilate(erode(inside))
    return bool(lost.sum() > THIN_SHARE * inside.sum())
