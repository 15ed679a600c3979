"""A task that trains in no time; ``python -m tests.tinytask …`` is ``python -m paco_core.training …`` that knows it."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from paco_core.training.options import TrainOptions
from paco_core.training.task import Defaults, TaskInputs
from paco_core.training.tasks import TASKS

NAME = "tiny"


class TinyTask:
    """Fits a line through noise, with dropout, so that both of torch's generators matter.

    Options: ``sleep_s`` a step; ``nan_at``: batches (of this process, from 0, ``all`` or ``3:5``) whose loss is not a number;
    ``interrupt_at``: the batch that is made while somebody presses Ctrl-C; ``wide``: features; ``only_in``: the one process
    of several that those two befall.
    """

    name = NAME
    defaults = Defaults(batch=8, lr=0.05, minutes=10.0, ema=0.9)
    seen: ClassVar[list[tuple[float, float]]] = []
    """Sums of each batch and of the weights that answered it, of this process."""

    def __init__(self, inputs: TaskInputs) -> None:
        self.inputs = inputs
        self.drawn = 0
        only_in = inputs.options.get("only_in")
        self.spared = only_in is not None and only_in != os.environ.get("RANK")
        self.wide = int(inputs.options.get("wide", "4"))
        self.sleep_s = float(inputs.options.get("sleep_s", "0"))
        self.interrupt_at = int(inputs.options.get("interrupt_at", "-1"))
        first, _, last = inputs.options.get("nan_at", "-1").replace("all", "0:1000000").partition(":")
        self.not_numbers = range(int(first), int(last or first) + 1)

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.wide, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def shipped(self, model: nn.Module) -> nn.Module:
        return model.get_submodule("0")

    def about(self, model: nn.Module) -> dict[str, str]:
        return {}

    def batch(self, generator: torch.Generator, share: float) -> torch.Tensor:
        self.drawn += 1
        if self.drawn == self.interrupt_at and not self.spared:
            signal.raise_signal(signal.SIGINT)
        time.sleep(self.sleep_s)
        return torch.randn(self.inputs.batch, self.wide, generator=generator)

    def loss(self, model: nn.Module, batch: torch.Tensor):
        self.seen.append((float(batch.sum()), sum(float(weight.detach().sum()) for weight in model.parameters())))
        error = (model(batch)[:, 0] - batch.sum(1)).square().mean()
        if self.drawn - 1 in self.not_numbers and not self.spared:
            error = error * float("nan")
        return error, {"error": error.detach()}

    def sample(self, model: nn.Module) -> np.ndarray:
        return np.zeros((4, 6, 3), np.uint8)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        torch.rand(3)  # must not change what training draws
        return {"error": float(model(torch.ones(1, self.wide)).detach()) - self.wide}


TASKS[NAME] = "tests.tinytask:TinyTask"


def tiny_pack(folder: Path) -> Path:
    """A file that stands for a pack: this task reads none."""
    path = folder / "tiny.pack"
    if not path.exists():
        path.write_bytes(b"tiny")
    return path


def tiny_options(out: Path, **options) -> TrainOptions:
    """Options for a run in ``out``, on the processor."""
    given = {"packs": (tiny_pack(out.parent),), "device": "cpu", "steps": 60, "every_minutes": 1e9, **options}
    return TrainOptions(out=out, **given)


if __name__ == "__main__":
    from paco_core.training.__main__ import main

    sys.exit(main())
