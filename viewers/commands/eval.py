"""``paco eval``: figures of quality on scenes whose truth is known, and on photos whose truth is not."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, subcommand

from paco_core.errors import BadInput
from paco_core.files import write_atomic
from paco_core.progress import Progress
from scene3d.evaluation import photos, rooms
from scene3d.evaluation.photo_scenes import choose, find_scenes
from scene3d.evaluation.photo_sheets import ROWS_PER_SHEET, photo_row, write_sheet
from scene3d.pipeline import Config
from viewers.commands import Outcome, eval_consistency, eval_deocclusion, eval_hidden, eval_lift, eval_scene, eval_strategies
from viewers.evaluation import command_line
from viewers.job import config
from viewers.table import write_csv


@dataclass(frozen=True)
class Rooms:
    """Procedural rooms with true depth, camera and visible masks."""

    count: int = 20
    """How many scenes; seeds 0, 1, 2 …"""
    csv: Path | None = None
    """A file for one line per object."""


@dataclass(frozen=True)
class Photos:
    """A folder of photos with masks: what is lost, what falls back, and contact sheets to look at."""

    folder: Positional[Path]
    """One subfolder a photo, with its masks (docs/evaluation.md says how)."""
    out: Path = Path("runs/photos")
    """Where the run folders, table.md, photos.csv and the sheets go; the same command again goes on."""
    only: Path | None = None
    """A text file with the names of the scenes to run, one a line."""


@dataclass(frozen=True)
class Options:
    """Measure the methods."""

    what: (
        Annotated[Rooms, subcommand("rooms")]
        | Annotated[Photos, subcommand("photos")]
        | Annotated[eval_deocclusion.Deocclusion, subcommand("deocclusion")]
        | Annotated[eval_strategies.Strategies, subcommand("strategies")]
        | Annotated[eval_hidden.Order, subcommand("order")]
        | Annotated[eval_hidden.Depth, subcommand("depth")]
        | Annotated[eval_lift.Lift, subcommand("lift")]
        | Annotated[eval_scene.Scene, subcommand("scene")]
        | Annotated[eval_consistency.Consistency, subcommand("consistency")]
    )
    preset: str | None = None
    """Name of a preset, or a YAML file with settings of the stages."""
    seed: int = 0
    """Of everything that is random in the methods."""


def run(options: Options, progress: Progress) -> Outcome:
    """Evaluate; exit code 0 also when a gate is missed: the text says which."""
    settings = config(options.preset, options.seed)
    match options.what:
        case Rooms():
            return _rooms(options.what, settings, progress)
        case Photos():
            return _photos(options.what, settings, progress)
        case eval_deocclusion.Deocclusion():
            return eval_deocclusion.run_deocclusion(options.what, settings, progress, command_line(options))
        case eval_strategies.Strategies():
            return eval_strategies.run_strategies(options.what, settings, progress, command_line(options))
        case eval_hidden.Order():
            return eval_hidden.run_order(options.what, settings, progress, command_line(options))
        case eval_hidden.Depth():
            return eval_hidden.run_depth(options.what, settings, progress, command_line(options))
        case eval_lift.Lift():
            return eval_lift.run_lift(options.what, settings, progress, command_line(options))
        case eval_scene.Scene():
            return eval_scene.run_scene(options.what, settings, progress, command_line(options))
        case eval_consistency.Consistency():
            return eval_consistency.run_consistency(options.what, settings, progress, command_line(options))


def _rooms(options: Rooms, settings: Config, progress: Progress) -> Outcome:
    if options.count < 1:
        raise BadInput(f"--count {options.count} leaves nothing to evaluate: ask for at least 1.")
    scores = rooms.evaluate_rooms(range(options.count), settings, progress=progress)
    if options.csv is not None:
        write_csv(
            options.csv,
            [{"scene": s.name, "floor_tilt_deg": s.floor_tilt_deg, **dataclasses.asdict(o)} for s in scores for o in s.objects],
        )
    return _verdict(rooms.table(scores, f"{options.count} rooms, {settings.lifter}"), rooms.failed_gates(scores))


def _photos(options: Photos, settings: Config, progress: Progress) -> Outcome:
    scenes = choose(find_scenes(options.folder), options.only)
    scores: list[photos.PhotoScore] = []
    rows: list[np.ndarray] = []
    sheets: list[Path] = []
    for k, scene in enumerate(scenes):
        score, result = photos.evaluate_photo(scene, options.out / scene.name, settings)
        scores.append(score)
        if result is not None:
            if len(rows) == ROWS_PER_SHEET or not sheets:
                rows = []
                sheets.append(options.out / f"sheet_{len(sheets) + 1:02d}.jpg")
            rows.append(photo_row(result, f"{scene.name}: {len(score.objects)} objects"))
            write_sheet(rows, sheets[-1])
        write_atomic(options.out / "table.md", f"{photos.table(tuple(scores))}\n".encode())
        write_csv(options.out / "photos.csv", [dataclasses.asdict(o) for s in scores for o in s.objects])
        progress("photos", k + 1, len(scenes), scene.name)
    outcome = _verdict(photos.table(tuple(scores)), photos.failed_gates(tuple(scores)))
    listed = "\n".join(f"  sheet   {path}" for path in sheets)
    return Outcome(f"{outcome.text}\n{listed}", outcome.code)


def _verdict(found: str, missed: Sequence[str]) -> Outcome:
    verdict = "All gates are met." if not missed else "\n".join(f"Missed: {sentence}." for sentence in missed)
    return Outcome(f"{found}\n\n{verdict}")
