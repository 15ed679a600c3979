"""Exemplar fill: a hole is continued with real pixels from elsewhere in the same picture.

Multi-scale patch-based completion: Wexler, Shechtman, Irani, "Space-time completion of video", PAMI 2007 (search and vote, coarse
to fine), with the search of ``patchmatch`` and with texture channels that keep fine grain visible at coarse scales (Newson et
al., "Video inpainting of complex scenes", SIAM J. Imaging Sciences 2014). Illumination is partly taken out first and put back at
the end, so that a patch fits where the light differs; for backgrounds all of it, surface by surface (``paco_core.layout``).
The final pixels are copies, joined in the gradient domain.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image
from scipy import ndimage

from paco_core.backends.patchmatch import Level, Matcher, copy, extend_border, make_level, vote
from paco_core.backends.seams import seam_correction
from paco_core.fill import halve, membrane
from paco_core.layout import find_layout, light_at
from paco_core.masks import dilate

Rgb = UInt8[np.ndarray, "_ _ 3"]
Colours = Float32[np.ndarray, "_ _ 3"]
Mask = Bool[np.ndarray, "_ _"]
Indices = Int[np.ndarray, " _"]

COARSEST_PX = 48
"""Long side at which the pyramid ends: structure is decided there, on patches of about a seventh of the picture."""
TEXTURE_WEIGHT = 2.0
"""Texture channels are mean absolute gradients, which are small beside colours."""
TEXTURE_PX = 5
"""Window of the mean absolute gradient."""
GUIDE_WEIGHT = 0.5
"""How much the layout's light counts beside colours: wall is copied to wall, and a border from a border of the same slope."""
ROUNDS = (8, 5, 3, 1)
"""Search-and-vote rounds at the coarsest level, the next finer one …; the last entry repeats."""
GUESSED_ROUNDS = (4, 3, 2, 1)
"""The same where the search begins with a guess: half the time, and no difference in any figure of hidden colours."""
SHARP_LEVELS = 2
"""At the finest levels pixels are copied instead of voted for: a mean of patches is blurred."""
MIN_SOURCES = 24
"""A level with fewer patches to copy is left out: the result would be one repeated patch."""
LIGHT_SCALE = 0.04
"""Standard deviation of what counts as illumination, as a share of the long side."""


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
        return fill_exemplar(rgb, hole, source, seed=self.seed, work_px=self.work_px, layout=True)


def fill_exemplar(
    rgb: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    source: Bool[np.ndarray, "h w"] | None = None,
    *,
    seed: int = 0,
    patch_px: int = 7,
    work_px: int = 640,
    flatten: float = 0.5,
    nearness: tuple[float, float] = (110.0, 40.0),
    layout: bool = False,
    guessed: bool = False,
) -> UInt8[np.ndarray, "h w 3"]:
    """Fill ``hole`` with pixels of ``source`` (default: everything outside the hole); pixels outside the hole stay exactly.

    ``flatten``: share of the illumination (smooth part) that is taken from the surroundings of the hole instead of from the
    copied pixels. ``nearness``: price of copying from far away, down and across, in grey levels per long side; photos are
    upright and floor continues beside floor, so that rows count more than columns. ``layout``: what lies in the hole is first
    told by the surfaces around it (``paco_core.layout``); their smooth colours take the place of ``flatten``. ``guessed``: all
    pixels that are no source hold a guess, whose smooth part is kept and guides the search, which begins with its detail.

    The search runs at no more than ``work_px`` on the long side; the found offsets are enlarged to full size, so that the copied
    pixels are sharp. Where there is too little to copy from, the hole is filled by the smooth membrane of what is known.
    """
    known = ~hole
    if not hole.any() or not known.any():
        return rgb.copy()
    source = known if source is None else source & known
    small, small_known, small_source = _shrink(rgb, known, source, work_px)
    if layout and source.any():
        light = light_at(find_layout(rgb, source), small, small_known)
        guide = GUIDE_WEIGHT * light
    elif guessed:
        small = _shrink(rgb, np.ones_like(known), source, work_px)[0]
        light = _illumination(small, np.ones_like(small_known))
        guide = GUIDE_WEIGHT * light
    else:
        light, guide = flatten * _illumination(small, small_known), None
    for radius in range(patch_px // 2, 0, -1):
        levels = _pyramid(small - light, guide, small_known, small_source, radius, nearness, guessed)
        if levels:
            found = _synthesise(levels, GUESSED_ROUNDS if guessed else ROUNDS, np.random.default_rng(seed))
            return _paste(rgb, hole, source, light, levels[-1], found)
    return _keep(rgb, hole, membrane(rgb.astype(np.float32), known))


def _keep(rgb: Rgb, hole: Mask, filled: Colours) -> Rgb:
    return np.where(hole[..., None], np.clip(filled + 0.5, 0, 255).astype(np.uint8), rgb)


def _resize(plane: np.ndarray, wh: tuple[int, int], how: Image.Resampling) -> Float32[np.ndarray, "h w"]:
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(wh, how))


