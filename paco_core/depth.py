"""Depth of the photo: what the user gave, or what an estimator makes of the picture."""

import numpy as np

from paco_core.backends.base import DepthEstimator
from paco_core.errors import BadInput, PacoError
from paco_core.types import Camera, DepthMap, Photo, Segmentation

MIN_VALID_FRACTION = 0.01
"""Below this a depth map says nothing about the scene (and is usually of another photo or in another unit)."""


def estimate_depth(
    photo: Photo,
    segmentation: Segmentation,
    camera: Camera,
    estimator: DepthEstimator,
    *,
    given: DepthMap | None = None,
) -> DepthMap:
    """Return the given depth where there is one, else the estimator's; checked at the border.

    Raises ``BadInput`` when the given map has another size than the photo, hardly any valid pixel, or values that no depth has,
    and ``PacoError`` when the estimator's has.
    """
    depth = given if given is not None else estimator.estimate(photo, segmentation, camera)
    problem = _problem(depth, photo)
    if problem is not None:
        raise PacoError(problem) if given is None else BadInput(problem)
    return depth


def _problem(depth: DepthMap, photo: Photo) -> str | None:
    """What is wrong with a depth map, as a sentence."""
    if depth.z.shape != photo.hw:
        return f"The depth has {depth.z.shape[1]}×{depth.z.shape[0]} px, the photo {photo.hw[1]}×{photo.hw[0]} px."
    share = depth.valid.mean()
    if share < MIN_VALID_FRACTION:
        return f"Only {100 * share:.2g} % of the depth ({depth.source}) is valid. Check its unit and invalid values."
    z = depth.z[depth.valid]
    if not np.isfinite(z).all() or (z <= 0).any():
        return f"The depth ({depth.source}) has values that are not positive numbers where it says that it is valid."
    return None
