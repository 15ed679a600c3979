"""``paco doctor``: what this machine has, and what is missing for what."""

from dataclasses import dataclass
from pathlib import Path

from paco_core.errors import MissingDependency
from paco_core.progress import Progress
from viewers.commands import Outcome
from viewers.doctor import examine
from viewers.table import table


@dataclass(frozen=True)
class Options:
    """Say what this machine has, and what is missing for what."""

    out: Path = Path("runs")
    """Where runs would be written; its disk is looked at."""


def run(options: Options, progress: Progress) -> Outcome:
    """A table. Raises ``MissingDependency`` when the main job can't run here."""
    findings = examine(options.out)
    text = table(("what", "", "found, or what to do"), [(f.what, f.verdict, f.found) for f in findings])
    missing = [f.what for f in findings if f.verdict == "missing"]
    if missing:
        raise MissingDependency(f"The main job can't run here.\n{text}")
    return Outcome(f"{text}\n\nThe main job can run: paco demo")
