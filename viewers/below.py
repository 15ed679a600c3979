"""What is below an object, and how far it can fall: for dropping it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scene3d.transforms import apply
from scene3d.types import Pose
from viewers.original import Original
from viewers.state import EditState, Thing

MOST_POINTS = 400
"""Of a mesh that fall: of 5,000 vertices every dozenth, the outermost ones always."""
SUNK = 0.15
"""What reaches into another thing by less than this share of its own height stands on it; by more, it stands in it (a spoon in a
cup), and falls through to what is below."""
LEAST_OVERLAP = 1e-6
"""Metres that two boxes must overlap by, seen from above."""


@dataclass(frozen=True)
class Landing:
    """Where a falling thing comes to rest."""

    fall_m: float
    """Downwards; negative where it has to be raised."""
    on: int | None
    """The thing that stops it; None for the floor."""


def world_from_mesh(thing: Thing) -> Float[np.ndarray, "4 4"]:
    """Similarity from the mesh as the run made it (object frame, not flipped) to the world as edited."""
    out = Pose(np.array(thing.position_m), np.array(thing.wxyz)).matrix
    out[:3, :3] *= thing.scale
    if thing.flipped:
        out[:3, 0] *= -1
    return out


def world_box(thing: Thing, original: Original) -> Float[np.ndarray, "2 3"]:
    """Low and high corner of the box round a thing, world axes."""
    corners = apply(world_from_mesh(thing), original.corners(thing.source))
    return np.array([corners.min(axis=0), corners.max(axis=0)])


def over_each_other(a: Float[np.ndarray, "2 3"], b: Float[np.ndarray, "2 3"]) -> bool:
    """Whether two boxes overlap, seen from above."""
    overlap = np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])
    return bool(overlap[0] > LEAST_OVERLAP and overlap[2] > LEAST_OVERLAP)


def landing(thing: Thing, state: EditState, original: Original) -> Landing:
    """How far a thing falls until it touches another one or the floor (y = 0); what it carries does not stop it.

    Both ways: points of the falling mesh against the surfaces below them, and points of what is below against its underside.
    """
    mine = state.carried_by(frozenset([thing.id]))
    box, points = world_box(thing, original), _points(thing, original)
    best = Landing(float(points[:, 1].min()), None)
    allowed = SUNK * float(box[1, 1] - box[0, 1])
    for other in state.things:
        if other.id in mine or other.hidden or other.source not in original.objects:
            continue
        other_box = world_box(other, original)
        if not over_each_other(box, other_box) or other_box[0, 1] > box[1, 1]:
            continue
        fall = _fall_onto(thing, points, other, original, allowed)
        if fall is not None and fall < best.fall_m:
            best = Landing(fall, other.id)
    return best


def _fall_onto(thing: Thing, points: np.ndarray, other: Thing, original: Original, allowed: float) -> float | None:
    """Of the thing (``points`` of it, world) until it touches another; None when it passes."""
    raised = points + [0.0, allowed, 0.0]
    down = _cast(other, original, raised, -1.0) - allowed
    theirs = _points(other, original)
    up = _cast(thing, original, theirs - [0.0, allowed, 0.0], 1.0) - allowed
    nearest = min(down.min(initial=np.inf), up.min(initial=np.inf))
    return float(nearest) if np.isfinite(nearest) else None


def _cast(thing: Thing, original: Original, origins: Float[np.ndarray, "n 3"], sign: float) -> Float[np.ndarray, "n"]:
    """Metres from world points straight up (``sign`` 1) or down (−1) to the outside of a thing; inf where it isn't met."""
    mesh_from_world = np.linalg.inv(world_from_mesh(thing))
    direction = mesh_from_world[:3, :3] @ [0.0, sign, 0.0]  # as long as a metre is in the mesh: t stays metres
    rays = original.rays(thing.source)
    face, t = rays.cast(apply(mesh_from_world, origins), np.tile(direction, (len(origins), 1)))
    met = np.flatnonzero(face >= 0)
    a, b, c = np.moveaxis(rays.vertices[rays.faces[face[met]]], 1, 0)
    t[met[np.cross(b - a, c - a) @ direction >= 0]] = np.inf  # from within
    return t


def _points(thing: Thing, original: Original) -> Float[np.ndarray, "n 3"]:
    """Vertices of a thing, world: evenly picked, and the outermost ones."""
    vertices = apply(world_from_mesh(thing), original.objects[thing.source].mesh.vertices)
    outermost = [*vertices.argmin(axis=0), *vertices.argmax(axis=0)]
    return vertices[np.unique([*range(0, len(vertices), max(1, len(vertices) // MOST_POINTS)), *outermost])]
