"""What a completer sees of one object: a crop of the photo with what hides the object, and the canvas beyond the photo."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool

from paco_core.backends.base import CompletionTarget
from paco_core.masks import box_slices, dilate, erode
from paco_core.types import OcclusionGraph, Photo, Segmentation, Side

Strategy = Literal["layer-wise", "one-by-one", "once-for-all"]
"""All objects of a depth layer in one pass, every object in a pass of its own, or all objects of the photo in one."""
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in the photo, px; may leave it."""
GREY = 128
"""What the canvas shows outside the photo."""
MARGIN_PX = 2
"""Left round an object's crop, so that resampling finds colour beyond its edge."""
AROUND = 1.06
"""Of a crop's side, as of the crops that completers were trained on: what lies beside an object tells how exact its mask is."""


@dataclass(frozen=True)
class CompletionConfig:
    """What a completer gets to see, and how far masks are trusted."""

    reach: float = 0.75
    """Occluders count within this many box sizes of the visible box (98-99.8 % of hidden parts lie within, measured)."""
    pad: float = 0.25
    """Canvas beyond a side of the photo that cuts the object, in extents of the object along that axis."""
    gap_px: float = 3.0
    """Nobody's pixels between an object and something in front of it belong to what is in front where both are at most twice
    this apart …"""
    gap_diagonal: float = 0.006
    """… or twice this share of the photo's diagonal, whichever is more: drawn masks leave gaps. With 2 px, gaps of 4 px
    between masks of objects of 60 px stay open at slanted outlines; 4 px give nothing more (100 held-out targets)."""
    rim_px: float = 2.0
    """Visible pixels this near to an occluder hold its colour too and are repainted (at most; less in small photos) …"""
    rim_diagonal: float = 0.003
    """… as this share of the diagonal."""
    border_px: int = 2
    """A mask that ends within this of a side is cut by it."""
    snap: bool = True
    """Masks that are too big or too small all round are moved to the photo's edges, for completers to look at
    (``paco_core.outlines``). What objects are given as visible stays as it was drawn."""
    strategy: Strategy = "layer-wise"
    """Which objects go through a completer together (paper, section 5.4)."""


def target_of(
    photo: Photo, segmentation: Segmentation, occlusion: OcclusionGraph, index: int, config: CompletionConfig
) -> tuple[CompletionTarget, Box]:
    """One object's crop: its visible box, the occluders near it, and canvas beyond the sides that cut it."""
    object_id, visible = segmentation.ids[index], segmentation.masks[index]
    owned = np.any(segmentation.masks, axis=0)
    fronts = occlusion.occluders(object_id)
    front = np.zeros_like(visible)
    for other in fronts:
        front |= segmentation.mask(other)
    truncated = cut_sides(visible, config.border_px)
    box = _crop_box(visible, front, truncated, config)
    seen, mine, hides = cut(visible, box), cut(owned, box), cut(front, box)
    beyond = ~cut(np.ones_like(visible), box)
    diagonal = float(np.hypot(*photo.hw))
    near = max(config.gap_px, config.gap_diagonal * diagonal)
    nobodys = ~mine & ~beyond
    in_front = hides | nobodys & _gaps(seen, hides, near)
    occluder = in_front | beyond | nobodys & cut(_slits(visible, config.border_px), box)
    gaps = occluder & nobodys
    target = CompletionTarget(
        object_id,
        segmentation.names[index],
        cut(photo.rgb, box, GREY),
        seen,
        occluder,
        box[:2],
        truncated,
        beyond if beyond.any() else None,
        gaps if gaps.any() else None,
        _mixed(seen, in_front, min(config.rim_px, max(1.0, round(config.rim_diagonal * diagonal)))),
    )
    return target, box


def allowed_in(
    target: CompletionTarget, box: Box, drawn: Segmentation, occlusion: OcclusionGraph, config: CompletionConfig
) -> Bool[np.ndarray, "ch cw"]:
    """What a completion may add to the mask as it was drawn, where ``target`` was made of masks that were moved.

    Of what is in front, and of nobody's pixels, as the target has them; never a pixel that was drawn as something else's.
    """
    hides, taken = np.zeros_like(target.visible), np.zeros_like(target.visible)
    fronts = occlusion.occluders(target.id)
    for other, mask in zip(drawn.ids, drawn.masks, strict=True):
        kind = hides if other in fronts else taken
        kind |= cut(mask, box)
    near = max(config.gap_px, config.gap_diagonal * float(np.hypot(*drawn.masks.shape[1:])))
    seen = target.visible & (hides | _gaps(cut(drawn.mask(target.id), box), hides, near))
    return (target.occluder | seen) & ~taken


