"""Names of tasks to ``package.module:Class``, imported when one is asked for."""

import importlib
from typing import Any

from paco_core.errors import BadInput
from paco_core.registry import did_you_mean

TASKS = {
    "paco-feat-1": "paco_core.training.feat:FeatTask",
    "pcnet": "paco_core.training.direct:DirectTask",
    "paco-stage-1": "paco_core.training.paco_stage1:Stage1Task",
    "paco-stage-2": "paco_core.training.paco_stage2:Stage2Task",
}
"""What ``paco train`` can train."""


def find_target(name: str) -> str:
    """``package.module:Class`` of a task, without importing it. Raises ``BadInput`` with a suggestion."""
    if name not in TASKS:
        raise BadInput(f"There is no task {name!r}.{did_you_mean(name, tuple(TASKS))} Known: {', '.join(TASKS)}.")
    return TASKS[name]


def find_task(name: str) -> Any:
    """The class of a task: a ``paco_core.training.task.TaskMaker`` with ``name`` and ``defaults``. Raises ``BadInput``."""
    module, _, cls = find_target(name).partition(":")
    return getattr(importlib.import_module(module), cls)
