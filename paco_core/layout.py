"""Surfaces of a photo's background (wall, floor, sky …): which colours belong together, and how each goes on behind the objects.

Regions of like colour (Felzenszwalb & Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004) are merged into a few
surfaces. Each is continued where nothing is known by a random walk (Grady, PAMI 2006) that runs along rows more easily than
across, and its border there is shortened until it is straight (threshold dynamics: Merriman, Bence, Osher 1992).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb

from paco_core.fill import membrane, nearest
from paco_core.masks import dilate

Colours = Float32[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]

LAYOUT_PX = 160
"""Long side at which surfaces are told apart: texture is gone, skirting boards are too."""
LIGHT_PX = 320
"""Long side at which the light on them is computed."""
REGION_SCALE, REGION_PX = 60.0, 40
"""Of the graph-based segmentation: how much contrast makes a border, and the smallest region."""
SAME_COLOUR = 14.0
"""Surfaces nearer than this in CIELAB (lightness counts 0.7) are one: the spread of a wall between its lit and its dim end."""
SURFACES_MAX = 6
MINOR, SMALL = 0.03, 0.01
"""Surfaces with less than these shares of what is seen and of the picture end at the hole: a dark corner does not become a dark
half of the picture."""
ROW_EASE = 3
"""Surfaces go on along rows this much more easily than across: photos are upright, and floor continues beside floor."""
STRAIGHTEN_PX = (1.0, 2.0, 4.0, 8.0)
"""Blurs that straighten borders, px at ``LAYOUT_PX``: each is used where the hole is about twice as deep."""
STRAIGHTEN_ROUNDS = 14
SHARP = 0.65
"""A border between two surfaces is one when colours change by this share of their difference within 5 px; else light changes."""
BORDER_BLUR_PX = 2.5
"""Takes the stairs out of borders that are enlarged from ``LAYOUT_PX``."""
BORDER_PX = 8
"""Surfaces that touch along less are strangers …"""
STRANGERS = 16.0
"""… and two from this difference on, CIELAB."""
THIN_PX = 8.0
"""Surfaces that meet in strips and spots thinner than this, px at ``LAYOUT_PX``, are one with a texture: stripes, panes."""
LIGHT_AND_SHADE = 35.0
"""No more than this, CIELAB, is light and shade."""
LIGHT_SCALE = 0.04
"""Standard deviation of what counts as light, as a share of the long side."""
EDGE_PX = 3
"""Labels are this many px off at ``LIGHT_PX``: nearer to a border a pixel belongs to the surface whose colour it has."""


@dataclass(frozen=True)
class Layout:
    """A few surfaces that cover the picture, and the smooth colours of each."""

    belief: Float32[np.ndarray, "s h w"]
    """Of every surface, at ``LAYOUT_PX``: 1 inside, 0 outside, ½ on the border; the greatest has the pixel."""
    light: Float32[np.ndarray, "s h2 w2 3"]
    """Smooth colours of every surface, at ``LIGHT_PX``; meaningful on its pixels and ``EDGE_PX`` around."""


def find_layout(rgb: UInt8[np.ndarray, "H W 3"], known: Bool[np.ndarray, "H W"]) -> Layout:
    """Surfaces seen in the known pixels, continued everywhere. Needs a known pixel."""
    colours, seen = shrink(rgb, known, LAYOUT_PX)
    labels = continue_surfaces(surfaces(colours, seen), seen)
    count = int(labels.max()) + 1
    belief = np.stack([ndimage.gaussian_filter((labels == i).astype(np.float32), BORDER_BLUR_PX) for i in range(count)])
    colours, seen = shrink(rgb, known, LIGHT_PX)
    labels = labels_at(belief, seen.shape)
    return Layout(belief, np.stack([_light(colours, seen, labels == i) for i in range(count)]))


def labels_at(belief: Float32[np.ndarray, "s h w"], hw: tuple[int, int]) -> Int[np.ndarray, "H W"]:
    """The surface of every pixel of a picture of any size."""
    return np.argmax([resize(plane, (hw[1], hw[0])) for plane in belief], 0)


def shrink(
    rgb: np.ndarray, known: Mask, px: int
) -> tuple[Float32[np.ndarray, "small_h small_w 3"], Bool[np.ndarray, "small_h small_w"]]:
    """The picture at no more than ``px`` on the long side: means over known pixels only. What has none is not known."""
    h, w = known.shape
    scale = min(1.0, px / max(h, w))
    wh = max(1, round(w * scale)), max(1, round(h * scale))
    share = resize(known.astype(np.float32), wh, Image.Resampling.BOX)
    planes = [resize(rgb[..., c] * known, wh, Image.Resampling.BOX) for c in range(3)]
    seen = share > min(0.5, float(share.max()) / 2)
    return np.where(seen[..., None], np.stack(planes, -1) / np.maximum(share, 1e-6)[..., None], 0).astype(np.float32), seen


def resize(
    plane: np.ndarray, wh: tuple[int, int], how: Image.Resampling = Image.Resampling.BILINEAR
) -> Float32[np.ndarray, "h w"]:
    """One plane at another size."""
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(wh, how))


def surfaces(colours: Colours, known: Mask) -> Int[np.ndarray, "h w"]:
    """Number of each known pixel's surface, from 0 without gaps; −1 elsewhere."""
    filled = nearest(np.clip(colours + 0.5, 0, 255).astype(np.uint8), known)
    lab = rgb2lab(filled).astype(np.float32)
    calm = np.stack([ndimage.median_filter(lab[..., c], 5) for c in range(3)], -1)
    regions = felzenszwalb(calm / 100, scale=REGION_SCALE, sigma=0.5, min_size=REGION_PX, channel_axis=2)
    _, number = np.unique(regions[known], return_inverse=True)
    out = np.full(known.shape, -1)
    out[known] = _merge(calm[known], number)
    return _join_lights(out, calm * np.array([0.7, 1, 1], np.float32))


