"""Whether the whole job puts objects at the same places when the photo is mirrored, made smaller or cut."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from paco_core.camera import estimate_camera
from paco_core.evaluation.changes import Change, changes_of
from paco_core.evaluation.figures import Row
from paco_core.evaluation.table import bootstrap
from paco_core.pipeline import Inputs
from paco_core.store import RunFolder
from paco_core.types import Camera, Photo, Segmentation
from scene3d.pipeline import Config, build
from scene3d.types import Scene

log = logging.getLogger(__name__)

Centres = Mapping[int, Float64[np.ndarray, "3"]]
"""Of the objects' boxes, by id, camera frame; one unknown factor for a scene."""
Placer = Callable[[Photo, Segmentation, Camera], Centres]
LOST = 1.0
"""Error of an object that one of the two scenes lacks: its whole distance."""
CENTRE = "objects: centre error, % of the distance, median"
PER_CENT = 100.0


@dataclass(frozen=True)
class SceneAgreement:
    """One photo under one change."""

    photo: str
    change: str
    errors: tuple[float, ...]
    """Per object that the change leaves whole: distance of the two centres over the distance from the camera, after one factor
    for the scene; 1 where an answer is missing."""
    failure: str = ""


def by_pipeline(config: Config) -> Placer:
    """The whole job up to placement, in a folder that is thrown away."""

    def place(photo: Photo, seen: Segmentation, camera: Camera) -> Centres:
        with tempfile.TemporaryDirectory() as folder:
            _, scene = build(Inputs(photo, seen, camera), RunFolder(Path(folder) / "run"), config)
        return centres(scene)

    return place


def centres(scene: Scene) -> Centres:
    """Middles of the objects' boxes along the camera's axes."""
    camera_from_world = np.linalg.inv(scene.world_from_camera)
    found = {}
    for obj in scene.objects:
        camera_from_object = camera_from_world @ obj.world_from_object.matrix
        points = obj.mesh.vertices @ camera_from_object[:3, :3].T + camera_from_object[:3, 3]
        found[obj.id] = (points.min(axis=0) + points.max(axis=0)) / 2
    return found


def compare_scenes(photo: Photo, seen: Segmentation, placer: Placer) -> tuple[SceneAgreement, ...]:
    """Every change of one photo, whose masks must be disjoint and not empty. What fails counts as lost."""
    camera = estimate_camera(photo)
    first, failure = _attempt(placer, photo, seen, camera)
    found = []
    for change in changes_of(photo.hw):
        changed = change.segmentation(seen)
        kept = [k for k, mask in enumerate(changed.masks) if mask.any()]
        second, flaw = ({}, "") if failure else _attempt(placer, change.photo(photo), _only(changed, kept), change.camera(camera))
        ids = [seen.ids[k] for k in kept if change.whole(seen.masks)[k]]
        found.append(SceneAgreement(photo.name, change.name, centre_errors(first, second, ids, change), failure or flaw))
    return tuple(found)


def _attempt(placer: Placer, photo: Photo, seen: Segmentation, camera: Camera) -> tuple[Centres, str]:
    try:
        return placer(photo, seen, camera), ""
    except Exception as error:
        log.warning("no scene of %s", photo.name, exc_info=True)
        return {}, f"{type(error).__name__}: {error}"


def _only(seen: Segmentation, kept: Sequence[int]) -> Segmentation:
    ids, names = tuple(seen.ids[k] for k in kept), tuple(seen.names[k] for k in kept)
    return Segmentation(ids, names, seen.masks[list(kept)], seen.stuff)


def centre_errors(first: Centres, second: Centres, ids: Sequence[int], change: Change) -> tuple[float, ...]:
    """Per id; the factor between the two scenes is the median ratio of the objects' distances."""
    mirror = np.array([-1.0 if change.mirrors else 1.0, 1.0, 1.0])
    both = [i for i in ids if i in first and i in second]
    if not both:
        return (LOST,) * len(ids)
    factor = float(np.median([np.linalg.norm(first[i]) / np.linalg.norm(second[i]) for i in both]))

    def error(i: int) -> float:
        return float(np.linalg.norm(first[i] - factor * mirror * second[i]) / np.linalg.norm(first[i]))

    return tuple(error(i) if i in both else LOST for i in ids)


def scene_rows(found: Sequence[SceneAgreement]) -> tuple[Row, ...]:
    """A row per change; intervals over photos."""
    return tuple(_row(name, [[a] for a in found if a.change == name]) for name in dict.fromkeys(a.change for a in found))


def _row(change: str, photos: list[list[SceneAgreement]]) -> Row:
    def measure(items: Sequence[SceneAgreement]) -> float:
        errors = [error for item in items for error in item.errors]
        return PER_CENT * float(np.median(errors)) if errors else float("nan")

    every = [a for photo in photos for a in photo]
    facts = {
        "photos": str(len(every)),
        "objects (lost)": f"{sum(len(a.errors) for a in every)} ({sum(a.errors.count(LOST) for a in every)})",
        "failed": str(sum(bool(a.failure) for a in every)),
    }
    return Row(f"{change}, scene", {CENTRE: bootstrap(photos, measure)}, facts)
