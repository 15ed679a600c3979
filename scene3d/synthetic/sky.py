"""Light from all around: a panorama, or a gradient where there is none; what surfaces receive of it, and what the eye sees."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

LOBE = np.array([np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5) / np.pi
"""The cosine lobe's factor per spherical harmonic over pi, so that a white sky gives a white surface; harmonics up to order 2
hold irradiance to 1 % on average (Ramamoorthi and Hanrahan 2001, eq. 8)."""
SUN_DEG = 12.0
"""Whatever lies so near the brightest direction counts as the sun: lamps and windows of panoramas at hand are within it."""


@dataclass(frozen=True, eq=False)
class Sky:
    """Radiance on a sphere, linear light; up is +y, the middle column is -z, columns go to the right."""

    rgb: Float[np.ndarray, "h w 3"]

    @cached_property
    def directions(self) -> Float[np.ndarray, "h w 3"]:
        """Unit vectors of the picture's pixels."""
        h, w = self.rgb.shape[:2]
        down, round_ = np.meshgrid((np.arange(h) + 0.5) / h * np.pi, ((np.arange(w) + 0.5) / w - 0.5) * 2 * np.pi, indexing="ij")
        return np.stack([np.sin(down) * np.sin(round_), np.cos(down), -np.sin(down) * np.cos(round_)], axis=-1)

    @cached_property
    def _solid_angle(self) -> Float[np.ndarray, "h 1"]:
        h, w = self.rgb.shape[:2]
        return np.sin((np.arange(h)[:, None] + 0.5) / h * np.pi) * (np.pi / h) * (2 * np.pi / w)

    @cached_property
    def _sun_mask(self) -> np.ndarray:
        luminance = self.rgb.mean(axis=-1) * (self.directions[..., 1] > 0)
        brightest = self.directions.reshape(-1, 3)[luminance.argmax()]
        return self.directions @ brightest > np.cos(np.deg2rad(SUN_DEG))

    @cached_property
    def sun(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Direction towards the brightest part above the horizon, and the irradiance from it on a surface that faces it.

        As a share of the light that makes a white surface white.
        """
        weight = self._sun_mask * self._solid_angle
        energy = (self.rgb * weight[..., None]).sum(axis=(0, 1)) / np.pi
        mean = (self.directions * (self.rgb.mean(axis=-1) * weight)[..., None]).sum(axis=(0, 1))
        return mean / max(float(np.linalg.norm(mean)), 1e-12), energy

    @cached_property
    def _coefficients(self) -> Float[np.ndarray, "9 3"]:
        """Of the sky without its sun, times the cosine lobe."""
        rest = self.rgb * (~self._sun_mask)[..., None] * self._solid_angle[..., None]
        basis = _harmonics(self.directions.reshape(-1, 3))
        return LOBE[:, None] * (basis.T @ rest.reshape(-1, 3))

    def irradiance(self, normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """From all of the sky but its sun, on surfaces with these unit normals; 1 makes a white surface white."""
        return np.maximum(_harmonics(normals) @ self._coefficients, 0.0)

    def seen(self, rays: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Radiance in these directions, bilinear."""
        h, w = self.rgb.shape[:2]
        unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        y = np.clip(np.arccos(np.clip(unit[:, 1], -1, 1)) / np.pi * h - 0.5, 0, h - 1)
        x = (np.arctan2(unit[:, 0], -unit[:, 2]) / (2 * np.pi) + 0.5) * w - 0.5
        top, left = np.minimum(y.astype(int), h - 2), np.floor(x).astype(int)
        fy, fx = (y - top)[:, None], (x - left)[:, None]
        a, b = left % w, (left + 1) % w
        upper = self.rgb[top, a] * (1 - fx) + self.rgb[top, b] * fx
        return upper * (1 - fy) + (self.rgb[top + 1, a] * (1 - fx) + self.rgb[top + 1, b] * fx) * fy

    def turned(self, yaw: float, level: float, most: float) -> "Sky":
        """Turned about the vertical (radians), brightened so that upward surfaces receive ``level`` on average of the channels.

        Single pixels may be at most ``most`` times the mean: a sun of a few pixels would blind everything else.
        """
        rgb = np.roll(self.rgb, round(yaw / (2 * np.pi) * self.rgb.shape[1]), axis=1)
        rgb = np.minimum(rgb, most * float((rgb.mean(axis=-1) * self._solid_angle).sum() / (4 * np.pi)))
        up = np.maximum(self.directions[..., 1], 0) * self._solid_angle
        received = float((rgb.mean(axis=-1) * up).sum() / np.pi)
        return Sky(rgb * (level / max(received, 1e-12)))


def gradient_sky(zenith: Float[np.ndarray, "3"], horizon: Float[np.ndarray, "3"], nadir: Float[np.ndarray, "3"]) -> Sky:
    """Three colours (linear), blended over the height; 32 x 64 px."""
    height = np.cos((np.arange(32) + 0.5) / 32 * np.pi)[:, None, None]
    end = np.where(height > 0, zenith, nadir)
    return Sky(np.broadcast_to(horizon + (end - horizon) * np.sqrt(np.abs(height)), (32, 64, 3)).copy())


def _harmonics(n: np.ndarray) -> Float[np.ndarray, "n 9"]:
    """Real spherical harmonics of orders 0-2 at unit vectors (n, 3)."""
    x, y, z = n.T
    return np.stack(
        [
            np.full(len(n), 0.282095),
            0.488603 * y, 0.488603 * z, 0.488603 * x,
            1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y),
        ],
        axis=-1,
    )  # fmt: skip
