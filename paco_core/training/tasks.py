"""Names of tasks to ``package.module:Class``, imported when one is asked for."""

import importlib

from paco_core.errors import BadInput
from paco_core.registry import did_you_mean

TASKS = {"paco-feat-1": "paco_core.training.feat:FeatTask"}
"""What ``paco train`` can train."""


def find_task(name: str) -> type:
    """The class of a task, a ``TaskMaker`` with ``name`` and ``defaults``. Raises ``BadInput`` with a suggestion."""
    if name not in TASKS:
        raise BadInput(f"There is no task {name!r}.{did_you_mean(name, tuple(TASKS))} Known: {', '.join(TASKS)}.")
    module, _, cls = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), cls)
