"""What ``torchrun`` starts twice for tests/test_team.py: runs of the tiny task, one after another, and what each process saw."""

import json
import os
import sys
from itertools import count
from pathlib import Path

from paco_core.training.runner import train
from paco_core.training.team import leave
from tests.tinytask import NAME, TinyTask, tiny_options


def go(out: Path, **options) -> str:
    """One run with a clock that ticks; a word about its end."""
    clock = count()
    TinyTask.seen.clear()
    try:
        result = train(NAME, tiny_options(out, **options), clock=lambda: float(next(clock)))
        ended = "finished" if result.finished else "paused"
    except KeyboardInterrupt:
        ended = "stopped"
    told = {"ended": ended, "batches": [seen[0] for seen in TinyTask.seen], "weights": [seen[1] for seen in TinyTask.seen]}
    with (out.parent / f"{out.name}-{os.environ['RANK']}.jsonl").open("a") as file:
        file.write(json.dumps(told) + "\n")
    return ended


def main(folder: Path) -> None:
    """Every run of the tests."""
    go(folder / "whole")
    while go(folder / "pieces", pause_after_minutes=0.4) == "paused":
        pass
    while go(folder / "stopped", set=("interrupt_at=25", "only_in=1")) == "stopped":
        pass
    go(folder / "not-numbers", set=("nan_at=5:7", "only_in=1"))
    go(folder / "never", steps=30, set=("nan_at=12:27", "only_in=1"), every_minutes=0.1)
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
