"""What ``paco eval deocclusion`` shows and keeps: figures with intervals, a table by hidden share, one line per object."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float32

from paco_core.evaluation import amodal, colour
from paco_core.evaluation.deocclusion import Instance, MethodRun
from paco_core.evaluation.distribution import FRECHET_LEAST, frechet, kid
from paco_core.evaluation.figures import Figure, Row, Table, number
from paco_core.evaluation.table import bootstrap

Items = Sequence[Instance]
BINS = (-math.inf, 0.05, 0.25, 0.5, 0.75, 1.0)
"""Borders between hidden shares: free, a little, up to half, mostly, nearly all."""
TARGET_BINS = (0.1, 0.3, 0.55, 0.8)
"""The same of held-out targets (``paco_core.evaluation.targets``)."""


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


def look_columns(extractor: str) -> tuple[str, str, str]:
    """Names of the figures that a feature extractor gives, its own name included."""
    return f"perceptual distance ({extractor})", f"KID × 1000 ({extractor})", f"Fréchet distance ({extractor})"


def summarise(run: MethodRun, extractor: str | None = None, *, least: int = FRECHET_LEAST) -> Row:
    """All columns, with intervals over scenes; with the name of an extractor also what its features say.

    The Fréchet distance is left unknown below ``least`` pictures on either side.
    """
    items = [item for scene in run.scenes for item in scene]
    facts = {
        "objects (occluded)": f"{len(items)} ({len(_occluded(items))})",
        "failed": str(sum(bool(i.failure) for i in items)),
        "s": f"{run.seconds:.1f}",
    }
    figures: dict[str, Figure] = {name: bootstrap(run.scenes, measure) for name, measure in COLUMNS.items()}
    if extractor is not None:
        made, real, paired = vectors(items)
        distances = bootstrap(run.scenes, mean_distance), kid(made, real, paired=paired), frechet(made, real, least=least)
        figures |= zip(look_columns(extractor), distances, strict=True)
    return Row(run.method, figures, facts)


def mean_distance(items: Items) -> float:
    """Perceptual distance, every object with a hidden part counts the same."""
    known = [i.look.distance for i in items if i.look is not None and not math.isnan(i.look.distance)]
    return float(np.mean(known)) if known else math.nan


def vectors(items: Items) -> tuple[Float32[np.ndarray, "m d"], Float32[np.ndarray, "n d"], bool]:
    """The features of completed occluded objects, of real ones, and whether these are the same objects in the same order."""
    looks = [i.look for i in items if i.look is not None]
    made, real = ([v for look in looks if (v := getattr(look, which)) is not None] for which in ("made", "real"))
    return _stacked(made), _stacked(real), all((look.made is None) == (look.real is None) for look in looks)


def _stacked(rows: list[np.ndarray]) -> Float32[np.ndarray, "n d"]:
    return np.stack(rows) if rows else np.zeros((0, 1), np.float32)


def bins_table(run: MethodRun, bins: Sequence[float] = BINS) -> Table:
    """One method by how much of the object is hidden; ``bins`` are borders."""
    items = [item for scene in run.scenes for item in scene]
    rows = []
    for low, high in pairwise(bins):
        here = [i for i in items if low < i.mask.hidden_share <= high]
        figures = (amodal.mean_iou(_masks(here)), amodal.mean_hidden_iou(_masks(here)), colour.pooled_psnr(_colours(here)))
        rows.append((f"{'up to' if low < 0 else f'{low:.0%} to'} {high:.0%}", str(len(here)), *map(number, figures)))
    return Table(("hidden share", "objects", "IoU mean", "hidden part: mean", "PSNR hidden, pooled"), tuple(rows))


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
        "perceptual_distance": "" if item.look is None or math.isnan(item.look.distance) else round(item.look.distance, 4),
        "failure": item.failure,
    }
