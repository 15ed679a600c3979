"""``paco backends``: what can be chosen, from the registries alone; nothing of it is imported."""

from dataclasses import dataclass

import paco_core.registry
import scene3d.registry
from paco_core.progress import Progress
from paco_core.registry import Entry
from viewers.commands import Outcome
from viewers.table import table


@dataclass(frozen=True)
class Options:
    """List the methods that can be chosen, and what each needs."""


def run(options: Options, progress: Progress) -> Outcome:
    """A table of all entries, in the order of the pipeline."""
    entries = [*paco_core.registry.BACKENDS, *scene3d.registry.BACKENDS]
    rows = [(e.kind, e.name, e.summary, e.weights_licence, _installed(e)) for e in entries]
    return Outcome(table(("kind", "name", "what it does", "licence of its weights", "installed"), rows))


def _installed(entry: Entry) -> str:
    return "yes" if not entry.missing else f"no: pip install {entry.pip}"
