"""Stage: the files that people and programs open. Rewritten by every run: it is quick, and they may have been edited."""

import sys
from dataclasses import replace
from pathlib import Path

from paco_core.files import remove_files, remove_if_empty
from paco_core.rescue import surviving
from paco_core.types import Deocclusion
from scene3d.glb import GlbConfig, write_object_glb, write_scene_glb
from scene3d.layers import forget_layers, write_layers
from scene3d.report import write_object_images, write_report
from scene3d.scene import SCENE_FILE, forget_meshes, object_folder, save_scene
from scene3d.types import Scene

SCENE_GLB = "scene.glb"
REPORTS = ("report.html", "report.png")
OBJECT_FILES = ("rgba.png", "generated.png", "amodal.png", "mesh.glb")
"""What a run writes into an object's folder."""

FILMS = ("turntable.webp",)
"""What ``paco turntable`` writes when no other place is named."""

Timings = dict[str, tuple[str, float]]


def export(deocclusion: Deocclusion, scene: Scene, folder: Path, config: GlbConfig) -> tuple[str, ...]:
    """Write pictures, GLB files and ``scene.json`` into a run folder; returns a sentence for everything that failed.

    ``scene.json`` is last; files of earlier masks go only after it has taken the place of the one that may need them. Raises
    ``BadInput`` when the folder can't be written.
    """
    failed, exported = list(export_pictures(deocclusion, folder)), []
    for obj in scene.objects:
        with surviving(f"{obj.id} {obj.name}: left out of {SCENE_GLB}, its mesh.glb could not be written", failed):
            write_object_glb(obj, folder / "objects" / object_folder(obj.id, obj.name) / "mesh.glb", config)
            exported.append(obj)
    count = len(failed)
    with surviving(f"{SCENE_GLB} could not be written", failed):
        write_scene_glb(replace(scene, objects=tuple(exported)), folder / SCENE_GLB, config)
    if len(failed) > count:
        (folder / SCENE_GLB).unlink(missing_ok=True)  # not one of an earlier scene
    save_scene(scene, folder)
    _forget_others(deocclusion, {obj.id for obj in exported}, folder / "objects")
    return tuple(failed)


def export_pictures(deocclusion: Deocclusion, folder: Path) -> tuple[str, ...]:
    """What the 2D half has to show: background, complete objects, layers; returns sentences, and raises, as ``export`` does."""
    failed = list(write_object_images(deocclusion, folder))
    with surviving("the layers could not be written", failed):
        failed += write_layers(deocclusion, folder)
    return tuple(failed)


def forget_exports(folder: Path) -> None:
    """Remove every file that ``export`` wrote into a run folder; what people put beside them stays."""
    for place in sorted((folder / "objects").glob("[0-9][0-9][0-9]*_*")):
        remove_files(place, OBJECT_FILES)
    remove_if_empty(folder / "objects")
    forget_layers(folder)
    forget_meshes(folder)
    for name in (SCENE_FILE, SCENE_GLB, *REPORTS, *FILMS, "background.png"):
        (folder / name).unlink(missing_ok=True)


def export_report(
    deocclusion: Deocclusion, scene: Scene, timings: Timings, folder: Path, mishaps: tuple[str, ...]
) -> tuple[str, ...]:
    """Write the report; returns ``mishaps`` and, when it failed, a sentence about that."""
    sentences = list(mishaps)
    with surviving("the report could not be written", sentences):
        write_report(deocclusion, scene, timings, folder, peak_memory_gb=_peak_memory_gb(), mishaps=mishaps)
        return mishaps
    for name in REPORTS:  # not one of an earlier run
        (folder / name).unlink(missing_ok=True)
    return tuple(sentences)


def _forget_others(deocclusion: Deocclusion, exported: set[int], folder: Path) -> None:
    """What an earlier run with other masks wrote, and meshes of what has none now; what people put beside them stays."""
    kept = {object_folder(obj.id, obj.name): obj.id for obj in deocclusion.objects}
    for old in folder.glob("[0-9][0-9][0-9]*_*") if folder.is_dir() else ():
        if old.is_dir() and old.name not in kept:
            remove_files(old, OBJECT_FILES)
        elif old.is_dir() and kept[old.name] not in exported:
            remove_files(old, ("mesh.glb",))


def _peak_memory_gb() -> float | None:
    """Largest memory that this process has held; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
