"""The whole job as a diagram in code: what the user brings becomes a run folder with a placed scene."""

import dataclasses
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paco_core.files import remove_files
from paco_core.names import object_slug
from paco_core.pipeline import DeocclusionConfig, DeocclusionStages, Inputs, deocclude
from paco_core.progress import Progress, silent
from paco_core.store import RunFolder, StageResult
from paco_core.types import Deocclusion
from scene3d.environment import build_environment
from scene3d.glb import GlbConfig, write_object_glb, write_scene_glb
from scene3d.ground import GroundConfig, find_ground
from scene3d.lift import LiftConfig, lift, prepare_lift
from scene3d.place import PlaceConfig, place
from scene3d.registry import BACKENDS
from scene3d.report import write_object_images, write_report
from scene3d.scene import object_folder, save_scene
from scene3d.sizes import guess_scale
from scene3d.transforms import world_from_camera
from scene3d.types import Ground, LiftedMesh, LiftInput, PlacedObject, Scene, TexturedMesh

__all__ = ["Config", "Inputs", "Reconstruction", "open_run", "reconstruct", "reconstruct_in"]

Placement = tuple[tuple[PlacedObject, ...], float, str]
Timings = dict[str, tuple[str, float]]

MAX_LIFTS_AT_ONCE = 4
"""Threads; each lift takes up to 0.3 GB and spends about half of its time outside of Python."""
OBJECT_FILES = ("rgba.png", "generated.png", "amodal.png", "mesh.glb")
"""What a run writes into an object's folder."""


