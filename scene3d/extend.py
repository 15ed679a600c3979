"""Continue a picture beyond what was seen: mirrored detail near by, smooth colour farther away."""

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from paco_core.fill import double, halve


def extend(
    rgb: Float32[np.ndarray, "h w 3"],
    known: Bool[np.ndarray, "h w"],
    mirror: Bool[np.ndarray, "h w"],
    *,
    fade_px: float,
    aspect: float = 1.0,
) -> Float32[np.ndarray, "h w 3"]:
    """Fill everything that is not ``known``; known pixels come back unchanged (grey when nothing is known).

    An unknown pixel shows the known one that lies as far behind the nearest known pixel as it lies in front of it, so that
    grain and boards go on across the border; only pixels of ``mirror`` are repeated like that. With distance this gives way
    to the smooth fill: at ``fade_px`` to a half. ``aspect`` is the height of a pixel in units of its width. What is filled
    in has half the resolution.
    """
    if known.all() or not known.any():
        return pull_push(rgb, known)
    small, share = halve(rgb, known)
    _, mirror_share = halve(rgb[..., :1], mirror & known)
    filled = _mirror(small, share > 0, mirror_share > 0.5, 0.5 * fade_px, aspect)
    return np.where(known[..., None], rgb, double(filled, known.shape))


def _mirror(
    rgb: Float32[np.ndarray, "h w 3"],
    known: Bool[np.ndarray, "h w"],
    mirror: Bool[np.ndarray, "h w"],
    fade_px: float,
    aspect: float,
) -> Float32[np.ndarray, "h w 3"]:
    smooth = pull_push(rgb, known)
    to_known = ndimage.distance_transform_edt(~known, sampling=(aspect, 1.0), return_indices=True)
    distance, nearest = to_known  # pyright: ignore[reportGeneralTypeIssues]
    mirrored = 2 * nearest - np.indices(known.shape)
    inside = ((mirrored >= 0) & (mirrored < np.array(known.shape)[:, None, None])).all(axis=0)
    row, column = np.where(inside, mirrored, nearest)
    weight = np.where(inside & mirror[row, column], 0.5 ** (distance / fade_px), 0)[..., None].astype(np.float32)
    return np.where(known[..., None], rgb, weight * rgb[row, column] + (1 - weight) * smooth)


def pull_push(rgb: Float32[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 3"]:
    """Unknown pixels take the average of known ones at the finest scale that reaches them; grey when nothing is known.

    Source: Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph", 1996, section 3.4 (pull-push), with weights of 0 or 1.
    """
    if known.all() or min(known.shape) < 2:
        return np.where(known[..., None], rgb, rgb[known].mean(axis=0) if known.any() else 128.0).astype(np.float32)
    small, share = halve(rgb, known)
    coarse = double(pull_push(small, share > 0), known.shape)
    return np.where(known[..., None], rgb, coarse).astype(np.float32)


def power_of_two(size: float, largest: int) -> int:
    """The smallest power of two that is not below ``size`` (by more than a tenth), from 16 up to ``largest``."""
    return int(min(max(2 ** np.ceil(np.log2(max(0.9 * size, 1.0))), 16), largest))
