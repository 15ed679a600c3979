"""A mesh from sides that the photo does not show: silhouettes and colours against the truth's."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from skimage.metrics import structural_similarity

from scene3d.evaluation.pose_metrics import about_y
from scene3d.rays import RayMesh
from scene3d.render import sample_texture
from scene3d.types import TexturedMesh

VIEWS_DEG = ((45.0, 0.0), (-45.0, 0.0), (90.0, 0.0), (135.0, 0.0), (0.0, 60.0), (180.0, -20.0))
"""Yaw (positive: the camera walks to its right) and height of the unseen views: those of the comparison in docs/method.md."""
SIDE_PX = 96
DISTANCE = 4.0
"""Lift units from the origin: little perspective."""
HALF_EXTENT = 0.9
"""Lift units that a picture shows to either side: an object's sphere has at most .87."""
WHITE = 255
BEST_PSNR = 50.0
"""dB; pictures that agree better are the same."""


@dataclass(frozen=True)
class View:
    """One picture of a mesh, textures as they are, on white."""

    rgb: UInt8[np.ndarray, "s s 3"]
    mask: Bool[np.ndarray, "s s"]


def look(mesh: TexturedMesh, yaw_deg: float, height_deg: float, side_px: int = SIDE_PX) -> View:
    """See a mesh (lift frame) from a side; (0, 0) is level and from where its photo was taken."""
    K = np.array([[side_px / 2 * DISTANCE / HALF_EXTENT, 0, side_px / 2], [0, side_px / 2 * DISTANCE / HALF_EXTENT, side_px / 2]])
    hits = RayMesh(mesh.vertices, mesh.faces).render(np.vstack([K, [0, 0, 1]]), _camera(yaw_deg, height_deg), (side_px, side_px))
    rgb = np.full((side_px, side_px, 3), WHITE, np.uint8)
    corners = mesh.uv[mesh.faces[hits.triangle[hits.mask]]]
    colours = sample_texture(mesh.texture, np.einsum("nk,nkj->nj", hits.bary[hits.mask], corners))
    rgb[hits.mask] = np.rint(colours).astype(np.uint8)
    return View(rgb, hits.mask)


def look_around(mesh: TexturedMesh) -> tuple[View, ...]:
    """The six unseen views."""
    return tuple(look(mesh, yaw, height) for yaw, height in VIEWS_DEG)


def nothing_to_see() -> tuple[View, ...]:
    """What a failed object shows: six white pictures."""
    empty = View(np.full((SIDE_PX, SIDE_PX, 3), WHITE, np.uint8), np.zeros((SIDE_PX, SIDE_PX), bool))
    return (empty,) * len(VIEWS_DEG)


def view_iou(views: tuple[View, ...], true: tuple[View, ...]) -> float:
    """Mean IoU of silhouettes."""
    return float(np.mean([(a.mask & b.mask).sum() / max((a.mask | b.mask).sum(), 1) for a, b in zip(views, true, strict=True)]))


def view_psnr(views: tuple[View, ...], true: tuple[View, ...]) -> float:
    """Mean over views, dB, over the pixels that either object covers: white around small objects must not flatter."""
    return float(np.mean([_psnr(a, b) for a, b in zip(views, true, strict=True)]))


def _psnr(a: View, b: View) -> float:
    covered = a.mask | b.mask
    error = np.mean((a.rgb[covered].astype(float) - b.rgb[covered]) ** 2) if covered.any() else 0.0
    return float(min(BEST_PSNR, 10 * np.log10(WHITE**2 / max(error, 1e-9))))


def view_ssim(views: tuple[View, ...], true: tuple[View, ...]) -> float:
    """Mean over views of the SSIM (Wang et al. 2004) map over the pixels that either object covers."""
    return float(np.mean([_ssim(a, b) for a, b in zip(views, true, strict=True)]))


def _ssim(a: View, b: View) -> float:
    covered = a.mask | b.mask
    full = structural_similarity(a.rgb, b.rgb, channel_axis=-1, data_range=255, full=True)[-1]
    return float(np.asarray(full).mean(axis=-1)[covered].mean()) if covered.any() else 1.0


def _camera(yaw_deg: float, height_deg: float) -> Float64[np.ndarray, "4 4"]:
    """``camera_from_mesh`` (OpenCV axes) of a camera that looks at the origin."""
    e = np.deg2rad(height_deg)
    level = np.array([[1, 0, 0], [0, -np.cos(e), np.sin(e)], [0, -np.sin(e), -np.cos(e)]])
    out = np.eye(4)
    out[:3, :3], out[2, 3] = level @ about_y(-yaw_deg), DISTANCE
    return out
