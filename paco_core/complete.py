"""Stage: every object is completed where others, or the photo's border, hide it. Objects of one depth layer go together."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from paco_core.asking import Answers, ask
from paco_core.backends.base import Completer, Completion, CompletionTarget, LayersCompleter
from paco_core.errors import error_text
from paco_core.fill import nearest
from paco_core.masks import box_slices, dilate, erode
from paco_core.progress import Progress, counting_on, silent
from paco_core.types import CompleteObject, OcclusionGraph, Photo, Segmentation, Side

log = logging.getLogger(__name__)

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
SOFT = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32) / 16
"""The edge of invented parts: a slope of one pixel, as in photos."""


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
    strategy: Strategy = "layer-wise"
    """Which objects go through a completer together (paper, section 5.4)."""


@dataclass(frozen=True)
class CompletionJob:
    """One object on its way through the completer."""

    target: CompletionTarget
    box: Box
    layer: int


@dataclass(frozen=True)
class CompletionLayer:
    """Objects that are completed together, a depth layer as a rule, with all that their completion depends on but the completer
    and the seed."""

    jobs: tuple[CompletionJob, ...]
    visible_only: tuple[CompleteObject, ...] = ()
    """Those that could not be prepared."""

    @property
    def size(self) -> int:
        """How many objects these are."""
        return len(self.jobs) + len(self.visible_only)

    @property
    def hidden(self) -> tuple[CompletionTarget, ...]:
        """What a completer is asked for."""
        return tuple(job.target for job in self.jobs if job.target.occluder.any())


def complete(
    photo: Photo,
    segmentation: Segmentation,
    occlusion: OcclusionGraph,
    completer: Completer,
    config: CompletionConfig = CompletionConfig(),
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[CompleteObject, ...]:
    """Complete all objects, layer by layer (PACO, section 4.3); the result has the order of ``segmentation.ids``.

    What nothing hides is copied. Visible pixels keep their colour, but for the rim of at most ``config.rim_px`` along an
    occluder; the amodal mask holds the visible mask and claims nothing but pixels of what is in front, and canvas
    beyond a side that cuts the object. An object whose completion fails keeps its visible part, and says why in ``fallback``.
    """
    plan = plan_completion(photo, segmentation, occlusion, config)
    layers = complete_layers(plan, completer, config, seed=seed, progress=progress)
    return in_order((obj for layer in layers for obj in layer), segmentation)


def in_order(objects: Iterable[CompleteObject], segmentation: Segmentation) -> tuple[CompleteObject, ...]:
    """The objects in the order of ``segmentation.ids``."""
    by_id = {obj.id: obj for obj in objects}
    return tuple(by_id[object_id] for object_id in segmentation.ids)


def plan_completion(
    photo: Photo, segmentation: Segmentation, occlusion: OcclusionGraph, config: CompletionConfig = CompletionConfig()
) -> tuple[CompletionLayer, ...]:
    """What is completed together with what (``config.strategy``), the front first."""
    jobs: list[CompletionJob] = []
    visible_only: list[CompleteObject] = []
    for i in range(len(segmentation.ids)):
        try:
            jobs.append(_job(photo, segmentation, occlusion, i, config))
        except Exception as error:  # one odd object must not lose the others
            log.warning("object %d (%s) is not completed", segmentation.ids[i], segmentation.names[i], exc_info=True)
            visible_only.append(_visible_only(photo, segmentation, occlusion, i, f"not completed: {error_text(error)}"))
    turns = {object_id: _turn(config.strategy, occlusion.layer(object_id), k) for k, object_id in enumerate(segmentation.ids)}
    return tuple(
        CompletionLayer(
            tuple(job for job in jobs if turns[job.target.id] == turn),
            tuple(obj for obj in visible_only if turns[obj.id] == turn),
        )
        for turn in sorted(set(turns.values()))
    )


def _turn(strategy: Strategy, layer: int, index: int) -> tuple[int, int]:
    """Objects with the same one go together; they go in this order."""
    if strategy == "layer-wise":
        return layer, 0
    return (layer, index) if strategy == "one-by-one" else (0, 0)


def complete_layers(
    layers: Sequence[CompletionLayer],
    completer: Completer,
    config: CompletionConfig = CompletionConfig(),
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Iterator[tuple[CompleteObject, ...]]:
    """The objects of each layer, as they come; one whose completer fails keeps its visible part.

    Layers do not depend on each other: layer-wise, a completer that gains from it (``LayersCompleter``) has them all in one
    batch. The other strategies are made of passes that follow each other (section 5.4), and stay so.
    """
    together = config.strategy == "layer-wise" and isinstance(completer, LayersCompleter)
    whole, done = sum(layer.size for layer in layers), 0
    for batch in [layers] if together else [[layer] for layer in layers]:
        answers = ask(completer, [layer.hidden for layer in batch], seed)
        for layer in batch:
            yield _finished(layer, answers, completer.name, counting_on(progress, done, whole))
            done += layer.size


def _finished(layer: CompletionLayer, answers: Answers, completer: str, progress: Progress) -> tuple[CompleteObject, ...]:
    done = list(layer.visible_only)
    for job in layer.jobs:
        try:
            done.append(_finish(job, answers.get(job.target.id, "nothing hides it")))
        except Exception as error:  # an odd completion
            log.warning("object %d (%s): its completion can't be used", job.target.id, job.target.name, exc_info=True)
            done.append(_kept(job, f"{completer} failed: {error_text(error)}"))
        progress("complete", len(done), layer.size, job.target.name)
    return tuple(done)


def _job(
    photo: Photo, segmentation: Segmentation, occlusion: OcclusionGraph, index: int, config: CompletionConfig
) -> CompletionJob:
    """Crop one object: its visible box, the occluders near it, and canvas beyond the sides that cut it."""
    object_id, visible = segmentation.ids[index], segmentation.masks[index]
    owned = np.any(segmentation.masks, axis=0)
    fronts = occlusion.occluders(object_id)
    front = np.zeros_like(visible)
    for other in fronts:
        front |= segmentation.mask(other)
    truncated = cut_sides(visible, config.border_px)
    box = _crop_box(visible, front, truncated, config)
    seen, mine, hides = _cut(visible, box), _cut(owned, box), _cut(front, box)
    beyond = ~_cut(np.ones_like(visible), box)
    diagonal = float(np.hypot(*photo.hw))
    near = max(config.gap_px, config.gap_diagonal * diagonal)
    nobodys = ~mine & ~beyond
    in_front = hides | nobodys & _gaps(seen, hides, near)
    occluder = in_front | beyond | nobodys & _cut(_slits(visible, config.border_px), box)
    gaps = occluder & nobodys
    target = CompletionTarget(
        object_id,
        segmentation.names[index],
        _cut(photo.rgb, box, GREY),
        seen,
        occluder,
        box[:2],
        truncated,
        beyond if beyond.any() else None,
        gaps if gaps.any() else None,
        _mixed(seen, in_front, min(config.rim_px, max(1.0, round(config.rim_diagonal * diagonal)))),
    )
    return CompletionJob(target, box, occlusion.layer(object_id))


def _visible_only(photo: Photo, segmentation: Segmentation, occlusion: OcclusionGraph, index: int, reason: str) -> CompleteObject:
    """The object as the photo shows it, with nothing that could fail."""
    mask, object_id = segmentation.masks[index], segmentation.ids[index]
    rows, cols = box_slices(mask)
    visible = np.ascontiguousarray(mask[rows, cols])
    rgba = np.dstack([photo.rgb[rows, cols], np.where(visible, 255, 0).astype(np.uint8)])
    box = (cols.start, rows.start, cols.stop, rows.stop)
    layer = occlusion.layer(object_id)
    return CompleteObject(object_id, segmentation.names[index], rgba, visible, box, layer, (), "visible", "photo", reason)


def _kept(job: CompletionJob, reason: str) -> CompleteObject:
    """The visible part, when a completion can't be laid into the photo."""
    visible = job.target.visible
    return _crop(job, np.dstack([job.target.rgb, np.where(visible, 255, 0).astype(np.uint8)]), "visible", "photo", reason)


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


