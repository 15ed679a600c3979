"""Orders without any training on scenes whose order is known: rows to beat."""

import logging
from collections.abc import Callable, Iterable

import numpy as np

from paco_core.backends.base import OrderPredictor
from paco_core.camera import estimate_camera
from paco_core.depth import estimate_depth
from paco_core.evaluation import order
from paco_core.evaluation.figures import Row
from paco_core.evaluation.order import Order, PairScore
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.table import bootstrap
from paco_core.progress import Progress, silent
from paco_core.registry import BACKENDS
from paco_core.types import DepthMap, Segmentation

log = logging.getLogger(__name__)

OrderMethod = Callable[[AmodalScene], Order]
COLUMNS = ("acc_occpair", "acc_allpair")


def by_masks(rule: Callable[[np.ndarray], Order]) -> OrderMethod:
    """A rule that looks at visible masks alone."""
    return lambda scene: rule(scene.segmentation.masks)


def by_depth(*, use_depth: bool) -> OrderMethod:
    """Depth alone: the scene's own, or what is estimated from the masks."""

    def run(scene: AmodalScene) -> Order:
        seen, depth = _seen(scene, use_depth)
        return _of_all(scene, seen, order.order_by_depth(seen.masks, depth))

    return run


def by_predictor(predictor: OrderPredictor, *, use_depth: bool) -> OrderMethod:
    """The program's own order: with the scene's depth, or with depth that was estimated from the masks."""

    def run(scene: AmodalScene) -> Order:
        seen, depth = _seen(scene, use_depth)
        edges = predictor.order(scene.photo, seen, depth)
        return order.order_of_edges(scene.segmentation.ids, [(e.front, e.behind) for e in edges])

    return run


def _seen(scene: AmodalScene, use_depth: bool) -> tuple[Segmentation, DepthMap]:
    """The objects of which something is visible, and depth as a method gets it."""
    seg = scene.segmentation
    kept = [k for k, mask in enumerate(seg.masks) if mask.any()]
    seen = Segmentation(tuple(seg.ids[k] for k in kept), tuple(seg.names[k] for k in kept), seg.masks[kept])
    camera = scene.camera or estimate_camera(scene.photo)
    given = scene.depth if use_depth else None
    return seen, estimate_depth(scene.photo, seen, camera, BACKENDS.create("depth", "geometric"), given=given)


def _of_all(scene: AmodalScene, seen: Segmentation, found: Order) -> Order:
    """An order of the visible objects among all of them."""
    pairs = [(seen.ids[i], seen.ids[j]) for i, j in np.argwhere(found == 1)]
    return order.order_of_edges(scene.segmentation.ids, pairs)


def order_methods(predictor: OrderPredictor, *, depth_known: bool) -> dict[str, OrderMethod]:
    """Every row; depth that is known makes two more."""
    methods = {
        "area": by_masks(order.order_by_area),
        "height in the photo": by_masks(order.order_by_height),
        "convexity": by_masks(order.order_by_convexity),
        "geometric depth alone": by_depth(use_depth=False),
        f"{predictor.name}, geometric depth": by_predictor(predictor, use_depth=False),
    }
    true = {
        "true depth alone": by_depth(use_depth=True),
        f"{predictor.name}, true depth": by_predictor(predictor, use_depth=True),
    }
    return methods | (true if depth_known else {})


def evaluate_order(
    scenes: Iterable[AmodalScene], methods: dict[str, OrderMethod], *, total: int = 0, progress: Progress = silent
) -> tuple[Row, ...]:
    """Every method on every scene, ``total`` of them where that is known; one that fails has no occluding pair right."""
    found: dict[str, list[list[PairScore]]] = {name: [] for name in methods}
    for count, scene in enumerate(scenes, 1):
        for name, method in methods.items():
            found[name].append([_attempt(method, scene, name)])
        progress("order", count, max(total, count), scene.photo.name)
    return tuple(_row(name, scores) for name, scores in found.items())


def _attempt(method: OrderMethod, scene: AmodalScene, name: str) -> PairScore:
    try:
        return order.compare_orders(method(scene), scene.order)
    except Exception:
        log.warning("%s fails on %s", name, scene.photo.name, exc_info=True)
        return order.compare_orders(np.zeros_like(scene.order), scene.order)


def _row(name: str, scores: list[list[PairScore]]) -> Row:
    def total(items: Iterable[PairScore]) -> PairScore:
        return sum(items, PairScore(0, 0, 0, 0))

    pairs = total(score for scene in scores for score in scene)
    return Row(
        name,
        {
            "acc_occpair": bootstrap(scores, lambda items: total(items).acc_occpair),
            "acc_allpair": bootstrap(scores, lambda items: total(items).acc_allpair),
        },
        {"right of occluding pairs": f"{pairs.occluding_right} / {pairs.occluding}", "of all pairs": str(pairs.pairs)},
    )
