"""The whole job as a diagram in code: what the user brings becomes a run folder with a placed scene."""

import dataclasses
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from paco_core.camera import up_of_pitch
from paco_core.errors import error_text
from paco_core.names import object_slug
from paco_core.pipeline import DeocclusionConfig, DeocclusionStages, Inputs, deocclude
from paco_core.progress import Progress, silent
from paco_core.rescue import surviving
from paco_core.store import Rescue, RunFolder, StageResult
from paco_core.threads import available_processors, on_one_blas_thread
from paco_core.types import CompleteObject, Deocclusion
from scene3d.above import above_floor
from scene3d.assemble import Placement, assemble, check_exportable
from scene3d.export import Timings, export, export_report
from scene3d.glb import GlbConfig
from scene3d.ground import GroundConfig, find_ground
from scene3d.lift import LiftConfig, lift, prepare_lift, prepare_plainly
from scene3d.place import PlaceConfig, place
from scene3d.registry import BACKENDS
from scene3d.sizes import guess_scale
from scene3d.types import Ground, LiftedMesh, LiftInput, Scene

__all__ = ["Config", "Inputs", "Reconstruction", "open_run", "reconstruct", "reconstruct_in"]

log = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
MAX_LIFTS_AT_ONCE = 4
"""Unless somebody asks for more: each lift takes up to 0.3 GB and spends about half of its time outside of Python."""


