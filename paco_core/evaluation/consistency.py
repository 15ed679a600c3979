"""Whether a method says the same of a photo that was mirrored, made smaller or cut: a measure that needs no truth.

A method that always answers nothing is consistent, too: these figures stand beside others, never alone.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from paco_core.backends.base import Completer, DepthEstimator, OrderPredictor
from paco_core.camera import estimate_camera
from paco_core.complete import complete
from paco_core.depth import estimate_depth
from paco_core.evaluation.changes import Change, changes_of
from paco_core.evaluation.deocclusion import paste
from paco_core.evaluation.depth import score_depth
from paco_core.evaluation.figures import Row
from paco_core.evaluation.order import Order, order_of_edges
from paco_core.evaluation.table import bootstrap
from paco_core.occlusion import find_occlusions
from paco_core.progress import Progress, silent
from paco_core.types import Camera, DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a method says of a photo, inside the frame."""

    masks: Bool[np.ndarray, "n h w"]
    """Completed."""
    order: Order
    depth: DepthMap


Answerer = Callable[[Photo, Segmentation, Camera], Answer]


@dataclass(frozen=True)
class Agreement:
    """One photo under one change."""

    photo: str
    change: str
    ious: tuple[float, ...]
    """Of the completed masks, per object that the change leaves whole; 0 where an answer is missing."""
    invented_ious: tuple[float, ...]
    """Of what is completed and not visible, per object where either answer has such pixels."""
    edges_kept: int
    """Of ``edges``: told the same way in both."""
    edges: int
    """Who hides whom among these objects, told by either answer."""
    depth_abs_rel: float
    """Of the depth, after one factor, to the depth of the unchanged photo; 1 where an answer is missing."""
    failure: str = ""


def by_stages(estimator: DepthEstimator, predictor: OrderPredictor, completer: Completer, *, seed: int = 0) -> Answerer:
    """The program's own stages; the camera is told, as the change makes it."""

    def answer(photo: Photo, seen: Segmentation, camera: Camera) -> Answer:
        depth = estimate_depth(photo, seen, camera, estimator)
        graph = find_occlusions(photo, seen, depth, predictor)
        masks = np.zeros_like(seen.masks)
        for k, obj in enumerate(complete(photo, seen, graph, completer, seed=seed)):
            paste(obj, masks[k], photo.rgb.copy())
        return Answer(masks, order_of_edges(seen.ids, [(e.front, e.behind) for e in graph.edges]), depth)

    return answer


def compare(photo: Photo, seen: Segmentation, answerer: Answerer) -> tuple[Agreement, ...]:
    """Every change of one photo; its masks must be disjoint and not empty (``segment``). What fails counts as no agreement."""
    camera = estimate_camera(photo)
    try:
        first, failure = answerer(photo, seen, camera), ""
    except Exception as error:
        log.warning("no answer for %s", photo.name, exc_info=True)
        first, failure = None, f"{type(error).__name__}: {error}"
    return tuple(_agreement(photo, seen, camera, change, answerer, first, failure) for change in changes_of(photo.hw))


def _agreement(
    photo: Photo, seen: Segmentation, camera: Camera, change: Change, answerer: Answerer, first: Answer | None, failure: str
) -> Agreement:
    whole = change.whole(seen.masks if first is None else first.masks | seen.masks)
    changed = change.segmentation(seen)
    left = np.flatnonzero(changed.masks.any(axis=(1, 2)))  # what is cut away or too small is not asked about
    objects = [int(k) for k in left if whole[k]]
    if first is not None:
        try:
            second = answerer(change.photo(photo), _only(changed, left), change.camera(camera))
            return _score(photo.name, change, first, second, changed, left, objects)
        except Exception as error:
            log.warning("no answer for %s, %s", photo.name, change.name, exc_info=True)
            failure = f"{type(error).__name__}: {error}"
    return Agreement(photo.name, change.name, (0.0,) * len(objects), (0.0,) * len(objects), 0, 1, 1.0, failure)