def cut_sides(visible: Bool[np.ndarray, "h w"], border_px: int = 2) -> tuple[Side, ...]:
    """Sides of the photo that a mask reaches (within ``border_px``)."""
    near = {
        "left": visible[:, :border_px],
        "right": visible[:, -border_px:],
        "top": visible[:border_px],
        "bottom": visible[-border_px:],
    }
    return tuple(side for side in ("left", "right", "top", "bottom") if near[side].any())


def _crop_box(
    visible: Bool[np.ndarray, "h w"], front: Bool[np.ndarray, "h w"], truncated: tuple[Side, ...], config: CompletionConfig
) -> Box:
    h, w = visible.shape
    rows, cols = box_slices(visible)
    high, wide = rows.stop - rows.start, cols.stop - cols.start
    reach = round(config.reach * max(high, wide))
    window = (slice(max(rows.start - reach, 0), rows.stop + reach), slice(max(cols.start - reach, 0), cols.stop + reach))
    near = visible.copy()
    near[window] |= front[window]
    rows, cols = box_slices(near, MARGIN_PX + 2)
    rows, cols = _widened(rows, cols, visible.shape)
    out_y, out_x = max(MARGIN_PX, round(config.pad * high)), max(MARGIN_PX, round(config.pad * wide))
    return (
        -out_x if "left" in truncated else cols.start,
        -out_y if "top" in truncated else rows.start,
        w + out_x if "right" in truncated else min(cols.stop, w),
        h + out_y if "bottom" in truncated else min(rows.stop, h),
    )


def _widened(rows: slice, cols: slice, hw: tuple[int, ...]) -> tuple[slice, slice]:
    """A box with the longer one's length and ``AROUND`` on both axes, as far as the photo goes: completers see square windows."""
    side = math.ceil(AROUND * max(rows.stop - rows.start, cols.stop - cols.start))
    grown = []
    for along, size in ((rows, hw[0]), (cols, hw[1])):
        start = min(along.start, (along.start + along.stop - side) // 2)
        stop = max(along.stop, start + side)
        grown.append(slice(max(start, 0), min(stop, size)))
    return grown[0], grown[1]


def cut(image: np.ndarray, box: Box, outside: int = 0) -> np.ndarray:
    """A crop that may leave the picture; outside it is filled with a constant."""
    x0, y0, x1, y1 = box
    h, w = image.shape[:2]
    inner = image[max(y0, 0) : min(y1, h), max(x0, 0) : min(x1, w)]
    pad = ((max(-y0, 0), max(y1 - h, 0)), (max(-x0, 0), max(x1 - w, 0)), (0, 0))
    return np.pad(inner, pad[: image.ndim], constant_values=outside)


def _gaps(seen: Bool[np.ndarray, "h w"], hides: Bool[np.ndarray, "h w"], reach: float) -> Bool[np.ndarray, "h w"]:
    """What lies between an object and what is in front of it, up to twice ``reach`` wide (a morphological closing)."""
    return erode(dilate(seen | hides, reach), reach) & dilate(seen, 2 * reach) & dilate(hides, 2 * reach)


def _slits(visible: Bool[np.ndarray, "h w"], border_px: int) -> Bool[np.ndarray, "h w"]:
    """What lies between a mask and a side of the photo that it ends just before."""
    out = np.zeros_like(visible)
    for turns in range(4):
        strip = np.rot90(visible, turns)[:, :border_px]
        np.rot90(out, turns)[:, :border_px] |= np.maximum.accumulate(strip[:, ::-1], axis=1)[:, ::-1]
    return out


def _mixed(visible: Bool[np.ndarray, "h w"], front: Bool[np.ndarray, "h w"], rim_px: float) -> Bool[np.ndarray, "h w"] | None:
    """The rim along an occluder; none where it would eat most of a thin object."""
    rim = visible & dilate(front, rim_px)
    return rim if rim.any() and 2 * rim.sum() < visible.sum() else None
