"""``paco redo``: one object once more, in another way; the others stay as they are."""

import time
from dataclasses import dataclass, replace

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.pipeline import deocclude
from paco_core.progress import Progress
from paco_core.registry import did_you_mean
from paco_core.types import Segmentation
from scene3d.pipeline import Config, ObjectChoice, reconstruct_in
from scene3d.registry import BACKENDS
from viewers.commands import Outcome
from viewers.job import Job, check_numbers, summary
from viewers.stages import StageOptions, going_on


@dataclass(frozen=True, kw_only=True)
class Options(StageOptions):
    """Lift one object of a run folder once more, by another method or with another seed, and export. Later commands keep it."""

    object: Positional[str]
    """Its name or number."""
    lift: str | None = None
    """By this method (`paco backends` lists them)."""
    seed: int | None = None
    """With this seed; when neither a method nor a seed is given, the next one."""
    reset: bool = False
    """As all the others again."""


def run(options: Options, progress: Progress) -> Outcome:
    """Redo it, and say where the results are."""
    start = time.monotonic()
    check_numbers(None, options.seed)
    if options.reset and (options.lift is not None or options.seed is not None):
        raise BadInput("--reset undoes what --lift and --seed would do. Give one or the other.")
    if options.lift is not None:
        BACKENDS.find("lifter", options.lift)
    with going_on(replace(options, seed=None)) as open_run:
        folder, config = open_run.run, open_run.config
        flat = deocclude(open_run.inputs, folder, config.deocclusion, seed=config.seed, device=config.device, progress=progress)
        object_id, name = find_object(options.object, flat.seen.segmentation.value)
        config = with_choice(config, object_id, name, options)
        result = reconstruct_in(folder, open_run.inputs, config, progress=progress)
        return summary([Job(result, time.monotonic() - start, config.objects)])


def find_object(word: str, segmentation: Segmentation) -> tuple[int, str]:
    """(id, name) of the object that somebody calls so. Raises ``BadInput`` when it is none or several."""
    both = list(zip(segmentation.ids, segmentation.names, strict=True))
    found = [(i, n) for i, n in both if word == str(i)] or [(i, n) for i, n in both if n.lower() == word.lower()]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{i} {n}" for i, n in both)
    if found:
        raise BadInput(f"{len(found)} objects are called {word!r}: give the number. The objects are: {known}.")
    raise BadInput(f"There is no object {word!r}.{did_you_mean(word, segmentation.names)} The objects are: {known}.")


def with_choice(config: Config, object_id: int, name: str, options: Options) -> Config:
    """The settings with the object's line changed, or without it."""
    others = tuple(choice for choice in config.objects if choice.id != object_id)
    if options.reset:
        return replace(config, objects=others)
    before = next((c for c in config.objects if (c.id, c.name) == (object_id, name)), ObjectChoice(object_id, name))
    seed = options.seed
    if seed is None and options.lift is None:
        seed = (config.seed if before.seed is None else before.seed) + 1
    choice = replace(before, lifter=options.lift or before.lifter, seed=before.seed if seed is None else seed)
    return replace(config, objects=tuple(sorted((*others, choice), key=lambda c: c.id)))
