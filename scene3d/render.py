"""Pictures of a placed scene, by ray casting: for the report, for comparing with the photo, and for tests.

The textures hold the light of the photo already, so lighting here only helps the eye to read the shapes: a little sky,
a little soft sun, and contact shadows on the floor. It never leaves ``Shading.limits``.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from paco_core.types import Camera
from scene3d.rays import Hits, RayMesh, pixel_rays
from scene3d.shadow import FloorShadow, floor_shadow
from scene3d.types import RenderedView, Scene, TexturedMesh


@dataclass(frozen=True)
class Shading:
    """How a picture is lit. Directions in world axes (y up, z toward the viewer of the photo)."""

    base: float = 0.86
    """Factor of a surface that faces neither sky nor sun."""
    sky: float = 0.06
    """Added in full where a surface faces up."""
    sun: float = 0.16
    """Added in full where a surface faces the sun."""
    sun_direction: tuple[float, float, float] = (-0.45, 0.7, 0.55)
    """Towards the sun: behind the photographer's left shoulder, so that what the photo shows stays as it was."""
    limits: tuple[float, float] = (0.8, 1.05)
    """Colours keep close to the textures."""
    contact: float = 0.65
    """Darkening of floor that is wholly surrounded by objects; 0 switches contact shadows off."""
    zenith: tuple[int, int, int] = (188, 203, 222)
    horizon: tuple[int, int, int] = (232, 235, 238)
    nadir: tuple[int, int, int] = (205, 203, 200)
    """Where nothing is hit: sRGB straight up, level, straight down."""


FLAT_SHADING = Shading(base=1.0, sky=0.0, sun=0.0, contact=0.0)
"""Textures as they are."""

CREASE_COS = 0.8
"""Corners whose smooth normal turns by more than 37° from the face keep the face's own: box edges (45°) stay sharp."""

SPECK = 0.02
"""An object that the photo shows this much smaller than the largest, as a share of area, is no reason to step back."""


class SceneRenderer:
    """A scene made ready for rays, once, for any number of views."""

    def __init__(self, scene: Scene, shading: Shading | None = None):
        self.scene = scene
        self.shading = Shading() if shading is None else shading
        self._parts, self._ids = _world_parts(scene)
        sizes = [len(part.vertices) for part in self._parts]
        starts = np.cumsum([0, *sizes])
        faces = [part.faces + start for part, start in zip(self._parts, starts[:-1], strict=True)]
        self._part_of_face = np.repeat(np.arange(len(faces)), [len(f) for f in faces])
        self._uv = np.concatenate([part.uv for part in self._parts] or [np.zeros((0, 2))])
        self._normals = np.concatenate(
            [corner_normals(part.vertices, part.faces) for part in self._parts] or [np.zeros((0, 3, 3))]
        )
        vertices = np.concatenate([part.vertices for part in self._parts] or [np.zeros((0, 3))])
        self.rays = RayMesh(vertices, np.concatenate(faces or [np.zeros((0, 3), int)]))
        self._face_normals = face_normals(vertices, self.rays.faces)
        self._shadow = self._contact_shadow() if self.shading.contact > 0 else None

    def _contact_shadow(self) -> FloorShadow | None:
        """Of the objects, reaching half as far as a typical object is large."""
        sizes = [np.ptp(part.vertices, axis=0).max() for part, drawn_as in zip(self._parts, self._ids, strict=True) if drawn_as]
        if not sizes:
            return None
        of_objects = self._ids[self._part_of_face] > 0
        return floor_shadow(RayMesh(self.rays.vertices, self.rays.faces[of_objects]), 0.5 * float(np.median(sizes)))

    def render(
        self,
        camera: Camera,
        world_from_camera: Float[np.ndarray, "4 4"],
        *,
        hw: tuple[int, int] | None = None,
        supersample: int = 1,
    ) -> RenderedView:
        """One view. ``hw`` resizes the camera's picture; ids and z are those at pixel centres at any ``supersample``."""
        hw = (camera.height, camera.width) if hw is None else hw
        camera_from_world = np.linalg.inv(world_from_camera)
        rays, faces = self._facing(world_from_camera[:3, 3])
        hits = _renumbered(rays.render(scaled_intrinsics(camera, hw), camera_from_world, hw), faces)
        if supersample == 1:
            rgb = self._colour(hits, camera, world_from_camera)
        else:
            fine_hw = (hw[0] * supersample, hw[1] * supersample)
            fine = _renumbered(rays.render(scaled_intrinsics(camera, fine_hw), camera_from_world, fine_hw), faces)
            blocks = self._colour(fine, camera, world_from_camera).reshape(hw[0], supersample, hw[1], supersample, 3)
            rgb = blocks.mean(axis=(1, 3))
        ids = np.where(hits.mask, np.append(self._ids[self._part_of_face], -1)[hits.triangle], -1)
        return RenderedView(rgb=np.clip(np.rint(rgb), 0, 255).astype(np.uint8), ids=ids, z=hits.z)

    def _facing(self, eye: np.ndarray) -> tuple[RayMesh, Int[np.ndarray, " n"]]:
        """What can be seen from ``eye``, and the number of each of its faces: floor and backdrop have one side.

        Whoever walks round the scene looks into it as into a doll's house.
        """
        corner = self.rays.vertices[self.rays.faces[:, 0]]
        away = np.sum(self._face_normals * (eye - corner), axis=-1) <= 0
        faces = np.flatnonzero(~away | (self._ids[self._part_of_face] > 0))
        if len(faces) == len(self.rays.faces):
            return self.rays, faces
        return RayMesh(self.rays.vertices, self.rays.faces[faces]), faces

    def _colour(self, hits: Hits, camera: Camera, world_from_camera: np.ndarray) -> np.ndarray:
        """Lit sRGB colour (h, w, 3) of every pixel, 0-255 as floats."""
        h, w = hits.triangle.shape
        rows, cols = np.divmod(np.arange(h * w), w)
        rays = pixel_rays(scaled_intrinsics(camera, (h, w)), rows, cols) @ world_from_camera[:3, :3].T
        rgb = _sky(rays, self.shading)
        seen = np.flatnonzero(hits.mask.ravel())
        triangle, bary = hits.triangle.ravel()[seen], hits.bary.reshape(-1, 3)[seen]
        part = self._part_of_face[triangle]
        uv = np.einsum("nk,nkj->nj", bary, self._uv[self.rays.faces[triangle]])
        for index in np.unique(part):
            of_part = part == index
            rgb[seen[of_part]] = sample_texture(self._parts[index].texture, uv[of_part])
        normals = np.einsum("nk,nkj->nj", bary, self._normals[triangle])
        from_behind = np.sum(self._face_normals[triangle] * rays[seen], axis=-1) > 0
        factor = np.where(self._ids[part] > 0, _light(normals, from_behind, self.shading), 1.0)
        points = world_from_camera[:3, 3] + hits.z.ravel()[seen, None] * rays[seen]
        if self._shadow is not None:
            on_floor = (self._ids[part] == 0) & (np.abs(points[:, 1]) < self._shadow.tolerance)
            factor[on_floor] *= 1 - self.shading.contact * self._shadow.at(points[on_floor])
        rgb[seen] *= factor[:, None]
        return rgb.reshape(h, w, 3)


