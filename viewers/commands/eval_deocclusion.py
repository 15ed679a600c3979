"""``paco eval deocclusion``: completed masks and colours where the truth is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction

from paco_core.backends.base import Completer
from paco_core.completers import make_completer
from paco_core.data.packfile import read_header
from paco_core.errors import BadInput, MissingDependency
from paco_core.evaluation import fill_methods
from paco_core.evaluation.deocclusion import (
    Method,
    MethodRun,
    by_completer,
    by_fill,
    by_masks,
    convexity_order_of,
    evaluate,
    of_object,
    true_order_of,
)
from paco_core.evaluation.deocclusion_table import (
    BINS,
    COLOUR_COLUMNS,
    MASK_COLUMNS,
    TARGET_BINS,
    bins_table,
    instance_rows,
    look_columns,
    summarise,
)
from paco_core.evaluation.distribution import FRECHET_LEAST
from paco_core.evaluation.features import FeatureExtractor
from paco_core.evaluation.figures import Row, figure_table, read_figures
from paco_core.evaluation.mask_methods import METHODS
from paco_core.evaluation.targets import TARGET_ID, read_held_out, target_scenes
from paco_core.evaluation.usable import skipped_text
from paco_core.progress import Progress
from paco_core.registry import BACKENDS
from scene3d.evaluation.object_sheets import ObjectRows
from scene3d.pipeline import Config
from viewers.commands import Outcome
from viewers.commands.eval_hidden import ROOMS, Found, Source, check_count, find, notes
from viewers.commands.rivals import find_rivals, with_passes
from viewers.evaluation import Evaluation, Part, Sheet, write_evaluation
from viewers.table import write_csv

FEATURES = "paco-feat-1"
"""The feature network that comes with the package."""
BEST_CLASSIC = "hull or symmetry, clipped"
BEST_FILL = "Laplace"
"""The rows that a network has to beat on held-out targets."""


@dataclass(frozen=True)
class Deocclusion(Source):
    """Completed masks and colours against true ones."""

    scenes: Positional[str] = ROOMS
    """"rooms" (procedural, with everything known), a pack file (`paco pack`) to make held-out targets of, a folder of rendered
    scenes (`paco scenes`), a COCOA file, or a folder with one JSON file a photo."""
    more: Positional[tuple[Path, ...]] = ()
    """Further packs; objects come from all of them."""
    count: int = 20
    """How many rooms (seeds 0, 1, 2 …) or targets."""
    quick: bool = False
    """Of the fills without training the smooth one alone, and no feature network unless it is named: quicker by far."""
    loose: bool = False
    """Packs: methods get visible masks that are 2 px too big, too small or apart, by turns; the truth stays exact."""
    out: Path = Path("runs/deocclusion")
    """Where report.html, table.md, objects.csv, figures.json and the sheets go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""
    features: str | None = None
    """Network for KID and the perceptual distance (`paco backends` lists them); paco-feat-1 where it is there."""
    inpainter: Annotated[tuple[str, ...], UseAppendAction] = ()
    """One whose colours get rows, told the true masks and the completer's (`paco backends` lists them): NAME, or NAME=PATH where
    its weights are no part of the package. Can be given several times."""
    device: str = "cpu"
    """Where these run."""
    only: Annotated[tuple[str, ...], UseAppendAction] = ()
    """Only rows whose name begins like this. Can be given several times."""
    feature_weights: Path | None = None
    """Its weights, where they are no part of the package and were fetched by hand."""
    frechet: bool = False
    """Show the Fréchet distance of fewer than 2,048 pictures, too, where it is mostly bias."""


