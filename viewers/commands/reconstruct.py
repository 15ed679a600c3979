"""``paco reconstruct``: one photo and its masks, or a folder of them, become run folders with the 3D scenes."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from paco_core.errors import BadInput
from paco_core.progress import Progress
from scene3d.pipeline import Config, Inputs
from viewers.batch import Task, reconstruct_all
from viewers.commands import Outcome
from viewers.inputs import InputOptions, read_inputs
from viewers.job import RunOptions, reconstruct_into, settings_of, summary
from viewers.photos import FoundPhoto, find_photos


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions, InputOptions):
    """One photo and its masks become a 3D scene in a run folder; a folder of photos, run folders and a table.
    The same command again goes on where it was stopped."""

    out: Path
    """The run folder: a new or empty one, or that of an earlier run. For a folder of photos: where their run folders go."""


def run(options: Options, progress: Progress) -> Outcome:
    """Read the inputs, reconstruct, and say where the results are."""
    settings = settings_of(options)
    if options.photo.is_dir():
        return _run_folder(options, settings, progress)
    return summary([reconstruct_into(options.out, lambda: read_inputs(options, settings.deocclusion), settings, progress)])


def _run_folder(options: Options, settings: Config, progress: Progress) -> Outcome:
    """One run folder per photo."""
    if options.order:
        raise BadInput("--order names objects of one photo. Reconstruct that photo alone.")
    if options.box or options.point:
        raise BadInput(f"--{'box' if options.box else 'point'} is for one photo, not for a folder. Reconstruct that photo alone.")
    photos = find_photos(options.photo, options.masks, options.geometry.depth)
    tasks = [Task(photo.path, options.out / photo.name, partial(_read, options, settings, photo)) for photo in photos]
    return reconstruct_all(tasks, options.out, settings, progress)


def _read(options: Options, settings: Config, photo: FoundPhoto) -> Inputs:
    geometry = replace(options.geometry, depth=photo.depth)
    return read_inputs(replace(options, photo=photo.path, masks=photo.masks, geometry=geometry), settings.deocclusion)
