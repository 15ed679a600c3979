"""The one global factor that a photo without metric depth leaves free: how large is the scene?"""

import numpy as np

from paco_core.classes import traits_of
from paco_core.heights import has_usual_size, largest_side, standing_height

EYE_HEIGHT_M = 1.5
"""Height from which a standing or sitting person photographs: between 1.2 m and 1.7 m."""
PLAUSIBLE_CAMERA_M = (0.05, 20.0)
"""A scale that puts the camera outside of this came from a misnamed object."""


def guess_scale(sizes: tuple[tuple[str, float, float], ...], camera_height: float) -> tuple[float, str]:
    """Metres per unit from (name, height, width) of placed objects in that unit, and a phrase that says how.

    The median over all objects whose name has a typical size, only those that hardly vary if there are any; with none (or an
    implausible answer) the camera is taken to be at eye height. Either way it is a guess: the scene says ``metric: false``.
    """
    usual = [s for s in sizes if has_usual_size(s[0])]
    ratios, names = [], []
    for name, height, width in usual or sizes:
        ratio = _metres_per_unit(name, height, width)
        if ratio is not None:
            ratios.append(ratio)
            names.append(name)
    if ratios:
        scale = float(np.exp(np.median(np.log(ratios))))
        if PLAUSIBLE_CAMERA_M[0] <= scale * camera_height <= PLAUSIBLE_CAMERA_M[1]:
            return scale, f"typical size of {', '.join(sorted(set(names))[:4])}"
    return EYE_HEIGHT_M / camera_height, f"camera assumed {EYE_HEIGHT_M:g} m above the floor"


def _metres_per_unit(name: str, height: float, width: float) -> float | None:
    traits, standing, longest = traits_of(name), standing_height(name), largest_side(name)
    if standing is not None:
        size, measured = standing[0], height
    elif traits.size_m and traits.size_axis != "longest":
        size, measured = traits.size_m, {"height": height, "width": width}[traits.size_axis]
    else:
        size, measured = longest, max(height, width)
    return size / measured if size and measured > 1e-6 else None
