"""Objects that stand in a synthetic scene: a solid (shape and look, made once) with a size and a pose."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64, Int

from paco_core.types import Camera
from scene3d.rays import Hits, RayMesh
from scene3d.render import corner_normals, face_normals
from scene3d.synthetic.looks import Look, PiecewiseLook, TexturedLook
from scene3d.synthetic.patterns import Pattern
from scene3d.synthetic.shapes import Piece
from scene3d.types import Pose, TexturedMesh


@dataclass(frozen=True, eq=False)
class Solid:
    """A shape with its look, in a unit of its own: y up, front +z, origin at the bottom-centre of the box."""

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    look: Look
    smooth: bool = True
    """Whether normals are averaged over corners that faces share, but for creases; False for floors and walls."""

    @cached_property
    def rays(self) -> RayMesh:
        """Answers rays; built when first asked."""
        return RayMesh(self.vertices, self.faces)

    @cached_property
    def corner_normals(self) -> Float[np.ndarray, "f 3 3"]:
        """Unit normals of every face's corners."""
        return corner_normals(self.vertices, self.faces) if self.smooth else np.repeat(self.face_normals[:, None], 3, axis=1)

    @cached_property
    def face_normals(self) -> Float[np.ndarray, "f 3"]:
        """Unit normals; 0 for faces without area."""
        normals = face_normals(self.vertices, self.faces)
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)

    @cached_property
    def size(self) -> tuple[float, float, float]:
        """Width (x), height (y), depth (z) of the box."""
        w, h, d = np.ptp(self.vertices, axis=0)
        return float(w), float(h), float(d)


def solid_of_pieces(pieces: list[Piece], patterns: tuple[Pattern, ...]) -> Solid:
    """Pieces joined, each with its pattern; in metres."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = vertices - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, starts[:-1], strict=True)])
    piece_of_face = np.repeat(np.arange(len(pieces)), [len(piece.faces) for piece in pieces])
    return Solid(vertices, faces, PiecewiseLook(piece_of_face, patterns))


def solid_of_model(mesh: TexturedMesh, gain: float = 1.0) -> Solid:
    """A model as it was loaded."""
    return Solid(mesh.vertices, mesh.faces, TexturedLook(mesh, gain))


@dataclass(frozen=True)
class Item:
    """One object of a scene."""

    id: int
    name: str
    solid: Solid
    scale: float
    """Metres per unit of the solid."""
    world_from_object: Pose
    support_id: int | None
    """The object that carries it; None for the floor."""
    source: str = "procedural"
    """Where its shape comes from."""

    @property
    def vertices(self) -> Float64[np.ndarray, "v 3"]:
        """Object frame: y up, front +z, origin at the bottom-centre of the box, metres."""
        return self.solid.vertices * self.scale

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Width (x), height (y), depth (z) of the box in the object frame."""
        w, h, d = self.solid.size
        return w * self.scale, h * self.scale, d * self.scale

    @property
    def world_from_solid(self) -> Float64[np.ndarray, "4 4"]:
        """Pose and scale."""
        return self.world_from_object.matrix @ np.diag([self.scale, self.scale, self.scale, 1.0])

    @property
    def world_vertices(self) -> Float64[np.ndarray, "v 3"]:
        """In world coordinates, metres."""
        pose = self.world_from_object.matrix
        return self.vertices @ pose[:3, :3].T + pose[:3, 3]

    def footprint(self, margin: float = 0.0) -> Float64[np.ndarray, "4 2"]:
        """Corners (x, z in the world) of the upright box around it, grown by ``margin``."""
        half = np.array([self.size_m[0], self.size_m[2]]) / 2 + margin
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        pose = self.world_from_object.matrix
        return corners @ pose[np.ix_([0, 2], [0, 2])].T + pose[[0, 2], 3]

    def seen_by(self, camera: Camera, world_from_camera: np.ndarray) -> Hits:
        """The object alone, through the scene's camera; z in metres."""
        camera_from_solid = np.linalg.inv(world_from_camera) @ self.world_from_solid
        return self.solid.rays.render(camera.K, camera_from_solid, (camera.height, camera.width))


def upright(place: Float[np.ndarray, "3"], yaw: float) -> Pose:
    """Standing at a place, turned about the vertical by ``yaw`` radians."""
    return Pose(place, np.array([np.cos(yaw / 2), 0.0, np.sin(yaw / 2), 0.0]))
