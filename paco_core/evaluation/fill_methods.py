"""Colours for hidden parts without any training, told the true amodal mask: the rows that a network has to beat."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from paco_core.fill import membrane, nearest
from paco_core.masks import box_slices
from paco_core.registry import BACKENDS
from paco_core.shape import best_mirrors

Mask = Bool[np.ndarray, "h w"]
Rgb = UInt8[np.ndarray, "h w 3"]
FillMethod = Callable[[Rgb, Mask, Mask], Rgb]
"""Picture, pixels whose colour is the object's own, pixels to invent → the picture with these invented."""

EDGE_PX = 1
"""Visible pixels this near to the edge mix in what is in front, and spoil a fill by 2 to 3 dB (measured on composites)."""
INPAINT_RADIUS = 3
"""Px: what OpenCV's own examples use."""


def mean_colour(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """One colour."""
    return _put(rgb, hole, np.broadcast_to(np.rint(rgb[known].mean(axis=0)), rgb.shape))


def nearest_pixel(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """Each pixel takes the colour of the nearest known one."""
    return _put(rgb, hole, nearest(rgb, known))


def laplace(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """The smooth membrane, within the object."""
    return _put(rgb, hole, membrane(rgb.astype(np.float32), known, known | hole))


def telea(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """OpenCV's inpainting after Telea (2004), from the object's own pixels."""
    import cv2

    return _inpainted(rgb, known, hole, cv2.INPAINT_TELEA)


def navier_stokes(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """OpenCV's inpainting after Bertalmío et al. (2001), from the object's own pixels."""
    import cv2

    return _inpainted(rgb, known, hole, cv2.INPAINT_NS)


def exemplar(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """Patches of the object's own pixels, by the program's background filler."""
    return _put(rgb, hole, BACKENDS.create("background", "exemplar").fill(rgb, ~known))


def mirrored(rgb: Rgb, known: Mask, hole: Mask) -> Rgb:
    """Each pixel takes the colour of its mirror image where that is known, else of the smooth membrane."""
    y, x, inside = best_mirrors(known, hole)[0].pixels(known.shape)
    seen = hole & inside & known[y, x]
    copied = np.where(seen[..., None], rgb[y, x], rgb)
    return _put(rgb, hole, membrane(copied.astype(np.float32), known | seen, known | hole))


METHODS: dict[str, FillMethod] = {
    "mean colour": mean_colour,
    "nearest pixel": nearest_pixel,
    "Laplace": laplace,
    "Telea (OpenCV)": telea,
    "Navier-Stokes (OpenCV)": navier_stokes,
    "exemplar": exemplar,
    "mirrored, else Laplace": mirrored,
}


def fill_hidden(method: FillMethod, rgb: Rgb, visible: Mask, amodal: Mask) -> Rgb:
    """The photo with the object's hidden part (``amodal`` without ``visible``) invented, in the crop that matters.

    Methods also invent the rim whose colours are mixed, so that nothing parts the hidden part from what is known; the photo's
    own rim is kept.
    """
    hole = amodal & ~visible
    if not hole.any() or not visible.any():
        return rgb
    box = box_slices(amodal | visible, 4)
    eroded = np.asarray(ndimage.binary_erosion(visible, iterations=EDGE_PX, border_value=1), bool)
    known = eroded if eroded.any() else visible
    out = rgb.copy()
    filled = method(np.ascontiguousarray(rgb[box]), known[box], ((amodal | visible) & ~known)[box])
    out[box] = np.where(hole[box][..., None], filled, rgb[box])
    return out


def _inpainted(rgb: Rgb, known: Mask, hole: Mask, algorithm: int) -> Rgb:
    """What is beside the object takes its nearest colour first, so that no other colour flows in."""
    import cv2

    return _put(rgb, hole, cv2.inpaint(nearest(rgb, known), hole.astype(np.uint8), INPAINT_RADIUS, algorithm))


def _put(rgb: Rgb, hole: Mask, filled: np.ndarray) -> Rgb:
    return np.where(hole[..., None], np.clip(np.rint(filled), 0, 255).astype(np.uint8), rgb)
