"""What ``paco demo`` and ``paco reconstruct`` share: settings, the run with its log, and the closing words."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paco_core.errors import BadInput
from paco_core.pipeline import DeocclusionConfig
from paco_core.presets import load_preset
from paco_core.progress import Progress
from paco_core.registry import BACKENDS
from paco_core.store import RunFolder
from scene3d.pipeline import Config, Inputs, ObjectChoice, Reconstruction, open_run, reconstruct_in
from viewers.commands import WITH_FALLBACKS, Outcome
from viewers.device import Device, check_device
from viewers.remember import recall_choices
from viewers.runlog import run_log

MAX_THREADS = 256
"""More is a mistake in typing."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One finished run."""

    result: Reconstruction
    seconds: float
    """Wall clock of this run, reading included."""
    choices: tuple[ObjectChoice, ...] = ()
    """Objects that ``paco redo`` was asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to work."""

    preset: str | None = None
    """Name of a preset, or a YAML file with settings of the stages."""
    seed: int = 0
    """Of everything that is random; the same seed gives the same scene, on any number of threads."""
    completer: str | None = None
    """Method that invents the hidden parts of objects, instead of the settings' (`paco backends` lists them); `paco=FILE` takes
    weights of your own."""
    device: Device = "auto"
    """Where networks run; the methods without weights need none."""
    threads: int | None = None
    """How many objects are worked on at once; without it, as many as there are processors, at most four."""


def settings_of(options: RunOptions) -> Config:
    """The settings that the options ask for. Raises ``BadInput``, and ``MissingDependency`` for a device."""
    check_numbers(options.threads, options.seed)
    check_device(options.device)
    settings = config(options.preset, options.seed)
    if options.completer is not None:
        settings = dataclasses.replace(settings, deocclusion=with_completer(settings.deocclusion, options.completer))
    return dataclasses.replace(settings, device=options.device, threads=options.threads or settings.threads)


def with_completer(stages: DeocclusionConfig, named: str) -> DeocclusionConfig:
    """The settings with the completer ``NAME``, or ``paco=FILE`` of weights. Raises ``BadInput``."""
    name, _, weights = named.partition("=")
    found = BACKENDS.find("completer", name).name
    if weights and found != "paco":
        raise BadInput(f"--completer {named}: {found} has the weights that it comes with; give --completer {found}.")
    paco = dataclasses.replace(stages.paco, weights=weights) if weights else stages.paco
    return dataclasses.replace(stages, completer=found, paco=paco)


def check_numbers(threads: int | None, seed: int | None) -> None:
    """Raise ``BadInput`` for what no run can be made with."""
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise BadInput(f"--threads {threads} is outside of 1…{MAX_THREADS}.")
    if seed is not None and seed < 0:
        raise BadInput(f"--seed {seed} is negative: give 0 or more.")


def config(preset: str | None, seed: int) -> Config:
    """The settings of a preset (default: the program's own) with this seed. Raises ``BadInput``."""
    check_numbers(None, seed)
    return dataclasses.replace(Config() if preset is None else load_preset(preset, Config), seed=seed)


def reconstruct_into(out: Path, read_inputs: Callable[[], Inputs], config: Config, progress: Progress) -> Job:
    """Reconstruct into the run folder ``out``, keeping its log. Raises ``BadInput``."""
    start = time.monotonic()
    with open_run(out) as run, run_log(run):
        config = with_choices(config, run)
        result = reconstruct_in(run, read_inputs(), config, progress=progress)
        return Job(result, time.monotonic() - start, config.objects)


def with_choices(config: Config, run: RunFolder) -> Config:
    """The settings with what ``paco redo`` was asked for in this folder, unless they have choices of their own."""
    return config if config.objects else dataclasses.replace(config, objects=recall_choices(run))


def summary(jobs: Sequence[Job]) -> Outcome:
    """Where the results are, and which objects are at a fallback."""
    fallbacks = any(job.result.fallbacks for job in jobs)
    return Outcome("\n\n".join(map(_describe, jobs)), WITH_FALLBACKS if fallbacks else 0)


def _describe(job: Job) -> str:
    result, count = job.result, len(job.result.scene.objects)
    lines = [
        f"{result.folder}: {count} object{'' if count == 1 else 's'} in {job.seconds:.1f} s",
        f"  scene   {result.folder / 'scene.glb'}",
        f"  report  {result.folder / 'report.html'}",
    ]
    here = {(obj.id, obj.name) for obj in result.deocclusion.objects}
    redone = [str(choice) for choice in job.choices if (choice.id, choice.name) in here]
    if redone:
        lines += ["  as `paco redo` was asked:", *(f"    {choice}" for choice in redone)]
    if result.fallbacks:
        lines += ["  at a fallback:", *(f"    {sentence}" for sentence in result.fallbacks)]
    return "\n".join(lines)
