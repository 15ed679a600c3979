"""The one global factor that a photo without metric depth leaves free: how large is the scene?"""

import numpy as np
from jaxtyping import Float

from paco_core.classes import traits_of
from paco_core.heights import has_usual_size, largest_side, standing_height

EYE_HEIGHT_M = 1.5
"""Height from which a standing or sitting person photographs: between 1.2 m and 1.7 m."""
PLAUSIBLE_CAMERA_M = (0.05, 20.0)
"""A scale that puts the camera outside of this came from a misnamed object."""
SPREAD, OUTLIER = 0.25, 4.0
"""Standard deviation of the logarithm of a typical size; what is more than twice that off was misnamed or misplaced."""
HABIT = 1.5
"""The same for the camera's height: table tops are seen from 0.3 m, squares from 7 m."""


def guess_scale(sizes: tuple[tuple[str, float, float], ...], camera_height: float) -> tuple[float, str]:
    """Metres per unit from (name, height, width) of placed objects in that unit, and a phrase that says how.

    What most objects with a typical size agree on, only those that hardly vary if there are any; where they disagree, what
    puts the camera nearer to eye height. With none (or an implausible answer) the camera is taken to be there. Either way it
    is a guess: the scene says ``metric: false``.
    """
    usual = [s for s in sizes if has_usual_size(s[0])]
    ratios, names = [], []
    for name, height, width in usual or sizes:
        ratio = _metres_per_unit(name, height, width)
        if ratio is not None:
            ratios.append(ratio)
            names.append(name)
    if ratios:
        scale = _agreed(np.log(ratios), np.log(EYE_HEIGHT_M / camera_height))
        if PLAUSIBLE_CAMERA_M[0] <= scale * camera_height <= PLAUSIBLE_CAMERA_M[1]:
            return scale, f"typical size of {', '.join(sorted(set(names))[:4])}"
    return EYE_HEIGHT_M / camera_height, f"camera assumed {EYE_HEIGHT_M:g} m above the floor"


def _agreed(log_ratios: Float[np.ndarray, " n"], log_eye: float) -> float:
    """Truncated least squares, on a grid: a toy or a child has no say among many, and habit decides between two."""
    grid = np.linspace(log_ratios.min(), log_ratios.max(), 201)
    misfit = np.minimum(((grid[:, None] - log_ratios) / SPREAD) ** 2, OUTLIER).sum(axis=1)
    return float(np.exp(grid[int(np.argmin(misfit + ((grid - log_eye) / HABIT) ** 2))]))


def _metres_per_unit(name: str, height: float, width: float) -> float | None:
    traits, standing, longest = traits_of(name), standing_height(name), largest_side(name)
    if standing is not None:
        size, measured = standing[0], height
    elif traits.size_m and traits.size_axis != "longest":
        size, measured = traits.size_m, {"height": height, "width": width}[traits.size_axis]
    else:
        size, measured = longest, max(height, width)
    return size / measured if size and measured > 1e-6 else None
