"""``paco reconstruct``: one photo and its masks become a run folder with the 3D scene."""

from dataclasses import dataclass
from pathlib import Path

from paco_core.progress import Progress
from viewers.commands import Outcome
from viewers.inputs import InputOptions, read_inputs
from viewers.job import config, reconstruct_into, summary


@dataclass(frozen=True, kw_only=True)
class Options(InputOptions):
    """One photo and its masks become a 3D scene in a run folder. The same command again goes on where it was stopped."""

    out: Path
    """The run folder: a new or empty one, or that of an earlier run."""
    preset: str | None = None
    """Name of a preset, or a YAML file with settings of the stages."""
    seed: int = 0
    """Of everything that is random; the same seed gives the same scene."""


def run(options: Options, progress: Progress) -> Outcome:
    """Read the inputs, reconstruct, and say where the results are."""
    settings = config(options.preset, options.seed)
    return summary([reconstruct_into(options.out, lambda: read_inputs(options), settings, progress)])
