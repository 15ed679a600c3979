"""Colours of hidden parts: a smooth base, and on it detail that is copied from the object's own visible part.

What minimises the error is smooth, and looks like mud; copies look right, and are wrong in what they say about light and colour.
Fine detail has little variance, so that it costs little to take it from copies alone, as frequency bands are in Burt & Adelson,
"A multiresolution spline with application to image mosaics", ACM TOG 1983. Figures: docs/colours.md.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from scipy import ndimage

from paco_core.backends.exemplar import fill_exemplar
from paco_core.backends.shadows import find_shadow
from paco_core.fill import double, halve, membrane
from paco_core.masks import erode
from paco_core.shape import Mirror

Mask = Bool[np.ndarray, "h w"]
Rgb = UInt8[np.ndarray, "h w 3"]
Colours = Float32[np.ndarray, "h w 3"]
Pixels = Float32[np.ndarray, "_ 3"]

NATIVE_PX = 128
"""Long side at which the lengths here were chosen. Of larger pictures lengths grow with the side, and smooth colours, and what is
copied from where, are found at this size: 0.1 s an object."""
PATCH_PX = 5
"""Objects are small; 7 px lose 0.3 dB in the hidden part (60 composites)."""
NEARNESS = (60.0, 60.0)
"""Objects have no horizon: rows count as columns."""
PALETTE, PALETTE_WIDTH = 192, 6.0
"""Colours that stand for the visible part's, and how near (grey levels) a smooth colour comes to those that it is drawn to."""
SHIFTS = 2
"""Times that it is: the second one costs .06 dB and makes edges harder (KID × 1000 2.0 for 2.3, 80 validation renders)."""
NETWORK_SHARE, NETWORK_FAR = 0.25, 0.1
"""Weight of a network's colours in the base far from what is seen, and where half of it is reached (√area of what is seen)."""
FINE_PX, COARSE_PX = 3.0, 4.0
"""Standard deviations of the blur that detail stands out from, far from and near to what is seen …"""
NEAR_PX = 5.0
"""… within about this distance: copies go on from what is seen there, and meet the truth (correlation .35 at 2 px, .03 at 6)."""
CALM = 600.0
"""Gradient energy, squared grey levels, of which half is taken over. Where strong edges lie in the hidden part nobody knows: they
cost most, and look foreign most."""
ENERGY = 1.5
"""Of weak detail, as a multiple of the visible part's in the same band: it is all that stands for edges the base has lost."""
GAINS = (0.5, 2.0)
"""Least and most that copied detail is multiplied by to get there; near to what is seen at most …"""
NEAR_GAIN = 1.3
"""… this much: edges that are continued go on as strong as they are."""
LEAST_PX = 30
"""Visible pixels without their rim that show how strong detail is; with fewer the rim counts, too."""
SYMMETRIC_SHARE = 0.25
"""Share of the trusted pixels that must be seen on both sides, to tell whether colours are symmetric …"""
SYMMETRIC_DETAIL = 0.5
"""… and the correlation of their detail from which on they are."""
DETAIL_SCALE = 0.08
"""Standard deviation of the blur that the detail of both sides is measured against, in √area."""
REACHES = (2.0, 1.75, 1.5, 1.25, 1.0)
"""How far behind the nearest known pixel the first guess of detail comes from: as far as its place is before it, or nearer."""


def invent(
    rgb: UInt8[np.ndarray, "h w 3"],
    amodal: Bool[np.ndarray, "h w"],
    trusted: Bool[np.ndarray, "h w"],
    network_rgb: UInt8[np.ndarray, "h w 3"] | None,
    mirrors: tuple[Mirror, ...],
    seed: int,
    front: Bool[np.ndarray, "h w"] | None = None,
) -> tuple[UInt8[np.ndarray, "h w 3"], str]:
    """The picture with colours for all that is not trusted, and what they are made of.

    What is in ``front`` may throw a shadow on the trusted part; hidden colours come out of it.
    Detail is for ``amodal & ~trusted``; the base goes on beyond it, for a mask that claims too little. Trusted pixels are
    unchanged; without any, or where nothing is hidden, the picture comes back. Deterministic for a seed.
    """
    hole = amodal & ~trusted
    if not hole.any() or not trusted.any():
        return rgb, "photo"
    colours, known, methods = rgb.astype(np.float32), trusted, []
    for mirror in mirrors:
        mirrored, there = _mirrored(colours, known, hole & ~known, mirror)
        if there.any():
            colours, known, methods = np.where(there[..., None], mirrored, colours), known | there, ["symmetry"]
    front = np.zeros_like(known) if front is None else front & ~trusted
    base, shaded = _base(colours, known, front, None if network_rgb is None else network_rgb.astype(np.float32))
    picture = np.where(known[..., None], colours, base)
    if (hole & ~known).any():
        picture, methods = _with_detail(picture, hole & ~known, known, seed), [*methods, "own detail"]
    methods += ["network"] if network_rgb is not None and NETWORK_SHARE else []
    methods += ["out of the shadow"] if shaded else []
    return np.where(trusted[..., None], rgb, _rounded(picture)), ", ".join(methods)


