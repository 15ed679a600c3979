"""What ``paco eval deocclusion`` shows and keeps: tables with intervals, one line per object, and figures to compare with."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paco_core.errors import BadInput
from paco_core.evaluation import amodal, colour
from paco_core.evaluation.deocclusion import Instance, MethodRun
from paco_core.evaluation.table import Estimate, bootstrap
from paco_core.maskjson import read_json

Items = Sequence[Instance]
BINS = (0.05, 0.25, 0.5, 0.75, 1.0)
"""Upper ends of the hidden share: free, a little, up to half, mostly, nearly all."""


def _masks(items: Items) -> list[amodal.MaskScore]:
    return [item.mask for item in items]


def _occluded(items: Items) -> list[amodal.MaskScore]:
    return amodal.occluded(_masks(items))


def _colours(items: Items) -> list[colour.ColourScore]:
    return [item.colour for item in items if item.colour is not None]


MASK_COLUMNS = ("IoU pooled", "IoU mean", "occluded: pooled", "occluded: mean", "hidden part: pooled", "hidden part: mean")
COLOUR_COLUMNS = ("PSNR hidden, pooled", "PSNR hidden, mean", "SSIM hidden", "sharpness")
COLUMNS: dict[str, Callable[[Items], float]] = {
    "IoU pooled": lambda items: amodal.pooled_iou(_masks(items)),
    "IoU mean": lambda items: amodal.mean_iou(_masks(items)),
    "occluded: pooled": lambda items: amodal.pooled_iou(_occluded(items)),
    "occluded: mean": lambda items: amodal.mean_iou(_occluded(items)),
    "hidden part: pooled": lambda items: amodal.pooled_hidden_iou(_masks(items)),
    "hidden part: mean": lambda items: amodal.mean_hidden_iou(_masks(items)),
    "PSNR hidden, pooled": lambda items: colour.pooled_psnr(_colours(items)),
    "PSNR hidden, mean": lambda items: colour.mean_psnr(_colours(items)),
    "SSIM hidden": lambda items: colour.mean_ssim(_colours(items)),
    "sharpness": lambda items: colour.median_sharpness(_colours(items)),
}


@dataclass(frozen=True)
class Summary:
    """One method's figures."""

    method: str
    objects: int
    occluded: int
    failed: int
    seconds: float
    figures: dict[str, Estimate]


def summarise(run: MethodRun) -> Summary:
    """All columns, with intervals over scenes."""
    items = [item for scene in run.scenes for item in scene]
    figures = {name: bootstrap(run.scenes, measure) for name, measure in COLUMNS.items()}
    return Summary(run.method, len(items), len(_occluded(items)), sum(bool(i.failure) for i in items), run.seconds, figures)


def table(summaries: Sequence[Summary], columns: Sequence[str], before: dict[str, dict[str, float]] | None = None) -> str:
    """Markdown: a row per method; with ``before`` (``read_figures``) the change since then in square brackets."""
    lines = ["| method | objects (occluded) | failed | " + " | ".join(columns) + " | s |", "|---" * (len(columns) + 4) + "|"]
    for s in summaries:
        cells = [_cell(s.figures[name], (before or {}).get(s.method, {}).get(name)) for name in columns]
        lines.append(f"| {s.method} | {s.objects} ({s.occluded}) | {s.failed} | {' | '.join(cells)} | {s.seconds:.1f} |")
    return "\n".join(lines)


def _cell(estimate: Estimate, before: float | None) -> str:
    return str(estimate) if before is None else f"{estimate} [{estimate.value - before:+.3f}]"


def bins_table(run: MethodRun) -> str:
    """Markdown: one method by how much of the object is hidden."""
    items = [item for scene in run.scenes for item in scene]
    lines = ["| hidden share | objects | IoU mean | hidden part: mean | PSNR hidden, pooled |", "|---|---|---|---|---|"]
    low = -math.inf
    for high in BINS:
        here = [i for i in items if low < i.mask.hidden_share <= high]
        figures = [amodal.mean_iou(_masks(here)), amodal.mean_hidden_iou(_masks(here)), colour.pooled_psnr(_colours(here))]
        shown = " | ".join("–" if math.isnan(f) else f"{f:.3f}" for f in figures)
        lines.append(f"| {'up to' if low < 0 else f'{low:.0%} to'} {high:.0%} | {len(here)} | {shown} |")
        low = high
    return "\n".join(lines)


def instance_rows(runs: Sequence[MethodRun]) -> list[dict[str, Any]]:
    """One flat line per method and object, for a CSV file."""
    return [_flat(item) for run in runs for scene in run.scenes for item in scene]


def _flat(item: Instance) -> dict[str, Any]:
    found, m = item.colour, item.mask
    return {
        "method": item.method,
        "scene": item.scene,
        "id": item.id,
        "name": item.name,
        "hidden_share": round(m.hidden_share, 4),
        "bin": next(high for high in BINS if m.hidden_share <= high),
        "iou": round(m.iou, 4),
        "hidden_iou": "" if math.isnan(m.hidden_iou) else round(m.hidden_iou, 4),
        "psnr_hidden": "" if found is None else round(found.psnr, 2),
        "ssim_hidden": "" if found is None else round(found.ssim, 4),
        "sharpness": "" if found is None or math.isnan(found.sharpness) else round(found.sharpness, 3),
        "failure": item.failure,
    }


def figures_json(summaries: Sequence[Summary]) -> str:
    """The figures by method and name; what can't be measured is null."""
    rows = {s.method: {name: _number(estimate.value) for name, estimate in s.figures.items()} for s in summaries}
    return json.dumps({"figures": rows}, indent=1) + "\n"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def read_figures(path: Path) -> dict[str, dict[str, float]]:
    """What ``figures_json`` wrote, without what could not be measured. Raises ``BadInput`` for anything else."""
    content = read_json(path)
    rows = content.get("figures") if isinstance(content, dict) else None
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise BadInput(f"{path} holds no figures of an earlier evaluation. Give the figures.json of its folder.")
    return {
        method: {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
        for method, row in rows.items()
    }
