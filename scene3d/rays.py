"""Ray casting against triangles: who is hit first, where on the triangle, how far away.

Embree finds the triangle in float32; the hit itself is then recomputed in float64 from that triangle, so that distances
are as exact as the mesh. Where embreex is not installed, ``render`` rasterises and ``cast`` tries every triangle.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

CHUNK = 1 << 18
"""Rays, or (triangle, pixel) pairs, worked on at once: about 100 MB of temporaries."""


@dataclass(frozen=True)
class Hits:
    """What a pinhole camera sees of a mesh, one ray through every pixel's centre."""

    triangle: Int[np.ndarray, "h w"]
    """Index of the face; -1 where nothing is hit."""
    bary: Float[np.ndarray, "h w 3"]
    """Weights of the face's three corners: >= 0, sum 1; 0 where nothing is hit."""
    z: Float[np.ndarray, "h w"]
    """z-depth in the camera's unit; inf where nothing is hit."""

    @property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Where something is hit."""
        return self.triangle >= 0


def embree_installed() -> bool:
    """Whether embreex can be imported (it has no wheels for some platforms)."""
    try:
        import embreex  # noqa: F401
    except ImportError:
        return False
    return True


def pixel_rays(K: Float[np.ndarray, "3 3"], rows: Int[np.ndarray, " n"], cols: Int[np.ndarray, " n"]) -> np.ndarray:
    """Directions (n, 3) through pixel centres in OpenCV camera axes, with z = 1: a ray's parameter is its z-depth."""
    pixels = np.stack([cols + 0.5, rows + 0.5, np.ones(len(rows))], axis=-1)
    return pixels @ np.linalg.inv(K).T