def run_deocclusion(options: Deocclusion, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the table."""
    before = None if options.against is None else read_figures(options.against)
    bare = options.quick and options.features is None and options.feature_weights is None
    extractor, lacking = (None, "") if bare else find_extractor(options.features, options.feature_weights)
    skipped: list[str] = []
    of_packs = _is_pack(options.scenes)
    found = _targets(options, config.seed, skipped) if of_packs else _scenes(options, skipped)
    masks = _masks(config, options.device, skipped, orders=not of_packs)
    fills = _fills(quick=options.quick) if found.colours else {}
    stages, drawn = config.deocclusion, ObjectRows()
    ours = stages.completer
    completer = make_completer(ours, stages.paco, device=options.device)
    true, own = find_rivals(options.inpainter, options.device, completer, config.seed)
    fills |= {name: rival.method for name, rival in true.items()}
    methods = _chosen({**masks, **{name: rival.method for name, rival in own.items()}, **fills}, options.only)
    watchers = {ours: drawn}
    runs = evaluate(found.scenes, methods, extractor=extractor, watchers=watchers, total=found.total, progress=progress)
    runs = tuple(of_object(run, TARGET_ID) for run in runs) if of_packs else runs
    name = None if extractor is None else extractor.name
    rows = tuple(summarise(run, name, least=2 if options.frechet else FRECHET_LEAST) for run in runs)
    rows = with_passes(rows, runs, {**true, **own}) if options.inpainter else rows
    shaped = [row for row in rows if row.method not in fills]
    parts = (
        *([Part("Masks", figure_table(shaped, MASK_COLUMNS, before))] if shaped else ()),
        *notes("True order where none is named; 95 % intervals over scenes.", found.origin, skipped_text(skipped)),
        *_colour_parts(rows, lacking, name, before),
        *_bins(runs, (*BACKENDS.names("completer"), BEST_CLASSIC) if of_packs else (ours,), TARGET_BINS if of_packs else BINS),
        Part("Objects", sheets=tuple(Sheet(k, f"{ours}: {k}", picture) for k, picture in drawn.sheets(ours).items())),
    )
    text = write_evaluation(Evaluation("Hidden parts of objects, completed", parts, rows), options.out, command)
    write_csv(options.out / "objects.csv", instance_rows(runs))
    return Outcome(f"{text}\n  objects {options.out / 'objects.csv'}")


def _chosen(methods: dict[str, Method], only: tuple[str, ...]) -> dict[str, Method]:
    """Those that ``only`` names; all when it names none. Raises ``BadInput`` when there is no such row."""
    chosen = {name: method for name, method in methods.items() if not only or name.startswith(only)}
    if not chosen:
        raise BadInput(f"No row begins with {' or '.join(only)}. There are: {'; '.join(methods)}.")
    return chosen


def _is_pack(name: str) -> bool:
    return Path(name).suffix == ".pack"


def _targets(options: Deocclusion, seed: int, skipped: list[str]) -> Found:
    """Held-out targets, made of packs as they are needed."""
    check_count(options.count)
    paths = [Path(options.scenes), *options.more]
    stock = read_held_out(paths, skipped)
    scenes = target_scenes(stock, options.count, seed=seed, loose=options.loose)
    loose = " Visible masks are loose." if options.loose else ""
    origin = f"Targets alone count, seed {seed}, of {', '.join(map(_described, paths))}.{loose}"
    return Found(scenes, options.count, colours=True, depth=False, origin=origin)


def _described(pack: Path) -> str:
    header = read_header(pack)
    return f"{pack.name} (split {str(header.get('split', 'not said'))[:40]})"


def _scenes(options: Deocclusion, skipped: list[str]) -> Found:
    if options.more or options.loose:
        raise BadInput(f"{options.scenes} is no pack: several files and --loose are for packs (`paco pack` makes them) only.")
    return find(options, skipped)


def _bins(runs: Sequence[MethodRun], methods: Sequence[str], bins: Sequence[float]) -> list[Part]:
    return [Part(f"{run.method}, by how much is hidden", bins_table(run, bins)) for run in runs if run.method in methods]


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


def _masks(config: Config, device: str, skipped: list[str], *, orders: bool) -> dict[str, Method]:
    """Those that make masks, told the true order; with ``orders`` also by convexity's, where objects are told apart.

    Completers that can't run here are left out, with a sentence in ``skipped``; the one that is asked for raises.
    """
    ours = config.deocclusion.completer
    completer = make_completer(ours, config.deocclusion.paco, device=device)
    methods = {name: by_masks(method, true_order_of) for name, method in METHODS.items()}
    methods |= {
        name: by_completer(other, true_order_of, seed=config.seed) for name, other in _others(config, device, skipped).items()
    }
    methods[ours] = by_completer(completer, true_order_of, seed=config.seed)
    if orders:
        methods["hull clipped, order by convexity"] = by_masks(METHODS["hull clipped"], convexity_order_of)
        methods[f"{ours}, order by convexity"] = by_completer(completer, convexity_order_of, seed=config.seed)
    return methods


def _others(config: Config, device: str, skipped: list[str]) -> dict[str, Completer]:
    found: dict[str, Completer] = {}
    for name in BACKENDS.names("completer"):
        try:
            if name != config.deocclusion.completer:
                found[name] = make_completer(name, config.deocclusion.paco, device=device)
        except (BadInput, MissingDependency) as error:
            skipped.append(f"No row of {name}: {error}")
    return found


def _fills(*, quick: bool) -> dict[str, Method]:
    """Those that invent colours, told the true masks."""
    kept = (BEST_FILL,) if quick else fill_methods.METHODS
    return {f"{name}, true masks": by_fill(fill_methods.METHODS[name]) for name in kept}


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
