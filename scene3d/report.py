"""What a person looks at after a run: one picture sheet (``report.png``) and one page (``report.html``)."""

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from paco_core.errors import error_text
from paco_core.files import write_atomic
from paco_core.objects import GIVEN
from paco_core.rescue import surviving
from paco_core.types import CompleteObject, Deocclusion
from scene3d.render import SceneRenderer, orbit_camera
from scene3d.report_html import page
from scene3d.report_pictures import draw_depth, draw_graph, draw_masks, draw_object
from scene3d.report_sheet import sheet
from scene3d.report_types import Figure, ObjectEntry, Report, StageEntry
from scene3d.scene import object_folder
from scene3d.types import PlacedObject, Scene

log = logging.getLogger(__name__)

VIEWS_DEG = (-30.0, 0.0, 30.0)
VIEW_PX = 512
"""Long side of the rendered views: what the sheet shows."""
FINER = 1.5
"""Rendered this much larger and made smaller: smooth edges at half the rays of twice the size."""
FIGURE_PX = 900
"""Long side of embedded pictures: a page of a 50-megapixel photo stays small enough to send."""
OBJECT_PX = 360
GRAPH_PX, COLUMN_PX = 620, 130
"""Width of the graph, and of a layer in it at least: names stay legible."""


def write_report(
    deocclusion: Deocclusion,
    scene: Scene,
    timings: dict[str, tuple[str, float]],
    folder: Path,
    *,
    peak_memory_gb: float | None = None,
    mishaps: tuple[str, ...] = (),
) -> None:
    """Write ``report.png`` and ``report.html`` into ``folder``.

    ``timings`` maps a stage to its method and its seconds; ``mishaps`` are sentences about what failed that no object knows of.
    Raises ``BadInput`` when the folder can't be written.
    """
    report = build_report(deocclusion, scene, timings, peak_memory_gb, mishaps)
    write_atomic(folder / "report.png", _png(sheet(report)))
    write_atomic(folder / "report.html", page(report).encode())


def build_report(
    deocclusion: Deocclusion,
    scene: Scene,
    timings: dict[str, tuple[str, float]],
    peak_memory_gb: float | None = None,
    mishaps: tuple[str, ...] = (),
) -> Report:
    """Everything that a report shows, as pictures and texts."""
    photo, depth = deocclusion.photo, deocclusion.depth
    placed = {item.id: item for item in scene.objects}
    names = dict(zip(deocclusion.segmentation.ids, deocclusion.segmentation.names, strict=True))
    return Report(
        title=photo.name,
        facts=_facts(deocclusion, scene, timings, peak_memory_gb),
        views=_views(scene),
        figures=(
            _figure(photo.rgb, "Photo"),
            _figure(draw_masks(photo, deocclusion.segmentation), "Masks"),
            _figure(draw_depth(depth), f"Depth: {_depth_text(deocclusion)}"),
            _figure(deocclusion.background.rgb, f"Background without objects ({deocclusion.background.method})"),
        ),
        graph=Figure(draw_graph(deocclusion.occlusion, names, _graph_width(deocclusion)), _graph_text(deocclusion)),
        objects=tuple(_tile(item, placed.get(item.id), scene) for item in deocclusion.objects),
        metric=scene.metric,
        stages=tuple(StageEntry(stage, method, seconds) for stage, (method, seconds) in timings.items()),
        fallbacks=(*_fallbacks(deocclusion, scene), *mishaps),
    )


def _view_caption(degrees: float) -> str:
    if degrees == 0:
        return "Scene, from the photo's camera"
    return f"Scene, {abs(degrees):.0f}° to the {'right' if degrees > 0 else 'left'}"


def _views(scene: Scene) -> tuple[Figure, ...]:
    renderer = SceneRenderer(scene)
    scale = VIEW_PX / max(scene.camera.width, scene.camera.height)
    h, w = (max(1, round(side * scale)) for side in (scene.camera.height, scene.camera.width))
    fine_hw = round(h * FINER), round(w * FINER)
    figures = []
    for degrees in VIEWS_DEG:
        view = renderer.render(scene.camera, orbit_camera(scene, degrees), hw=fine_hw)
        picture = Image.fromarray(view.rgb).resize((w, h), Image.Resampling.LANCZOS)
        figures.append(Figure(picture, _view_caption(degrees)))
    return tuple(figures)


def _figure(picture: Image.Image | UInt8[np.ndarray, "h w 3"], caption: str) -> Figure:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    scale = FIGURE_PX / max(image.size)
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return Figure(image, caption)


def _depth_text(deocclusion: Deocclusion) -> str:
    depth = deocclusion.depth
    if depth.kind == "relative" or not depth.valid.any():
        return f"{depth.source}, {depth.kind}"
    near, far = np.quantile(depth.z[depth.valid], [0.02, 0.98])
    return f"{depth.source}, metric, {near:.2g} to {far:.2g} m"


def _graph_width(deocclusion: Deocclusion) -> int:
    return max(GRAPH_PX, COLUMN_PX * (max(deocclusion.occlusion.layers, default=0) + 1))