class RayMesh:
    """Triangles that answer rays. Built once in the mesh's own coordinates; poses are applied to the rays."""

    def __init__(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], *, embree: bool | None = None):
        """``embree``: True requires embreex, False never uses it, None takes it where it is installed."""
        if not np.isfinite(vertices).all():
            raise ValueError("a mesh for ray casting has vertices that are not finite")
        self.vertices = np.asarray(vertices, np.float64)
        self.faces = np.asarray(faces, np.int64)
        self.embree = embree_installed() if embree is None else embree
        used = self.vertices[self.faces].reshape(-1, 3)
        low, high = (used.min(axis=0), used.max(axis=0)) if len(used) else (np.zeros(3), np.ones(3))
        self._centre = (low + high) / 2
        self._radius = float(np.linalg.norm(high - low)) / 2 or 1.0

    @cached_property
    def _bvh(self):
        """Embree's scene in units of the bounding sphere: float32 is finest there."""
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        scene = EmbreeScene(robust=True)  # without it, rays slip between adjacent triangles
        unit = (self.vertices - self._centre) / self._radius
        TriangleMesh(scene, unit.astype(np.float32), self.faces.astype(np.int32))
        return scene

    @cached_property
    def _planes(self) -> tuple[np.ndarray, ...]:
        """Per face: corner 0, unit normal, and the two vectors whose dot products weigh corners 1 and 2."""
        corner, b, c = np.moveaxis(self.vertices[self.faces], 1, 0)
        edge1, edge2 = b - corner, c - corner
        normal = np.cross(edge1, edge2)
        square = np.sum(normal**2, axis=-1, keepdims=True)
        square = np.where(square > 0, square, np.inf)  # a face without area: no plane, weights of corner 0
        return corner, normal / np.sqrt(square), np.cross(edge2, normal) / square, np.cross(normal, edge1) / square

    def render(self, K: Float[np.ndarray, "3 3"], camera_from_mesh: Float[np.ndarray, "4 4"], hw: tuple[int, int]) -> Hits:
        """See the mesh through a pinhole camera (OpenCV axes, pixel centres at +0.5).

        ``camera_from_mesh`` may be any invertible affine map, so a similarity too: z comes out in the camera's unit.
        """
        h, w = hw
        triangle = np.full(h * w, -1)
        bary = np.zeros((h * w, 3))
        z = np.full(h * w, np.inf)
        top, bottom, left, right = self._window(K, camera_from_mesh, hw)
        pixels = (np.arange(top, bottom)[:, None] * w + np.arange(left, right)).ravel()
        if len(self.faces) and not self.embree:
            triangle = _rasterise(self._corners_in(camera_from_mesh), K, hw).ravel()
            pixels = pixels[triangle[pixels] >= 0]
        mesh_from_camera = np.linalg.inv(camera_from_mesh)
        origin = mesh_from_camera[None, :3, 3]
        for start in range(0, len(pixels), CHUNK):
            part = pixels[start : start + CHUNK]
            directions = pixel_rays(K, part // w, part % w) @ mesh_from_camera[:3, :3].T
            if self.embree:
                triangle[part] = self._first(origin, directions)
            part, directions = part[triangle[part] >= 0], directions[triangle[part] >= 0]
            bary[part], z[part] = self._hit(origin, directions, triangle[part])
        return Hits(triangle.reshape(h, w), bary.reshape(h, w, 3), z.reshape(h, w))

    def cast(
        self, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]
    ) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """First hit of every ray, in mesh coordinates.

        Returns the face (-1 where nothing is hit) and t of ``origin + t * direction`` (inf where nothing is hit).
        Directions need not have unit length, but not zero.
        """
        triangle, t = np.full(len(origins), -1), np.full(len(origins), np.inf)
        for start in range(0, len(origins) if len(self.faces) else 0, CHUNK):
            part = np.arange(start, min(start + CHUNK, len(origins)))
            triangle[part] = self._first(origins[part], directions[part])
            part = part[triangle[part] >= 0]
            _, t[part] = self._hit(origins[part], directions[part], triangle[part])
        return triangle, t

    def occluded(
        self, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"], tfar: float = np.inf
    ) -> Bool[np.ndarray, " n"]:
        """Whether anything lies on ``origin + t * direction`` with 0 < t < tfar; as exact as float32, for shadows."""
        if not self.embree or not len(self.faces):
            return self.cast(origins, directions)[1] < tfar
        limits = np.full(len(origins), min(tfar, 1e30), np.float32)
        return self._bvh.run(*self._in_unit(origins, directions), limits, query="OCCLUDED") == 0

    def near(self, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """``t`` of ``cast``, as exact as float32, several times faster: for shading."""
        if not self.embree or not len(self.faces):
            return self.cast(origins, directions)[1]
        t = self._bvh.run(*self._in_unit(origins, directions), query="DISTANCE").astype(np.float64)
        return np.where(t < 1e30, t, np.inf)

    def _in_unit(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same rays, parameters unchanged, as Embree's scene has them."""
        return (
            ((origins - self._centre) / self._radius).astype(np.float32),
            (directions / self._radius).astype(np.float32),
        )

    def _corners_in(self, camera_from_mesh: np.ndarray) -> np.ndarray:
        """Corners of all faces (f, 3, 3) in the camera."""
        points = self.vertices @ camera_from_mesh[:3, :3].T + camera_from_mesh[:3, 3]
        return points[self.faces]

    def _window(self, K: np.ndarray, camera_from_mesh: np.ndarray, hw: tuple[int, int]) -> tuple[int, int, int, int]:
        """Rows and columns (top, bottom, left, right) outside which the mesh can't be seen."""
        if not len(self.faces):
            return 0, 0, 0, 0
        corners = self._corners_in(camera_from_mesh).reshape(-1, 3)
        if corners[:, 2].min() <= 1e-6 * np.abs(corners[:, 2]).max():  # reaches behind the camera: no bound
            return 0, hw[0], 0, hw[1]
        u, v = (corners @ K[:2].T / corners[:, 2:]).T
        top, bottom = np.clip([np.floor(v.min()) - 1, np.ceil(v.max()) + 1], 0, hw[0]).astype(int)
        left, right = np.clip([np.floor(u.min()) - 1, np.ceil(u.max()) + 1], 0, hw[1]).astype(int)
        return int(top), int(bottom), int(left), int(right)

    def _first(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """First face of every ray, -1 for none; origins may be (1, 3)."""
        if not self.embree:
            return _try_all(self.vertices[self.faces], origins, directions)
        unit_origins = (origins - self._centre) / self._radius
        unit_directions = directions / self._radius
        # Rays start just before the bounding sphere: float32 has no digits to spend on the way there.
        length2 = np.sum(unit_directions**2, axis=-1)
        closest = -np.sum(unit_origins * unit_directions, axis=-1) / length2
        skip = np.maximum(closest - 1.01 / np.sqrt(length2), 0.0)
        starts = unit_origins + skip[:, None] * unit_directions
        return self._bvh.run(starts.astype(np.float32), unit_directions.astype(np.float32)).astype(np.int64)

    def _hit(self, origins: np.ndarray, directions: np.ndarray, triangle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights and t of rays that are known to hit these faces, in float64.

        The ray meets the face's plane; weights are clipped to the face (a float32 hit may lie a hair outside it, and on
        a face seen edge-on the plane says nothing), and t is that of the clipped point.
        """
        corner, normal, dual1, dual2 = (table[triangle] for table in self._planes)
        along = np.sum(normal * directions, axis=-1)
        ahead = np.sum(normal * (corner - origins), axis=-1)
        t = np.divide(ahead, along, out=np.zeros(len(along)), where=along != 0)
        offset = origins + t[:, None] * directions - corner
        weight1, weight2 = np.sum(dual1 * offset, axis=-1), np.sum(dual2 * offset, axis=-1)
        bary = np.clip(np.stack([1 - weight1 - weight2, weight1, weight2], axis=-1), 0, None)
        bary /= bary.sum(axis=-1, keepdims=True)
        point = np.einsum("nk,nkj->nj", bary, self.vertices[self.faces[triangle]])
        t = np.sum((point - origins) * directions, axis=-1) / np.sum(directions**2, axis=-1)
        return bary, t


def _rasterise(corners: np.ndarray, K: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    """Nearest face per pixel (h, w), -1 for none, of faces (f, 3, 3) in the camera.

    Homogeneous rasterisation (Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997):
    a pixel's direction d is inside when the three e_i . d / det have no negative member, and then 1/z is their sum;
    nothing needs clipping at the camera's plane.
    """
    a, b, c = np.moveaxis(corners, 1, 0)
    edges = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    det = np.sum(a * edges[:, 0], axis=-1)
    edges = edges / np.where(det == 0, np.inf, det)[:, None, None]  # edge-on: never inside
    boxes = _pixel_boxes(corners, K, hw)
    inverse_z = np.zeros(hw[0] * hw[1])
    face_at = np.full(hw[0] * hw[1], -1)
    area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    splits = np.searchsorted(np.cumsum(area), np.arange(CHUNK, area.sum(), CHUNK))
    for faces in np.split(np.arange(len(corners)), np.unique(splits)):
        face, pixel = _pairs(faces, boxes[faces], area[faces], hw[1])
        weights = np.einsum("nij,nj->ni", edges[face], pixel_rays(K, pixel // hw[1], pixel % hw[1]))
        total = weights.sum(axis=-1)
        inside = (weights.min(axis=-1) >= 0) & (total > 0)
        face, pixel, total = face[inside], pixel[inside], total[inside]
        nearest = np.argsort(total, kind="stable")  # the last write to a pixel is the nearest of this chunk
        face, pixel, total = face[nearest], pixel[nearest], total[nearest]
        closer = total > inverse_z[pixel]
        inverse_z[pixel[closer]], face_at[pixel[closer]] = total[closer], face[closer]
    return face_at.reshape(hw)


def _pixel_boxes(corners: np.ndarray, K: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    """Rows and columns (f, 4: top, bottom, left, right) that each face may cover; none for faces behind the camera."""
    z = corners[..., 2]
    safe = np.where(z > 0, z, 1.0)
    u, v = np.moveaxis(corners @ K[:2].T / safe[..., None], -1, 0)
    spans = [np.floor(v.min(axis=1)), np.ceil(v.max(axis=1)), np.floor(u.min(axis=1)), np.ceil(u.max(axis=1))]
    limits = [hw[0], hw[0], hw[1], hw[1]]
    boxes = np.stack([np.clip(span, 0, limit) for span, limit in zip(spans, limits, strict=True)], axis=1)
    boxes[z.min(axis=1) <= 0] = (0, hw[0], 0, hw[1])  # crosses the camera's plane: anywhere
    boxes[z.max(axis=1) <= 0] = 0
    return boxes.astype(np.int64)


def _pairs(faces: np.ndarray, boxes: np.ndarray, area: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Every (face, flat pixel) with the pixel in the face's box."""
    which = np.repeat(np.arange(len(faces)), area)
    within = np.arange(len(which)) - np.repeat(np.cumsum(area) - area, area)
    box_width = boxes[which, 3] - boxes[which, 2]
    rows, cols = boxes[which, 0] + within // box_width, boxes[which, 2] + within % box_width
    return faces[which], rows * width + cols


def _try_all(corners: np.ndarray, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """First face of every ray, -1 for none, by trying all faces (Möller and Trumbore 1997); for small meshes."""
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    triangle, t_first = np.full(len(directions), -1), np.full(len(directions), np.inf)
    for face, corner in enumerate(corners[:, 0]):
        p = np.cross(directions, edge2[face])
        det = p @ edge1[face]
        inverse = np.divide(1.0, det, out=np.zeros_like(det), where=det != 0)
        s = origins - corner
        u = np.sum(s * p, axis=-1) * inverse
        q = np.cross(s, edge1[face])
        v = np.sum(directions * q, axis=-1) * inverse
        t = q @ edge2[face] * inverse
        closer = (det != 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < t_first)
        triangle[closer], t_first[closer] = face, t[closer]
    return triangle
