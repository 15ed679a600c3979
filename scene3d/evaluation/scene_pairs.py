"""A reconstructed scene laid over the true one, at every level of alignment. World frame of the truth: y up, metres."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64, Int

from scene3d.evaluation.alignment import depth_scale, icp, normaliser, umeyama
from scene3d.evaluation.points import sample_surface
from scene3d.evaluation.pose_metrics import symmetric_yaws
from scene3d.evaluation.shape_metrics import UprightBox, upright_box
from scene3d.render import FLAT_SHADING, render_scene
from scene3d.synthetic.truth import TrueObject, TrueScene
from scene3d.transforms import apply, similarity
from scene3d.types import Scene

ALIGNMENTS = ("A0", "A1", "A2", "A3")
"""None; one global scale; a similarity of the objects' centres; both scenes normalised, then rigid ICP (as MIDI-3D measures)."""
ICP_POINTS = 2048
"""Of a whole scene, and of an object: enough for a rigid motion."""
SYMMETRY_POINTS = 2048


@dataclass(frozen=True)
class KnownObject:
    """What is known of one object, made once for all reconstructions of its scene."""

    truth: TrueObject
    visible_fraction: float
    points: Float64[np.ndarray, "n 3"]
    box: UprightBox

    @cached_property
    def yaws(self) -> tuple[float, ...]:
        """Symmetric turns about the vertical, degrees."""
        return symmetric_yaws(self.points[:SYMMETRY_POINTS])


@dataclass(frozen=True)
class FoundObject:
    """One reconstructed object in the true world, A0."""

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    points: Float64[np.ndarray, "n 3"]

    def under(self, true_from_found: Float[np.ndarray, "4 4"]) -> "FoundObject":
        """The same, aligned."""
        return replace(self, vertices=apply(true_from_found, self.vertices), points=apply(true_from_found, self.points))


@dataclass(frozen=True)
class ScenePair:
    """The truth and what was found of it; objects that the scene lacks are not in ``found``."""

    room: TrueScene
    true: dict[int, KnownObject]
    found: dict[int, FoundObject]

    @cached_property
    def true_points(self) -> Float64[np.ndarray, "n 3"]:
        """Of all objects."""
        return np.concatenate([obj.points for obj in self.true.values()])

    @cached_property
    def true_vertices(self) -> Float64[np.ndarray, "v 3"]:
        """Of all objects."""
        return np.concatenate([obj.truth.vertices for obj in self.true.values()])

    def found_points(self, true_from_found: Float[np.ndarray, "4 4"]) -> Float64[np.ndarray, "n 3"]:
        """Of all objects that were found, aligned."""
        return apply(true_from_found, np.concatenate([np.zeros((0, 3)), *(obj.points for obj in self.found.values())]))


def true_objects(room: TrueScene, points: int) -> dict[int, KnownObject]:
    """By id."""
    found = {}
    for truth, visible in zip(room.objects, room.visible_fractions, strict=True):
        on_surface = sample_surface(truth.vertices, truth.faces, points, seed=truth.id)
        found[truth.id] = KnownObject(truth, visible, on_surface, upright_box(truth.vertices))
    return found


def pair_up(scene: Scene, room: TrueScene, true: dict[int, KnownObject]) -> ScenePair:
    """Camera frame to camera frame: a scene whose camera leans or stands wrongly stays so."""
    true_from_scene = room.world_from_camera @ np.linalg.inv(scene.world_from_camera)
    count = len(next(iter(true.values())).points)
    found = {}
    for obj in scene.objects:
        vertices = apply(true_from_scene @ obj.world_from_object.matrix, obj.mesh.vertices)
        on_surface = sample_surface(vertices, obj.mesh.faces, count, seed=1000 + obj.id)
        found[obj.id] = FoundObject(vertices, obj.mesh.faces, on_surface)
    return ScenePair(room, true, {k: v for k, v in found.items() if k in true})


def alignments(scene: Scene, pair: ScenePair) -> dict[str, Float64[np.ndarray, "4 4"]]:
    """``true_from_found`` by level; all A0 when nothing was found. A3 is before its ICP (``refined``)."""
    if not pair.found:
        return dict.fromkeys(ALIGNMENTS, np.eye(4))
    eye = similarity(np.eye(3), pair.room.world_from_camera[:3, 3])
    scaled = eye @ similarity(np.eye(3), np.zeros(3), _global_scale(scene, pair.room)) @ np.linalg.inv(eye)
    centres = [(_centre(found.vertices), _centre(pair.true[k].truth.vertices)) for k, found in pair.found.items()]
    source, target = (np.array(side) for side in zip(*centres, strict=True))
    whole = np.concatenate([found.vertices for found in pair.found.values()])
    both = np.linalg.inv(normaliser(pair.true_vertices)) @ normaliser(whole)
    return {"A0": np.eye(4), "A1": scaled, "A2": umeyama(source, target) if len(source) > 1 else scaled, "A3": both}


def refined(pair: ScenePair, true_from_found: Float[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"]:
    """The same, followed by rigid ICP of the whole scene."""
    return _icp(pair.found_points(true_from_found), pair.true_points) @ true_from_found


def normalised_alone(found: FoundObject, true: KnownObject) -> Float64[np.ndarray, "4 4"]:
    """``true_from_found`` of one object alone, by its own box and rigid ICP: its shape, without its place and size."""
    both = np.linalg.inv(normaliser(true.truth.vertices)) @ normaliser(found.vertices)
    return _icp(apply(both, found.points), true.points) @ both


def _icp(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    some, others = (points[rng.permutation(len(points))[:ICP_POINTS]] for points in (source, target))
    return icp(some, others)


def _centre(points: np.ndarray) -> np.ndarray:
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _global_scale(scene: Scene, room: TrueScene) -> float:
    """Median ratio of true and reconstructed depth over the true objects' pixels; 1 where no object is seen."""
    view = render_scene(scene, scene.camera, scene.world_from_camera, hw=room.photo.hw, shading=FLAT_SHADING)
    foreground = room.segmentation.masks.any(axis=0) & (view.ids > 0)
    return depth_scale(room.depth.z, view.z, foreground) or 1.0
