"""The one global factor that a photo without metric depth leaves free: how large is the scene?"""

import numpy as np

from paco_core.classes import traits_of

EYE_HEIGHT_M = 1.5
"""Height from which a standing or sitting person photographs: between 1.2 m and 1.7 m."""
PLAUSIBLE_CAMERA_M = (0.05, 20.0)
"""A scale that puts the camera outside of this came from a misnamed object."""


def guess_scale(sizes: tuple[tuple[str, float, float], ...], camera_height: float) -> tuple[float, str]:
    """Metres per unit from (name, height, width) of placed objects in that unit, and a phrase that says how.

    The median over all objects whose name has a typical size; with none (or an implausible answer) the camera is taken to be
    at eye height. Either way the scale is a guess and the scene says ``metric: false``.
    """
    ratios, names = [], []
    for name, height, width in sizes:
        traits = traits_of(name)
        measured = {"height": height, "width": width, "longest": max(height, width)}[traits.size_axis]
        if traits.size_m and measured > 1e-6:
            ratios.append(traits.size_m / measured)
            names.append(name)
    if ratios:
        scale = float(np.exp(np.median(np.log(ratios))))
        if PLAUSIBLE_CAMERA_M[0] <= scale * camera_height <= PLAUSIBLE_CAMERA_M[1]:
            return scale, f"typical size of {', '.join(sorted(set(names))[:4])}"
    return EYE_HEIGHT_M / camera_height, f"camera assumed {EYE_HEIGHT_M:g} m above the floor"