def _shrink(rgb: Rgb, known: Mask, source: Mask, work_px: int) -> tuple[Colours, Mask, Mask]:
    """The picture at no more than ``work_px``: means over known pixels only, so that nothing leaks out of the hole."""
    h, w = known.shape
    scale = work_px / max(h, w)
    if scale >= 1:
        return rgb.astype(np.float32), known, source
    wh = max(1, round(w * scale)), max(1, round(h * scale))
    share = _resize(known, wh, Image.Resampling.BOX)
    planes = [_resize(rgb[..., c] * known, wh, Image.Resampling.BOX) for c in range(3)]
    all_source = _resize(source, wh, Image.Resampling.BOX) > 0.999
    return np.stack(planes, -1) / np.maximum(share, 1e-6)[..., None], share > 0.999, all_source


def _illumination(rgb: Colours, known: Mask) -> Colours:
    """Blurred colours of what is known, continued smoothly into the hole."""
    sigma = LIGHT_SCALE * max(known.shape)
    weight = ndimage.gaussian_filter(known.astype(np.float32), sigma)
    planes = [ndimage.gaussian_filter(rgb[..., c] * known, sigma) for c in range(3)]
    return membrane(np.stack(planes, -1) / np.maximum(weight, 1e-3)[..., None], known)


def _pyramid(
    colours: Colours,
    guide: Colours | None,
    known: Mask,
    source: Mask,
    radius: int,
    nearness: tuple[float, float],
    guessed: bool,
) -> list[Level]:
    """Levels from coarse to fine, each with enough to copy from; the coarsest guess is the smooth membrane, or ``guessed``."""
    drawn = np.concatenate([colours, _texture(colours, known | guessed)], 2)
    levels = []
    while not known.all():
        image = drawn if guide is None else np.concatenate([drawn, guide], 2)
        level = make_level(image, ~known, source, radius, nearness, drawn.shape[2])
        if level.source.sum() < MIN_SOURCES:
            break
        levels.append(level)
        if max(known.shape) <= COARSEST_PX:
            break
        source = halve(drawn[..., :1], source)[1] == 1
        guide = None if guide is None else halve(guide, np.ones_like(known))[0]
        share = halve(drawn[..., :1], known)[1]
        drawn, _ = halve(drawn, known | guessed)
        known = share >= 0.5
    if levels and not guessed:
        r = levels[-1].radius
        coarsest = levels[-1].image[r:-r, r:-r, : levels[-1].drawn]
        coarsest[:] = membrane(coarsest, ~levels[-1].hole[r:-r, r:-r])
        extend_border(levels[-1])
    return levels[::-1]