def _graph_text(deocclusion: Deocclusion) -> str:
    dropped = len(deocclusion.occlusion.dropped)
    cut = f"; {dropped} dashed {'edges were' if dropped > 1 else 'edge was'} cut to break a cycle" if dropped else ""
    return f"Who hides whom: arrows from front to behind{cut}"


def _facts(
    deocclusion: Deocclusion, scene: Scene, timings: dict[str, tuple[str, float]], peak_memory_gb: float | None
) -> tuple[tuple[str, str], ...]:
    layers = max(deocclusion.occlusion.layers, default=-1) + 1
    facts = [
        ("objects", f"{len(scene.objects)} in {layers} layer{'s' if layers != 1 else ''}"),
        ("scale", f"{'metric' if scene.metric else 'guessed, not metric'}, from {scene.scale_source}"),
        ("camera", f"{scene.camera.width}×{scene.camera.height} px, {scene.camera.source}"),
        ("gravity", scene.gravity_source),
        ("time", f"{sum(seconds for _, seconds in timings.values()):.1f} s"),
    ]
    masks_from = timings.get("segmentation", (GIVEN, 0.0))[0]
    if masks_from != GIVEN:
        facts.insert(1, ("masks", masks_from))
    if peak_memory_gb is not None:
        facts.append(("memory", f"{peak_memory_gb:.1f} GB at most"))
    return tuple(facts)


def _tile(item: CompleteObject, placed: PlacedObject | None, scene: Scene) -> ObjectEntry:
    """``_entry``, or an empty one that says why: one odd object must not cost the report."""
    try:
        return _entry(item, placed, scene)
    except Exception as error:
        log.warning("object %d (%s) can't be shown in the report", item.id, item.name, exc_info=True)
        blank = Image.new("RGB", (OBJECT_PX, OBJECT_PX), "white")
        texts = ("-", "-", "-", f"can't be shown here: {error_text(error)}", "-", "-", "-")
        return ObjectEntry(item.id, item.name, item.layer, blank, blank, True, "-", "-", **dict(zip(_PLACED, texts, strict=True)))


def _entry(item: CompleteObject, placed: PlacedObject | None, scene: Scene) -> ObjectEntry:
    plain, marked = (draw_object(item, OBJECT_PX, marked=mark) for mark in (False, True))
    shown: dict[str, Any] = {"id": item.id, "name": item.name, "layer": item.layer, "plain": plain, "marked": marked}
    shown["whole"] = not item.generated.any()
    share = 100 * item.hidden_fraction
    invented = "<1 %" if 0 < share < 1 else f"{share:.0f} %"
    completed = f"{item.mask_method}, {item.fill_method}"
    if placed is None:
        lost = ("-", "-", "not placed", item.fallback or "", "-", "-", "-")
        return ObjectEntry(**shown, invented=invented, completion=completed, **dict(zip(_PLACED, lost, strict=True)))
    texts = (
        " × ".join(f"{side:.2f}" if side >= 0.1 else f"{side:.3f}" for side in placed.size_m),
        _support_text(placed, scene),
        placed.lift_method,
        placed.fallback or item.fallback or "",
        f"{placed.iou_visible:.2f}",
        f"{placed.pose_confidence:.2f}",
        ", ".join(step.name for step in placed.steps if step.kept) or "none",
    )
    carrier = placed.support_id if placed.support == "object" else None
    return ObjectEntry(
        **shown, invented=invented, completion=completed, carrier=carrier, **dict(zip(_PLACED, texts, strict=True))
    )


_PLACED = ("size", "support", "lift", "fallback", "iou", "confidence", "kept_steps")


def _support_text(placed: PlacedObject, scene: Scene) -> str:
    carriers = {item.id: item.name for item in scene.objects}
    if placed.support == "object" and placed.support_id is not None:
        return f"on {carriers.get(placed.support_id, placed.support_id)}"
    return placed.support


def _fallbacks(deocclusion: Deocclusion, scene: Scene) -> tuple[str, ...]:
    """A sentence per object and reason, with the id: names come twice."""
    objects = [*deocclusion.objects, *scene.objects]
    return tuple(dict.fromkeys(f"{item.id} {item.name}: {item.fallback}" for item in objects if item.fallback))


def write_object_images(deocclusion: Deocclusion, folder: Path) -> tuple[str, ...]:
    """``background.png``, and per object ``rgba.png`` (complete), ``amodal.png`` and ``generated.png`` (masks: what it is,
    what of it was invented) in ``objects/<id>_<name>/``. Returns a sentence per object whose pictures failed; raises
    ``BadInput`` when the folder can't be written.
    """
    write_atomic(folder / "background.png", _png(Image.fromarray(deocclusion.background.rgb)))
    failed: list[str] = []
    for item in deocclusion.objects:
        with surviving(f"{item.id} {item.name}: its pictures could not be written", failed):
            place = folder / "objects" / object_folder(item.id, item.name)
            write_atomic(place / "rgba.png", _png(Image.fromarray(item.rgba)))
            write_atomic(place / "amodal.png", _png(_mask_picture(item.amodal)))
            write_atomic(place / "generated.png", _png(_mask_picture(item.generated)))
    return tuple(failed)


def _mask_picture(mask: Bool[np.ndarray, "h w"]) -> Image.Image:
    return Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
