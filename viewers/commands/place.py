"""``paco place``: the meshes of a run folder go to their places in one world."""

from dataclasses import dataclass

from paco_core.pipeline import deocclude
from paco_core.progress import Progress
from scene3d.pipeline import lift_objects, place_objects
from viewers.commands import Outcome
from viewers.stages import StageOptions, going_on, stage_outcome


@dataclass(frozen=True, kw_only=True)
class Options(StageOptions):
    """Bring every mesh of a run folder to its place, with floor and backdrop; what is missing before that is done first."""


def run(options: Options, progress: Progress) -> Outcome:
    """Place, and say where every object stands."""
    with going_on(options) as open_run:
        folder, config = open_run.run, open_run.config
        flat = deocclude(open_run.inputs, folder, config.deocclusion, seed=config.seed, device=config.device, progress=progress)
        lifted = lift_objects(flat, folder, config, progress=progress)
        placed = place_objects(flat, lifted, folder, config, progress=progress)
        objects = placed.scene.value.objects
        sizes = [" × ".join(f"{side:.2f}" for side in o.size_m) for o in objects]
        rows = [
            (str(o.id), o.name, size, o.support, f"{o.iou_visible:.2f}", f"{o.pose_confidence:.2f}")
            for o, size in zip(objects, sizes, strict=True)
        ]
        fallbacks = (*(f"{o.id} {o.name}: {o.fallback}" for o in objects if o.fallback), *placed.placement.value.lost)
        head = ("id", "object", "w × h × d, m", "stands on", "IoU", "confidence")
        return stage_outcome(folder, head, rows, fallbacks, f"  next  paco export {options.run}")
