"""How well an order of who hides whom meets the truth, as SSSD (Zhan et al. 2020) counts it.

The truth comes from masks, not from the annotated depth order: of two objects that touch, the one that shows more of itself
where the other one truly is lies in front (``infer_gt_order``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

from paco_core.evaluation.outlines import outlined_hull
from paco_core.types import DepthMap

Order = Int[np.ndarray, "n n"]
"""[i, j] is 1 where i hides a part of j, -1 where j hides a part of i, 0 where neither; antisymmetric."""


@dataclass(frozen=True)
class PairScore:
    """How many pairs of objects are right."""

    occluding_right: int
    """Of the pairs of which one truly hides the other: those told the right way round."""
    occluding: int
    all_right: int
    """Of all pairs, also those that don't touch: easy, since most hide nothing of each other."""
    pairs: int

    def __add__(self, other: "PairScore") -> "PairScore":
        return PairScore(
            self.occluding_right + other.occluding_right,
            self.occluding + other.occluding,
            self.all_right + other.all_right,
            self.pairs + other.pairs,
        )

    @property
    def acc_occpair(self) -> float:
        """The share that papers quote; 1 where nothing hides anything."""
        return self.occluding_right / self.occluding if self.occluding else 1.0

    @property
    def acc_allpair(self) -> float:
        """Share of all pairs."""
        return self.all_right / self.pairs if self.pairs else 1.0


def touching(visible: Bool[np.ndarray, "n h w"]) -> list[tuple[int, int]]:
    """Pairs i < j of masks that share an edge of a pixel, or pixels (dilation by a cross)."""
    grown = [np.asarray(ndimage.binary_dilation(mask), bool) for mask in visible]
    count = len(visible)
    return [(i, j) for i in range(count) for j in range(i + 1, count) if (grown[i] & visible[j]).any()]


def true_order(visible: Bool[np.ndarray, "n h w"], amodal: Bool[np.ndarray, "n h w"]) -> Order:
    """From visible and amodal masks; a tie goes to the first of the two, as in SSSD."""
    order = np.zeros((len(visible),) * 2, int)
    for i, j in touching(visible):
        i_over_j, j_over_i = int((visible[i] & amodal[j]).sum()), int((visible[j] & amodal[i]).sum())
        if i_over_j or j_over_i:
            _set(order, i, j, 1 if i_over_j >= j_over_i else -1)
    return order


def order_of_edges(ids: Sequence[int], edges: Iterable[tuple[int, int]]) -> Order:
    """From pairs of ids (front, behind)."""
    place = {object_id: k for k, object_id in enumerate(ids)}
    order = np.zeros((len(ids),) * 2, int)
    for front, behind in edges:
        _set(order, place[front], place[behind], 1)
    return order


def order_by_area(visible: Bool[np.ndarray, "n h w"]) -> Order:
    """Baseline: of two that touch, the smaller one is in front."""
    area = visible.sum(axis=(1, 2))
    return _by(visible, lambda i, j: 1 if area[i] < area[j] else -1)


def order_by_height(visible: Bool[np.ndarray, "n h w"]) -> Order:
    """Baseline: of two that touch, the lower one in the photo is in front."""
    middle = [np.nonzero(mask)[0].mean() if mask.any() else 0.0 for mask in visible]
    return _by(visible, lambda i, j: -1 if middle[i] < middle[j] else 1)


def order_by_convexity(visible: Bool[np.ndarray, "n h w"]) -> Order:
    """Baseline: of two that touch, the one that fills more of what the other's hull has beyond it is in front."""
    hulls = [outlined_hull(mask) for mask in visible]

    def in_front(i: int, j: int) -> int:
        i_lacks = int((hulls[i] & ~visible[i] & visible[j]).sum())
        j_lacks = int((hulls[j] & ~visible[j] & visible[i]).sum())
        return int(np.sign(j_lacks - i_lacks))

    return _by(visible, in_front)


DEPTH_BAND_PX = 6
"""Depth is compared this near to the other object: over the whole of a long table it says nothing."""


def order_by_depth(visible: Bool[np.ndarray, "n h w"], depth: DepthMap) -> Order:
    """Baseline: of two that touch, the one nearer beside their border (medians) is in front; none where depth is unknown."""
    near = [np.asarray(ndimage.binary_dilation(mask, iterations=DEPTH_BAND_PX), bool) for mask in visible]

    def in_front(i: int, j: int) -> int:
        z_i, z_j = (depth.z[visible[a] & near[b] & depth.valid] for a, b in ((i, j), (j, i)))
        return int(np.sign(np.median(z_j) - np.median(z_i))) if z_i.size and z_j.size else 0

    return _by(visible, in_front)


def compare_orders(predicted: Order, true: Order) -> PairScore:
    """Count pairs, each once."""
    upper = np.triu_indices(len(true), 1)
    right, occluding = predicted[upper] == true[upper], true[upper] != 0
    return PairScore(int((right & occluding).sum()), int(occluding.sum()), int(right.sum()), len(right))


def ancestors(order: Order, index: int) -> list[int]:
    """Everything in front of an object, through any number of steps; orders with cycles are no problem."""
    found: set[int] = set()
    frontier = {index}
    while frontier:
        frontier = {int(j) for i in frontier for j in np.flatnonzero(order[i] == -1)} - found
        found |= frontier
    return sorted(found - {index})


def _by(visible: Bool[np.ndarray, "n h w"], rule: Callable[[int, int], int]) -> Order:
    order = np.zeros((len(visible),) * 2, int)
    for i, j in touching(visible):
        _set(order, i, j, rule(i, j))
    return order


def _set(order: Order, i: int, j: int, sign: int) -> None:
    order[i, j], order[j, i] = sign, -sign
