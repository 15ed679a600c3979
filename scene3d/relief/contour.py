"""What a silhouette tells about the shape that threw it: solid or spread, round or square, how broad it stands."""

import numpy as np
from jaxtyping import Bool, Float64
from skimage.morphology import convex_hull_image

from scene3d.relief.fields import Outline
from scene3d.relief.morphology import edt

BASE_ROWS = 0.05
"""Rows that count as the base of a silhouette, as a share of its height."""


def solidity(outline: Outline) -> float:
    """Share of its convex hull that the silhouette fills."""
    return float(outline.inside.sum() / max(int(convex_hull_image(outline.inside).sum()), 1))


def base_share(outline: Outline) -> float:
    """How wide the silhouette stands: width of its lowest rows over its largest width."""
    inside = outline.inside
    rows = np.flatnonzero(inside.any(axis=1))
    low = inside[rows[-1] - max(1, int(BASE_ROWS * len(rows))) : rows[-1] + 1]
    return float(low.any(axis=0).sum() / inside.sum(axis=1).max())


def roundness(outline: Outline) -> float:
    """IoU of the silhouette with the ellipse of the same middle and spread: 1 for discs, .83 for rectangles."""
    inside = outline.inside
    cells = np.stack(np.nonzero(inside), axis=1).astype(np.float64)
    off = np.moveaxis(np.indices(inside.shape), 0, -1) - cells.mean(axis=0)
    spread = np.cov((cells - cells.mean(axis=0)).T) + 1e-3 * np.eye(2) if len(cells) > 1 else np.eye(2)
    ellipse = (
        np.einsum("hwi,ij,hwj->hw", off, np.linalg.inv(spread), off) <= 4
    )  # the variance along an axis is a quarter of its square
    return float((ellipse & inside).sum() / max(int((ellipse | inside).sum()), 1))


def local_radius(inside: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Radius of the largest disc inside the mask that covers each cell, to half a cell; 0 outside."""
    distance = edt(inside)
    out = np.where(inside, 0.5, 0.0)
    for radius in np.arange(1.0, distance.max(), 0.5 + distance.max() / 40):
        out[inside & (edt(~(distance >= radius)) < radius)] = radius
    return out
