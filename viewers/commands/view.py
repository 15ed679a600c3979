"""``paco view``: the scene of a run folder in a window."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from paco_core.progress import Progress
from viewers.commands import Outcome
from viewers.desktop import open_window


@dataclass(frozen=True)
class Options:
    """Look at the scene of a run folder in a window, first from where the photo was taken."""

    run: Positional[Path]
    """The run folder."""


def run(options: Options, progress: Progress) -> Outcome:
    """Show it until the window is closed."""
    open_window(options.run)
    return Outcome("")
