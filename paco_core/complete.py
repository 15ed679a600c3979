"""Stage: every object is completed where others, or the photo's border, hide it. Objects of one depth layer go together."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from paco_core.asking import Answers, ask
from paco_core.backends.base import Completer, Completion, CompletionTarget, LayersCompleter
from paco_core.completion_target import MARGIN_PX, Box, CompletionConfig, Strategy, allowed_in, cut, target_of
from paco_core.errors import error_text
from paco_core.fill import nearest
from paco_core.masks import box_slices
from paco_core.outlines import snapped
from paco_core.progress import Progress, counting_on, silent
from paco_core.types import CompleteObject, OcclusionGraph, Photo, Segmentation

log = logging.getLogger(__name__)

SOLID = 128
"""Least alpha of a pixel of the amodal mask."""
SOFT = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32) / 16
"""The edge of invented parts: a slope of one pixel, as in photos."""


@dataclass(frozen=True)
class CompletionJob:
    """One object on its way through the completer."""

    target: CompletionTarget
    box: Box
    layer: int
    drawn: Bool[np.ndarray, "ch cw"]
    """The visible mask as it was given; the target's may be nearer to the photo's edges."""
    allowed: Bool[np.ndarray, "ch cw"]
    """What may be added to that."""


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
    moved = snapped(photo, segmentation) if config.snap else segmentation
    for i in range(len(segmentation.ids)):
        try:
            target, box = target_of(photo, moved, occlusion, i, config)
            drawn, allowed = target.visible, target.occluder
            if moved is not segmentation:
                drawn = cut(segmentation.masks[i], box)
                allowed = allowed_in(target, box, segmentation, occlusion, config)
            jobs.append(CompletionJob(target, box, occlusion.layer(target.id), drawn, allowed))
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
    visible = job.drawn
    return _crop(job, np.dstack([job.target.rgb, np.where(visible, 255, 0).astype(np.uint8)]), "visible", "photo", reason)


def _finish(job: CompletionJob, result: Completion | str) -> CompleteObject:
    """Lay original pixels over the completion, keep the mask within what is allowed, and crop tightly."""
    target = job.target
    if isinstance(result, str):
        amodal, rgb, methods = job.drawn, target.rgb, ("visible", "photo")
        fallback = result if target.occluder.any() else None
    else:
        amodal = result.amodal & job.allowed | job.drawn
        paint = result.amodal & ~target.visible & (job.allowed | target.occluder)
        if target.mixed is not None:
            paint |= target.mixed
        rgb = np.where(paint[..., None], result.rgb, target.rgb)
        methods, fallback = (result.mask_method, result.fill_method), result.fallback
    rgba = np.dstack([nearest(rgb, amodal), _soft(amodal, job.drawn)])
    return _crop(job, rgba, *methods, fallback)


def _soft(amodal: Bool[np.ndarray, "h w"], visible: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Alpha: full where visible, an antialiased edge inside invented parts; above 127 exactly on the amodal mask."""
    smooth = np.asarray(ndimage.convolve(amodal.astype(np.float32), SOFT, mode="nearest"))
    alpha = np.where(amodal, np.clip(255 * smooth, SOLID, 255), 0)
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
        np.ascontiguousarray(job.drawn[rows, cols]),
        (x0, y0, x0 + part.shape[1], y0 + part.shape[0]),
        job.layer,
        job.target.truncated,
        mask_method,
        fill_method,
        fallback,
    )
