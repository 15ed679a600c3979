"""Small arithmetic on masks that several stages share."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage as ndi


def distance_to(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Distance of every pixel to the nearest pixel of ``mask``, px; inf everywhere when the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return np.asarray(ndi.distance_transform_edt(~mask))


def dilate(mask: Bool[np.ndarray, "h w"], radius_px: float) -> Bool[np.ndarray, "h w"]:
    """``mask`` and everything within ``radius_px`` of it."""
    return distance_to(mask) <= radius_px


def erode(mask: Bool[np.ndarray, "h w"], radius_px: float) -> Bool[np.ndarray, "h w"]:
    """Pixels of ``mask`` farther than ``radius_px`` from everything that is not in it; the image border does not erode."""
    return mask & (distance_to(~mask) > radius_px)


def box_slices(mask: Bool[np.ndarray, "h w"], margin_px: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the mask's bounding box, grown by a margin and clipped at zero. The mask must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin_px, 0), int(rows[-1]) + 1 + margin_px),
        slice(max(int(columns[0]) - margin_px, 0), int(columns[-1]) + 1 + margin_px),
    )
