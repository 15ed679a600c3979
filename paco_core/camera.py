"""Intrinsics of the photo's camera and the pixel ↔ ray arithmetic that every stage shares (frames: CONVENTIONS.md)."""

import math

import numpy as np
from jaxtyping import Float

from paco_core.errors import BadInput
from paco_core.types import Camera, Photo

DEFAULT_FOV_DEG = 55.0
"""Along the photo's longer side: between a phone's main camera (about 65) and a 50 mm lens (40)."""

FULL_FRAME_DIAGONAL_MM = 43.27
"""EXIF FocalLengthIn35mmFilm refers to the 36 × 24 mm frame; the diagonal convention holds for any aspect ratio."""

FOV_RANGE_DEG = (5.0, 150.0)
"""A pinhole camera outside of this is a typing mistake or a fisheye lens."""


def estimate_camera(photo: Photo, *, fov_deg: float | None = None, given: Camera | None = None) -> Camera:
    """Intrinsics by trust: given ones or ``fov_deg`` (of the longer side, degrees), EXIF, else 55° along the longer side.

    Raises ``BadInput`` for a field of view that no pinhole camera has, intrinsics of another image size, or both given.
    """
    h, w = photo.hw
    if given is not None:
        if fov_deg is not None:
            raise BadInput("Intrinsics (--camera) and a field of view (--fov-deg) are both given. Leave one of them out.")
        if (given.width, given.height) != (w, h):
            raise BadInput(
                f"The camera is for {given.width}×{given.height} px, the photo has {w}×{h} px. Give the intrinsics of this photo."
            )
        return given
    if fov_deg is not None:
        if not FOV_RANGE_DEG[0] <= fov_deg <= FOV_RANGE_DEG[1]:
            raise BadInput(
                f"--fov-deg {fov_deg:g} is outside of {FOV_RANGE_DEG[0]:g}…{FOV_RANGE_DEG[1]:g} degrees. "
                "Give the angle along the photo's longer side, or leave it out."
            )
        return _pinhole(w, h, 0.5 * max(w, h) / math.tan(math.radians(fov_deg) / 2), "user")
    if photo.focal_35mm:
        return _pinhole(w, h, photo.focal_35mm / FULL_FRAME_DIAGONAL_MM * math.hypot(w, h), "exif")
    return _pinhole(w, h, 0.5 * max(w, h) / math.tan(math.radians(DEFAULT_FOV_DEG) / 2), "default")


def _pinhole(width: int, height: int, focal_px: float, source: str) -> Camera:
    return Camera(focal_px, focal_px, width / 2, height / 2, width, height, source)


def pixel_rays(camera: Camera) -> Float[np.ndarray, "h w 3"]:
    """Ray of every pixel centre in camera axes, scaled to z = 1 (so that ``ray * z`` is the point at depth z)."""
    u = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    v = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    uu, vv = np.meshgrid(u, v)
    return np.stack([uu, vv, np.ones_like(uu)], axis=-1)


def rays_of(camera: Camera, uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """Rays (z = 1) of image points ``(u, v)``, px."""
    return np.column_stack([(uv[:, 0] - camera.cx) / camera.fx, (uv[:, 1] - camera.cy) / camera.fy, np.ones(len(uv))])


def project(camera: Camera, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    """Image points (u, v), px, of camera-frame points with z > 0."""
    z = points[:, 2]
    return np.column_stack([camera.fx * points[:, 0] / z + camera.cx, camera.fy * points[:, 1] / z + camera.cy])


def up_of_pitch(pitch_deg: float) -> Float[np.ndarray, "3"]:
    """Unit up vector in camera axes of a camera without roll that looks ``pitch_deg`` below the horizon."""
    return np.array([0.0, -math.cos(math.radians(pitch_deg)), -math.sin(math.radians(pitch_deg))])
