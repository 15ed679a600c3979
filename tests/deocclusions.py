"""What the 2D half would return for a room that is known exactly: one box in front of a wall (and of a nearer one)."""

import math

import numpy as np

from paco_core.camera import pixel_rays
from paco_core.types import (
    Background,
    Camera,
    CompleteObject,
    Deocclusion,
    DepthKind,
    DepthMap,
    OcclusionEdge,
    OcclusionGraph,
    Photo,
    Segmentation,
)
from scene3d.transforms import similarity
from scene3d.types import Ground

H, W, FOCAL = 150, 200, 180.0
EYE_M = 1.5
BOX_M = np.array([[-0.4, 0.0, -3.0], [0.4, 0.8, -2.6]])
"""World corners of the box that stands in the room."""


def pose(pitch_deg: float) -> np.ndarray:
    """``world_from_camera`` of a camera ``EYE_M`` above the floor that looks ``pitch_deg`` down along -z."""
    s, c = math.sin(math.radians(pitch_deg)), math.cos(math.radians(pitch_deg))
    return similarity(np.array([[1.0, 0, 0], [0, -c, -s], [0, s, -c]]), np.array([0.0, EYE_M, 0.0]))


def ground(pitch_deg: float) -> Ground:
    return Ground(pose(pitch_deg)[1, :3].copy(), EYE_M, "plane", 1.0)


def make_deocclusion(
    *,
    pitch_deg: float = 15.0,
    wall_m: float | None = 5.0,
    pillar_m: float | None = None,
    kind: DepthKind = "metric",
    names: tuple[str, str] = ("box", "wall clock"),
) -> Deocclusion:
    """Floor and wall (None: no wall) with soft colours; with ``pillar_m`` the right half of the wall stands nearer."""
    camera = Camera(FOCAL, FOCAL, W / 2, H / 2, W, H, "user")
    rays = pixel_rays(camera) @ pose(pitch_deg)[:3, :3].T
    z, rgb = _background(rays, wall_m, pillar_m)
    box_z = np.where((np.abs(rays[..., 0] / -rays[..., 2]) < 0.15), BOX_M[1, 2] / rays[..., 2], np.inf)
    height = EYE_M + box_z * rays[..., 1]
    mask = (height > 0) & (height < 0.8) & (box_z < z)
    clock = np.zeros_like(mask)
    clock[5:20, 20:40] = True
    photo_rgb = np.where(mask[..., None], np.uint8(90), rgb)
    unit = 1.0 if kind == "metric" else EYE_M
    depth = DepthMap((np.where(mask, box_z, z) / unit).astype(np.float32), np.ones((H, W), bool), kind, "truth")
    masks = np.stack([mask, clock & ~mask])
    if not mask.any():  # out of view: the clock alone
        masks[0, -9:-3, 3:9] = True
    segmentation = Segmentation((1, 2), names, masks)
    edge = OcclusionEdge(1, 2, 3.0, 9, "depth")
    return Deocclusion(
        photo=Photo(photo_rgb, "room", "0" * 64),
        segmentation=segmentation,
        camera=camera,
        depth=depth,
        occlusion=OcclusionGraph((1, 2), (edge,), (OcclusionEdge(2, 1, 1.0, 2, "area"),), (0, 1)),
        objects=tuple(_complete(photo_rgb, segmentation, k) for k in (0, 1)),
        background=Background(rgb, mask, "truth"),
    )


def _background(rays: np.ndarray, wall_m: float | None, pillar_m: float | None) -> tuple[np.ndarray, np.ndarray]:
    floor = np.where(rays[..., 1] < -1e-6, EYE_M / np.maximum(-rays[..., 1], 1e-6), np.inf)
    wall = np.full(floor.shape, 1e6) if wall_m is None else wall_m / -rays[..., 2]
    if pillar_m is not None:
        wall[:, W // 2 :] = pillar_m / -rays[:, W // 2 :, 2]
    z = np.minimum(floor, wall)
    x, far = rays[..., 0] * z, -rays[..., 2] * z
    on_floor = np.stack([150 + 40 * np.sin(3 * x), 130 + 40 * np.cos(2 * far), 110 + 20 * np.sin(2 * x + far)], axis=-1)
    on_wall = np.stack([90 + 30 * np.sin(2 * x), 120 + 0 * x, 170 + 30 * np.cos(x)], axis=-1)
    return z, np.where((floor <= wall)[..., None], on_floor, on_wall).astype(np.uint8)


def _complete(rgb: np.ndarray, segmentation: Segmentation, k: int) -> CompleteObject:
    mask = segmentation.masks[k]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    visible = mask[y0:y1, x0:x1].copy()
    amodal = visible.copy()
    visible[:, : visible.shape[1] // 4] = False  # as if a quarter had been hidden
    rgba = np.dstack([rgb[y0:y1, x0:x1], np.where(amodal, 255, 0).astype(np.uint8)])
    box = (int(x0), int(y0), int(x1), int(y1))
    return CompleteObject(segmentation.ids[k], segmentation.names[k], rgba, visible, box, k, (), "truth", "truth")
