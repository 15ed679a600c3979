"""Nothing goes through the floor: claims of hidden parts end where a measured floor would be nearer than the object."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from paco_core.camera import rays_of
from paco_core.masks import box_slices
from paco_core.types import Camera, CompleteObject, DepthMap
from scene3d.types import Ground

NEAREST = 0.02
"""Quantile of the visible depths that counts as the nearest: a few pixels at an outline have the depth of what is in front."""
TOLERANCE = 0.015
"""Share of the depth by which the floor may be nearer: it was found with as much (``GroundConfig.inlier_of_z``)."""


def above_floor(obj: CompleteObject, depth: DepthMap, camera: Camera, ground: Ground) -> CompleteObject:
    """The object without what its completion claims below the floor, as far as depth can tell; visible pixels always stay.

    A mask alone does not say how far a thing goes on behind what hides its foot. Where the floor was measured, it does: a
    pixel at which the floor is nearer than all that is seen of the object shows the floor, or what stands on it. That a hidden
    leg may be nearer than all that is seen is not believed. Floors that are guessed say nothing; the object comes back as it is.
    """
    nearest = _nearest(obj, depth) if ground.source == "plane" else None
    if nearest is None:
        return obj
    below = obj.generated & (_floor_depth(obj, camera, ground) < (1 - TOLERANCE) * nearest)
    if not below.any():
        return obj
    kept = np.asarray(ndimage.binary_propagation(obj.visible, mask=obj.amodal & ~below), bool)
    rows, columns = box_slices(kept)
    alpha = np.where(kept, obj.rgba[..., 3], 0).astype(np.uint8)
    x0, y0 = obj.box_xyxy[:2]
    return replace(
        obj,
        rgba=np.ascontiguousarray(np.dstack([obj.rgba[..., :3], alpha])[rows, columns]),
        visible=np.ascontiguousarray(obj.visible[rows, columns]),
        box_xyxy=(x0 + columns.start, y0 + rows.start, x0 + columns.stop, y0 + rows.stop),
    )


def _nearest(obj: CompleteObject, depth: DepthMap) -> float | None:
    """Depth of the nearest that is seen of an object; None where no depth is known."""
    rows, columns = np.nonzero(obj.visible)
    at = rows + obj.box_xyxy[1], columns + obj.box_xyxy[0]
    known = depth.z[at][depth.valid[at]]
    return float(np.quantile(known, NEAREST)) if len(known) else None


def _floor_depth(obj: CompleteObject, camera: Camera, ground: Ground) -> Float[np.ndarray, "ch cw"]:
    """z-depth of the floor at every pixel of the crop; inf at and above the horizon."""
    hw: tuple[int, ...] = obj.visible.shape
    rows, columns = np.indices(hw).reshape(2, -1) + 0.5
    rays = rays_of(camera, np.column_stack([columns + obj.box_xyxy[0], rows + obj.box_xyxy[1]]))
    down = (-rays @ ground.up_camera).reshape(hw)
    meets: Bool[np.ndarray, "ch cw"] = down > 0
    return np.where(meets, ground.camera_height / np.where(meets, down, 1.0), np.inf)
