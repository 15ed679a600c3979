"""Deocclusion methods on scenes whose hidden parts are known: one row per object and method, failures included."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.backends.base import Completer
from paco_core.complete import complete, plan_completion
from paco_core.completion_target import CompletionConfig
from paco_core.evaluation.amodal import MaskScore, score_mask
from paco_core.evaluation.colour import ColourScore, score_colours
from paco_core.evaluation.features import FeatureExtractor
from paco_core.evaluation.fill_methods import FillMethod, fill_hidden
from paco_core.evaluation.looks import Look, look, look_at_truth
from paco_core.evaluation.mask_methods import MaskMethod, under_occluders
from paco_core.evaluation.order import Order, order_by_convexity
from paco_core.evaluation.scenes import AmodalScene
from paco_core.occlusion import break_cycles, layers_of
from paco_core.progress import Progress, silent
from paco_core.types import CompleteObject, OcclusionEdge, OcclusionGraph, Segmentation

log = logging.getLogger(__name__)

LAYER_WISE = CompletionConfig()


@dataclass(frozen=True)
class Completed:
    """What a method makes of a scene's objects, inside the frame."""

    masks: Bool[np.ndarray, "n h w"]
    rgb: UInt8[np.ndarray, "n h w 3"] | None = None
    """None: the method has no opinion about colours."""
    failures: Mapping[int, str] = field(default_factory=dict)
    """By index, the objects that the method gave up, and why: their visible part is its answer."""


@dataclass(frozen=True)
class Method:
    """A way to complete the objects of a scene."""

    run: Callable[[AmodalScene], Completed]
    colours: bool
    """Whether it has an opinion about colours: where it fails, what the photo shows there counts as its answer."""


@dataclass(frozen=True)
class Instance:
    """One object under one method."""

    scene: str
    id: int
    name: str
    method: str
    mask: MaskScore
    colour: ColourScore | None
    """None where colours are not known, not made, or next to nothing is hidden."""
    look: Look | None = None
    """None without a feature extractor, without colours, or where nothing is to be compared."""
    failure: str = ""
    """Why the method gave nothing: then the visible part, and the colours of what hides the rest, count as its answer."""


@dataclass(frozen=True)
class MethodRun:
    """One method on all scenes."""

    method: str
    scenes: tuple[tuple[Instance, ...], ...]
    seconds: float


@runtime_checkable
class Watcher(Protocol):
    """Sees every scene and what a method made of it, e.g. to draw it."""

    def __call__(self, scene: AmodalScene, completed: Completed, instances: tuple[Instance, ...]) -> None:
        """``instances`` are in the scene's order."""
        ...


