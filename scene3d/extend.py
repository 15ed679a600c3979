"""Continue a picture beyond what was seen, calmly: its colours, ever softer, and grain."""

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from paco_core.fill import double, halve

NEAR_OF_FADE = 0.06
"""The colours of the border itself have given way to soft ones by half after this share of the fade …"""
EDGE_OF_FADE = 0.05
"""… and are softened by this share of it: no streaks."""
MOST_GRAIN = 2.5
"""Grey levels: more is no grain but content, and noise is no content."""


def extend(
    rgb: Float32[np.ndarray, "h w 3"],
    known: Bool[np.ndarray, "h w"],
    grain_from: Bool[np.ndarray, "h w"],
    *,
    fade_px: float,
    aspect: float = 1.0,
) -> Float32[np.ndarray, "h w 3"]:
    """Fill everything that is not ``known``; known pixels come back unchanged (grey when nothing is known).

    Beyond the border the colour there goes on softly, gives way to the colour of the wider surroundings at ``fade_px``, and
    to the mean of everything known far away. Nothing that has a shape is repeated: only grain, as strong as that of the
    pixels of ``grain_from``. ``aspect`` is the height of a pixel in units of its width.
    """
    if known.all() or not known.any():
        return pull_push(rgb, known)
    small, share = halve(rgb, known)
    held, fade = share > 0, 0.5 * fade_px
    to_held = ndimage.distance_transform_edt(~held, sampling=(aspect, 1.0), return_indices=True)
    distance, nearest = to_held  # pyright: ignore[reportGeneralTypeIssues]
    border = _soften(small[tuple(nearest)], EDGE_OF_FADE * fade, aspect)
    wide = _soften(pull_push(small, held), 0.5 * fade, aspect)
    far = 0.5 ** (distance / fade)[..., None]
    near = 0.5 ** (distance / (NEAR_OF_FADE * fade))[..., None]
    calm = far * wide + (1 - far) * np.median(small[held], axis=0)
    filled = double((near * border + (1 - near) * calm).astype(np.float32), known.shape)
    grainy = np.clip(filled + _grain(rgb, grain_from, known), rgb[known].min(axis=0), rgb[known].max(axis=0))
    return np.where(known[..., None], rgb, grainy).astype(np.float32)


def _soften(rgb: Float32[np.ndarray, "h w 3"], sigma_px: float, aspect: float) -> Float32[np.ndarray, "h w 3"]:
    """Gaussian blur, at a coarser scale where it is wide."""
    if sigma_px * min(1, 1 / aspect) > 3 and min(rgb.shape[:2]) >= 8:
        small, _ = halve(rgb, np.ones(rgb.shape[:2], bool))
        return double(_soften(small, 0.5 * sigma_px, aspect), rgb.shape[:2])
    return ndimage.gaussian_filter(rgb, (sigma_px / aspect, sigma_px, 0), mode="nearest")


def _grain(
    rgb: Float32[np.ndarray, "h w 3"], where: Bool[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 1"]:
    """Grey noise (fixed seed) as strong as the typical fine detail (a robust mean) where it is to be taken from."""
    if not where.any():
        return np.zeros((*known.shape, 1), np.float32)
    light = rgb.mean(axis=-1)
    fine = light - ndimage.uniform_filter(np.where(known, light, light[known].mean()), 5)
    strength = min(1.48 * float(np.median(np.abs(fine[where]))), MOST_GRAIN)  # 1.48: from the median to a standard deviation
    noise = np.random.default_rng(0).standard_normal(known.shape).astype(np.float32)
    soft = ndimage.gaussian_filter(noise, 0.7)
    return (strength * soft / max(float(soft.std()), 1e-6))[..., None]


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