def _only(seen: Segmentation, kept: np.ndarray) -> Segmentation:
    ids, names = (tuple(values[k] for k in kept) for values in (seen.ids, seen.names))
    return replace(seen, ids=ids, names=names, masks=seen.masks[kept])


def _score(
    name: str, change: Change, first: Answer, second: Answer, changed: Segmentation, left: np.ndarray, objects: list[int]
) -> Agreement:
    """The first answer is changed as the photo was: nothing is lost twice, as it would be by undoing a smaller size."""
    expected = change.masks(first.masks)[objects]
    places = [int(np.flatnonzero(left == k)[0]) for k in objects]
    got, visible = second.masks[places], changed.masks[objects]
    ious = [_iou(a, b) for a, b in zip(expected, got, strict=True)]
    invented = [_iou(a & ~v, b & ~v) for a, b, v in zip(expected, got, visible, strict=True)]
    before, after = first.order[np.ix_(objects, objects)], second.order[np.ix_(places, places)]
    upper = np.triu_indices(len(objects), 1)
    told = (before[upper] != 0) | (after[upper] != 0)
    return Agreement(
        name,
        change.name,
        tuple(1.0 if math.isnan(iou) else iou for iou in ious),
        tuple(iou for iou in invented if not math.isnan(iou)),
        int((told & (before[upper] == after[upper])).sum()),
        int(told.sum()),
        score_depth(second.depth, change.depth(first.depth), "scale").abs_rel,
    )


def _iou(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    return float((a & b).sum() / (a | b).sum()) if (a | b).any() else math.nan


def evaluate_consistency(
    photos: Iterable[tuple[Photo, Segmentation]], answerer: Answerer, *, total: int = 0, progress: Progress = silent
) -> tuple[Agreement, ...]:
    """Every change of every photo; ``total`` of them, where that is known."""
    found: list[Agreement] = []
    for count, (photo, seen) in enumerate(photos, 1):
        found += compare(photo, seen, answerer)
        progress("consistency", count, max(total, count), photo.name)
    return tuple(found)


COLUMNS = ("masks: IoU", "invented parts: IoU", "order edges kept", "depth: AbsRel")


def consistency_rows(found: Sequence[Agreement]) -> tuple[Row, ...]:
    """A row per change; intervals over photos."""
    return tuple(_row(name, [[a] for a in found if a.change == name]) for name in dict.fromkeys(a.change for a in found))


def _row(change: str, photos: list[list[Agreement]]) -> Row:
    def mean(pick: Callable[[Agreement], Sequence[float]]) -> Callable[[Sequence[Agreement]], float]:
        def measure(items: Sequence[Agreement]) -> float:
            values = [value for item in items for value in pick(item)]
            return float(np.mean(values)) if values else math.nan

        return measure

    def kept(items: Sequence[Agreement]) -> float:
        edges = sum(a.edges for a in items)
        return sum(a.edges_kept for a in items) / edges if edges else math.nan

    measures = (mean(lambda a: a.ious), mean(lambda a: a.invented_ious), kept, mean(lambda a: (a.depth_abs_rel,)))
    every = [a for photo in photos for a in photo]
    facts = {
        "photos": str(len(every)),
        "objects (with invented parts)": f"{sum(len(a.ious) for a in every)} ({sum(len(a.invented_ious) for a in every)})",
        "edges": str(sum(a.edges for a in every)),
        "failed": str(sum(bool(a.failure) for a in every)),
    }
    figures = {name: bootstrap(photos, measure) for name, measure in zip(COLUMNS, measures, strict=True)}
    return Row(change, figures, facts)


def agreement_rows(found: Sequence[Agreement]) -> list[dict[str, Any]]:
    """One flat line per photo and change, for a CSV file."""
    return [
        {
            "photo": a.photo,
            "change": a.change,
            "objects": len(a.ious),
            "iou": round(float(np.mean(a.ious)), 4) if a.ious else "",
            "invented_iou": round(float(np.mean(a.invented_ious)), 4) if a.invented_ious else "",
            "edges_kept": a.edges_kept,
            "edges": a.edges,
            "depth_abs_rel": round(a.depth_abs_rel, 4),
            "failure": a.failure,
        }
        for a in found
    ]