def _renumbered(hits: Hits, faces: Int[np.ndarray, " n"]) -> Hits:
    """Hits on a mesh of some faces as hits on the mesh of all."""
    return replace(hits, triangle=np.append(faces, -1)[hits.triangle])


def render_scene(
    scene: Scene,
    camera: Camera,
    world_from_camera: Float[np.ndarray, "4 4"],
    *,
    hw: tuple[int, int] | None = None,
    supersample: int = 1,
    shading: Shading | None = None,
) -> RenderedView:
    """One picture of the scene. For several views of one scene, keep a ``SceneRenderer``."""
    return SceneRenderer(scene, shading).render(camera, world_from_camera, hw=hw, supersample=supersample)


def scaled_intrinsics(camera: Camera, hw: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """K of the same camera with another number of pixels."""
    return np.diag([hw[1] / camera.width, hw[0] / camera.height, 1.0]) @ camera.K


def sample_texture(texture: UInt8[np.ndarray, "th tw 3"], uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """Bilinear colours, 0-255; glTF coordinates ((0, 0) top-left corner of the picture, v down), clamped at the border."""
    h, w = texture.shape[:2]
    at = np.clip(uv * [w, h] - 0.5, 0, [w - 1, h - 1])
    left, top = np.minimum(at.astype(int), [max(w - 2, 0), max(h - 2, 0)]).T
    right, bottom = np.minimum(left + 1, w - 1), np.minimum(top + 1, h - 1)
    x, y = (at - np.stack([left, top], axis=-1)).T[..., None]
    upper = texture[top, left] * (1 - x) + texture[top, right] * x
    lower = texture[bottom, left] * (1 - x) + texture[bottom, right] * x
    return upper * (1 - y) + lower * y


def orbit_camera(scene: Scene, yaw_deg: float, pitch_deg: float = 0.0, margin: float | None = 0.04) -> np.ndarray:
    """The photo's camera, walked around the objects: ``world_from_camera`` (4, 4).

    It turns about the vertical through the median of the objects' box centres, by how large the photo shows them (positive
    yaw: the camera goes to its right), is raised by ``pitch_deg``, and steps back until every object but specks in the distance
    is inside the frame less ``margin`` of its size (None: it keeps its distance).
    (0, 0) is the photo's own pose, untouched.
    """
    if (yaw_deg == 0 and pitch_deg == 0) or not scene.objects:
        return scene.world_from_camera
    points = [_world_mesh(o.mesh, o.world_from_object.matrix).vertices for o in scene.objects]
    shares = _shares_of_photo(scene, points)
    centre = _weighted_median(np.array([(p.min(axis=0) + p.max(axis=0)) / 2 for p in points]), shares)
    turned = scene.world_from_camera.copy()
    turned[:3, 3] -= centre
    across = scene.world_from_camera[:3, 0] * [1, 0, 1]
    turn = _rotation(np.array([0, 1.0, 0]), yaw_deg) @ _rotation(across, -pitch_deg)
    turned[:3] = turn @ turned[:3]
    turned[:3, 3] += centre
    if margin is None:
        return turned
    looked_at = [p for p, share in zip(points, shares, strict=True) if share >= SPECK * shares.max()]
    seen = (np.concatenate(looked_at) - turned[:3, 3]) @ turned[:3, :3]
    turned[:3, 3] -= turned[:3, 2] * _step_back(seen, scene.camera, margin)
    return turned


def _shares_of_photo(scene: Scene, points: list[np.ndarray]) -> np.ndarray:
    """Of the area of all objects' boxes in the photo, the share of each."""
    camera, eye = scene.camera, scene.world_from_camera
    areas = []
    for p in points:
        seen = (p - eye[:3, 3]) @ eye[:3, :3]
        uv = seen[:, :2] * [camera.fx, camera.fy] / np.maximum(seen[:, 2:], 1e-6) + [camera.cx, camera.cy]
        low, high = np.clip([uv.min(axis=0), uv.max(axis=0)], 0, [camera.width, camera.height])
        areas.append(np.prod(np.maximum(high - low, 1.0)))
    return np.array(areas) / np.sum(areas)


def _weighted_median(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of points (n, 3), along each axis."""
    order = np.argsort(points, axis=0)
    below = np.cumsum(weights[order], axis=0)
    middle = order[(below < 0.5 * weights.sum()).sum(axis=0).clip(max=len(points) - 1), range(points.shape[1])]
    return points[middle, range(points.shape[1])]


def _step_back(points: np.ndarray, camera: Camera, margin: float) -> float:
    """How far the camera must retreat along its axis for points (n, 3), in camera axes, to be inside the frame."""
    needed = np.full(len(points), 1e-3)
    for axis, f, c, size in ((0, camera.fx, camera.cx, camera.width), (1, camera.fy, camera.cy, camera.height)):
        far_side = max(size * (1 - margin) - c, 0.05 * size)  # a principal point near the border must not divide by 0
        near_side = max(c - size * margin, 0.05 * size)
        needed = np.maximum(needed, f * np.maximum(points[:, axis] / far_side, -points[:, axis] / near_side))
    return float(np.max(needed - points[:, 2], initial=0.0))


def _rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    """Right-handed rotation about an axis (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _world_mesh(mesh: TexturedMesh, world_from_mesh: np.ndarray) -> TexturedMesh:
    return replace(mesh, vertices=mesh.vertices @ world_from_mesh[:3, :3].T + world_from_mesh[:3, 3])


def _world_parts(scene: Scene) -> tuple[list[TexturedMesh], np.ndarray]:
    """All meshes in world coordinates, and the id that each is drawn with."""
    stage = [mesh for mesh in (scene.floor, scene.backdrop) if mesh is not None]
    objects = [_world_mesh(o.mesh, o.world_from_object.matrix) for o in scene.objects]
    return stage + objects, np.array([0] * len(stage) + [o.id for o in scene.objects], int)


def face_normals(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "f 3"]:
    """Outward normals of faces, as long as twice their area."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return np.cross(b - a, c - a)


def corner_normals(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "f 3 3"]:
    """Unit normals of every face's corners: smooth over texture seams, sharp over creases."""
    weighted = face_normals(vertices, faces)
    flat = weighted / np.maximum(np.linalg.norm(weighted, axis=-1, keepdims=True), 1e-30)
    _, place = np.unique(vertices, axis=0, return_inverse=True)
    corner = place.ravel()[faces]
    total = np.stack([np.bincount(corner.ravel(), np.repeat(weighted[:, k], 3)) for k in range(3)], axis=-1)
    smooth = (total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-30))[corner]
    creased = np.sum(smooth * flat[:, None], axis=-1) < CREASE_COS
    return np.where(creased[..., None], flat[:, None], smooth)


def _light(normals: np.ndarray, seen_from_behind: np.ndarray, shading: Shading) -> np.ndarray:
    """Factor (n,) on the texture; surfaces are lit on the side that is seen."""
    towards_eye = np.where(seen_from_behind[:, None], -normals, normals)
    sun = np.array(shading.sun_direction) / np.linalg.norm(shading.sun_direction)
    factor = shading.base + shading.sky * towards_eye[:, 1] + shading.sun * np.maximum(towards_eye @ sun, 0)
    return np.clip(factor, *shading.limits)


def _sky(rays: np.ndarray, shading: Shading) -> np.ndarray:
    """Colours (n, 3) of rays that leave the scene: a gradient over the angle to the horizon."""
    height = rays[:, 1:2] / np.linalg.norm(rays, axis=-1, keepdims=True)
    horizon = np.array(shading.horizon, float)
    end = np.where(height > 0, shading.zenith, shading.nadir)
    return horizon + (end - horizon) * np.sqrt(np.abs(height))