def _base(colours: Colours, known: Mask, front: Mask, network_rgb: Colours | None) -> tuple[Colours, bool]:
    """The membrane of what is known, farther away partly a network's colours, drawn to colours that the object has; and whether
    it comes out of a shadow."""
    if max(known.shape) > NATIVE_PX:
        small, share = halve(colours, known)
        hides = halve(front[..., None].astype(np.float32), np.ones_like(front))[0][..., 0] > 0.5
        network = None if network_rgb is None else halve(network_rgb, np.ones_like(known))[0]
        base, shaded = _base(small, share > 0, hides & (share == 0), network)
        return double(base, known.shape), shaded
    shadow = find_shadow(colours, known, front)
    if shadow is not None:
        colours = np.minimum(colours * shadow.lift[..., None], 255)
    base = membrane(colours, known)
    if network_rgb is not None:
        away = np.asarray(ndimage.distance_transform_edt(~known)) / np.sqrt(known.sum())
        share = NETWORK_SHARE * (1 - 0.5 ** (away / NETWORK_FAR))
        base += share[..., None].astype(np.float32) * (network_rgb - base)
    base[~known] = _own(base[~known], colours[known])
    return base if shadow is None else base * shadow.fade[..., None], shadow is not None


def _own(base: Pixels, seen: Pixels) -> Pixels:
    """Every colour becomes the mean of the seen ones near it: flat things stay flat up to an edge, gradual ones gradual.

    ``SHIFTS`` steps of the mean shift in colours (Comaniciu & Meer, "Mean shift", PAMI 2002, equation 17, a Gaussian kernel);
    where no seen colour is near, the nearest one.
    """
    palette = seen[:: len(seen) // PALETTE + 1]
    for _ in range(SHIFTS):
        square = (palette**2).sum(1) - 2 * base @ palette.T  # less the colour's own, which is the same for all
        weight = np.exp((square.min(1, keepdims=True) - square) / (2 * PALETTE_WIDTH**2))
        base = weight @ palette / weight.sum(1, keepdims=True)
    return base


def _with_detail(picture: Colours, hole: Mask, known: Mask, seed: int) -> Colours:
    """A picture whose hole is smooth, with detail of the known part in it, about as strong as it is there."""
    unit = max(1.0, max(hole.shape) / NATIVE_PX)
    guess = np.where(known[..., None], picture, picture + _reflected(picture, known, COARSE_PX * unit))
    copied = fill_exemplar(
        _rounded(guess), hole, known, seed=seed, patch_px=PATCH_PX, work_px=NATIVE_PX, nearness=NEARNESS, guessed=True
    ).astype(np.float32)
    away = np.asarray(ndimage.distance_transform_edt(~known)) / unit
    near = np.exp(-((away / NEAR_PX) ** 2))[..., None].astype(np.float32)
    fine, coarse = (_above(copied, sigma * unit) for sigma in (FINE_PX, COARSE_PX))
    detail = fine + near * (coarse - fine)
    gain = _gain(fine, detail, hole, known, unit)
    return np.where(hole[..., None], picture + (near * min(gain, NEAR_GAIN) + (1 - near) * gain) * detail, picture)


def _reflected(picture: Colours, known: Mask, sigma: float) -> Colours:
    """Detail of the known part, mirrored at its nearest pixel: something to start from that is no smoother than the object."""
    detail = np.where(known[..., None], _above(picture, sigma), 0)
    at = np.indices(known.shape)
    nearest = np.asarray(ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True))
    out = detail.copy()
    for reach in reversed(REACHES):
        y, x = np.rint(at + reach * (nearest - at)).astype(int)
        inside = (y >= 0) & (x >= 0) & (y < known.shape[0]) & (x < known.shape[1]) & ~known
        inside[inside] = known[y[inside], x[inside]]
        out[inside] = detail[y[inside], x[inside]]
    return out


def _gain(fine: Colours, detail: Colours, hole: Mask, known: Mask, unit: float) -> float:
    """What detail is multiplied by, so that its gradients are as strong as those of the known part, strong ones less."""
    inner = erode(known, 2 * unit)
    seen = _energy(fine)[inner if inner.sum() >= LEAST_PX else known].mean() * unit**2
    made = _energy(detail)[hole].mean() * unit**2
    wanted = ENERGY * seen / (1 + seen / CALM)
    return float(np.clip(np.sqrt(wanted / max(made, 1e-3)), *GAINS))


def _energy(picture: Colours) -> Float64[np.ndarray, "h w"]:
    down, across = np.gradient(picture.mean(2).astype(np.float64))
    return down**2 + across**2


def _above(picture: Colours, sigma: float) -> Colours:
    return picture - ndimage.gaussian_filter(picture, (sigma, sigma, 0))


def _rounded(picture: Colours) -> Rgb:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _mirrored(rgb: Colours, trusted: Mask, hole: Mask, mirror: Mirror) -> tuple[Colours, Mask]:
    """Colours of the mirror counterparts, fitted to what surrounds them, and where there are any.

    Nowhere, unless detail is symmetric where both sides are seen.
    """
    y, x, inside = mirror.pixels(trusted.shape)
    other, both = rgb[y, x], trusted & inside & trusted[y, x]
    nowhere = np.zeros_like(trusted)
    if both.sum() < SYMMETRIC_SHARE * trusted.sum() or _likeness(rgb, other, both) < SYMMETRIC_DETAIL:
        return rgb, nowhere
    there = hole & inside & trusted[y, x]
    step = membrane(rgb - other, both, both | there)
    return other + step, there


def _likeness(rgb: Colours, other: Colours, both: Mask) -> float:
    """Correlation of the luma detail of two pictures where both are known."""
    sigma = DETAIL_SCALE * float(np.sqrt(both.sum()))
    weight = np.maximum(ndimage.gaussian_filter(both.astype(np.float32), sigma), 1e-3)
    a, b = ((luma - ndimage.gaussian_filter(luma * both, sigma) / weight)[both] for luma in (rgb.mean(2), other.mean(2)))
    return float((a * b).mean() / (a.std() * b.std() + 1e-6))
