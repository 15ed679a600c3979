"""The whole job on real photos, whose truth nobody knows: what was lost, what fell back, how well the scene shows the masks."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paco_core.errors import BadInput
from paco_core.progress import Progress, silent
from paco_core.segment import SegmentationConfig, segment
from scene3d.evaluation.photo_scenes import PhotoScene, load_scene
from scene3d.glbcheck import check_glb
from scene3d.pipeline import Config, Inputs, Reconstruction, reconstruct
from scene3d.render import FLAT_SHADING, render_scene

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotoGates:
    """What a release must reach on a folder of photos."""

    fallbacks: float = 0.05
    """Share of objects that needed a simpler method."""
    iou: float = 0.85
    """Median over objects."""


@dataclass(frozen=True)
class PhotoObject:
    """One object of one photo."""

    scene: str
    id: int
    name: str
    visible_px: int
    hidden_fraction: float
    """As completed: nobody knows the truth."""
    iou: float
    """Of the whole scene's ids, seen by the photo's camera, and the visible mask; 0 where the object is lost."""
    support: str
    width_m: float
    height_m: float
    depth_m: float
    lift_method: str
    fallback: str


@dataclass(frozen=True)
class PhotoScore:
    """One photo."""

    name: str
    objects: tuple[PhotoObject, ...]
    seconds: float
    """Of this run's wall clock; less when stages were loaded."""
    lost: tuple[str, ...] = ()
    """Objects with a usable mask that the scene lacks."""
    file_problems: tuple[str, ...] = ()
    """What a reader of ``scene.glb`` finds wrong."""
    failure: str | None = None
    """Why there is no scene: a sentence, or the exception."""


def evaluate_photo(
    scene: PhotoScene, out: Path, config: Config, *, progress: Progress = silent
) -> tuple[PhotoScore, Reconstruction | None]:
    """Reconstruct one scene into the run folder ``out`` (resumed when it is there) and score it; never raises for one photo."""
    start = time.monotonic()
    try:
        photo, raw = load_scene(scene)
        result = reconstruct(Inputs(photo, raw), out, config, progress=progress)
        usable = segment(photo, raw, SegmentationConfig(), note=lambda _: None)
        score = _score(scene.name, result, dict(zip(usable.ids, usable.names, strict=True)), time.monotonic() - start)
        return score, result
    except BadInput as error:
        return PhotoScore(scene.name, (), time.monotonic() - start, failure=str(error)), None
    except Exception as error:
        log.exception("%s", scene.name)
        return PhotoScore(scene.name, (), time.monotonic() - start, failure=f"crash: {type(error).__name__}: {error}"), None


def _score(name: str, result: Reconstruction, usable: dict[int, str], seconds: float) -> PhotoScore:
    scene, flat = result.scene, result.deocclusion
    view = render_scene(scene, scene.camera, scene.world_from_camera, hw=flat.photo.hw, shading=FLAT_SHADING)
    complete = {obj.id: obj for obj in flat.objects}
    objects = []
    for obj in scene.objects:
        mask, shown = flat.segmentation.mask(obj.id), view.ids == obj.id
        iou = float((mask & shown).sum() / max((mask | shown).sum(), 1))
        hidden = complete[obj.id].hidden_fraction
        methods = (obj.support, *obj.size_m, obj.lift_method, obj.fallback or "")
        objects.append(PhotoObject(name, obj.id, obj.name, int(mask.sum()), hidden, iou, *methods))
    placed = {obj.id for obj in scene.objects}
    lost = tuple(f"{i} {usable[i]}" for i in usable if i not in placed)
    return PhotoScore(name, tuple(objects), seconds, lost, tuple(check_glb((result.folder / "scene.glb").read_bytes())))


def failed_gates(scores: tuple[PhotoScore, ...], gates: PhotoGates = PhotoGates()) -> tuple[str, ...]:
    """A sentence for every gate that is missed; empty when all are met."""
    objects = [obj for score in scores for obj in score.objects]
    failed = [f"{s.name}: {s.failure}" for s in scores if s.failure]
    failed += [f"{s.name} lost {', '.join(s.lost)}" for s in scores if s.lost]
    failed += [f"{s.name}: scene.glb: {problem}" for s in scores for problem in s.file_problems]
    share = sum(bool(o.fallback) for o in objects) / max(len(objects), 1)
    if share > gates.fallbacks:
        failed.append(f"{share:.1%} of the objects are at a fallback, the gate is {gates.fallbacks:.0%}")
    median = float(np.median([o.iou for o in objects])) if objects else 0.0
    if median < gates.iou:
        failed.append(f"the median re-projection IoU is {median:.3f}, the gate {gates.iou:.2f}")
    return tuple(failed)


HEADER = "| scene | objects | lost | at a fallback | IoU median | IoU p10 | seconds | |\n|---|---|---|---|---|---|---|---|"


def table(scores: tuple[PhotoScore, ...]) -> str:
    """Markdown: a row per photo, and one over all objects."""
    rows = [_row(s.name, s.objects, len(s.lost), s.seconds, s.failure or "") for s in scores]
    every = tuple(obj for score in scores for obj in score.objects)
    seconds = float(np.median([s.seconds for s in scores])) if scores else 0.0
    rows.append(_row(f"all {len(scores)}", every, sum(len(s.lost) for s in scores), seconds, "seconds: median"))
    return "\n".join([HEADER, *rows])


def _row(name: str, objects: tuple[PhotoObject, ...], lost: int, seconds: float, note: str) -> str:
    iou = [o.iou for o in objects]
    median, low = (f"{np.quantile(iou, q):.3f}" if iou else "" for q in (0.5, 0.1))
    fallbacks = sum(bool(o.fallback) for o in objects)
    return f"| {name} | {len(objects)} | {lost} | {fallbacks} | {median} | {low} | {seconds:.1f} | {note} |"
