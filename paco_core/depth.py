"""Depth of the photo: what the user gave, or what an estimator makes of the picture."""

import numpy as np

from paco_core.backends.base import DepthEstimator
from paco_core.errors import BadInput
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

    Raises ``BadInput`` when the map has another size than the photo, hardly any valid pixel, or values that no depth has.
    """
    depth = given if given is not None else estimator.estimate(photo, segmentation, camera)
    if depth.z.shape != photo.hw:
        raise BadInput(f"The depth has {depth.z.shape[1]}×{depth.z.shape[0]} px, the photo {photo.hw[1]}×{photo.hw[0]} px.")
    if depth.valid.mean() < MIN_VALID_FRACTION:
        raise BadInput(
            f"Only {100 * depth.valid.mean():.2g} % of the depth ({depth.source}) is valid. Check its unit and invalid values."
        )
    z = depth.z[depth.valid]
    if not np.isfinite(z).all() or (z <= 0).any():
        raise BadInput(f"The depth ({depth.source}) has values that are not positive numbers where it says that it is valid.")
    return depth
