"""Where objects touch what is below them, read from the masks alone: feet, and who carries whom."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage as ndi

from paco_core.classes import CARRIER, FURNITURE, LIVING, RIDDEN, is_a
from paco_core.masks import box_slices, dilate
from paco_core.types import Segmentation

FOOT_BAND = 0.12
"""The lowest share of a mask's height that counts as its foot: feet, wheels and bottom edges, but no seat or handlebar."""

TOUCH_FRACTION = 0.006
"""Masks drawn by people leave gaps: things touch within this share of the image diagonal, and at least 2 px (docs/method.md)."""

CARRIED_SHARE = 0.5
"""At least half of a foot's columns must stand over the carrier."""


ENCLOSED_SHARE = 0.6
"""Of the ring around a mask, for it to lie inside another one's outline."""


@dataclass(frozen=True)
class Foot:
    """The bottom of one object's visible mask."""

    u: float
    """Column of the foot's middle, px (centre convention)."""
    v: float
    """Lowest row of the mask, px, at the lower edge of the lowest pixels."""
    below: int
    """Id of the object that most of the foot's columns stand over; 0 the floor or background; -1 the photo's border."""
    share: float
    """Share of the foot's columns for which ``below`` is true."""


def touch_radius_px(hw: tuple[int, int]) -> int:
    """How far apart two masks may be and still touch, px."""
    return max(2, round(TOUCH_FRACTION * float(np.hypot(*hw))))


def label_map(segmentation: Segmentation) -> Int[np.ndarray, "h w"]:
    """Index + 1 of the object at every pixel, 0 elsewhere (masks are disjoint)."""
    labels = np.zeros(segmentation.masks.shape[1:], np.int32)
    for k, mask in enumerate(segmentation.masks):
        labels[mask] = k + 1
    return labels


def find_foot(mask: Bool[np.ndarray, "h w"], labels: Int[np.ndarray, "h w"], ids: tuple[int, ...]) -> Foot:
    """The foot of one mask and what is right below it (nearest other label within the touch radius)."""
    h = mask.shape[0]
    columns = np.flatnonzero(mask.any(axis=0))
    bottom = h - 1 - np.argmax(mask[::-1][:, columns], axis=0)
    rows = np.flatnonzero(mask.any(axis=1))
    in_band = bottom >= rows[-1] - max(2, round(FOOT_BAND * (rows[-1] - rows[0] + 1)))
    columns, bottom = columns[in_band], bottom[in_band]
    below = np.array(
        [_first_below(labels, int(b), int(c), touch_radius_px(mask.shape)) for b, c in zip(bottom, columns, strict=True)]
    )
    values, counts = np.unique(below, return_counts=True)
    winner = int(values[np.argmax(counts)])
    return Foot(
        u=float(np.median(columns)) + 0.5,
        v=float(rows[-1]) + 1.0,
        below=ids[winner - 1] if winner > 0 else winner,
        share=float(counts.max() / counts.sum()),
    )


def _first_below(labels: Int[np.ndarray, "h w"], row: int, column: int, radius: int) -> int:
    own = labels[row, column]
    if row + 1 >= labels.shape[0]:
        return -1
    below = labels[row + 1 : row + 2 + radius, column]  # a gap of ``radius`` px, and the pixel behind it
    others = below[(below > 0) & (below != own)]
    return int(others[0]) if len(others) else 0


def find_feet(segmentation: Segmentation) -> dict[int, Foot]:
    """The foot of every object, by id."""
    labels = label_map(segmentation)
    return {i: find_foot(m, labels, segmentation.ids) for i, m in zip(segmentation.ids, segmentation.masks, strict=True)}


def find_enclosed(segmentation: Segmentation) -> dict[int, int]:
    """Who lies inside the outline of whom (inner id → outer id): what is around a mask is mostly one other, larger object."""
    labels = label_map(segmentation)
    radius = touch_radius_px(labels.shape)
    found: dict[int, int] = {}
    for k, (i, mask) in enumerate(zip(segmentation.ids, segmentation.masks, strict=True)):
        box = box_slices(mask, radius + 1)
        around = labels[box][dilate(mask[box], radius) & ~mask[box]]
        counts = np.bincount(around, minlength=len(segmentation.ids) + 1)
        counts[[0, k + 1]] = 0
        winner = int(np.argmax(counts))
        if counts[winner] >= ENCLOSED_SHARE * max(len(around), 1) and segmentation.masks[winner - 1].sum() > mask.sum():
            found[i] = segmentation.ids[winner - 1]
    return found


def find_carriers(segmentation: Segmentation, feet: dict[int, Foot]) -> dict[int, int]:
    """Who rests on whom (carried id → carrier id), as far as masks and names tell; everything else is on the floor.

    An object whose foot ends at another one either rests on it or is hidden by it. It is taken to rest on it when the
    other's name is that of a carrier, furniture and living beings excepted, and the other surrounds the foot or reaches
    to both sides of it. Living beings rest on what they ride. Chains are followed by the caller; a cycle loses its weakest link.
    """
    carriers: dict[int, int] = {}
    for i, name in zip(segmentation.ids, segmentation.names, strict=True):
        foot = feet[i]
        j = foot.below
        if j <= 0 or foot.share < CARRIED_SHARE or is_a(name, FURNITURE):
            continue
        if is_a(name, LIVING):
            if is_a(segmentation.name(j), RIDDEN) and not is_a(name, RIDDEN):
                carriers[i] = j
        elif is_a(segmentation.name(j), CARRIER) and _reaches_both_sides(segmentation.mask(j), segmentation.mask(i)):
            carriers[i] = j
    return _without_cycles(carriers, feet)


def _reaches_both_sides(carrier: Bool[np.ndarray, "h w"], carried: Bool[np.ndarray, "h w"]) -> bool:
    rows = np.flatnonzero(carried.any(axis=1))
    columns = np.flatnonzero(carried[rows[-1] - max(2, round(FOOT_BAND * len(rows))) :].any(axis=0))
    reach = np.flatnonzero(ndi.binary_dilation(carrier, iterations=2).any(axis=0))
    return bool(reach[0] <= columns[0] and reach[-1] >= columns[-1])


def _without_cycles(carriers: dict[int, int], feet: dict[int, Foot]) -> dict[int, int]:
    out = dict(carriers)
    for start in carriers:
        chain, node = [], start
        while node in out and node not in chain:
            chain.append(node)
            node = out[node]
        if node in chain:
            del out[min(chain[chain.index(node) :], key=lambda i: feet[i].share)]
    return out
