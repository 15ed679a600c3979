"""Each complete object becomes a mesh: canonical crop in, ``LiftedMesh`` out, with a fallback that loses nothing."""

import logging
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from scipy import ndimage as ndi

from paco_core.camera import project, rays_of
from paco_core.errors import ObjectFailed, error_text
from paco_core.masks import box_slices, erode
from paco_core.types import Camera, CompleteObject, DepthMap
from scene3d.backends.base import Lifter
from scene3d.types import Ground, LiftedMesh, LiftInput

log = logging.getLogger(__name__)

WIDEST = 0.15
"""Cosine of 81°: pixels farther off the crop's axis than this can't be in one picture with its middle."""


@dataclass(frozen=True)
class LiftConfig:
    """The canonical crop."""

    fill: float = 0.85
    """Share of the crop's side that the object's longest side takes."""
    min_side_px: int = 160
    max_side_px: int = 768
    """Textures are at most 1024 px; more crop than this only costs time."""
    flying_step: float = 0.05
    """Depth pixels that differ from a neighbour by more than this share lie between two surfaces."""


def prepare_lift(
    obj: CompleteObject,
    camera: Camera,
    depth: DepthMap,
    ground: Ground,
    config: LiftConfig = LiftConfig(),
) -> LiftInput:
    """Re-render one object into the camera that looks straight at it (Gen3DSR's crop-camera correction), without roll.

    The crop is a homography of the photo, since the camera's centre stays. Metric depth is carried over as z along the crop's
    axis; relative depth is not carried over at all.
    """
    x0, y0, _, _ = obj.box_xyxy
    rows, columns = np.nonzero(obj.amodal)
    corners = np.array([(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)], float) + [x0, y0]
    axis = rays_of(camera, corners.mean(axis=0, keepdims=True))[0]
    camera_from_crop = crop_axes(axis, ground.up_camera)
    outline = rays_of(camera, np.column_stack([columns, rows]) + [x0 + 0.5, y0 + 0.5]) @ camera_from_crop
    if (outline[:, 2] < WIDEST * np.linalg.norm(outline, axis=1)).any():
        raise ObjectFailed(f"{obj.name} goes round the camera: no camera that looks at it sees all of it")
    extent = float(np.abs(outline[:, :2] / outline[:, 2:]).max())
    side = math.ceil(2 * extent * camera.fx / config.fill)  # at least one crop pixel per photo pixel
    side = int(np.clip(side, config.min_side_px, config.max_side_px))
    focal = config.fill * side / 2 / extent
    uv = _source_pixels(camera, camera_from_crop, focal, side) - [x0, y0]
    seen = erode(obj.visible, 1.0)
    return LiftInput(
        id=obj.id,
        name=obj.name,
        rgba=_warp_rgba(obj.rgba, uv, blur=max(0.0, camera.fx / focal - 1.0)),
        visible=_sample(obj.visible.astype(np.float32), uv) > 0.5,
        depth=_warp_depth(depth, seen, obj.box_xyxy, camera, camera_from_crop, uv, config) if depth.kind == "metric" else None,
        focal_px=focal,
        elevation_deg=math.degrees(math.asin(float(np.clip(-ground.up_camera @ camera_from_crop[:, 2], -1, 1)))),
        camera_from_crop=camera_from_crop,
        truncated=bool(obj.truncated),
    )


