"""``paco clean``: removes what a run folder needs for going on, or all that the runs made."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.files import remove_files, remove_if_empty
from paco_core.lock import LOCK_FILE
from paco_core.progress import Progress
from paco_core.store import MARKER, STAGES
from scene3d.export import forget_exports
from scene3d.pipeline import CONFIG_FILE
from viewers.commands import Outcome
from viewers.remember import existing_run
from viewers.runlog import LOG_FILE


@dataclass(frozen=True)
class Options:
    """Remove the stages of run folders: what is needed for going on, but not for opening the results."""

    runs: Positional[tuple[Path, ...]]
    """The run folders."""
    all: bool = False
    """Everything that the runs made; what they did not make stays."""


def run(options: Options, progress: Progress) -> Outcome:
    """Remove, and say how much."""
    if not options.runs:
        raise BadInput("Name the run folders that are to be cleaned: paco clean runs/desk.")
    return Outcome("\n".join(_clean(folder, everything=options.all) for folder in options.runs))


def _clean(folder: Path, *, everything: bool) -> str:
    with existing_run(folder):  # nobody is at work in it, and what is half-written is swept
        before = _size(folder)
        for file in sorted((folder / STAGES).rglob("*.npz")):
            remove_files(file.parent, [file.name])
        for place in sorted((p for p in (folder / STAGES).rglob("*") if p.is_dir()), reverse=True):
            remove_if_empty(place)
        remove_if_empty(folder / STAGES)
        if everything:
            forget_exports(folder)
            remove_files(folder, [CONFIG_FILE, LOG_FILE, MARKER, LOCK_FILE])
    freed = f"{(before - _size(folder)) / 1e6:.1f} MB freed"
    if not folder.exists():
        return f"{folder}: removed, {freed}"
    left = "what no run made stays" if everything else "the results stay; to go on from here, give photo and masks again"
    return f"{folder}: {freed}; {left}"


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
