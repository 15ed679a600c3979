"""``paco eval scene``: the whole job on scenes whose shapes and places are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from paco_core.evaluation.figures import figure_table, read_figures
from paco_core.progress import Progress
from scene3d.evaluation.scene_inputs import LEVELS
from scene3d.evaluation.scene_sheets import SceneRows
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
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.shards import read_scenes
from scene3d.synthetic.truth import TrueScene
from viewers.commands import Outcome
from viewers.commands.eval_hidden import ROOMS
from viewers.commands.eval_lift import check_numbers
from viewers.evaluation import Evaluation, Part, Sheet, write_evaluation
from viewers.table import write_csv


@dataclass(frozen=True)
class Scene:
    """The whole job on scenes whose shapes and places are known, at every level of input and alignment."""

    scenes: Positional[str] = ROOMS
    """"rooms" (procedural), or a folder that `paco scenes` filled."""
    count: int = 20
    """How many, at most."""
    oracle: Literal["lift"] | None = None
    """"lift": also with the true meshes, to tell errors of placing from errors of lifting."""
    points: int = SCENE_POINTS
    """Sampled on every object; MIDI-3D takes 20480, which costs twenty times the time where objects stand wrongly."""
    out: Path = Path("runs/scene")
    """Where report.html, table.md, objects.csv, figures.json and the sheets go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


def run_scene(options: Scene, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the tables."""
    check_numbers(options.count, options.points)
    before = None if options.against is None else read_figures(options.against)
    levels = [level for level in LEVELS if options.oracle == "lift" or not level.true_shapes]
    drawn = SceneRows()
    results = evaluate_scenes(
        _find(options), levels, config, points=options.points, watcher=drawn, total=options.count, progress=progress
    )
    fits, poses = fit_rows(results), pose_rows(results)
    unaligned = [row for row in fits if row.method.endswith("A0")]
    parts = (
        Part("Shapes and places", figure_table(fits, FIT_COLUMNS, before, label="input: alignment")),
        Part("In metres", figure_table(unaligned, METRIC_COLUMNS, before, label="input: alignment")),
        Part("Poses and physics", figure_table(poses, POSE_COLUMNS, before, label="input")),
        Part("A0, by how much of an object is visible", bins_table(results, "A0")),
        Part("Scenes", sheets=tuple(Sheet(k, k, picture) for k, picture in drawn.sheets(results).items())),
    )
    text = write_evaluation(Evaluation("Reconstructed scenes", parts, (*fits, *poses)), options.out, command)
    write_csv(options.out / "objects.csv", object_lines(results))
    return Outcome(f"{text}\n  objects {options.out / 'objects.csv'}")


def _find(options: Scene) -> Iterator[TrueScene]:
    if options.scenes == ROOMS:
        return (make_room(seed) for seed in range(options.count))
    return islice(read_scenes(Path(options.scenes)), options.count)
