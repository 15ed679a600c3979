"""What the commands share that go on from a run folder: ``paco lift``, ``place``, ``export`` and ``redo``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tyro.conf import Positional

from paco_core.presets import load_preset
from paco_core.store import RunFolder
from scene3d.pipeline import Config, Inputs, write_config
from viewers.commands import WITH_FALLBACKS, Outcome
from viewers.device import Device, check_device
from viewers.job import check_numbers
from viewers.remember import existing_run, recall_config, recall_inputs
from viewers.runlog import run_log
from viewers.table import table


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """The run folder, and what is to be other than it was."""

    run: Positional[Path]
    """The run folder: photo, masks and settings are those of the command that made it."""
    preset: str | None = None
    """Name of a preset, or a YAML file with settings, instead of those of the last command."""
    seed: int | None = None
    """Another seed than the last command's."""
    device: Device | None = None
    """Where networks run."""
    threads: int | None = None
    """How many objects are worked on at once."""


@dataclass(frozen=True)
class OpenRun:
    """A run folder at work, with what it remembers."""

    run: RunFolder
    inputs: Inputs
    config: Config


@contextmanager
def going_on(options: StageOptions, change: Callable[[Config], Config] = lambda config: config) -> Iterator[OpenRun]:
    """Open, lock and log the folder; its settings are changed as the options and ``change`` say, and kept for later commands.

    Raises ``BadInput`` for a folder that is none, is at work, or does not have its inputs any more.
    """
    check_numbers(options.threads, options.seed)
    check_device(options.device or "auto")
    with existing_run(options.run) as run, run_log(run):
        config = change(_changed(recall_config(run), options))
        inputs = recall_inputs(run)
        write_config(run, config)
        yield OpenRun(run, inputs, config)


def _changed(config: Config, options: StageOptions) -> Config:
    if options.preset is not None:
        config = replace(load_preset(options.preset, Config), seed=config.seed, objects=config.objects)
    return replace(
        config,
        seed=config.seed if options.seed is None else options.seed,
        device=options.device or config.device,
        threads=options.threads or config.threads,
    )


def stage_outcome(
    run: RunFolder, head: tuple[str, ...], rows: list[tuple[str, ...]], fallbacks: tuple[str, ...], then: str
) -> Outcome:
    """A table, what is at a fallback (stages included), and what comes next."""
    told = (*(result.fallback for result in run.results.values() if result.fallback), *fallbacks)
    listed = "".join(f"\n    {sentence}" for sentence in told)
    text = f"{table(head, rows)}{f'{chr(10)}  at a fallback:{listed}' if told else ''}\n\n{then}"
    return Outcome(text, WITH_FALLBACKS if told else 0)