def _cut(image: np.ndarray, box: Box, outside: int = 0) -> np.ndarray:
    """Crop that may leave the picture; outside it is filled with a constant."""
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


def _finish(job: CompletionJob, result: Completion | str) -> CompleteObject:
    """Lay original pixels over the completion, keep the mask within what is allowed, and crop tightly."""
    target = job.target
    if isinstance(result, str):
        amodal, rgb, methods = target.visible, target.rgb, ("visible", "photo")
        fallback = result if target.occluder.any() else None
    else:
        amodal = result.amodal & target.occluder | target.visible
        paint = amodal & ~target.visible
        if target.mixed is not None:
            paint |= target.mixed
        rgb = np.where(paint[..., None], result.rgb, target.rgb)
        methods, fallback = (result.mask_method, result.fill_method), result.fallback
    rgba = np.dstack([nearest(rgb, amodal), _soft(amodal, target.visible)])
    return _crop(job, rgba, *methods, fallback)


def _soft(amodal: Bool[np.ndarray, "h w"], visible: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Alpha: full where visible, an antialiased edge inside invented parts; above 127 exactly on the amodal mask."""
    smooth = np.asarray(ndimage.convolve(amodal.astype(np.float32), SOFT, mode="nearest"))
    alpha = np.where(amodal, np.clip(255 * smooth, GREY, 255), 0)
    return np.where(visible, 255, alpha).astype(np.uint8)


def _crop(
    job: CompletionJob, rgba: UInt8[np.ndarray, "h w 4"], mask_method: str, fill_method: str, fallback: str | None
) -> CompleteObject:
    rows, cols = box_slices(rgba[..., 3] > 0, MARGIN_PX)
    part = rgba[rows, cols]
    x0, y0 = job.box[0] + cols.start, job.box[1] + rows.start
    return CompleteObject(
        job.target.id,
        job.target.name,
        np.ascontiguousarray(part),
        np.ascontiguousarray(job.target.visible[rows, cols]),
        (x0, y0, x0 + part.shape[1], y0 + part.shape[0]),
        job.layer,
        job.target.truncated,
        mask_method,
        fill_method,
        fallback,
    )
