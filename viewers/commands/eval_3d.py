"""``paco eval lift`` and ``scene``: single objects whose shape is known, and whole scenes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.evaluation.figures import figure_table, figures_json, read_figures
from paco_core.files import write_atomic
from paco_core.progress import Progress
from paco_core.registry import did_you_mean
from scene3d.evaluation.lift_table import BOX_COLUMNS, VIEW_COLUMNS, lift_rows, score_lines, sheet
from scene3d.evaluation.lift_truth import Maker, model_truths, procedural_truths
from scene3d.evaluation.lifting import LiftMethod, evaluate_lifters
from scene3d.evaluation.photo_sheets import write_sheet
from scene3d.evaluation.points import POINTS
from scene3d.evaluation.scene_inputs import LEVELS
from scene3d.evaluation.scenes3d import SCENE_POINTS, evaluate_scenes
from scene3d.evaluation.scenes3d_table import (
    FIT_COLUMNS,
    METRIC_COLUMNS,
    POSE_COLUMNS,
    bins_table,
    fit_rows,
    object_lines,
    pose_rows,
)
from scene3d.pipeline import Config
from scene3d.registry import BACKENDS
from scene3d.synthetic.rooms import make_room
from viewers.commands import Outcome
from viewers.table import write_csv

PROCEDURAL = "procedural"
SHAPELESS = ("billboard", "extrusion", "ellipsoid")
"""Lifters whose shape depth does not change: one row each."""
THICKNESSES = (0.1, 0.2)
"""Of extruded silhouettes, half thickness over the longest side."""


@dataclass(frozen=True)
class Lift:
    """Meshes of single objects against the models that were photographed."""

    models: Positional[str] = PROCEDURAL
    """"procedural", or a folder of GLB files, with an index.jsonl or without."""
    count: int = 60
    """How many objects."""
    split: str = "test"
    """Of the index, where it has splits."""
    only: tuple[str, ...] = ()
    """Rows to measure, by the names in the table; without it, all."""
    points: int = POINTS
    """Sampled on every surface."""
    out: Path = Path("runs/lift")
    """Where table.md, objects.csv, figures.json and the sheets go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


@dataclass(frozen=True)
class Scene:
    """The whole job on scenes whose shapes and places are known, at every level of input and alignment."""

    scenes: Positional[Literal["rooms"]] = "rooms"
    """Procedural rooms."""
    count: int = 20
    """How many; seeds 0, 1, 2 …"""
    oracle: Literal["lift"] | None = None
    """"lift": also with the true meshes, to tell errors of placing from errors of lifting."""
    points: int = SCENE_POINTS
    """Sampled on every object; MIDI-3D takes 20480, which costs twenty times the time where objects stand wrongly."""
    out: Path = Path("runs/scene")
    """Where table.md, objects.csv and figures.json go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


def run_lift(options: Lift, config: Config, progress: Progress) -> Outcome:
    """Measure, write the files, and show the tables."""
    makers = _makers(options)
    before = None if options.against is None else read_figures(options.against)
    methods = _chosen(lift_methods(config.seed), options.only)
    run = evaluate_lifters(makers, methods, points=options.points, progress=progress)
    rows = lift_rows(run)
    parts = [
        f"At the true distance from the camera:\n\n{figure_table(rows, VIEW_COLUMNS, before, label='lifter')}",
        f"Each in its own box:\n\n{figure_table(rows, BOX_COLUMNS, before, label='lifter')}",
    ]
    if run.skipped:
        parts.append(f"{len(run.skipped)} models could not be used:\n" + "\n".join(f"- {sentence}" for sentence in run.skipped))
    text = "\n\n".join(parts)
    write_atomic(options.out / "table.md", f"{text}\n".encode())
    write_atomic(options.out / "figures.json", figures_json(rows).encode())
    write_csv(options.out / "objects.csv", score_lines(run))
    for k, (name, method) in enumerate(methods.items(), 1):
        write_sheet([sheet(run, name, method)], options.out / f"sheet_{name.replace(', ', '_').replace(' ', '_')}.jpg")
        progress("sheets", k, len(methods), name)
    return Outcome(f"{text}\n\n  objects {options.out / 'objects.csv'}\n  sheets  {options.out}")


def run_scene(options: Scene, config: Config, progress: Progress) -> Outcome:
    """Measure, write the files, and show the tables."""
    _check(options)
    before = None if options.against is None else read_figures(options.against)
    levels = [level for level in LEVELS if options.oracle == "lift" or not level.true_shapes]
    rooms = (make_room(seed) for seed in range(options.count))
    results = evaluate_scenes(rooms, levels, config, points=options.points, total=options.count, progress=progress)
    fits, poses = fit_rows(results), pose_rows(results)
    unaligned = [row for row in fits if row.method.endswith("A0")]
    parts = [
        str(figure_table(fits, FIT_COLUMNS, before, label="input: alignment")),
        f"In metres:\n\n{figure_table(unaligned, METRIC_COLUMNS, before, label='input: alignment')}",
        f"Poses and physics:\n\n{figure_table(poses, POSE_COLUMNS, before, label='input')}",
        f"A0, by how much of an object is visible:\n\n{bins_table(results, 'A0')}",
    ]
    text = "\n\n".join(parts)
    write_atomic(options.out / "table.md", f"{text}\n".encode())
    write_atomic(options.out / "figures.json", figures_json([*fits, *poses]).encode())
    write_csv(options.out / "objects.csv", object_lines(results))
    return Outcome(f"{text}\n\n  objects {options.out / 'objects.csv'}\n  figures {options.out / 'figures.json'}")


def _check(options: Lift | Scene) -> None:
    if options.count < 1:
        raise BadInput(f"--count {options.count} leaves nothing to evaluate: ask for at least 1.")
    if options.points < 1:
        raise BadInput(f"--points {options.points} is no sample: ask for at least 1.")


def _makers(options: Lift) -> tuple[Maker, ...]:
    _check(options)
    if options.models == PROCEDURAL:
        return procedural_truths(options.count)
    return model_truths(Path(options.models), options.count, options.split)


def _chosen(methods: dict[str, LiftMethod], only: tuple[str, ...]) -> dict[str, LiftMethod]:
    for name in only:
        if name not in methods:
            raise BadInput(f"There is no row {name!r}.{did_you_mean(name, tuple(methods))} Known: {'; '.join(methods)}.")
    return {name: method for name, method in methods.items() if not only or name in only}


def lift_methods(seed: int) -> dict[str, LiftMethod]:
    """A row per lifter that is installed: without depth, and with true depth where that changes the shape."""
    rows: dict[str, LiftMethod] = {}
    for name in BACKENDS.names("lifter"):
        if BACKENDS.find("lifter", name).missing:
            continue
        if name == "extrusion":
            made = {f"extrusion T={t:g}": BACKENDS.create("lifter", name, half_thickness=t) for t in THICKNESSES}
            rows |= {label: LiftMethod(lifter, seed=seed) for label, lifter in made.items()}
            continue
        lifter = BACKENDS.create("lifter", name)
        rows[name] = LiftMethod(lifter, seed=seed)
        if name not in SHAPELESS:
            rows[f"{name}, unnamed"] = LiftMethod(lifter, named=False, seed=seed)
            rows[f"{name}, true depth"] = LiftMethod(lifter, with_depth=True, seed=seed)
    return rows
