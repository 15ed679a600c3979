"""Stage ``segment``: masks as people draw them (``load_masks``) become disjoint visible masks."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image
from scipy import ndimage as ndi

from paco_core.errors import BadInput
from paco_core.imagefile import size_text
from paco_core.maskfile import load_masks
from paco_core.types import Photo, Segmentation

__all__ = ["SegmentationConfig", "load_masks", "resize_masks", "segment"]

log = logging.getLogger(__name__)

SAME_WITHIN = 0.02
"""Share of pixels by which two masks of one object may differ, when it was drawn or exported twice: a rim of one pixel on a
disc of 100 px radius. What would be left of the larger one is no object."""
TOLERANT_FROM_PX = 1000
"""Smaller masks are the same only when they are equal."""


@dataclass(frozen=True)
class SegmentationConfig:
    """What is too small to be an object."""

    min_object_fraction: float = 1e-4
    """Of the photo's area: a hundredth of a side squared; nobody can name such an object."""
    min_object_px: int = 16
    """Whatever the photo's size."""
    max_object_fraction: float = 0.995
    """Of the photo's area: such a mask is the photo itself, and leaves no background to see the object in front of."""
    min_speck_px: int = 16
    """Smaller separate pieces of an object are slips of the brush or of an export, and would become flying flakes."""


def segment(
    photo: Photo,
    raw: Segmentation,
    config: SegmentationConfig = SegmentationConfig(),
    *,
    note: Callable[[str], None] = log.warning,
) -> Segmentation:
    """Make the masks disjoint and drop what is too small; the order of ids stays, gaps between masks stay background.

    A pixel of several masks goes to the smallest of these objects: small things lie on large ones. Of masks that are the
    same the first stays; what is left as the whole photo is dropped. ``note`` receives one sentence for everything that was
    changed or dropped.
    Raises ``BadInput`` for masks of another size than the photo, ids that are not positive and unique, or when no
    object is left.
    """
    _check(photo, raw)
    raw = _without_repeats(raw, note)
    owner = _owners(raw, note)
    smallest = max(config.min_object_px, config.min_object_fraction * owner.size)
    kept: list[int] = []
    masks: list[Bool[np.ndarray, "h w"]] = []
    for index in range(len(raw.ids)):
        mask = _without_specks(owner == index, config.min_speck_px)
        area = int(mask.sum())
        if area < smallest:
            note(f"{_called(raw, index)} is left out: only {area} px of it can be seen, {smallest:.0f} are needed.")
            continue
        if area > config.max_object_fraction * owner.size:
            note(f"{_called(raw, index)} is left out: its mask is the whole photo, so it is taken as background.")
            continue
        kept.append(index)
        masks.append(mask)
    if not kept:
        raise BadInput(
            "No object is left: every mask is empty, tiny or the whole photo. Check that the masks belong to this photo."
        )
    return dataclasses.replace(_only(raw, kept), masks=np.stack(masks))


def resize_masks(segmentation: Segmentation, hw: tuple[int, int]) -> Segmentation:
    """Masks at another size of the same picture: a pixel belongs to an object that covers more than half of it.

    Disjoint masks stay disjoint; a mask may become empty (``segment`` then drops its object).
    """
    if segmentation.masks.shape[1:] == hw:
        return segmentation
    resized = [
        np.asarray(Image.fromarray(mask.astype(np.float32)).resize((hw[1], hw[0]), Image.Resampling.BOX)) > 0.5
        for mask in segmentation.masks
    ]
    return dataclasses.replace(
        segmentation, masks=np.stack(resized) if resized else np.zeros((0, *hw), bool), stuff=_nearest(segmentation.stuff, hw)
    )


def _nearest(stuff: UInt8[np.ndarray, "h w"] | None, hw: tuple[int, int]) -> UInt8[np.ndarray, "h2 w2"] | None:
    return None if stuff is None else np.asarray(Image.fromarray(stuff).resize((hw[1], hw[0]), Image.Resampling.NEAREST))


def _check(photo: Photo, raw: Segmentation) -> None:
    mask_hw = (raw.masks.shape[1], raw.masks.shape[2])
    if mask_hw != photo.hw:
        raise BadInput(f"The masks have {size_text(mask_hw)}, the photo {size_text(photo.hw)}. Give masks of the photo's size.")
    if len(set(raw.ids)) != len(raw.ids) or min(raw.ids, default=1) <= 0:
        raise BadInput(f"Object ids must be positive and different from each other; these are {', '.join(map(str, raw.ids))}.")
    if not len(raw.ids) == len(raw.names) == len(raw.masks):
        raise BadInput(f"There are {len(raw.ids)} ids, {len(raw.names)} names and {len(raw.masks)} masks: one of each is needed.")


def _without_repeats(raw: Segmentation, note: Callable[[str], None]) -> Segmentation:
    """Of objects with the same mask the first."""
    areas = raw.masks.sum(axis=(1, 2))
    kept: list[int] = []
    for k in range(len(raw.ids)):
        twin = next((j for j in kept if _same(raw.masks[j], raw.masks[k], int(areas[j]), int(areas[k]))), None)
        if twin is None:
            kept.append(k)
        else:
            note(f"{_called(raw, k)} is left out: its mask is that of {_called(raw, twin)}.")
    return _only(raw, kept)


def _same(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"], area_a: int, area_b: int) -> bool:
    area = min(area_a, area_b)
    tolerance = SAME_WITHIN * area if area >= TOLERANT_FROM_PX else 0
    return area > 0 and abs(area_a - area_b) <= tolerance and int((a ^ b).sum()) <= tolerance


def _only(raw: Segmentation, kept: list[int]) -> Segmentation:
    if len(kept) == len(raw.ids):
        return raw
    return dataclasses.replace(
        raw, ids=tuple(raw.ids[k] for k in kept), names=tuple(raw.names[k] for k in kept), masks=raw.masks[kept]
    )


def _called(raw: Segmentation, k: int) -> str:
    return f"{raw.names[k]} (id {raw.ids[k]})"


def _owners(raw: Segmentation, note: Callable[[str], None]) -> Int[np.ndarray, "h w"]:
    """Index of the object that every pixel belongs to, -1 for none: the smallest one wherever masks overlap."""
    areas = raw.masks.sum(axis=(1, 2))
    owner = np.full(raw.masks.shape[1:], -1, dtype=np.int32)
    for index in sorted(range(len(areas)), key=lambda k: -areas[k]):  # larger first, smaller painted over them
        owner[raw.masks[index]] = index
    shared = int((raw.masks.sum(axis=0, dtype=np.int32) > 1).sum())
    if shared:
        note(f"{shared} px belong to more than one mask; they go to the smallest of these objects.")
    return owner


def _without_specks(mask: Bool[np.ndarray, "h w"], min_px: int) -> Bool[np.ndarray, "h w"]:
    """The mask without separate pieces (8-connected) smaller than ``min_px``."""
    labels = np.empty(mask.shape, np.int32)
    ndi.label(mask, structure=np.ones((3, 3)), output=labels)
    large = np.bincount(labels.ravel()) >= min_px
    large[0] = False
    return large[labels]
