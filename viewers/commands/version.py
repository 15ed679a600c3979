"""``paco version``."""

from dataclasses import dataclass
from importlib.metadata import version

from paco_core.progress import Progress
from viewers.commands import Outcome


@dataclass(frozen=True)
class Options:
    """Print the version."""


def run(options: Options, progress: Progress) -> Outcome:
    """Say it."""
    return Outcome(version("paco-scene3d"))
