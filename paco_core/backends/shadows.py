"""Shadows that what is in front throws on an object: its hidden part is not as dark as the edge that it is continued from.

The PACO paper names this a limit (section 11 i: "shadows cast on the skiboard create black artifacts"). A contact shadow is a
factor on all channels that fades away from what throws it; colours of one hue tell it from paint.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

REACH = 0.12
"""How far from what is in front a shadow is looked for, √area of what is seen; at least so many pixels."""
LEAST_REACH_PX = 3.0
FADING = 2.5
"""Reach over the length in which a shadow fades to 1/e."""
AROUND = 5.0
"""Lit colours are looked for up to so many reaches away."""
TOLD = 0.5
"""Least share of the near pixels that have the hue of lit ones."""
HUE = 0.03
"""Deviation of chromaticities (each channel's share of the sum) that count as those of one material."""
SAMPLES = 400
"""Lit pixels that stand for all: 20 ms an object of 128 px."""
LEAST_PX = 20
"""Pixels near and far that tell anything."""
DARK, EXPLAINED = 0.3, 0.5
"""Least depth (a logarithm: to 74 %) at the edge, in the median, and least share of the darkness near by that a fading factor
explains: of 160 validation targets, .46 (cut-outs) and .66 (renders) of those with half of the light taken away pass, and .07 of
those without a shadow."""
DEEPEST = 1.2
"""Of what is made up for: 30 % of the light is left."""
FAINT = 4.0
"""Grey levels that are added before logarithms: noise of black things is no shadow."""

Mask = Bool[np.ndarray, "h w"]
Colours = Float32[np.ndarray, "h w 3"]
Plane = Float32[np.ndarray, "h w"]


@dataclass(frozen=True)
class Shadow:
    """What to multiply colours by."""

    lift: Float32[np.ndarray, "h w"]
    """Seen colours, to get them without the shadow; 1 and more."""
    fade: Float32[np.ndarray, "h w"]
    """Hidden ones, so that they go on as dark as what is seen beside them, and come into the light; 1 and less."""


def find_shadow(
    rgb: Float32[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"], front: Bool[np.ndarray, "h w"]
) -> Shadow | None:
    """The shadow of ``front`` on the ``known`` colours, 0 … 255; None where they are not clearly darker along it."""
    reach = max(LEAST_REACH_PX, REACH * float(np.sqrt(known.sum())))
    if not front.any():
        return None
    away = np.asarray(ndimage.distance_transform_edt(~front))
    near, far = known & (away <= reach), known & (away > reach) & (away <= AROUND * reach)
    if min(near.sum(), far.sum()) < LEAST_PX:
        return None
    darkness, told = _darkness(rgb, known, near, far, reach)
    if told.mean() < TOLD:
        return None
    fading = np.exp(-away[near] * FADING / reach).astype(np.float32)
    depth = _along(near, darkness * fading * told, fading**2 * told, reach)
    missed = (told * (darkness - depth[near] * fading) ** 2).sum()
    explained = 1 - missed / max((told * darkness**2).sum(), 1e-9)
    if np.median(depth[near]) < DARK or explained < EXPLAINED:
        return None
    within = np.asarray(ndimage.distance_transform_edt(~known))
    lift, fade = (np.exp(sign * depth * np.exp(-at * FADING / reach)) for sign, at in ((1, away), (-1, within)))
    return Shadow(lift.astype(np.float32), fade.astype(np.float32))


def _darkness(
    rgb: Colours, known: Mask, near: Mask, far: Mask, reach: float
) -> tuple[Float32[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """How much darker the near pixels are than far ones of their hue close by (logarithms), and where there are such."""
    weight = np.maximum(ndimage.gaussian_filter(known.astype(np.float32), 1), 1e-3)[..., None]
    smooth = ndimage.gaussian_filter(rgb * known[..., None], (1, 1, 0)) / weight
    light = np.log(np.maximum(smooth.mean(2), 0) + FAINT)
    hue = np.maximum(smooth, 0) / np.maximum(smooth.sum(2, keepdims=True), 3 * FAINT)
    here, there = np.argwhere(near), np.argwhere(far)
    there = there[:: len(there) // SAMPLES + 1]
    steps = ((here[:, None] - there) ** 2).sum(2) / (2 * (2 * reach) ** 2)
    hues = ((hue[near][:, None] - hue[tuple(there.T)]) ** 2).sum(2) / (2 * HUE**2)
    likeness = np.exp(-steps - hues)
    total = likeness.sum(1)
    lit = likeness @ light[tuple(there.T)] / np.maximum(total, 1e-9)
    told = total > 0.01
    return np.where(told, lit - light[near], 0).astype(np.float32), told


def _along(near: Mask, top: Float32[np.ndarray, "n"], bottom: Float32[np.ndarray, "n"], reach: float) -> Plane:
    """Least-squares depth of the shadow everywhere, from the near pixels within about ``reach``."""
    planes = np.zeros((2, *near.shape), np.float32)
    planes[0][near], planes[1][near] = top, bottom
    sums = ndimage.gaussian_filter(planes, (0, 1.2 * reach, 1.2 * reach))
    return np.clip(sums[0] / np.maximum(sums[1], 1e-4 * sums[1].max() + 1e-9), 0, DEEPEST)
