"""``paco eval deocclusion --inpainter``: networks that know of no objects, beside the completers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paco_core.backends.base import Completer, Inpainter
from paco_core.errors import BadInput
from paco_core.evaluation.deocclusion import MethodRun
from paco_core.evaluation.figures import UNKNOWN, Row
from paco_core.evaluation.inpaint_methods import Rival, with_masks_of, with_true_masks
from paco_core.registry import BACKENDS


def find_rivals(named: Sequence[str], device: str, completer: Completer, seed: int) -> tuple[dict[str, Rival], dict[str, Rival]]:
    """The rows told the true masks, and those with the completer's.

    Raises ``BadInput`` for unknown names and for weights that do not fit, ``MissingDependency`` without a package.
    """
    true: dict[str, Rival] = {}
    own: dict[str, Rival] = {}
    for inpainter in [_inpainter(one, device) for one in named]:
        true |= with_true_masks(inpainter, seed=seed)
        own |= with_masks_of(completer, inpainter, seed=seed)
    return true, own


def with_passes(rows: Sequence[Row], runs: Sequence[MethodRun], rivals: Mapping[str, Rival]) -> tuple[Row, ...]:
    """Rows that say how often an inpainter was asked, and how long a method took, a photo."""
    return tuple(_with_passes(row, run, rivals.get(run.method)) for row, run in zip(rows, runs, strict=True))


def _with_passes(row: Row, run: MethodRun, rival: Rival | None) -> Row:
    photos = max(len(run.scenes), 1)
    passes = UNKNOWN if rival is None else f"{rival.asked.passes / photos:.2f}"
    return replace(row, facts={**row.facts, "passes a photo": passes, "s a photo": f"{run.seconds / photos:.2f}"})


def _inpainter(named: str, device: str) -> Inpainter:
    name, _, path = named.partition("=")
    entry = BACKENDS.find("inpainter", name)
    if path and not Path(path).exists():
        raise BadInput(f"There are no weights at {path}, which --inpainter names for {name}.")
    there = {"device": device} if entry.imports else {}  # what needs no torch runs on the processor
    return BACKENDS.create("inpainter", name, **there, **({"weights": Path(path)} if path else {}))
