"""Whether a scene could stand there: how much its objects are stuck in one another. World coordinates, metres."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from scene3d.clean import volume
from scene3d.evaluation.points import POINTS, sample_surface
from scene3d.rays import RayMesh

CELLS = 24
"""Along the longest side of the common box of two objects: its volume is then known to a few percent."""
DEEP_M = 0.005
"""Deeper than this counts as stuck (REST3D)."""


@dataclass(frozen=True)
class Solid:
    """One object's surface, ready for rays."""

    id: int
    rays: RayMesh

    @property
    def box(self) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
        """Lower and upper corner."""
        return self.rays.vertices.min(axis=0), self.rays.vertices.max(axis=0)


@dataclass(frozen=True)
class Penetration:
    """Two objects whose boxes overlap."""

    a: int
    b: int
    share: float
    """Volume of the intersection over the smaller object's volume (both as their surfaces enclose them)."""
    depth_m: float
    """The farthest that a point of one surface lies inside the other object, to the nearest way out along an axis."""


def make_solid(object_id: int, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Solid:
    """From a mesh in world coordinates; counter-clockwise faces look outwards."""
    return Solid(object_id, RayMesh(vertices, faces))


def depth_inside(points: Float[np.ndarray, "n 3"], rays: RayMesh) -> Float64[np.ndarray, " n"]:
    """How far points are from leaving a mesh along the nearest of six axes, metres; 0 outside of it.

    Inside is where most of the six rays meet a face from behind first. The vote forgives holes and parts that overlap, which a
    parity of crossings does not.
    """
    a, b, c = np.moveaxis(rays.vertices[rays.faces], 1, 0)
    normals = np.cross(b - a, c - a)
    votes, out = np.zeros(len(points), int), np.full(len(points), np.inf)
    for direction in np.concatenate([np.eye(3), -np.eye(3)]):
        face, t = rays.cast(points, np.tile(direction, (len(points), 1)))
        leaving = (face >= 0) & ((normals @ direction)[face] > 0)
        votes += leaving
        out[leaving] = np.minimum(out[leaving], t[leaving])
    return np.where(votes > 3, out, 0.0)


def penetrations(solids: list[Solid]) -> list[Penetration]:
    """Of all pairs whose boxes overlap; the other pairs can't touch."""
    pairs = [(a, b) for k, a in enumerate(solids) for b in solids[k + 1 :]]
    return [_penetration(a, b, *box) for a, b in pairs if (box := _common_box(a, b)) is not None]


def _common_box(a: Solid, b: Solid) -> tuple[np.ndarray, np.ndarray] | None:
    low, high = np.maximum(a.box[0], b.box[0]), np.minimum(a.box[1], b.box[1])
    return (low, high) if (high > low).all() else None


def _penetration(a: Solid, b: Solid, low: np.ndarray, high: np.ndarray) -> Penetration:
    counts = np.ceil((high - low) / ((high - low).max() / CELLS)).astype(int)
    axes = [low[k] + (np.arange(counts[k]) + 0.5) * (high[k] - low[k]) / counts[k] for k in range(3)]
    cells = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)
    both = depth_inside(cells, a.rays) > 0
    both[both] = depth_inside(cells[both], b.rays) > 0
    common = float(both.mean() * np.prod(high - low))
    smaller = min(_volume(a), _volume(b))
    depth = max(_deepest(a, b, low, high), _deepest(b, a, low, high))
    return Penetration(a.id, b.id, min(common / smaller, 1.0) if smaller > 0 else 0.0, depth)


def _volume(solid: Solid) -> float:
    return abs(volume(solid.rays.vertices, solid.rays.faces))


def _deepest(a: Solid, b: Solid, low: np.ndarray, high: np.ndarray) -> float:
    """How deep points on ``a`` lie in ``b``, metres."""
    points = sample_surface(a.rays.vertices, a.rays.faces, POINTS)
    points = points[((points >= low) & (points <= high)).all(axis=1)]
    return float(depth_inside(points, b.rays).max(initial=0.0))
