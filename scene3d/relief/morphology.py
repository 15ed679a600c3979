"""SciPy's operations on masks, with the types that they really have."""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy import ndimage as ndi


def erode(mask: Bool[np.ndarray, "h w"], steps: int = 1) -> Bool[np.ndarray, "h w"]:
    """Take away the outermost samples (4-connected), ``steps`` times; outside the array counts as outside."""
    return np.asarray(ndi.binary_erosion(mask, iterations=steps), dtype=bool)


def dilate(mask: Bool[np.ndarray, "h w"], steps: int = 1) -> Bool[np.ndarray, "h w"]:
    """Add the samples around (4-connected), ``steps`` times."""
    return np.asarray(ndi.binary_dilation(mask, iterations=steps), dtype=bool)


def islands(mask: Bool[np.ndarray, "h w"]) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "k"]]:
    """Label of every sample's 8-connected island (0 outside), and the islands' sizes; the size of label 0 is given as 0."""
    label = np.zeros(mask.shape, dtype=np.int64)
    ndi.label(mask, np.ones((3, 3)), output=label)
    size = np.bincount(label.ravel())
    size[0] = 0
    return label, size


def edt(inside: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Euclidean distance of every inside sample to the nearest outside one, samples."""
    return np.asarray(ndi.distance_transform_edt(inside), dtype=np.float64)


def signed_distance(inside: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Distance to the border between inside and outside samples, positive inside, samples."""
    return np.where(inside, edt(inside) - 0.5, 0.5 - edt(~inside))


def fill_outwards(values: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Every unknown sample takes the nearest known one."""
    if not known.any():
        return np.asarray(values, dtype=np.float64)
    nearest = np.zeros((2, *known.shape), dtype=np.int32)
    ndi.distance_transform_edt(~known, return_distances=False, return_indices=True, indices=nearest)
    return np.asarray(values, dtype=np.float64)[nearest[0], nearest[1]]
