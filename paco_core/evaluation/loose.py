"""Masks that are not exact, as people and networks draw them; the truth about the scene stays."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from paco_core.evaluation.scenes import AmodalScene

LOOSE_PX = 2
"""At 128 px a side; training noise of 1 px did not prepare a network for it (measured)."""
LEAST_PX = 16
"""A mask that would keep less stays as it is."""

Masks = Bool[np.ndarray, "n h w"]


def loosened(scene: AmodalScene, number: int) -> AmodalScene:
    """The scene with visible masks that are, by turns, too big in front of others, too small, or gaps wide apart.

    Of two objects: the first one is hidden by the second one. The photo's name tells which way it was.
    """
    way, change = (("big", grown), ("small", shrunk), ("apart", parted))[number % 3]
    regions = replace(scene.segmentation, masks=change(scene.segmentation.masks))
    photo = replace(scene.photo, name=f"{scene.photo.name}-{way}")
    return replace(scene, photo=photo, segmentation=regions, visible=scene.seen)


def grown(masks: Masks) -> Masks:
    """The first mask 2 px too big; the others lose what it takes."""
    from cv2 import dilate

    first = dilate(masks[0].astype(np.uint8), _square()) > 0
    return np.stack([first, *(masks[1:] & ~first)])


def shrunk(masks: Masks) -> Masks:
    """The first mask 2 px too small."""
    return np.stack([_eroded(masks[0]), *masks[1:]])


def parted(masks: Masks) -> Masks:
    """All masks 2 px too small, so that 4 px between neighbours are nobody's."""
    return np.stack([_eroded(mask) for mask in masks])


def _eroded(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The picture's border does not erode."""
    from cv2 import erode

    small = erode(mask.astype(np.uint8), _square()) > 0
    return small if small.sum() >= LEAST_PX else mask


def _square() -> np.ndarray:
    return np.ones((2 * LOOSE_PX + 1,) * 2, np.uint8)
