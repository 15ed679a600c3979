"""Flat shapes in front of each other, whose hidden parts are known."""

import numpy as np

from paco_core.occlusion import layers_of
from paco_core.types import OcclusionEdge, OcclusionGraph, Photo, Segmentation

H, W = 120, 160
Y, X = np.mgrid[:H, :W] + 0.5


def disc(y, x, r):
    return (Y - y) ** 2 + (X - x) ** 2 <= r**2


def box(top, left, bottom, right):
    return (top <= Y) & (bottom >= Y) & (left <= X) & (right >= X)


def photo_of(rgb):
    return Photo(rgb.astype(np.uint8), "photo", "0")


def graph_of(n, pairs):
    """``pairs`` of positions (front, behind); ids are 1 … n."""
    edges = tuple(OcclusionEdge(a + 1, b + 1, 1.0, 9, "user") for a, b in pairs)
    ids = tuple(range(1, n + 1))
    return OcclusionGraph(ids, edges, (), layers_of(ids, edges))


def compose(*shapes, colours=None):
    """Shapes from front to back, each hiding the later ones → photo, segmentation, graph."""
    colours = colours or [(200, 40, 40), (40, 90, 200), (40, 180, 60)]
    taken, masks = np.zeros((H, W), bool), []
    rgb = np.full((H, W, 3), 150.0)
    for shape, colour in zip(shapes, colours, strict=False):
        masks.append(shape & ~taken)
        rgb[masks[-1]] = colour[masks[-1]] if isinstance(colour, np.ndarray) else colour
        taken |= shape
    n = len(shapes)
    pairs = [(a, b) for a in range(n) for b in range(a + 1, n)]
    segmentation = Segmentation(tuple(range(1, n + 1)), tuple("abcdef"[:n]), np.array(masks))
    return photo_of(rgb), segmentation, graph_of(n, pairs)


def on_photo(thing, plane):
    """A plane of an object's crop, laid on the photo (what lies outside is lost)."""
    x0, y0, _, _ = thing.box_xyxy
    canvas = np.zeros((H, W), bool)
    ys, xs = np.nonzero(plane)
    ok = (ys + y0 >= 0) & (ys + y0 < H) & (xs + x0 >= 0) & (xs + x0 < W)
    canvas[ys[ok] + y0, xs[ok] + x0] = True
    return canvas


def iou(a, b):
    return (a & b).sum() / (a | b).sum()
