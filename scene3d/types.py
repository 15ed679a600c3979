"""What flows through the 3D half. Frames: CONVENTIONS.md. ``v`` vertices, ``f`` triangles, ``s`` side of a square crop."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, UInt8

from paco_core.types import Camera


@dataclass(frozen=True)
class TexturedMesh:
    """Triangles with one base-colour texture. Counter-clockwise faces look outwards."""

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    uv: Float64[np.ndarray, "v 2"]
    """In [0, 1]; glTF convention: (0, 0) is the texture's top-left corner, v grows downwards."""
    texture: UInt8[np.ndarray, "th tw 3"]
    """sRGB base colour; power-of-two sides."""


@dataclass(frozen=True)
class LiftInput:
    """One complete object, seen by its own canonical crop camera.

    The crop camera sits at the photo's camera centre, looks at the object's centre, has no roll (gravity's vertical
    is vertical in the crop), square pixels, and its principal point is the crop's centre ``(s/2, s/2)``.
    """

    id: int
    name: str
    rgba: UInt8[np.ndarray, "s s 4"]
    visible: Bool[np.ndarray, "s s"]
    depth: Float32[np.ndarray, "s s"] | None
    """z-depth along the crop camera's axis, metres, NaN where unknown; None unless the depth map is metric: geometric or
    relative depth is never handed to a lifter."""
    focal_px: float
    """Of the crop camera, in crop pixels."""
    elevation_deg: float
    """Height angle of the camera above the object's horizon: 0 level, 90 looking straight down."""
    camera_from_crop: Float64[np.ndarray, "3 3"]
    """Rotation from the crop camera to the photo's camera (both OpenCV axes, same centre)."""
    truncated: bool = False


@dataclass(frozen=True)
class LiftedMesh:
    """What every lift backend returns: a mesh in the ``lift`` frame and the view in which it reproduces the crop.

    Lift frame: y up (gravity), the camera's azimuth is +z, x right; box centred at the origin, longest side 1.
    """

    mesh: TexturedMesh
    crop_from_lift: Float64[np.ndarray, "4 4"]
    """Rigid: lift coordinates to the crop camera's OpenCV coordinates, in lift units."""
    metres_per_unit: float | None
    """Known only when metric depth was used."""
    method: str
    """What was done, e.g. ``relief+symmetry`` or ``revolve(open)``: shown in the report."""
    watertight: bool
    flat: bool = False
    """True for classes that are thin by nature (plates, rugs, cutlery)."""
    fallback: str | None = None


@dataclass(frozen=True)
class Ground:
    """Gravity and the floor, in the photo's camera frame (OpenCV)."""

    up_camera: Float64[np.ndarray, "3"]
    """Unit vector against gravity."""
    camera_height: float
    """Distance of the camera's centre above the floor, in the depth map's unit."""
    source: str
    """``plane`` (fitted), ``guess`` (made with the depth), ``prior`` …"""
    inlier_fraction: float


@dataclass(frozen=True)
class Pose:
    """Rigid transform ``a_from_b``: ``x_a = R(wxyz) x_b + translation``."""

    translation: Float64[np.ndarray, "3"]
    wxyz: Float64[np.ndarray, "4"]

    @property
    def matrix(self) -> Float64[np.ndarray, "4 4"]:
        """As a 4×4 matrix."""
        w, x, y, z = self.wxyz / np.linalg.norm(self.wxyz)
        out = np.eye(4)
        out[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        out[:3, 3] = self.translation
        return out


@dataclass(frozen=True)
class PlacementStep:
    """One attempted refinement and whether it was kept (kept only if the energy fell)."""

    name: str
    kept: bool
    energy_before: float
    energy_after: float


Support = Literal["floor", "object", "background"]


@dataclass(frozen=True)
class PlacedObject:
    """One object of the scene."""

    id: int
    name: str
    mesh: TexturedMesh
    """Object frame, metres: y up, front +z, origin at the bottom-centre of the box."""
    world_from_object: Pose
    support: Support
    support_id: int | None
    """The object that carries it, when ``support`` is ``"object"``."""
    iou_visible: float
    """IoU of the rendered silhouette and the input mask, don't-care pixels excluded."""
    pose_confidence: float
    """0 … 1, from the silhouette, the depth residual and the visible fraction."""
    steps: tuple[PlacementStep, ...]
    lift_method: str
    flat: bool
    watertight: bool
    layer: int
    visible_fraction: float
    fallback: str | None = None

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Width (x), height (y), depth (z) of the box in the object frame, metres."""
        w, h, d = np.ptp(self.mesh.vertices, axis=0)
        return float(w), float(h), float(d)


@dataclass(frozen=True)
class Scene:
    """The placed scene, in world coordinates (glTF axes: x right, y up, z toward the viewer; metres; floor at y = 0)."""

    name: str
    photo_sha256: str
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]
    """From the photo's camera (OpenCV axes) to the world; rigid."""
    objects: tuple[PlacedObject, ...]
    floor: TexturedMesh | None
    """World coordinates."""
    backdrop: TexturedMesh | None
    """Everything behind the objects that is not floor; world coordinates."""
    metric: bool
    """False when the global scale is a guess."""
    scale_source: str
    depth_source: str
    gravity_source: str
    occlusion_edges: tuple[tuple[int, int], ...] = ()
    """(front id, behind id)."""
    notes: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class RenderedView:
    """What a renderer returns for one view."""

    rgb: UInt8[np.ndarray, "h w 3"]
    ids: Int[np.ndarray, "h w"]
    """Object id per pixel; 0 floor or backdrop, -1 nothing."""
    z: Float[np.ndarray, "h w"]
    """z-depth, inf where nothing is hit."""
