"""``paco deocclude``: the 2D half alone: complete objects and the photo without them."""

from dataclasses import dataclass
from pathlib import Path

from paco_core.errors import BadInput
from paco_core.pipeline import deocclude
from paco_core.progress import Progress
from scene3d.export import export_pictures
from scene3d.pipeline import open_run, write_config
from viewers.commands import Outcome
from viewers.inputs import InputOptions, read_inputs
from viewers.job import RunOptions, settings_of, with_choices
from viewers.runlog import run_log
from viewers.stages import stage_outcome


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions, InputOptions):
    """Complete the objects of a photo and the background behind them; `paco lift`, `place` and `export` go on from there."""

    out: Path
    """The run folder: a new or empty one, or that of an earlier run."""


def run(options: Options, progress: Progress) -> Outcome:
    """Write the complete objects and the background as pictures."""
    if options.photo.is_dir():
        raise BadInput(f"{options.photo} is a folder. `paco reconstruct` takes folders of photos; give one photo here.")
    settings = settings_of(options)
    with open_run(options.out) as folder, run_log(folder):
        config = with_choices(settings, folder)
        write_config(folder, config)
        flat = deocclude(
            read_inputs(options, config.deocclusion),
            folder,
            config.deocclusion,
            seed=config.seed,
            device=config.device,
            progress=progress,
        ).deocclusion
        failed = export_pictures(flat, folder.path)
        rows = [(str(o.id), o.name, str(o.layer), f"{100 * o.hidden_fraction:.0f} %", o.mask_method) for o in flat.objects]
        fallbacks = (*(f"{o.id} {o.name}: {o.fallback}" for o in flat.objects if o.fallback), *failed)
        then = f"  pictures  {options.out / 'objects'}\n  next      paco lift {options.out}"
        return stage_outcome(folder, ("id", "object", "layer", "invented", "completed by"), rows, fallbacks, then)
