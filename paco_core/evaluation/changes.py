"""Changes of a photo whose effect on a right answer is known: mirrored, at half the size, with the border cut off."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool
from PIL import Image

from paco_core.depthfile import resize_depth
from paco_core.segment import resize_masks
from paco_core.types import Camera, DepthMap, Photo, Segmentation

CUT = 0.05
"""Of height and width, taken off each side: a fifth of the picture goes. At twice as much, 3 of 20 objects of COCO stay whole."""
LEAST_GAP_PX = 3
"""An object counts as whole after a cut when it stays this far from the new border: nearer ones are taken as cut by it."""

Masks = Bool[np.ndarray, "n h w"]


@dataclass(frozen=True)
class Change:
    """A change of the frame. Photo, masks, depth and camera are changed alike."""

    name: str
    pixels: Callable[[np.ndarray], np.ndarray]
    """Of a picture (h, w, …) whose values may be mixed."""
    segmentation: Callable[[Segmentation], Segmentation]
    depth: Callable[[DepthMap], DepthMap]
    camera: Callable[[Camera], Camera]
    whole: Callable[[Masks], Bool[np.ndarray, " n"]]
    """Which objects, by their masks before the change, it leaves whole."""
    mirrors: bool = False
    """Whether left and right change places."""

    def photo(self, photo: Photo) -> Photo:
        """The same photo, changed; its sha256 remains that of the file."""
        return replace(photo, rgb=np.ascontiguousarray(self.pixels(photo.rgb)))

    def masks(self, masks: Masks) -> Bool[np.ndarray, "n h2 w2"]:
        """Any masks of the frame before the change."""
        ids = tuple(range(1, len(masks) + 1))
        return self.segmentation(Segmentation(ids, ("",) * len(ids), masks)).masks


def changes_of(hw: tuple[int, int]) -> tuple[Change, ...]:
    """Every change of a picture of this size: flip, half size, cut."""
    return flip(), half(hw), cut(hw)


def flip() -> Change:
    """Left and right exchanged."""

    def mirrored(array: np.ndarray) -> np.ndarray:
        return array[:, ::-1]

    return Change("flip", mirrored, *_by_indexing(mirrored), lambda c: replace(c, cx=c.width - c.cx), _all, mirrors=True)


def half(hw: tuple[int, int]) -> Change:
    """Half of the pixels along each side."""
    new = (max(round(hw[0] / 2), 1), max(round(hw[1] / 2), 1))
    y, x = new[0] / hw[0], new[1] / hw[1]

    def smaller(array: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(array).resize((new[1], new[0]), Image.Resampling.BOX))

    def seen(camera: Camera) -> Camera:
        return Camera(camera.fx * x, camera.fy * y, camera.cx * x, camera.cy * y, new[1], new[0], camera.source)

    return Change("half size", smaller, lambda s: resize_masks(s, new), lambda d: resize_depth(d, new), seen, _all)


def cut(hw: tuple[int, int], share: float = CUT) -> Change:
    """The border taken off, ``share`` of height and width on each side."""
    top, left = round(hw[0] * share), round(hw[1] * share)
    frame = slice(top, hw[0] - top), slice(left, hw[1] - left)

    def inner(array: np.ndarray) -> np.ndarray:
        return array[frame]

    def seen(camera: Camera) -> Camera:
        size = {"width": hw[1] - 2 * left, "height": hw[0] - 2 * top}
        return replace(camera, cx=camera.cx - left, cy=camera.cy - top, **size)

    def whole(masks: Masks) -> Bool[np.ndarray, " n"]:
        outside = np.ones(hw, bool)
        outside[top + LEAST_GAP_PX : hw[0] - top - LEAST_GAP_PX, left + LEAST_GAP_PX : hw[1] - left - LEAST_GAP_PX] = False
        return np.asarray(~(masks & outside).any(axis=(1, 2)))

    return Change("cut", inner, *_by_indexing(inner), seen, whole)


def _by_indexing(
    take: Callable[[np.ndarray], np.ndarray],
) -> tuple[Callable[[Segmentation], Segmentation], Callable[[DepthMap], DepthMap]]:
    """What a change that only picks pixels does to masks and depth."""

    def segmentation(seen: Segmentation) -> Segmentation:
        masks = np.moveaxis(take(np.moveaxis(seen.masks, 0, -1)), -1, 0)
        return replace(seen, masks=np.ascontiguousarray(masks), stuff=None if seen.stuff is None else take(seen.stuff))

    def depth(known: DepthMap) -> DepthMap:
        return DepthMap(take(known.z), take(known.valid), known.kind, known.source)

    return segmentation, depth


def _all(masks: Masks) -> Bool[np.ndarray, " n"]:
    return np.ones(len(masks), bool)