def _texture(colours: Colours, known: Mask) -> Float32[np.ndarray, "h w 2"]:
    """Mean absolute horizontal and vertical differences of luma over known neighbours, times ``TEXTURE_WEIGHT``."""
    luma = colours @ np.array([0.299, 0.587, 0.114], np.float32)
    channels = []
    for axis in (0, 1):
        pair = known & np.roll(known, 1, axis)
        step = np.where(pair, np.abs(luma - np.roll(luma, 1, axis)), 0)
        seen = ndimage.uniform_filter(pair.astype(np.float32), TEXTURE_PX)
        channels.append(ndimage.uniform_filter(step, TEXTURE_PX) / np.maximum(seen, 1e-3))
    return TEXTURE_WEIGHT * np.stack(channels, -1)


def _synthesise(levels: list[Level], rounds: tuple[int, ...], rng: np.random.Generator) -> Indices:
    """Search and vote from the coarsest level to the finest; where each target of the finest is copied from."""
    found = None
    for i, level in enumerate(levels):
        if found is not None:
            found = _refine(levels[i - 1], found, level)
            copy(level, found)
        matcher = Matcher(level, rng)
        for _ in range(rounds[min(i, len(rounds) - 1)]):
            found, cost = matcher.search(found)
            if len(levels) - i > SHARP_LEVELS:
                vote(level, found, cost)
            else:
                copy(level, found)
    assert found is not None  # there is at least one level
    return found


def _refine(coarse: Level, found: Indices, fine: Level) -> Indices:
    """The field of a coarse level at twice the size, moved to the nearest sources of the fine level."""
    r, (hc, wc), (hf, wf) = coarse.radius, coarse.hole.shape, fine.hole.shape
    field = np.arange(coarse.hole.size)
    field[coarse.targets] = found
    y, x = np.divmod(fine.targets, wf)
    py, px = np.minimum((y - r) // 2 + r, hc - 1 - r), np.minimum((x - r) // 2 + r, wc - 1 - r)
    sy, sx = np.divmod(field[py * wc + px], wc)
    return _nearest_of(fine.source)[(2 * (sy - py) + y).clip(0, hf - 1), (2 * (sx - px) + x).clip(0, wf - 1)]


def _nearest_of(mask: Mask) -> Int[np.ndarray, "h w"]:
    """Flat index of the nearest pixel of a mask that is not empty."""
    at = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    y, x = np.asarray(at)
    return y * mask.shape[1] + x


def _paste(rgb: Rgb, hole: Mask, source: Mask, light: Colours, level: Level, found: Indices) -> Rgb:
    """Copy the found pixels at full size, join them in the gradient domain, and put the illumination back."""
    r, (h, w) = level.radius, hole.shape
    field = np.arange(level.hole.size)
    field[level.targets] = found
    sy, sx = np.divmod(field.reshape(level.hole.shape)[r:-r, r:-r], level.hole.shape[1])
    hs, ws = sy.shape
    dy, dx = sy - r - np.arange(hs)[:, None], sx - r - np.arange(ws)
    hole_small = level.hole[r:-r, r:-r]
    at_small = np.arange(hs * ws).reshape(hs, ws) + np.where(hole_small, dy * ws + dx, 0)  # rims are targets too, yet stay
    correction = seam_correction(level.image[r:-r, r:-r, :3], hole_small, at_small)
    light, correction = (_enlarge(field, (h, w)) for field in (light, correction))
    rows, cols = np.arange(h), np.arange(w)
    parent = np.ix_(np.minimum(rows * hs // h, hs - 1), np.minimum(cols * ws // w, ws - 1))
    y = (rows[:, None] + np.round(dy[parent] * (h / hs)).astype(int)).clip(0, h - 1)
    x = (cols + np.round(dx[parent] * (w / ws)).astype(int)).clip(0, w - 1)
    at = np.where(hole, _nearest_of(source)[y, x], 0)
    flat, flat_light = rgb.reshape(-1, 3), light.reshape(-1, 3)
    return _keep(rgb, hole, flat[at] - flat_light[at] + light + correction)


def _enlarge(planes: Colours, hw: tuple[int, int]) -> Colours:
    if planes.shape[:2] == hw:
        return planes
    return np.stack([_resize(planes[..., c], (hw[1], hw[0]), Image.Resampling.BILINEAR) for c in range(3)], -1)
