"""``paco lift``: every complete object of a run folder becomes a mesh."""

from dataclasses import dataclass, replace

from paco_core.pipeline import deocclude
from paco_core.progress import Progress
from scene3d.pipeline import Config, lift_objects
from scene3d.registry import BACKENDS
from viewers.commands import Outcome
from viewers.stages import StageOptions, going_on, stage_outcome


@dataclass(frozen=True, kw_only=True)
class Options(StageOptions):
    """Make a mesh of every complete object of a run folder; what is missing before that is done first."""

    lift: str | None = None
    """By this method from now on (`paco backends` lists them)."""


def run(options: Options, progress: Progress) -> Outcome:
    """Lift, and say what every object has become."""

    def change(config: Config) -> Config:
        return config if options.lift is None else replace(config, lifter=BACKENDS.find("lifter", options.lift).name)

    with going_on(options, change) as open_run:
        folder, config = open_run.run, open_run.config
        flat = deocclude(open_run.inputs, folder, config.deocclusion, seed=config.seed, device=config.device, progress=progress)
        lifted = lift_objects(flat, folder, config, progress=progress)
        meshes = [(obj, mesh.value) for obj, mesh in zip(lifted.objects, lifted.meshes, strict=True)]
        rows = [(str(o.id), o.name, m.method, str(len(m.mesh.faces)), "yes" if m.watertight else "no") for o, m in meshes]
        fallbacks = (*(f"{o.id} {o.name}: {m.fallback}" for o, m in meshes if m.fallback), *lifted.lost)
        head = ("id", "object", "lifted by", "triangles", "closed")
        return stage_outcome(folder, head, rows, fallbacks, f"  next  paco place {options.run}")
