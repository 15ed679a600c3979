"""Exemplar fill: a hole is continued with real pixels from elsewhere in the same picture.

Multi-scale patch-based completion: Wexler, Shechtman, Irani, "Space-time completion of video", PAMI 2007 (search and vote, coarse
to fine), with the search of ``patchmatch`` and with texture channels that keep fine grain visible at coarse scales (Newson et al.,
"Video inpainting of complex scenes", SIAM J. Imaging Sciences 2014). The final pixels are copies, joined in the gradient domain.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image
from scipy import ndimage

from paco_core.backends.patchmatch import Level, copy, make_level, search, vote
from paco_core.backends.seams import seam_correction
from paco_core.fill import halve, membrane
from paco_core.masks import dilate

Rgb = UInt8[np.ndarray, "h w 3"]
Colours = Float32[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]
Indices = Int[np.ndarray, " t"]

COARSEST_PX = 48
"""Long side at which the coarsest level ends: structure is decided there, on patches of about a seventh of the picture."""
TEXTURE_WEIGHT = 2.0
"""Texture channels are mean absolute gradients, which are small beside colours."""
TEXTURE_PX = 5
"""Window of the mean absolute gradient."""
ROUNDS = (8, 5, 3, 1)
"""Search-and-vote rounds at the coarsest level, the next finer one …; the last entry repeats."""
MIN_SOURCES = 24
"""A level with fewer patches to copy is skipped: the result would be one repeated patch."""


@dataclass(frozen=True)
class ExemplarBackground:
    """Removes objects by continuing the photo around them (see the module's text for the method)."""

    name: str = "exemplar"
    seed: int = 0
    rim_diagonal: float = 0.008
    """Nothing is copied from this near to the hole (share of the diagonal): soft shadow and stray pixels of the objects."""
    work_px: int = 640

    def fill(self, rgb: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
        """Return the photo with the hole filled; pixels outside the hole come back unchanged."""
        source = ~dilate(hole, max(2.0, self.rim_diagonal * float(np.hypot(*hole.shape))))
        return fill_exemplar(rgb, hole, source, seed=self.seed, work_px=self.work_px)


def fill_exemplar(
    rgb: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    source: Bool[np.ndarray, "h w"] | None = None,
    *,
    seed: int = 0,
    patch_px: int = 7,
    work_px: int = 640,
) -> UInt8[np.ndarray, "h w 3"]:
    """Fill ``hole`` with pixels of ``source`` (default: everything outside the hole); pixels outside the hole stay exactly.

    The search runs at no more than ``work_px`` on the long side; the found offsets are enlarged to full size, so that the copied
    pixels are sharp. Where there is too little to copy from, the hole is filled by the smooth membrane of what is known.
    """
    known = ~hole
    if not hole.any() or not known.any():
        return rgb.copy()
    source = known if source is None else source & known
    small, small_known, small_source = _shrink(rgb, known, source, work_px)
    levels = _pyramid(small, small_known, small_source, patch_px // 2)
    if not levels:
        return _keep(rgb, hole, membrane(rgb.astype(np.float32), known))
    level, found = _synthesise(levels, np.random.default_rng(seed))
    return _paste(rgb, hole, source, level, found)


def _keep(
    rgb: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], filled: Float32[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    return np.where(hole[..., None], np.clip(filled + 0.5, 0, 255).astype(np.uint8), rgb)


def _shrink(rgb, known, source, work_px):
    """The picture at no more than ``work_px``: means over known pixels only, so that nothing leaks out of the hole."""
    h, w = known.shape
    scale = work_px / max(h, w)
    if scale >= 1:
        return rgb.astype(np.float32), known, source
    wh = max(1, round(w * scale)), max(1, round(h * scale))

    def box(plane):
        return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(wh, Image.Resampling.BOX))

    share = box(known)
    mean = np.stack([box(rgb[..., c] * known) for c in range(3)], -1) / np.maximum(share, 1e-6)[..., None]
    return mean, share > 0.5, (box(source) > 0.999) & (share > 0.5)


def _pyramid(rgb: Colours, known: Mask, source: Mask, radius: int) -> list[Level]:
    """Levels from coarse to fine, each with enough to copy from; holes start as the smooth membrane."""
    image = membrane(np.concatenate([rgb, _texture(rgb, known)], 2), known)
    levels = []
    while not known.all():
        level = make_level(image, ~known, source, radius)
        if level.source.sum() < MIN_SOURCES:
            break
        levels.append(level)
        if max(known.shape) <= COARSEST_PX:
            break
        source = halve(image[..., :1], source)[1] == 1
        image, share = halve(image, known)
        known = share >= 0.5
        image = membrane(image, known)
    return levels[::-1]


def _texture(rgb, known):
    """Mean absolute horizontal and vertical differences of luma over known neighbours, times ``TEXTURE_WEIGHT``."""
    luma = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    channels = []
    for axis in (0, 1):
        pair = known & np.roll(known, 1, axis)
        step = np.where(pair, np.abs(luma - np.roll(luma, 1, axis)), 0)
        seen = ndimage.uniform_filter(pair.astype(np.float32), TEXTURE_PX)
        channels.append(ndimage.uniform_filter(step, TEXTURE_PX) / np.maximum(seen, 1e-3))
    return TEXTURE_WEIGHT * np.stack(channels, -1)


def _synthesise(levels, rng):
    found = None
    for i, level in enumerate(levels):
        if i:
            found = _refine(levels[i - 1], found, level)
            copy(level, found)
        for _ in range(ROUNDS[min(i, len(ROUNDS) - 1)]):
            found, distance = search(level, found, rng)
            vote(level, found, distance) if len(levels) - i > 2 else copy(level, found)
    found, _ = search(levels[-1], found, rng)
    return levels[-1], found


def _refine(coarse: Level, found, fine: Level):
    """The field of a coarse level at twice the size."""
    r, (hc, wc), wf = coarse.radius, coarse.hole.shape, fine.hole.shape[1]
    field = np.arange(coarse.hole.size)
    field[coarse.targets] = found
    y, x = np.divmod(fine.targets, wf)
    py, px = np.minimum((y - r) // 2 + r, hc - 1 - r), np.minimum((x - r) // 2 + r, wc - 1 - r)
    sy, sx = np.divmod(field[py * wc + px], wc)
    fy, fx = 2 * (sy - py) + y, 2 * (sx - px) + x
    out = fy.clip(0, fine.hole.shape[0] - 1) * wf + fx.clip(0, wf - 1)
    legal = ndimage.distance_transform_edt(~fine.source, return_distances=False, return_indices=True)
    assert isinstance(legal, np.ndarray)
    return legal[0].ravel()[out] * wf + legal[1].ravel()[out]


def _paste(rgb: Rgb, hole: Mask, source: Mask, level: Level, found: Indices) -> Rgb:
    """Copy the found pixels at full size and join them in the gradient domain."""
    (h, w), r = hole.shape, level.radius
    hs, ws = level.hole.shape[0] - 2 * r, level.hole.shape[1] - 2 * r
    field = np.arange(level.hole.size)
    field[level.targets] = found
    sy, sx = np.divmod(field.reshape(level.hole.shape)[r:-r, r:-r], level.hole.shape[1])
    rows, cols = np.arange(h), np.arange(w)
    parent = np.ix_(np.minimum(rows * hs // h, hs - 1), np.minimum(cols * ws // w, ws - 1))
    dy = np.round((sy - r - np.arange(hs)[:, None]) * (h / hs)).astype(int)[parent]
    dx = np.round((sx - r - np.arange(ws)) * (w / ws)).astype(int)[parent]
    y, x = (rows[:, None] + dy).clip(0, h - 1), (cols + dx).clip(0, w - 1)
    legal = ndimage.distance_transform_edt(~source, return_distances=False, return_indices=True)
    assert isinstance(legal, np.ndarray)
    at = np.where(hole, legal[0][y, x] * w + legal[1][y, x], np.arange(h * w).reshape(h, w))
    return _keep(rgb, hole, rgb.reshape(-1, 3)[at] + seam_correction(rgb, hole, at))
