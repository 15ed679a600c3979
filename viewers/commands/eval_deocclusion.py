"""``paco eval deocclusion``: completed masks and colours where the truth is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paco_core.errors import BadInput, MissingDependency
from paco_core.evaluation import fill_methods
from paco_core.evaluation.deocclusion import (
    Method,
    by_completer,
    by_fill,
    by_masks,
    convexity_order_of,
    evaluate,
    true_order_of,
)
from paco_core.evaluation.deocclusion_table import (
    COLOUR_COLUMNS,
    MASK_COLUMNS,
    bins_table,
    instance_rows,
    look_columns,
    summarise,
)
from paco_core.evaluation.distribution import FRECHET_LEAST
from paco_core.evaluation.features import FeatureExtractor
from paco_core.evaluation.figures import Row, figure_table, read_figures
from paco_core.evaluation.mask_methods import METHODS
from paco_core.evaluation.usable import skipped_text
from paco_core.progress import Progress
from paco_core.registry import BACKENDS
from scene3d.evaluation.object_sheets import ObjectRows
from scene3d.pipeline import Config
from viewers.commands import Outcome
from viewers.commands.eval_hidden import Source, find, notes
from viewers.evaluation import Evaluation, Part, Sheet, write_evaluation
from viewers.table import write_csv

FEATURES = "paco-feat-1"
"""The feature network that comes with the package."""


@dataclass(frozen=True)
class Deocclusion(Source):
    """Completed masks and colours against true ones."""

    out: Path = Path("runs/deocclusion")
    """Where report.html, table.md, objects.csv, figures.json and the sheets go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""
    features: str | None = None
    """Network for KID and the perceptual distance (`paco backends` lists them); paco-feat-1 where it is there."""
    feature_weights: Path | None = None
    """Its weights, where they are no part of the package and were fetched by hand."""
    frechet: bool = False
    """Show the Fréchet distance of fewer than 2,048 pictures, too, where it is mostly bias."""


def run_deocclusion(options: Deocclusion, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the table."""
    before = None if options.against is None else read_figures(options.against)
    extractor, lacking = find_extractor(options.features, options.feature_weights)
    skipped: list[str] = []
    found = find(options, skipped)
    masks, fills = _methods(config, colours_known=found.everything)
    ours, drawn = config.deocclusion.completer, ObjectRows()
    methods, watchers = {**masks, **fills}, {ours: drawn}
    runs = evaluate(found.scenes, methods, extractor=extractor, watchers=watchers, total=found.total, progress=progress)
    name = None if extractor is None else extractor.name
    rows = tuple(summarise(run, name, least=2 if options.frechet else FRECHET_LEAST) for run in runs)
    parts = (
        Part("Masks", figure_table([row for row in rows if row.method not in fills], MASK_COLUMNS, before)),
        *notes("True order where none is named; 95 % intervals over scenes.", skipped_text(skipped)),
        *_colour_parts(rows, lacking, name, before),
        Part(f"{ours}, by how much is hidden", bins_table(next(r for r in runs if r.method == ours))),
        Part("Objects", sheets=tuple(Sheet(k, f"{ours}: {k}", picture) for k, picture in drawn.sheets(ours).items())),
    )
    text = write_evaluation(Evaluation("Hidden parts of objects, completed", parts, rows), options.out, command)
    write_csv(options.out / "objects.csv", instance_rows(runs))
    return Outcome(f"{text}\n  objects {options.out / 'objects.csv'}")


def find_extractor(name: str | None, weights: Path | None = None) -> tuple[FeatureExtractor | None, str]:
    """The feature network, or None and a sentence where the default one can't be used. Raises for one that was asked for."""
    if weights is not None and name in (None, FEATURES):
        raise BadInput(f"--feature-weights are those of a network that --features names; {FEATURES} has its own.")
    try:
        return BACKENDS.create("features", name or FEATURES, **({} if weights is None else {"weights": weights})), ""
    except (BadInput, MissingDependency) as error:
        if name is not None:
            raise
        return None, f"No perceptual distance and no KID: {error}"


def _methods(config: Config, *, colours_known: bool) -> tuple[dict[str, Method], dict[str, Method]]:
    """Those that make masks, and those that are told the true ones; COCOA does not say what hidden parts look like."""
    completer = BACKENDS.create("completer", config.deocclusion.completer)
    masks = {
        **{name: by_masks(method, true_order_of) for name, method in METHODS.items()},
        "hull clipped, order by convexity": by_masks(METHODS["hull clipped"], convexity_order_of),
        config.deocclusion.completer: by_completer(completer, true_order_of, seed=config.seed),
        f"{config.deocclusion.completer}, order by convexity": by_completer(completer, convexity_order_of, seed=config.seed),
    }
    fills = {f"{name}, true masks": by_fill(method) for name, method in fill_methods.METHODS.items()} if colours_known else {}
    return masks, fills


def _colour_parts(
    rows: Sequence[Row], lacking: str, extractor: str | None, before: dict[str, dict[str, float]] | None
) -> list[Part]:
    """A table of what was invented, with a sentence for each column that is not there."""
    columns = (*COLOUR_COLUMNS, *(() if extractor is None else look_columns(extractor)))
    shown = [c for c in columns if any(not math.isnan(row.figures[c].value) for row in rows)]
    coloured = [row for row in rows if any(not math.isnan(row.figures[c].value) for c in shown)]
    biased = extractor is not None and look_columns(extractor)[-1] not in shown
    why = f"Fréchet distance: – (below {FRECHET_LEAST:,} pictures it is mostly bias: --frechet shows it)." if biased else ""
    table = [Part("Colours", figure_table(coloured, shown, before))] if coloured else []
    return [*table, *notes(lacking, why)]
