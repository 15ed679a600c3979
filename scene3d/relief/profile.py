"""Radius over height: what describes a solid of revolution."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

ANGLES = np.linspace(0, 2 * np.pi, 60, endpoint=False)


@dataclass(frozen=True)
class Profile:
    """Radius over height of a solid of revolution, work units."""

    axis_x: float
    heights: Float64[np.ndarray, "k"]
    radii: Float64[np.ndarray, "k"]
    bottom: float
    top: float

    def radius(self, y: np.ndarray) -> np.ndarray:
        """Radius at work heights (the end's radius beyond the ends)."""
        return np.interp(y, self.heights, self.radii)

    @property
    def rim(self) -> float:
        """Radius at the top."""
        return float(self.radius(np.array([self.top]))[0])


def circles(axis_x: float, heights: np.ndarray, radii: np.ndarray) -> Float64[np.ndarray, "k a 3"]:
    """Points on horizontal circles around the axis."""
    x = axis_x + radii[:, None] * np.cos(ANGLES)
    z = radii[:, None] * np.sin(ANGLES)
    return np.stack([x, np.broadcast_to(heights[:, None], x.shape), z], axis=-1)
