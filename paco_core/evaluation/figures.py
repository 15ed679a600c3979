"""Tables of figures, for every evaluation: a row per method, files that later runs compare with, Markdown for people."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from paco_core.errors import BadInput
from paco_core.evaluation.table import Estimate
from paco_core.maskjson import read_json

UNKNOWN = "–"
"""What a table shows where nothing could be measured."""
Figures = dict[str, dict[str, float]]
"""By method and name, without what could not be measured."""


@runtime_checkable
class Figure(Protocol):
    """A value that says itself how it is shown: ``Estimate``, or one with another kind of spread."""

    @property
    def value(self) -> float:
        """NaN where it could not be measured."""
        ...


@dataclass(frozen=True)
class Row:
    """One method."""

    method: str
    figures: Mapping[str, Figure]
    facts: Mapping[str, str] = field(default_factory=dict)
    """What a table shows of it besides, e.g. how many objects there were; not compared."""


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; ``str`` is Markdown."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        rule = "|---" * len(self.head) + "|"
        head, *rows = (f"| {' | '.join(map(_flat, line))} |" for line in (self.head, *self.rows))
        return "\n".join([head, rule, *rows])


def _flat(cell: str) -> str:
    """A cell that can't end its own column or line: names come from outside."""
    return " ".join(cell.split()).replace("|", "\\|")


def figure_table(rows: Sequence[Row], columns: Sequence[str], before: Figures | None = None, *, label: str = "method") -> Table:
    """A row per method: facts, then these figures; with ``before`` (``read_figures``) the change since in square brackets."""
    facts = tuple(rows[0].facts) if rows else ()
    return Table(
        (label, *facts, *columns),
        tuple(
            (
                row.method,
                *(row.facts.get(name, "") for name in facts),
                *(_cell(row.figures.get(name), (before or {}).get(row.method, {}).get(name)) for name in columns),
            )
            for row in rows
        ),
    )


def _cell(figure: Figure | None, before: float | None) -> str:
    if figure is None:
        return UNKNOWN
    return str(figure) if before is None or math.isnan(figure.value) else f"{figure} [{figure.value - before:+.3f}]"


def plain(value: float) -> Estimate:
    """A figure without an interval."""
    return Estimate(value, math.nan, math.nan)


def number(value: float, digits: int = 3) -> str:
    """A value for a cell."""
    return UNKNOWN if math.isnan(value) else f"{value:.{digits}f}"


def figures_json(rows: Sequence[Row]) -> str:
    """The figures by method and name; what can't be measured is null."""
    content = {row.method: {name: _finite(figure.value) for name, figure in row.figures.items()} for row in rows}
    return json.dumps({"figures": content}, indent=1) + "\n"


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def read_figures(path: Path) -> Figures:
    """What ``figures_json`` wrote, without what could not be measured. Raises ``BadInput`` for anything else."""
    content = read_json(path)
    rows = content.get("figures") if isinstance(content, dict) else None
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise BadInput(f"{path} holds no figures of an earlier evaluation. Give the figures.json of its folder.")
    return {
        method: {
            name: float(value) for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for method, row in rows.items()
    }