def prepare_plainly(obj: CompleteObject, camera: Camera, ground: Ground, config: LiftConfig = LiftConfig()) -> LiftInput:
    """For an object that ``prepare_lift`` can't take: its visible part, cut out and resized, without depth."""
    rows, columns = box_slices(obj.visible)
    part, visible = obj.rgba[rows, columns], obj.visible[rows, columns]
    whole = math.ceil(max(visible.shape) / config.fill)
    side = int(np.clip(whole, config.min_side_px, config.max_side_px))
    top, left = (whole - visible.shape[0]) // 2, (whole - visible.shape[1]) // 2
    canvas = np.zeros((whole, whole, 4), np.uint8)
    canvas[top : top + visible.shape[0], left : left + visible.shape[1]] = np.where(visible[..., None], part, 0)
    rgba = np.array(Image.fromarray(canvas).resize((side, side), Image.Resampling.NEAREST))
    middle = np.array([[(columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2]]) + obj.box_xyxy[:2]
    axis = rays_of(camera, middle)[0]
    focal = camera.fx * side / whole * float(np.linalg.norm(axis))
    camera_from_crop = crop_axes(axis, ground.up_camera)
    elevation = math.degrees(math.asin(float(np.clip(-ground.up_camera @ camera_from_crop[:, 2], -1, 1))))
    return LiftInput(obj.id, obj.name, rgba, rgba[..., 3] > 127, None, focal, elevation, camera_from_crop, bool(obj.truncated))


def crop_axes(axis: Float[np.ndarray, "3"], up_camera: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """``camera_from_crop``: z along ``axis``, gravity's up in the crop's upper half of the vertical plane (x level)."""
    z = axis / np.linalg.norm(axis)
    down = -(up_camera - z * (up_camera @ z))
    if np.linalg.norm(down) < 0.05:  # within 3° of straight down: keep the photo's own roll
        down = np.array([0.0, 1.0, 0.0]) - z * z[1]
    y = down / np.linalg.norm(down)
    return np.column_stack([np.cross(y, z), y, z])


def lift(item: LiftInput, lifter: Lifter, fallback: Lifter, *, seed: int = 0) -> LiftedMesh:
    """One mesh per object; a lifter that fails, or returns no usable mesh, is replaced by ``fallback`` and the reason is kept."""
    try:
        return _checked(lifter.lift(item, seed=seed))
    except Exception as error:  # any backend may fail in any way; the photo must survive it
        reason = f"{lifter.name} failed: {error_text(error)}"
        log.warning("object %d (%s): %s", item.id, item.name, reason, exc_info=True)
        return replace(_checked(fallback.lift(item, seed=seed)), fallback=reason)


def _checked(lifted: LiftedMesh) -> LiftedMesh:
    """What a backend gave, if the stages that follow can work with it. Raises ``ObjectFailed``."""
    mesh, scale = lifted.mesh, lifted.metres_per_unit
    if len(mesh.faces) == 0 or not 0 <= mesh.faces.min() <= mesh.faces.max() < len(mesh.vertices) == len(mesh.uv):
        raise ObjectFailed("its mesh has no triangles, or triangles without corners")
    if not all(np.isfinite(a).all() for a in (mesh.vertices, mesh.uv, lifted.crop_from_lift)):
        raise ObjectFailed("its mesh has numbers that are not finite")
    if np.ptp(mesh.vertices, axis=0).max() <= 0 or not (scale is None or 0 < scale < math.inf):
        raise ObjectFailed("its mesh has no size")
    return lifted


def _source_pixels(
    camera: Camera, camera_from_crop: Float[np.ndarray, "3 3"], focal: float, side: int
) -> Float[np.ndarray, "s s 2"]:
    """Photo pixel (u, v) that each crop pixel's centre looks at."""
    c = (np.arange(side) + 0.5 - side / 2) / focal
    x, y = np.meshgrid(c, c)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3) @ camera_from_crop.T
    rays[:, 2] = np.maximum(rays[:, 2], 1e-3)
    return project(camera, rays).reshape(side, side, 2)


def _sample(image: Float32[np.ndarray, "ch cw"], uv: Float[np.ndarray, "s s 2"], order: int = 1) -> Float32[np.ndarray, "s s"]:
    return ndi.map_coordinates(image, [uv[..., 1] - 0.5, uv[..., 0] - 0.5], order=order, mode="constant", cval=0.0)


def _warp_rgba(rgba: UInt8[np.ndarray, "ch cw 4"], uv: Float[np.ndarray, "s s 2"], blur: float) -> UInt8[np.ndarray, "s s 4"]:
    """Resampled with premultiplied alpha, so that nothing of the background gets into the edge."""
    alpha = rgba[..., 3].astype(np.float32) / 255
    planes = [rgba[..., k] * alpha for k in range(3)] + [alpha]
    if blur > 0.1:  # the crop is smaller than the photo: blur against aliasing
        planes = [ndi.gaussian_filter(p, 0.5 * blur) for p in planes]
    *colour, a = (_sample(p, uv) for p in planes)
    rgb = np.stack(colour, axis=-1) / np.maximum(a, 1e-3)[..., None]
    return np.clip(np.dstack([rgb, 255 * a]) + 0.5, 0, 255).astype(np.uint8)


def _warp_depth(
    depth: DepthMap,
    seen: Bool[np.ndarray, "ch cw"],
    box_xyxy: tuple[int, int, int, int],
    camera: Camera,
    camera_from_crop: Float[np.ndarray, "3 3"],
    uv: Float[np.ndarray, "s s 2"],
    config: LiftConfig,
) -> Float32[np.ndarray, "s s"]:
    z = _crop_of(np.where(depth.valid, depth.z, 0.0), box_xyxy)
    good = seen & (z > 0) & ~_flying(z, config.flying_step)
    if good.any():  # tails of the depth inside one mask are bleeding from neighbours (3D-RE-GEN's 2 % filter)
        low, high = np.quantile(z[good], [0.01, 0.99])
        margin = 0.5 * (high - low)
        good &= (z >= low - margin) & (z <= high + margin)
    row, column = np.round(uv[..., 1] - 0.5).astype(int), np.round(uv[..., 0] - 0.5).astype(int)
    inside = (row >= 0) & (row < z.shape[0]) & (column >= 0) & (column < z.shape[1])
    row, column = np.clip(row, 0, z.shape[0] - 1), np.clip(column, 0, z.shape[1] - 1)
    rays = rays_of(camera, (uv + box_xyxy[:2]).reshape(-1, 2)) @ camera_from_crop[:, 2]
    z_crop = z[row, column] * rays.reshape(row.shape)
    return np.where(inside & good[row, column], z_crop, np.nan).astype(np.float32)


def _crop_of(image: Float32[np.ndarray, "h w"], box_xyxy: tuple[int, int, int, int]) -> Float32[np.ndarray, "ch cw"]:
    """A box of an image that may leave it; zero outside."""
    x0, y0, x1, y1 = box_xyxy
    h, w = image.shape
    out = np.zeros((y1 - y0, x1 - x0), np.float32)
    ya, yb, xa, xb = max(y0, 0), min(y1, h), max(x0, 0), min(x1, w)
    out[ya - y0 : yb - y0, xa - x0 : xb - x0] = image[ya:yb, xa:xb]
    return out


def _flying(z: Float32[np.ndarray, "ch cw"], step: float) -> Bool[np.ndarray, "ch cw"]:
    """Pixels whose depth differs from both the nearest and the farthest neighbour by more than ``step`` (relative)."""
    known = np.where(z > 0, z, np.nan)
    near = ndi.minimum_filter(np.nan_to_num(known, nan=np.inf), 3)
    far = ndi.maximum_filter(np.nan_to_num(known, nan=0.0), 3)
    return (z > 0) & (z - near > step * z) & (far - z > step * z)
