"""From a shape to a finished ``LiftedMesh``: surface, faces, texture, lift frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, UInt8

from paco_core.classes import Back
from paco_core.errors import ObjectFailed
from scene3d.clean import decimate, is_watertight, large_pieces, smooth
from scene3d.relief.fields import Outline
from scene3d.relief.view import View
from scene3d.relief.volume import Shape, extract
from scene3d.texture import TextureConfig, paint, visible_surface
from scene3d.types import LiftedMesh, TexturedMesh

COARSEN = (1.0, 1.5, 2.3)
"""Cells grow by this when the decimated surface is not closed: a coarser surface has fewer tight spots."""


@dataclass(frozen=True)
class Solid3D:
    """A closed surface in the work frame, and how well it explains the crop."""

    shape: Shape
    vertices: Float64[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    iou: float
    """Of its silhouette with the mask."""
    metres_per_unit: float | None
    """From the median ratio of measured and modelled depth; None without metric depth."""
    residual: float
    """Median difference of the scaled measured depth and the modelled one on visible pixels, work units; 0 without depth."""

    @property
    def depth_over_width(self) -> float:
        """Of the box."""
        width, _, depth = np.ptp(self.vertices, axis=0)
        return float(depth / max(width, 1e-9))


def build(shape: Shape, outline: Outline, depth: Float32[np.ndarray, "s s"] | None, max_faces: int) -> Solid3D:
    """Mesh a shape within the face budget and compare it with the crop.

    Raises ``ObjectFailed`` when no closed surface can be had.
    """
    for coarsen in COARSEN:
        vertices, faces = large_pieces(*extract(shape, coarsen))
        vertices = smooth(vertices, faces) if shape.smoothing > 0 else vertices
        if not is_watertight(vertices, faces):
            continue
        small = decimate(vertices, faces, max_faces)
        if small is not None:
            return _compare(shape, *small, outline, depth)
    raise ObjectFailed(f"No closed surface could be made ({shape.method}).")


def _compare(shape: Shape, vertices: np.ndarray, faces: np.ndarray, outline: Outline, depth: np.ndarray | None) -> Solid3D:
    view = shape.view
    surface = visible_surface(vertices, faces, view)
    uv = surface.uv
    covered = np.isfinite(surface.values).ravel()
    inside = outline.distance.at(uv) > 0
    iou = float((covered & inside).sum() / max(int((covered | inside).sum()), 1))
    if depth is None:
        return Solid3D(shape, vertices, faces, iou, None, 0.0)
    pixel = np.clip(uv.astype(int), 0, view.size_px - 1)
    measured = depth[pixel[:, 1], pixel[:, 0]].astype(np.float64)
    modelled = view.distance - surface.values.ravel()
    both = covered & inside & np.isfinite(measured)
    if both.sum() < 8:
        return Solid3D(shape, vertices, faces, iou, None, 0.0)
    scale = float(np.median(measured[both] / modelled[both]))
    residual = float(np.median(np.abs(measured[both] / scale - modelled[both])))
    return Solid3D(shape, vertices, faces, iou, scale, residual)


def finish(
    solid: Solid3D, rgba: UInt8[np.ndarray, "s s 4"], outline: Outline, texture: TextureConfig, *, back: Back = "mirror"
) -> LiftedMesh:
    """Texture a solid and bring it to the lift frame."""
    view = solid.shape.view
    mesh = paint(solid.vertices, solid.faces, rgba, outline, view, solid.shape.twins, texture, back=back)
    scale = solid.shape.metres_per_unit if solid.shape.metres_per_unit is not None else solid.metres_per_unit
    return to_lift_frame(mesh, view, solid.shape.method, metres_per_unit=scale, flat=solid.shape.flat)


def to_lift_frame(
    mesh: TexturedMesh,
    view: View,
    method: str,
    *,
    metres_per_unit: float | None,
    flat: bool,
    fallback: str | None = None,
) -> LiftedMesh:
    """Centre the box, make its longest side 1, and keep the view that reproduces the crop.

    Lift axes are the work frame's; with p_work = unit · p_lift + centre, crop_from_lift = R p_lift + (R centre + t) / unit.
    """
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    unit, center = float((high - low).max()), (low + high) / 2
    crop_from_lift = view.crop_from_work.copy()
    crop_from_lift[:3, 3] = (crop_from_lift[:3, :3] @ center + crop_from_lift[:3, 3]) / unit
    vertices = (mesh.vertices - center) / unit
    return LiftedMesh(
        mesh=TexturedMesh(vertices, mesh.faces, mesh.uv, mesh.texture),
        crop_from_lift=crop_from_lift,
        metres_per_unit=None if metres_per_unit is None else metres_per_unit * unit,
        method=method,
        watertight=is_watertight(vertices, mesh.faces),
        flat=flat,
        fallback=fallback,
    )


def depth_scale(depth: Float[np.ndarray, "s s"], mask: Bool[np.ndarray, "s s"]) -> float | None:
    """Median measured depth inside the mask, metres; None when nothing was measured."""
    values = depth[mask & np.isfinite(depth)]
    return float(np.median(values)) if values.size >= 8 else None
