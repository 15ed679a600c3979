"""Shapes of masks: hulls, mirror images, ellipses."""

import numpy as np
from jaxtyping import Bool


def convex_hull(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels whose centre lies in the convex hull of the mask's pixel squares; the mask itself where it has no area."""
    from skimage.morphology import convex_hull_image

    return convex_hull_image(mask) | mask
