"""``paco eval``: figures of quality on scenes whose truth is known."""

import csv
import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.files import write_atomic
from paco_core.progress import Progress
from scene3d.evaluation.rooms import evaluate_rooms, failed_gates, table
from scene3d.evaluation.scene_metrics import SceneScore
from viewers.commands import Outcome
from viewers.job import config


@dataclass(frozen=True)
class Options:
    """Reconstruct scenes whose truth is known and print how far off the results are."""

    what: Positional[Literal["rooms"]] = "rooms"
    """``rooms``: procedural rooms with true depth, camera and visible masks."""
    count: int = 20
    """How many scenes; seeds 0, 1, 2 …"""
    csv: Path | None = None
    """A file for one line per object."""
    preset: str | None = None
    """Name of a preset, or a YAML file with settings of the stages."""
    seed: int = 0
    """Of everything that is random in the methods."""


def run(options: Options, progress: Progress) -> Outcome:
    """Evaluate; exit code 0 also when a gate is missed: the text says which."""
    if options.count < 1:
        raise BadInput(f"--count {options.count} leaves nothing to evaluate: ask for at least 1.")
    settings = config(options.preset, options.seed)
    scores = evaluate_rooms(range(options.count), settings, progress=progress)
    if options.csv is not None:
        _write_csv(options.csv, scores)
    missed = failed_gates(scores)
    verdict = "All gates are met." if not missed else "\n".join(f"Missed: {sentence}." for sentence in missed)
    return Outcome(f"{table(scores, f'{options.count} rooms, {settings.lifter}')}\n\n{verdict}")


def _write_csv(path: Path, scores: tuple[SceneScore, ...]) -> None:
    rows = [{"scene": s.name, "floor_tilt_deg": s.floor_tilt_deg, **dataclasses.asdict(o)} for s in scores for o in s.objects]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())