@dataclass(frozen=True)
class Config:
    """Settings of every stage; a preset is values for this."""

    deocclusion: DeocclusionConfig = field(default_factory=DeocclusionConfig)
    lifter: str = "relief"
    fallback_lifter: str = "billboard"
    ground: GroundConfig = field(default_factory=GroundConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    place: PlaceConfig = field(default_factory=PlaceConfig)
    glb: GlbConfig = field(default_factory=GlbConfig)
    seed: int = 0
    """Of everything that is random."""


@dataclass(frozen=True)
class Reconstruction:
    """What a run gave, and where it lies."""

    deocclusion: Deocclusion
    scene: Scene
    timings: Timings
    """Stage → (method, seconds of the computation, also when it was loaded from an earlier run)."""
    fallbacks: tuple[str, ...]
    """One sentence per object that needed a simpler method."""
    resumed: tuple[str, ...]
    """Stages that were loaded from an earlier run."""
    folder: Path


def reconstruct(inputs: Inputs, out: Path, config: Config = Config(), *, progress: Progress = silent) -> Reconstruction:
    """Photo and masks → complete objects → meshes → placed scene → files in ``out``.

    Stages that an earlier run in ``out`` finished with the same inputs and settings are loaded, not computed.
    Raises ``BadInput`` for what can't be used, also when another run is at work in ``out``; an object that fails falls back and
    is listed, it never stops the run.
    """
    with open_run(out) as run:
        return reconstruct_in(run, inputs, config, progress=progress)


def open_run(folder: Path) -> RunFolder:
    """The run folder of the whole job; enter it to lock it."""
    return RunFolder(folder, packages=("paco_core", "scene3d"))


def reconstruct_in(run: RunFolder, inputs: Inputs, config: Config = Config(), *, progress: Progress = silent) -> Reconstruction:
    """``reconstruct`` in a folder that is open and locked already."""
    flat, scene = build(inputs, run, config, progress=progress)
    return _export(flat, scene, run, config, progress)


def build(
    inputs: Inputs, run: RunFolder, config: Config = Config(), *, progress: Progress = silent
) -> tuple[DeocclusionStages, Scene]:
    """Everything of ``reconstruct`` but the files that people open."""
    flat = deocclude(inputs, run, config.deocclusion, seed=config.seed, progress=progress)
    ground = run.stage(
        "ground",
        {"depth": flat.depth, "segmentation": flat.segmentation, "config": config.ground},
        lambda: find_ground(flat.depth.value, flat.segmentation.value, flat.camera.value, config.ground),
        Ground,
    )
    items, meshes = _lift_all(flat, ground, run, config, progress)
    placement = run.stage(
        "place",
        {"meshes": meshes, "occlusion": flat.occlusion, "ground": ground, "config": config.place},
        lambda: place(
            flat.deocclusion, items, tuple(m.value for m in meshes), ground.value, guess_scale, config.place, progress=progress
        ),
        Placement,
    )
    scene = run.stage(
        "environment",
        {"placement": placement, "background": flat.background},
        lambda: assemble(flat.deocclusion, ground.value, placement.value),
        Scene,
    )
    progress("scene", 1, 2, scene.value.scale_source)
    return flat, scene.value


def _lift_all(
    flat: DeocclusionStages, ground: StageResult[Ground], run: RunFolder, config: Config, progress: Progress
) -> tuple[tuple[LiftInput, ...], tuple[StageResult[LiftedMesh], ...]]:
    """One stage per object, so that an interrupted run loses one mesh at most."""
    lifter, fallback = BACKENDS.create("lifter", config.lifter), BACKENDS.create("lifter", config.fallback_lifter)
    camera, depth, objects = flat.camera.value, flat.depth.value, flat.objects.value
    items = tuple(prepare_lift(obj, camera, depth, ground.value, config.lift) for obj in objects)
    by = (config.lifter, config.fallback_lifter)

    def lift_one(item: LiftInput) -> StageResult[LiftedMesh]:
        name = f"objects/{object_slug(item.id, item.name)}/lift"
        key = {"item": item, "by": by, "seed": config.seed}
        return run.stage(name, key, lambda: lift(item, lifter, fallback, seed=config.seed), LiftedMesh)

    meshes = []
    pool = ThreadPoolExecutor(min(MAX_LIFTS_AT_ONCE, os.cpu_count() or 1))
    try:
        for k, (item, mesh) in enumerate(zip(items, pool.map(lift_one, items), strict=True)):
            meshes.append(mesh)
            progress("lift", k + 1, len(items), f"{item.name}: {mesh.value.method}")
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: what is under way is finished and kept, the rest is not begun
    return items, tuple(meshes)


def assemble(deocclusion: Deocclusion, ground: Ground, placement: Placement) -> Scene:
    """Placed objects, floor and backdrop in one world."""
    objects, metres, scale_source = placement
    pose = world_from_camera(ground, metres)
    floor, backdrop = build_environment(deocclusion, ground, pose, metres, _box_of(objects))
    return Scene(
        name=deocclusion.photo.name,
        photo_sha256=deocclusion.photo.sha256,
        camera=deocclusion.camera,
        world_from_camera=pose,
        objects=objects,
        floor=floor,
        backdrop=backdrop,
        metric=deocclusion.depth.kind == "metric",
        scale_source=scale_source,
        depth_source=deocclusion.depth.source,
        gravity_source=ground.source,
        occlusion_edges=tuple((e.front, e.behind) for e in deocclusion.occlusion.edges),
        notes=tuple(f"order cycle: dropped {e.front} > {e.behind}" for e in deocclusion.occlusion.dropped),
    )


def _box_of(objects: tuple[PlacedObject, ...]) -> np.ndarray:
    """Corners (2, 3) of the world box around all objects, metres."""
    points = np.concatenate([_world_vertices(o.mesh, o.world_from_object.matrix) for o in objects])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _world_vertices(mesh: TexturedMesh, world_from_mesh: np.ndarray) -> np.ndarray:
    return mesh.vertices @ world_from_mesh[:3, :3].T + world_from_mesh[:3, 3]


def _export(flat: DeocclusionStages, scene: Scene, run: RunFolder, config: Config, progress: Progress) -> Reconstruction:
    """Everything that people and programs open: rewritten by every run, since it is quick and may have been edited.

    Files of earlier masks go after ``scene.json`` has taken the place of the one that may need them.
    """
    start = time.perf_counter()
    run.require()
    write_object_images(flat.deocclusion, run.path)
    write_scene_glb(scene, run.path / "scene.glb", config.glb)
    for obj in scene.objects:
        write_object_glb(obj, run.path / "objects" / object_folder(obj.id, obj.name) / "mesh.glb", config.glb)
    run.write("config.json", _config_json(config))
    save_scene(scene, run.path)
    _forget_other_objects(scene, run.path / "objects")
    timings = _timings(run, flat, scene, config)
    timings["export"] = ("scene.json, GLB", time.perf_counter() - start)
    write_report(flat.deocclusion, scene, timings, run.path, peak_memory_gb=_peak_memory_gb())
    progress("scene", 2, 2, "report")
    fallbacks = tuple(f"{o.id} {o.name}: {o.fallback}" for o in scene.objects if o.fallback)
    resumed = tuple(name for name, result in run.results.items() if result.cached)
    return Reconstruction(flat.deocclusion, scene, timings, fallbacks, resumed, run.path)


def _forget_other_objects(scene: Scene, folder: Path) -> None:
    """Folders of objects that an earlier run with other masks wrote; what people put beside them stays."""
    kept = {object_folder(obj.id, obj.name) for obj in scene.objects}
    for old in folder.glob("[0-9][0-9][0-9]_*") if folder.is_dir() else ():
        if old.is_dir() and old.name not in kept:
            remove_files(old, OBJECT_FILES)


def _peak_memory_gb() -> float | None:
    """Largest memory that this process has held; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _config_json(config: Config) -> str:
    return json.dumps(dataclasses.asdict(config), indent=2, default=str) + "\n"


def _timings(run: RunFolder, flat: DeocclusionStages, scene: Scene, config: Config) -> Timings:
    """Method and seconds of every stage; the objects' lifts are summed up."""
    two_d = config.deocclusion
    methods = {
        "segmentation": "given masks",
        "camera": flat.camera.value.source,
        "depth": flat.depth.value.source,
        "occlusion": two_d.order,
        "objects": two_d.completer,
        "background": flat.background.value.method,
        "ground": scene.gravity_source,
        "lift": f"{config.lifter}, summed over objects",
        "place": "gated refinement",
        "environment": "floor and backdrop",
    }
    seconds = {name: 0.0 for name in methods}
    for name, result in run.results.items():
        seconds["lift" if name.endswith("/lift") else name] += result.seconds
    return {name: (methods[name], seconds[name]) for name in methods}