def evaluate(
    scenes: Iterable[AmodalScene],
    methods: dict[str, Method],
    *,
    extractor: FeatureExtractor | None = None,
    watchers: Mapping[str, Watcher] = MappingProxyType({}),
    total: int = 0,
    progress: Progress = silent,
) -> tuple[MethodRun, ...]:
    """Every method on every scene; scenes are read once, one at a time. ``total`` of them, where that is known.

    ``extractor`` looks at completed objects (its time is not the method's); ``watchers`` are called by the method's name.
    """
    rows: dict[str, list[tuple[Instance, ...]]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for count, scene in enumerate(scenes, 1):
        subjects = () if extractor is None else look_at_truth(extractor, scene)
        for name, method in methods.items():
            start = time.perf_counter()
            completed, failure = _attempt(method, scene, name)
            seconds[name] += time.perf_counter() - start
            looks = {}
            if extractor is not None and completed.rgb is not None:
                looks = look(extractor, scene, subjects, completed.masks, completed.rgb)
            rows[name].append(_score(scene, name, completed, looks, failure))
            if name in watchers:
                watchers[name](scene, completed, rows[name][-1])
        progress("deocclusion", count, max(total, count), scene.photo.name)
    return tuple(MethodRun(name, tuple(rows[name]), seconds[name]) for name in methods)


def of_object(run: MethodRun, object_id: int) -> MethodRun:
    """The same run, of each scene this object alone."""
    return replace(run, scenes=tuple(tuple(i for i in scene if i.id == object_id) for scene in run.scenes))


def by_masks(method: MaskMethod, order: Callable[[AmodalScene], Order]) -> Method:
    """A method that completes masks alone."""
    return Method(lambda scene: Completed(method(scene.segmentation.masks, order(scene))), colours=False)


def by_completer(
    completer: Completer,
    order: Callable[[AmodalScene], Order],
    config: CompletionConfig = LAYER_WISE,
    *,
    seed: int = 0,
) -> Method:
    """The stage ``complete`` with this completer; what fails in it, or is wholly hidden, stays as it is seen."""

    def run(scene: AmodalScene) -> Completed:
        kept, seen, graph = _seen(scene, order)
        masks = np.zeros_like(scene.segmentation.masks)
        rgb = np.broadcast_to(scene.photo.rgb, (len(masks), *scene.photo.rgb.shape)).copy()
        objects = dict(zip(kept, complete(scene.photo, seen, graph, completer, config, seed=seed), strict=True))
        for k, obj in objects.items():
            paste(obj, masks[k], rgb[k])
        return Completed(masks, rgb, {k: obj.fallback for k, obj in objects.items() if obj.fallback})

    return Method(run, colours=True)


def passes(scene: AmodalScene, order: Callable[[AmodalScene], Order], config: CompletionConfig) -> int:
    """How often a completer is asked for the objects of a scene; what nothing hides costs nothing."""
    _, seen, graph = _seen(scene, order)
    plan = plan_completion(scene.photo, seen, graph, config)
    return sum(any(job.target.occluder.any() for job in layer.jobs) for layer in plan)


def by_fill(method: FillMethod) -> Method:
    """A method that invents colours, told the true masks."""

    def run(scene: AmodalScene) -> Completed:
        pairs = zip(scene.segmentation.masks, scene.amodal, strict=True)
        return Completed(scene.amodal, np.stack([fill_hidden(method, scene.photo.rgb, seen, whole) for seen, whole in pairs]))

    return Method(run, colours=True)


def true_order_of(scene: AmodalScene) -> Order:
    """Who truly hides whom."""
    return scene.order


def convexity_order_of(scene: AmodalScene) -> Order:
    """Who seems to hide whom, by convexity."""
    return order_by_convexity(scene.segmentation.masks)


def graph_of(ids: tuple[int, ...], order: Order) -> OcclusionGraph:
    """An order as the stages know it; cycles lose an edge."""
    pairs = [(ids[i], ids[j]) for i, j in np.argwhere(order == 1)]
    kept, dropped = break_cycles(tuple(OcclusionEdge(a, b, 1.0, 0, "user") for a, b in pairs))
    return OcclusionGraph(ids, kept, dropped, layers_of(ids, kept))


def _seen(scene: AmodalScene, order: Callable[[AmodalScene], Order]) -> tuple[list[int], Segmentation, OcclusionGraph]:
    """What the stages get: indices of the objects that can be seen at all, these, and their order."""
    kept = [k for k, mask in enumerate(scene.segmentation.masks) if mask.any()]
    ids, names = (tuple(values[k] for k in kept) for values in (scene.segmentation.ids, scene.segmentation.names))
    seen = Segmentation(ids, names, scene.segmentation.masks[kept])  # pyright: ignore[reportArgumentType]
    return kept, seen, graph_of(seen.ids, order(scene)[np.ix_(kept, kept)])


def _attempt(method: Method, scene: AmodalScene, name: str) -> tuple[Completed, str]:
    try:
        return method.run(scene), ""
    except Exception as error:
        log.warning("%s fails on %s", name, scene.photo.name, exc_info=True)
        masks, shown = scene.segmentation.masks, scene.photo.rgb
        unchanged = np.broadcast_to(shown, (len(masks), *shown.shape)) if method.colours else None
        return Completed(masks, unchanged), f"{type(error).__name__}: {error}"


def _score(scene: AmodalScene, method: str, completed: Completed, looks: dict[int, Look], failure: str) -> tuple[Instance, ...]:
    found, fronts = [], under_occluders(scene.seen, scene.order)
    for k, (object_id, name) in enumerate(zip(scene.segmentation.ids, scene.segmentation.names, strict=True)):
        seen, whole, colour = scene.seen[k], scene.amodal[k], None
        if completed.rgb is not None and scene.alone is not None:
            colour = score_colours(completed.rgb[k], np.ascontiguousarray(scene.alone[k, ..., :3]), whole, seen)
        overdrawn = scene.segmentation.masks[k] & ~seen & ~fronts[k]
        mask = score_mask(completed.masks[k], whole, seen, overdrawn)
        found.append(
            Instance(
                scene.photo.name, object_id, name, method, mask, colour, looks.get(k), failure or completed.failures.get(k, "")
            )
        )
    return tuple(found)


def paste(obj: CompleteObject, mask: Bool[np.ndarray, "h w"], rgb: UInt8[np.ndarray, "h w 3"]) -> None:
    """The crop into the frame; what lies beyond it is cut off."""
    x0, y0, x1, y1 = obj.box_xyxy
    h, w = mask.shape
    inside = slice(max(-y0, 0), y1 - y0 - max(y1 - h, 0)), slice(max(-x0, 0), x1 - x0 - max(x1 - w, 0))
    frame = slice(max(y0, 0), min(y1, h)), slice(max(x0, 0), min(x1, w))
    amodal = obj.amodal[inside]
    mask[frame] |= amodal
    rgb[frame] = np.where(amodal[..., None], obj.rgba[inside][..., :3], rgb[frame])
