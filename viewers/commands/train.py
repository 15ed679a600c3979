"""``paco train``: a network of this project, on packs of whole objects."""

import importlib.util
from dataclasses import dataclass

from tyro.conf import Positional

from paco_core.errors import MissingDependency
from paco_core.progress import Progress
from paco_core.training.options import TrainOptions
from paco_core.training.tasks import find_target
from viewers.commands import COMPLETE, INTERRUPTED, Outcome

NEEDED = ("torch", "accelerate")


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """Train a network of this project. The same command again goes on where it was stopped."""

    name: Positional[str]
    """What to train (docs/training.md lists it)."""


def run(options: Options, progress: Progress) -> Outcome:
    """Train to the end of the budget, or to a pause (exit code 130: the same command goes on)."""
    find_target(options.name)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependency(f"Training needs {', '.join(missing)}: pip install 'paco-scene3d[train]'")
    from paco_core.training.runner import train  # here: torch takes seconds

    result = train(options.name, options, progress=progress)
    return Outcome(result.text, COMPLETE if result.finished else INTERRUPTED)
