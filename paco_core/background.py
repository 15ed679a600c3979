"""Stage: the photo without its objects."""

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8
from scipy import ndimage

from paco_core.backends.base import BackgroundFiller
from paco_core.errors import ObjectFailed
from paco_core.fill import membrane
from paco_core.masks import dilate, distance_to
from paco_core.rim import find_leftovers
from paco_core.types import Background, CompleteObject, Photo, Segmentation

log = logging.getLogger(__name__)

SHADOW_PX = 320
"""Long side at which shadows are looked for."""
SHADOW_HUE = 25.0
"""A shadow is its surface times one factor, to within this many grey levels in every channel."""


@dataclass(frozen=True)
class BackgroundConfig:
    """How much round the objects is replaced with them."""

    margin_px: float = 3.0
    """Edges of objects shine this far into the background …"""
    margin_diagonal: float = 0.006
    """… or this share of the photo's diagonal: drawn masks are a few px off."""
    shadow_diagonal: float = 0.08
    """Cast shadows are looked for this far from an object, as a share of the diagonal; 0: shadows stay."""
    leftover_diagonal: float = 0.09
    """Parts of objects that the masks miss are looked for this far from them, as a share of the diagonal; 0: they stay."""
    shadow_ratio: float = 0.72
    """Darker than this share of the surface that surrounds it: shadow."""
    island_share: float = 0.01
    """Pieces of background that the hole encloses go too when smaller than this share of the photo: they lie in shadow, and
    would stay as ghosts of what enclosed them."""


def fill_background(
    photo: Photo,
    objects: tuple[CompleteObject, ...],
    segmentation: Segmentation,
    filler: BackgroundFiller,
    config: BackgroundConfig = BackgroundConfig(),
) -> Background:
    """Remove the objects, a margin round them and the shadows at their feet. Pixels outside that come back exactly.

    A filler that fails is replaced by the smooth membrane; ``method`` says so.
    """
    taken = np.any(segmentation.masks, axis=0)
    for complete_object in objects:
        paste_mask(taken, complete_object)
    if not taken.any():
        return Background(photo.rgb.copy(), taken, "photo")
    hole = dilate(taken, max(config.margin_px, config.margin_diagonal * float(np.hypot(*photo.hw))))
    if config.leftover_diagonal > 0:
        hole |= find_leftovers(photo.rgb, hole, config.leftover_diagonal)
    hole |= cast_shadows(photo.rgb, hole, config)
    hole |= islands(hole, config.island_share)
    if hole.all():
        mean = photo.rgb.reshape(-1, 3).mean(0).round().astype(np.uint8)
        return Background(np.broadcast_to(mean, photo.rgb.shape).copy(), hole, "mean colour (no background is visible)")
    try:
        filled, method = filler.fill(photo.rgb, hole), filler.name
        if filled.shape != photo.rgb.shape:
            raise ObjectFailed(f"the picture came back as {filled.shape}, not {photo.rgb.shape}")
    except Exception as error:
        log.warning("background: %s failed: %s; filled smoothly", filler.name, error)
        smooth = membrane(photo.rgb.astype(np.float32), ~hole)
        filled, method = np.clip(smooth + 0.5, 0, 255).astype(np.uint8), f"membrane ({filler.name} failed: {error})"
    return Background(np.where(hole[..., None], filled, photo.rgb), hole, method)


def paste_mask(canvas: Bool[np.ndarray, "h w"], complete_object: CompleteObject) -> None:
    """Add an object's amodal mask to a mask of the photo's size, in place; what lies outside the photo is left out."""
    x0, y0, x1, y1 = complete_object.box_xyxy
    h, w = canvas.shape
    rows, cols = slice(max(y0, 0), min(y1, h)), slice(max(x0, 0), min(x1, w))
    canvas[rows, cols] |= complete_object.amodal[rows.start - y0 : rows.stop - y0, cols.start - x0 : cols.stop - x0]


def label(mask: Bool[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """Number of each pixel's connected part, from 1; 0 outside the mask."""
    return np.asarray(ndimage.label(mask)[0], int)  # pyright: ignore[reportIndexIssue]


def spread(seed: Bool[np.ndarray, "h w"], into: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The seed and everything in ``into`` that is connected with it."""
    return np.asarray(ndimage.binary_propagation(seed, mask=into), bool)


def islands(hole: Bool[np.ndarray, "h w"], share: float) -> Bool[np.ndarray, "h w"]:
    """Small pieces of what is not hole, unless they touch the photo's border."""
    parts = label(~hole)
    size = np.bincount(parts.ravel())
    small = size < share * hole.size
    small[0] = False
    for edge in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        small[edge] = False
    return small[parts]


def cast_shadows(
    rgb: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], config: BackgroundConfig
) -> Bool[np.ndarray, "h w"]:
    """Dark pixels that hang on the lower half of a hole and are much darker than the surface farther out, of the same hue.

    That surface is the membrane of everything beyond ``config.shadow_diagonal``. Found at a small scale: shadows are soft.
    """
    nothing = np.zeros_like(hole)
    reach = config.shadow_diagonal * float(np.hypot(*hole.shape))
    step = max(1, max(hole.shape) // SHADOW_PX)
    if reach / step < 2:
        return nothing
    blurred = [ndimage.uniform_filter(rgb[..., c].astype(np.float32), max(step, 3)) for c in range(3)]
    colour = np.stack(blurred, -1)[::step, ::step]
    small = hole[::step, ::step]
    distance = distance_to(small)
    far = distance > reach / step
    if not far.any():
        return nothing
    lit = membrane(colour, far)
    share = colour.mean(2) / np.maximum(lit.mean(2), 1)
    same_hue = np.abs(colour - share[..., None] * lit).max(2) < SHADOW_HUE
    near = ~small & ~far & _at_foot(small) & same_hue
    dark, dim = near & (share < config.shadow_ratio), near & (share < config.shadow_ratio**0.5)
    core = spread(small & dilate(dark, 1), dark | small) & dark
    shadow = spread(core, dim)  # hysteresis: half-shadow belongs to the shadow that it touches
    grown = dilate(shadow, 2) & ~far
    return np.repeat(np.repeat(grown, step, 0), step, 1)[: hole.shape[0], : hole.shape[1]] & ~hole


def _at_foot(hole: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels lower than the middle of the nearest connected part of the hole: shadows lie at the feet of things."""
    parts = label(hole)
    middle = np.array([0.0] + [(box[0].start + box[0].stop) / 2 for box in ndimage.find_objects(parts)])
    at = np.asarray(ndimage.distance_transform_edt(~hole, return_distances=False, return_indices=True), int)
    return np.arange(hole.shape[0])[:, None] > middle[parts[at[0], at[1]]]
