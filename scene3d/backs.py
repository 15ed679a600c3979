"""Backs that do not look like fronts: a screen has no second screen behind it, and a head no second face."""

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage as ndi

from paco_core.classes import Back
from scene3d.relief.fields import Outline
from scene3d.relief.morphology import edt, fill_outwards

OUTLINE_BAND = (0.015, 0.05)
"""How far inside the outline the colours of a framed thing's back come from, shares of the side: not its mixed pixels."""
ALONG, ACROSS = 0.02, 0.06
"""Blur of clothes up and down, and across, shares of the side: a shirt ends where it ends, what is on it goes."""
FOLDS = 0.4
"""Share of the clothes' fine structure that is kept."""
CROWN, HEAD = 0.035, (0.12, 0.17)
"""Rows of a person whose colour is the hair's; rows where the head ends: an eighth of the body, more when crouched."""


def plain_back(clean: Float64[np.ndarray, "s s 3"], outline: Outline, back: Back) -> Float64[np.ndarray, "s s 3"] | None:
    """The crop as it looks from behind, in [0, 1] and seen through the object; None when that is the crop itself."""
    if back == "outline":
        return _outline_colors(clean, outline)
    return _clothes(clean, outline) if back == "clothes" else None


def _outline_colors(clean: Float64[np.ndarray, "s s 3"], outline: Outline) -> Float64[np.ndarray, "s s 3"]:
    """The crop with the colours along the outline spread over it, in [0, 1]: a screen's frame, a cupboard's walls."""
    depth = edt(np.pad(outline.mask, 1))[1:-1, 1:-1] / outline.side_px
    deepest = ndi.maximum_filter(depth, 2 * int(OUTLINE_BAND[1] * outline.side_px) + 1)
    low = np.minimum(OUTLINE_BAND[0], 0.5 * deepest)  # thin parts are all band
    return _spread(clean, outline.mask & (depth >= low) & (depth <= OUTLINE_BAND[1]), outline, (ACROSS, ACROSS))


def _clothes(clean: Float64[np.ndarray, "s s 3"], outline: Outline) -> Float64[np.ndarray, "s s 3"]:
    """The crop without what only the front has, in [0, 1]: clothes keep their colours row by row, the head is all hair."""
    soft = _spread(clean, outline.mask, outline, (ALONG, ACROSS))
    rows = np.flatnonzero(outline.mask.any(axis=1))
    height = rows[-1] + 1 - rows[0]
    crown = outline.mask[: rows[0] + max(2, int(CROWN * height))]
    hair = np.median(clean[: len(crown)][crown], axis=0)
    below = (np.arange(len(clean)) - rows[0]) / height
    head = ramp((HEAD[1] - below) / (HEAD[1] - HEAD[0]))[:, None, None]
    return head * hair + (1 - head) * (soft + FOLDS * (clean - soft))


def _spread(
    clean: Float64[np.ndarray, "s s 3"], source: Bool[np.ndarray, "s s"], outline: Outline, shares: tuple[float, float]
) -> Float64[np.ndarray, "s s 3"]:
    """The colours of some pixels, blurred by shares of the side up and down and across, and wider where none of them is near."""
    q = max(1, int(outline.side_px // 160))
    small, weight = clean[::q, ::q], source[::q, ::q].astype(np.float64)
    total, known = np.zeros_like(small), np.zeros(weight.shape)
    for widen in (1, 2, 4):
        sigma = [widen * share * outline.side_px / q for share in shares]
        near = ndi.gaussian_filter(weight, sigma)
        free = (1 - known) * np.clip(near / 0.05, 0, 1)
        color = [ndi.gaussian_filter(small[..., k] * weight, sigma) / np.maximum(near, 1e-9) for k in range(3)]
        total += free[..., None] * np.stack(color, axis=-1)
        known += free
    total = np.stack([fill_outwards(total[..., k] / np.maximum(known, 1e-9), known > 0.5) for k in range(3)], axis=-1)
    fine = np.indices(source.shape) / q
    return np.stack([ndi.map_coordinates(total[..., k], fine, order=1, mode="nearest") for k in range(3)], axis=-1)


def ramp(x: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """0 below 0, 1 above 1, without a kink between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
