"""``paco eval deocclusion``, ``order`` and ``depth``: the 2D half where the truth is known."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.evaluation import fill_methods
from paco_core.evaluation.cocoa import read_cocoa
from paco_core.evaluation.deocclusion import Method, by_completer, by_fill, by_masks, convexity_order_of, evaluate, true_order_of
from paco_core.evaluation.deocclusion_table import (
    COLOUR_COLUMNS,
    MASK_COLUMNS,
    bins_table,
    instance_rows,
    summarise,
)
from paco_core.evaluation.depth import PICKS, by_estimator, constant, depth_scene, empty_floor, evaluate_depth
from paco_core.evaluation.figures import figure_table, figures_json, read_figures
from paco_core.evaluation.mask_methods import METHODS
from paco_core.evaluation.order_methods import COLUMNS, evaluate_order, order_methods
from paco_core.evaluation.scenes import AmodalScene
from paco_core.files import write_atomic
from paco_core.progress import Progress
from paco_core.registry import BACKENDS
from scene3d.evaluation.room_scenes import room_scenes
from scene3d.pipeline import Config
from viewers.commands import Outcome
from viewers.table import write_csv

ROOMS = "rooms"


@dataclass(frozen=True)
class Source:
    """Where the truth comes from."""

    scenes: Positional[str] = ROOMS
    """"rooms" (procedural, with everything known), or a COCOA file, or a folder with one JSON file a photo."""
    photos: Path | None = None
    """Folder of a COCOA file's photos, when they don't lie beside it."""
    count: int = 20
    """How many rooms; seeds 0, 1, 2 …"""
    things: bool = False
    """COCOA: leave stuff out, as PACO does; with it, as SSSD counts."""

    @property
    def total(self) -> int:
        """How many scenes there are, 0 where only reading tells."""
        return self.count if self.scenes == ROOMS else 0


@dataclass(frozen=True)
class Deocclusion(Source):
    """Completed masks and colours against true ones."""

    out: Path = Path("runs/deocclusion")
    """Where table.md, objects.csv and figures.json go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


@dataclass(frozen=True)
class Order(Source):
    """Who hides whom, against the true order."""


@dataclass(frozen=True)
class Depth:
    """Estimated depth against that of procedural rooms."""

    count: int = 20
    """How many rooms; seeds 0, 1, 2 …"""


def find(source: Source) -> Iterator[AmodalScene]:
    """The scenes, as they are needed. Raises ``BadInput``."""
    if source.scenes == ROOMS:
        if source.count < 1:
            raise BadInput(f"--count {source.count} leaves nothing to evaluate: ask for at least 1.")
        return room_scenes(range(source.count))
    path = Path(source.scenes)
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}. Give a COCOA file, its folder, or the word {ROOMS}.")
    return read_cocoa(path, source.photos, stuff=not source.things)


def run_deocclusion(options: Deocclusion, config: Config, progress: Progress) -> Outcome:
    """Measure, write the files, and show the table."""
    before = None if options.against is None else read_figures(options.against)
    completer = BACKENDS.create("completer", config.deocclusion.completer)
    methods: dict[str, Method] = {
        **{name: by_masks(method, true_order_of) for name, method in METHODS.items()},
        "hull clipped, order by convexity": by_masks(METHODS["hull clipped"], convexity_order_of),
        completer.name: by_completer(completer, true_order_of, seed=config.seed),
        f"{completer.name}, order by convexity": by_completer(completer, convexity_order_of, seed=config.seed),
    }
    fills: dict[str, Method] = {}
    if options.scenes == ROOMS:  # COCOA does not say what hidden parts look like
        fills = {f"{name}, true masks": by_fill(method) for name, method in fill_methods.METHODS.items()}
    runs = evaluate(find(options), {**methods, **fills}, total=options.total, progress=progress)
    summaries = [summarise(run) for run in runs]
    parts = [
        str(figure_table([s for s in summaries if s.method not in fills], MASK_COLUMNS, before)),
        "True order where none is named; 95 % intervals over scenes.",
        f"{completer.name}, by how much is hidden:\n\n{bins_table(next(r for r in runs if r.method == completer.name))}",
    ]
    coloured = [s for s in summaries if not math.isnan(s.figures[COLOUR_COLUMNS[0]].value)]
    if coloured:
        parts.insert(1, str(figure_table(coloured, COLOUR_COLUMNS, before)))
    text = "\n\n".join(parts)
    write_atomic(options.out / "table.md", f"{text}\n".encode())
    write_atomic(options.out / "figures.json", figures_json(summaries).encode())
    write_csv(options.out / "objects.csv", instance_rows(runs))
    return Outcome(f"{text}\n\n  objects {options.out / 'objects.csv'}\n  figures {options.out / 'figures.json'}")


def run_depth(options: Depth, config: Config, progress: Progress) -> Outcome:
    """Measure and show the table."""
    estimator = BACKENDS.create("depth", config.deocclusion.depth)
    methods = {"constant": constant, "empty level floor": empty_floor, estimator.name: by_estimator(estimator)}
    scenes = map(depth_scene, find(Source(count=options.count)))
    rows = evaluate_depth(scenes, methods, total=options.count, progress=progress)
    return Outcome(str(figure_table(rows, tuple(PICKS), label="depth, aligned by")))


def run_order(options: Order, config: Config, progress: Progress) -> Outcome:
    """Measure and show the table."""
    methods = order_methods(BACKENDS.create("order", config.deocclusion.order), depth_known=options.scenes == ROOMS)
    rows = evaluate_order(find(options), methods, total=options.total, progress=progress)
    return Outcome(str(figure_table(rows, COLUMNS)))
