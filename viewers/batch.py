"""Many photos, one run folder each: bad ones cost nothing but themselves, and a table says in the end how each went."""

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paco_core.errors import BadInput, MissingDependency, error_text
from paco_core.files import write_atomic
from paco_core.objects import GIVEN
from paco_core.progress import Progress
from paco_core.store import MARKER
from scene3d.pipeline import Config, Inputs
from viewers.commands import BAD_INPUT, BUG, WITH_FALLBACKS, Outcome
from viewers.errors import UnexpectedError
from viewers.job import reconstruct_into
from viewers.table import table, write_csv

log = logging.getLogger(__name__)

Status = Literal["complete", "fallbacks", "refused", "failed"]
SUMMARY = "summary"
_LONGEST = 90
"""Of a sentence in the table; the files have all of it."""


@dataclass(frozen=True)
class PhotoResult:
    """How one photo went."""

    photo: str
    run: str
    objects: int
    seconds: float
    """Wall clock of this run; less when stages were loaded."""
    status: Status
    """``refused``: bad input; ``failed``: a mistake of the program."""
    sentences: tuple[str, ...] = ()
    """Which objects are at a fallback, where masks come from that nobody gave, or why there is no scene."""


@dataclass(frozen=True)
class Task:
    """One photo to reconstruct."""

    photo: Path
    out: Path
    read_inputs: Callable[[], Inputs]


def reconstruct_all(tasks: Sequence[Task], out: Path, config: Config, progress: Progress) -> Outcome:
    """Reconstruct one after the other; ``summary.json`` and ``summary.csv`` in ``out`` are rewritten after each.

    Exit code 0 when all are complete, 3 when some are, else 2 (or 1 after mistakes of the program). Raises ``BadInput`` when
    ``out`` can't be written or is the run folder of one photo.
    """
    if (out / MARKER).exists():
        raise BadInput(f"{out} is the run folder of one photo. Choose another --out for a folder of photos.")
    results: list[PhotoResult] = []
    for k, task in enumerate(tasks):
        results.append(_attempt(task, config, _Among(progress, k, task.photo.stem, results, len(tasks))))
        _write_summary(results, out)
    return Outcome(_text(results, out), _exit_code(results))


def _attempt(task: Task, config: Config, progress: Progress) -> PhotoResult:
    start = time.monotonic()

    def ended(status: Status, objects: int = 0, *sentences: str) -> PhotoResult:
        return PhotoResult(str(task.photo), str(task.out), objects, round(time.monotonic() - start, 2), status, sentences)

    try:
        result = reconstruct_into(task.out, task.read_inputs, config, progress).result
    except (BadInput, MissingDependency) as error:
        return ended("refused", 0, str(error))
    except UnexpectedError as error:
        return ended("failed", 0, f"{error_text(error.cause)} (a mistake of the program; please report it with {error.log_file})")
    except Exception as error:  # where there is no log of the run yet
        log.exception("%s", task.photo)
        return ended("failed", 0, f"{error_text(error)} (a mistake of the program; please report it)")
    masks_from = result.timings["segmentation"][0]
    said = () if masks_from == GIVEN else (f"objects {masks_from}",)
    return ended("fallbacks" if result.fallbacks else "complete", len(result.scene.objects), *result.fallbacks, *said)


class _Among:
    """Progress of one photo among others, with about how long all of them will take."""

    def __init__(self, progress: Progress, index: int, name: str, before: Sequence[PhotoResult], count: int) -> None:
        self._progress = progress
        self._prefix = f"{index + 1}/{count} {name}"
        mean_s = sum(r.seconds for r in before) / max(len(before), 1)
        self._left = f"about {_duration(mean_s * (count - index))} left of all" if before else ""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Pass it on."""
        self._progress(f"{self._prefix}: {stage}", done, total, "  ".join(part for part in (note, self._left) if part))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _write_summary(results: Sequence[PhotoResult], out: Path) -> None:
    rows = [dataclasses.asdict(result) for result in results]
    write_atomic(out / f"{SUMMARY}.json", json.dumps(rows, indent=1, ensure_ascii=False).encode())
    write_csv(out / f"{SUMMARY}.csv", [{**row, "sentences": "; ".join(row["sentences"])} for row in rows])


def _text(results: Sequence[PhotoResult], out: Path) -> str:
    rows = [
        (Path(r.photo).name, str(r.objects or ""), f"{r.seconds:.1f}", r.status, _short("; ".join(r.sentences))) for r in results
    ]
    done = sum(r.status in ("complete", "fallbacks") for r in results)
    head = f"{done} of {len(results)} photos reconstructed in {_duration(sum(r.seconds for r in results))}: {out}"
    return f"{head}\n\n{table(('photo', 'objects', 'seconds', 'status', ''), rows)}\n\n  table  {out / f'{SUMMARY}.csv'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _exit_code(results: Sequence[PhotoResult]) -> int:
    states = {result.status for result in results}
    if states == {"complete"}:
        return 0
    if states & {"complete", "fallbacks"}:
        return WITH_FALLBACKS
    return BUG if "failed" in states else BAD_INPUT