@dataclass(frozen=True)
class ObjectChoice:
    """How one object is lifted, when not like the others (``paco redo``)."""

    id: int
    name: str
    """Both must fit: with other masks, the number may be somebody else's."""
    lifter: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")

    def __str__(self) -> str:
        said = [self.lifter or "", "" if self.seed is None else f"seed {self.seed}"]
        return f"{self.id} {self.name}: {', '.join(part for part in said if part)}"


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
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks run; the methods without weights need none."""
    threads: int | None = None
    """Objects that are lifted at once; None: as many as there are processors, at most four. The result is the same."""
    objects: tuple[ObjectChoice, ...] = ()
    """Objects that are lifted otherwise than ``lifter`` and ``seed`` say."""

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be 1 or more, not {self.threads}")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")


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
    write_config(run, config)
    flat = deocclude(inputs, run, config.deocclusion, seed=config.seed, device=config.device, progress=progress)
    lifted = lift_objects(flat, run, config, progress=progress)
    return _export(flat, place_objects(flat, lifted, run, config, progress=progress), run, config, progress)


def write_config(run: RunFolder, config: Config) -> None:
    """``config.json``: the settings, for people and for the commands that go on from here."""
    run.write(CONFIG_FILE, json.dumps(dataclasses.asdict(config), indent=2) + "\n")


def build(
    inputs: Inputs, run: RunFolder, config: Config = Config(), *, progress: Progress = silent
) -> tuple[DeocclusionStages, Scene]:
    """Everything of ``reconstruct`` but the files that people open."""
    flat = deocclude(inputs, run, config.deocclusion, seed=config.seed, device=config.device, progress=progress)
    lifted = lift_objects(flat, run, config, progress=progress)
    return flat, place_objects(flat, lifted, run, config, progress=progress).scene.value


@dataclass(frozen=True)
class Lifted:
    """The meshes, one per object that could be lifted, and the floor that they will stand on."""

    ground: StageResult[Ground]
    objects: tuple[CompleteObject, ...]
    items: tuple[LiftInput, ...]
    meshes: tuple[StageResult[LiftedMesh], ...]
    lost: tuple[str, ...]
    """A sentence per object that could not be lifted in any way."""


@on_one_blas_thread
def lift_objects(flat: DeocclusionStages, run: RunFolder, config: Config, *, progress: Progress = silent) -> Lifted:
    """The floor, and one stage per object, so that an interrupted run loses one mesh at most."""
    camera, depth, segmentation = flat.seen.camera.value, flat.seen.depth.value, flat.seen.segmentation.value
    ground = run.stage(
        "ground",
        {"depth": flat.seen.depth, "camera": camera, "config": config.ground},
        lambda: find_ground(depth, segmentation, camera, config.ground),
        Ground,
        rescue=Rescue(lambda: Ground(up_of_pitch(0.0), 1.0, "prior", 0.0), "the camera is taken to be level, one unit above it"),
    )
    objects = tuple(above_floor(obj, depth, camera, ground.value) for obj in flat.deocclusion.objects)
    chosen = _choices(config, flat.deocclusion)
    names = {config.lifter, config.fallback_lifter, *(choice.lifter or config.lifter for choice in chosen.values())}
    lifters = {name: BACKENDS.create("lifter", name) for name in sorted(names)}

    def lift_one(obj: CompleteObject) -> tuple[LiftInput, StageResult[LiftedMesh]]:
        choice = chosen.get(obj.id, ObjectChoice(obj.id, obj.name))
        by = (choice.lifter or config.lifter, config.fallback_lifter)
        seed = config.seed if choice.seed is None else choice.seed
        item, problem = _prepare(obj, flat, ground.value, config.lift)

        def compute() -> LiftedMesh:
            mesh = lift(item, lifters[by[0]], lifters[by[1]], seed=seed)
            return replace(mesh, fallback=mesh.fallback or problem)

        key = {"item": item, "by": by, "seed": seed, "problem": problem}
        return item, run.stage(f"objects/{object_slug(obj.id, obj.name)}/lift", key, compute, LiftedMesh)

    done, lost = [], []
    pool = ThreadPoolExecutor(config.threads or min(MAX_LIFTS_AT_ONCE, available_processors()))
    try:
        for k, (obj, future) in enumerate(zip(objects, [pool.submit(lift_one, obj) for obj in objects], strict=True)):
            method = "failed"
            with surviving(f"{obj.id} {obj.name}: left out of the scene, it can't be lifted", lost):
                item, mesh = future.result()
                done.append((obj, item, mesh))
                method = mesh.value.method
            progress("lift", k + 1, len(objects), f"{obj.name}: {method}")
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: what is under way is finished and kept, the rest is not begun
    survivors, items, meshes = zip(*done, strict=True) if done else ((), (), ())
    return Lifted(ground, survivors, items, meshes, tuple(lost))


def _choices(config: Config, deocclusion: Deocclusion) -> dict[int, ObjectChoice]:
    """By object id; choices for objects that are not here any more are named in a warning."""
    here = {(obj.id, obj.name) for obj in deocclusion.objects}
    for choice in config.objects:
        if (choice.id, choice.name) not in here:
            log.warning("config.json asks for %s; there is no such object any more, this is left out.", choice)
    return {choice.id: choice for choice in config.objects if (choice.id, choice.name) in here}


def _prepare(obj: CompleteObject, flat: DeocclusionStages, ground: Ground, config: LiftConfig) -> tuple[LiftInput, str | None]:
    """What the lifter sees of an object, and why it is less than it should be."""
    camera = flat.seen.camera.value
    try:
        return prepare_lift(obj, camera, flat.seen.depth.value, ground, config), None
    except Exception as error:
        log.warning("object %d (%s): its visible part is lifted as it is", obj.id, obj.name, exc_info=True)
        return prepare_plainly(obj, camera, ground, config), f"only its visible part is lifted: {error_text(error)}"


@dataclass(frozen=True)
class Placed:
    """The placed objects, and the scene around them."""

    placement: StageResult[Placement]
    scene: StageResult[Scene]


@on_one_blas_thread
def place_objects(
    flat: DeocclusionStages,
    lifted: Lifted,
    run: RunFolder,
    config: Config,
    *,
    surroundings: bool = True,
    progress: Progress = silent,
) -> Placed:
    """Every mesh to its place, with ``surroundings`` floor and backdrop around them."""
    ground, photo = lifted.ground, flat.deocclusion.photo
    placement = run.stage(
        "place",
        {
            "objects": flat.layers,
            "meshes": lifted.meshes,
            "occlusion": flat.seen.occlusion,
            "camera": flat.seen.camera.value,
            "ground": ground.value,
            "config": config.place,
            "lost": lifted.lost,
        },
        lambda: _place(flat, lifted, config.place, progress),
        Placement,
    )
    scene = run.stage(
        "environment",
        {
            "photo": (photo.name, photo.sha256),
            "placement": placement,
            "background": flat.background,
            "surroundings": surroundings,
        },
        lambda: assemble(flat.deocclusion, ground.value, placement.value, surroundings=surroundings),
        Scene,
        rescue=Rescue(
            lambda: assemble(flat.deocclusion, ground.value, placement.value, surroundings=False),
            "the scene has neither floor nor backdrop",
        ),
    )
    progress("scene", 1, 2, scene.value.scale_source)
    return Placed(placement, scene)


def _place(flat: DeocclusionStages, lifted: Lifted, config: PlaceConfig, progress: Progress) -> Placement:
    lost = list(lifted.lost)
    survivors = replace(flat.deocclusion, objects=lifted.objects)
    meshes = tuple(m.value for m in lifted.meshes)
    objects, metres, source = place(
        survivors, lifted.items, meshes, lifted.ground.value, guess_scale, config, progress=progress, lost=lost
    )
    sound = []
    for obj in objects:
        with surviving(f"{obj.id} {obj.name}: left out of the scene, it can't be written", lost):
            check_exportable(obj)
            sound.append(obj)
    return Placement(tuple(sound), metres, source, tuple(lost))


@on_one_blas_thread
def _export(flat: DeocclusionStages, placed: Placed, run: RunFolder, config: Config, progress: Progress) -> Reconstruction:
    """The files that people and programs open, and what there is to say about the run."""
    start, scene = time.perf_counter(), placed.scene.value
    run.require()
    failed = export(flat.deocclusion, scene, run.path, config.glb)
    timings = _timings(run, flat, scene, config)
    timings["export"] = ("scene.json, GLB", time.perf_counter() - start)
    stages = tuple(result.fallback for result in run.results.values() if result.fallback)
    told = (*stages, *placed.placement.value.lost, *failed)
    mishaps = export_report(flat.deocclusion, scene, timings, run.path, told)
    run.forget_others()
    run.require()  # files that were written after somebody removed the folder are no run folder
    progress("scene", 2, 2, "report")
    fallbacks = tuple(f"{o.id} {o.name}: {o.fallback}" for o in scene.objects if o.fallback)
    resumed = tuple(name for name, result in run.results.items() if result.cached)
    return Reconstruction(flat.deocclusion, scene, timings, (*fallbacks, *mishaps), resumed, run.path)


def _timings(run: RunFolder, flat: DeocclusionStages, scene: Scene, config: Config) -> Timings:
    """Method and seconds of every stage; those of layers and objects are summed up."""
    two_d = config.deocclusion
    methods = {
        "segmentation": flat.masks_from,
        "camera": flat.seen.camera.value.source,
        "depth": flat.seen.depth.value.source,
        "occlusion": two_d.order,
        "complete": two_d.completer,
        "background": flat.background.value.method,
        "ground": scene.gravity_source,
        "lift": f"{config.lifter}, summed over objects",
        "place": "gated refinement",
        "environment": "floor and backdrop",
    }
    seconds = {name: 0.0 for name in methods}
    for name, result in run.results.items():
        seconds["lift" if name.endswith("/lift") else name.split("/")[0]] += result.seconds
    return {name: (methods[name], seconds[name]) for name in methods}
