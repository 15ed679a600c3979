"""``paco eval lift``: meshes of single objects against the models that were photographed."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.evaluation.figures import figure_table, read_figures
from paco_core.evaluation.usable import skipped_text
from paco_core.progress import Progress
from paco_core.registry import did_you_mean
from scene3d.evaluation.lift_table import BOX_COLUMNS, VIEW_COLUMNS, lift_rows, score_lines, sheet
from scene3d.evaluation.lift_truth import Maker, model_truths, procedural_truths
from scene3d.evaluation.lifting import LiftMethod, LiftRun, evaluate_lifters
from scene3d.evaluation.points import POINTS
from scene3d.pipeline import Config
from scene3d.registry import BACKENDS
from viewers.commands import Outcome
from viewers.commands.eval_hidden import notes
from viewers.evaluation import Evaluation, Part, Sheet, write_evaluation
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
    only: str | None = None
    """One row, by its name in the table."""
    points: int = POINTS
    """Sampled on every surface."""
    out: Path = Path("runs/lift")
    """Where report.html, table.md, objects.csv, figures.json and the sheets go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


def run_lift(options: Lift, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the tables."""
    makers, methods = _makers(options), _chosen(lift_methods(config.seed), options.only)
    before = None if options.against is None else read_figures(options.against)
    run = evaluate_lifters(makers, methods, points=options.points, progress=progress)
    rows = tuple(lift_rows(run))
    parts = (
        Part("At the true distance from the camera", figure_table(rows, VIEW_COLUMNS, before, label="lifter")),
        Part("Each in its own box", figure_table(rows, BOX_COLUMNS, before, label="lifter")),
        *notes(skipped_text(list(run.skipped))),
        Part("Objects", sheets=_sheets(run, methods, progress)),
    )
    text = write_evaluation(Evaluation("Lifted shapes", parts, rows), options.out, command)
    write_csv(options.out / "objects.csv", score_lines(run))
    return Outcome(f"{text}\n  objects {options.out / 'objects.csv'}")


def _sheets(run: LiftRun, methods: dict[str, LiftMethod], progress: Progress) -> tuple[Sheet, ...]:
    sheets = []
    for k, (name, method) in enumerate(methods.items(), 1):
        file = f"sheet_{name.replace(', ', '_').replace(' ', '_')}"
        sheets.append(Sheet(file, f"{name}: the best, median and worst objects", Image.fromarray(sheet(run, name, method))))
        progress("sheets", k, len(methods), name)
    return tuple(sheets)


def _makers(options: Lift) -> tuple[Maker, ...]:
    check_numbers(options.count, options.points)
    if options.models == PROCEDURAL:
        return procedural_truths(options.count)
    return model_truths(Path(options.models), options.count, options.split)


def check_numbers(count: int, points: int) -> None:
    """Raise ``BadInput`` for what leaves nothing to measure."""
    if count < 1:
        raise BadInput(f"--count {count} leaves nothing to evaluate: ask for at least 1.")
    if points < 1:
        raise BadInput(f"--points {points} is no sample: ask for at least 1.")


def _chosen(methods: dict[str, LiftMethod], only: str | None) -> dict[str, LiftMethod]:
    if only is None:
        return methods
    if only not in methods:
        raise BadInput(f"There is no row {only!r}.{did_you_mean(only, tuple(methods))} Known: {'; '.join(methods)}.")
    return {only: methods[only]}


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
