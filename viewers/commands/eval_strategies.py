"""``paco eval strategies``: which objects go through the network together, and what that costs (PACO, section 5.4, Table 2)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from paco_core.completers import make_completer
from paco_core.completion_target import CompletionConfig, Strategy
from paco_core.evaluation.deocclusion import by_completer, evaluate, passes, true_order_of
from paco_core.evaluation.deocclusion_table import COLOUR_COLUMNS, look_columns, summarise
from paco_core.evaluation.figures import figure_table
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.usable import skipped_text
from paco_core.progress import Progress
from scene3d.pipeline import Config
from viewers.commands import Outcome
from viewers.commands.eval_deocclusion import find_extractor
from viewers.commands.eval_hidden import Source, find, notes
from viewers.evaluation import Evaluation, Part, write_evaluation

COLUMNS = ("hidden part: mean", "hidden part: pooled", *COLOUR_COLUMNS)


@dataclass(frozen=True)
class Strategies(Source):
    """One by one, layer by layer, or once for all: quality, passes and seconds of each."""

    completer: str = "paco"
    """Which one (`paco backends` lists them)."""
    out: Path = Path("runs/strategies")
    """Where report.html, table.md and figures.json go."""


def run_strategies(options: Strategies, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the table."""
    extractor, lacking = find_extractor(None)
    skipped: list[str] = []
    found = find(options, skipped)
    plans = {name: replace(config.deocclusion.completion, strategy=name) for name in get_args(Strategy)}
    whole = replace(config.deocclusion.paco, crops=False)  # a pass is one map, as in the paper
    completer = make_completer(options.completer, whole, device=config.device)
    methods = {name: by_completer(completer, true_order_of, plan, seed=config.seed) for name, plan in plans.items()}
    counts: Counter[str] = Counter()
    runs = evaluate(_counting(found.scenes, plans, counts), methods, extractor=extractor, total=found.total, progress=progress)
    name = None if extractor is None else extractor.name
    rows = []
    for run in runs:
        row, photos = summarise(run, name), max(len(run.scenes), 1)
        facts = {"passes a photo": f"{counts[run.method] / photos:.2f}", "seconds a photo": f"{run.seconds / photos:.2f}"}
        rows.append(replace(row, facts={"failed": row.facts["failed"], **facts}))
    columns = (*COLUMNS, *(() if name is None else look_columns(name)[:2]))
    told = "True order; 95 % intervals over scenes. A pass is one map that is denoised; what nothing hides needs none."
    parts = (Part(options.completer, figure_table(rows, columns)), *notes(told, found.origin, lacking, skipped_text(skipped)))
    return Outcome(write_evaluation(Evaluation("What is completed together", parts, tuple(rows)), options.out, command))


def _counting(
    scenes: Iterable[AmodalScene], plans: Mapping[str, CompletionConfig], counts: Counter[str]
) -> Iterator[AmodalScene]:
    """The scenes, while ``counts`` gathers the passes that they need."""
    for scene in scenes:
        counts.update({name: passes(scene, true_order_of, plan) for name, plan in plans.items()})
        yield scene
