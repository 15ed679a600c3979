"""The crop camera, as the relief methods see it: work coordinates to pixels of the crop and back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

UPRIGHT_DEG = 25.0
"""Up to this camera height a silhouette is read as standing upright; above, more and more as lying across the view."""


@dataclass(frozen=True)
class View:
    """Pinhole crop camera that looks at the work frame's origin from ``distance``, ``elevation_deg`` above its horizon."""

    focal_px: float
    size_px: int
    """Side of the square crop; the principal point is its centre."""
    elevation_deg: float
    distance: float
    """Camera centre to the work frame's origin, work units."""

    @property
    def crop_from_work(self) -> Float64[np.ndarray, "4 4"]:
        """Rigid: work frame to the crop camera's OpenCV axes (x right, y down, z forward), work units."""
        e = np.radians(self.elevation_deg)
        c, s = np.cos(e), np.sin(e)
        out = np.eye(4)
        out[:3, :3] = [[1, 0, 0], [0, -c, s], [0, -s, -c]]
        out[2, 3] = self.distance
        return out

    @property
    def toward(self) -> Float64[np.ndarray, "3"]:
        """Unit vector from the origin to the camera, work frame."""
        e = np.radians(self.elevation_deg)
        return np.array([0.0, np.sin(e), np.cos(e)])

    def project(self, points: Float[np.ndarray, "n 3"]) -> tuple[Float64[np.ndarray, "n 2"], Float64[np.ndarray, "n"]]:
        """Pixel (u, v) and height toward the camera (0 at the origin's distance, work units) of work points."""
        e = np.radians(self.elevation_deg)
        c, s = np.cos(e), np.sin(e)
        height = s * points[:, 1] + c * points[:, 2]
        scale = self.focal_px / np.maximum(self.distance - height, 0.05 * self.distance)
        u = self.size_px / 2 + scale * points[:, 0]
        v = self.size_px / 2 - scale * (c * points[:, 1] - s * points[:, 2])
        return np.stack([u, v], axis=1), height

    def lift_pixels(self, uv: Float[np.ndarray, "n 2"], height: Float[np.ndarray, "n"]) -> Float64[np.ndarray, "n 3"]:
        """Work points at the given pixels and heights toward the camera (inverse of ``project``)."""
        e = np.radians(self.elevation_deg)
        c, s = np.cos(e), np.sin(e)
        depth = self.distance - height
        right = (uv[:, 0] - self.size_px / 2) / self.focal_px * depth
        up = (self.size_px / 2 - uv[:, 1]) / self.focal_px * depth
        return np.stack([right, c * up + s * height, -s * up + c * height], axis=1)


def spine_height(uv: Float[np.ndarray, "n 2"], view: View) -> Float64[np.ndarray, "n"]:
    """Height toward the camera, at pixels, of the plane through the origin in which a flat silhouette is thought to stand."""
    e = view.elevation_deg
    lean = e if abs(e) <= UPRIGHT_DEG else np.sign(e) * UPRIGHT_DEG * (90 - abs(e)) / (90 - UPRIGHT_DEG)
    up = (view.size_px / 2 - uv[:, 1]) / view.focal_px * np.tan(np.radians(lean))
    return up * view.distance / np.maximum(1 + up, 0.05)