def _merge(lab: Float32[np.ndarray, "n 3"], region: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Join the two regions of the most similar mean colour until none are similar and few are left."""
    size = np.bincount(region).astype(float)
    mean = np.stack([np.bincount(region, lab[:, c]) for c in range(3)], 1) / size[:, None] * [0.7, 1, 1]
    into = np.arange(len(size))
    distance = np.linalg.norm(mean[:, None] - mean, axis=2)
    np.fill_diagonal(distance, np.inf)
    for left in range(len(size), 1, -1):
        i, j = np.unravel_index(int(distance.argmin()), distance.shape)
        if distance[i, j] > SAME_COLOUR and left <= SURFACES_MAX:
            break
        mean[i] = (mean[i] * size[i] + mean[j] * size[j]) / (size[i] + size[j])
        size[i] += size[j]
        into[into == j] = i
        distance[j] = distance[:, j] = np.inf
        alive = np.isfinite(distance[i])
        distance[i, alive] = distance[alive, i] = np.linalg.norm(mean[alive] - mean[i], axis=1)
    return np.unique(into[region], return_inverse=True)[1]


def _join_lights(labels: Int[np.ndarray, "h w"], lab: Float32[np.ndarray, "h w 3"]) -> Int[np.ndarray, "h w"]:
    """Surfaces that go over into each other without an edge become one, the softest border first: that is light and shade.

    So do those that are woven into each other: that is texture.
    """
    while (count := int(labels.max()) + 1) > 1:
        mean = np.array([lab[labels == i].mean(0) for i in range(count)])
        apart = np.linalg.norm(mean[:, None] - mean, axis=2)
        np.fill_diagonal(apart, np.inf)
        length, step = _borders(labels, lab)
        sharpness = np.where(length >= BORDER_PX, step / np.maximum(length, 1) / (SHARP * apart), apart / STRANGERS)
        sharpness = np.maximum(sharpness, apart / LIGHT_AND_SHADE)
        size = np.bincount(labels[labels >= 0], minlength=count)
        sharpness[length * THIN_PX > 2 * np.minimum(size[:, None], size)] = 0  # both sides of a strip count
        i, j = np.unravel_index(int(sharpness.argmin()), sharpness.shape)
        if sharpness[i, j] > 1:
            break
        joined = np.where(labels == max(i, j), min(i, j), labels)
        labels = joined - (joined > max(i, j))
    return labels


def _borders(
    labels: Int[np.ndarray, "h w"], lab: Float32[np.ndarray, "h w 3"]
) -> tuple[Float32[np.ndarray, "s s"], Float32[np.ndarray, "s s"]]:
    """For every two surfaces: length of their common border, px, and the sum of the colour steps over 5 px across it."""
    count = int(labels.max()) + 1
    length, step = np.zeros((count, count), np.float32), np.zeros((count, count), np.float32)
    for across, colour in ((labels, lab), (labels.T, lab.transpose(1, 0, 2))):
        a, b = across[2:-3], across[3:-2]
        border = (a != b) & (a >= 0) & (b >= 0)
        np.add.at(length, (a[border], b[border]), 1)
        np.add.at(step, (a[border], b[border]), np.linalg.norm(colour[5:] - colour[:-5], axis=2)[border])
    return length + length.T, step + step.T


def continue_surfaces(labels: Int[np.ndarray, "h w"], known: Mask) -> Int[np.ndarray, "h w"]:
    """Every pixel takes a surface; those of the known pixels stay."""
    h, w = known.shape
    count = int(labels.max()) + 1
    fixed = (labels[..., None] == np.arange(count)).astype(np.float32)
    if known.all() or count == 1:
        return fixed.argmax(2)
    narrow = (max(2, round(w / ROW_EASE)), h)  # a walk in a picture squeezed sideways: a step along a row is a long one
    share = resize(known.astype(np.float32), narrow, Image.Resampling.BOX)
    squeezed = [resize(fixed[..., i], narrow, Image.Resampling.BOX) / np.maximum(share, 1e-6) for i in range(count)]
    size = fixed.sum((0, 1))
    minor = (size < max(MINOR * size.sum(), SMALL * known.size)) & (size < size.max())
    major_share = resize((known & ~minor[labels]).astype(np.float32), narrow, Image.Resampling.BOX)
    walk = membrane(np.stack(squeezed, -1).astype(np.float32), major_share > 0.3 * share.max())
    walk[..., minor] = 0
    belief = np.stack([resize(walk[..., i], (w, h)) for i in range(count)], -1)
    depth = np.asarray(ndimage.distance_transform_edt(~known))
    which = np.searchsorted(np.array(STRAIGHTEN_PX[1:]), depth / 2)
    for _ in range(STRAIGHTEN_ROUNDS):
        belief = np.where(known[..., None], fixed, belief)
        blurred = [ndimage.gaussian_filter(belief, (s, s, 0), mode="nearest") for s in STRAIGHTEN_PX[: which.max() + 1]]
        winner = np.choose(which, [b.argmax(2) for b in blurred])
        belief = (winner[..., None] == np.arange(count)).astype(np.float32)
    return np.where(known, labels, belief.argmax(2))


def _light(colours: Colours, known: Mask, inside: Mask) -> Colours:
    """Blurred colours of what is known of one surface, continued smoothly over the rest of it and a little beyond."""
    held = known & inside
    if not held.any():
        return np.zeros_like(colours)
    sigma = LIGHT_SCALE * max(known.shape)
    weight = ndimage.gaussian_filter(held.astype(np.float32), sigma)
    planes = [ndimage.gaussian_filter(colours[..., c] * held, sigma) for c in range(3)]
    blurred = np.where((weight > 1e-3)[..., None], np.stack(planes, -1) / np.maximum(weight, 1e-3)[..., None], 0)
    domain = dilate(inside, 2 * EDGE_PX) | held
    return membrane(blurred.astype(np.float32), held, domain)


def light_at(layout: Layout, rgb: np.ndarray, known: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W 3"]:
    """The smooth colours under a picture of any size: of its surface for every pixel; near borders known pixels choose."""
    hw = known.shape
    wh = (hw[1], hw[0])
    labels = labels_at(layout.belief, layout.light.shape[1:3])
    best, out = np.full(hw, np.inf, np.float32), np.zeros((*hw, 3), np.float32)
    for i, (belief, light) in enumerate(zip(layout.belief, layout.light, strict=True)):
        near = dilate(labels == i, EDGE_PX)
        part = np.stack([resize(light[..., c], wh) for c in range(3)], -1)
        misfit = np.abs(rgb - part).sum(2)
        cost = np.where(known & (resize(near, wh) > 0.5), misfit, 1e3 - resize(belief, wh))
        better = cost < best
        best[better], out[better] = cost[better], part[better]
    return out
