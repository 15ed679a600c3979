"""What the training of one network has to define. The runner (``paco_core.training.runner``) does everything else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Defaults:
    """Settings of one task that hold unless the command says otherwise."""

    batch: int
    """Samples a step."""
    lr: float
    """Highest learning rate of AdamW."""
    minutes: float
    """Time budget."""
    weight_decay: float = 0.02
    """Of AdamW, on weights of two and more dimensions."""
    ema: float = 0.999
    """Decay of the averaged weights once they are warm."""
    clip: float = 1.0
    """Longest gradient (L2 norm over all weights)."""
    warmup: float = 0.03
    """Share of the budget in which the rate rises."""


@dataclass(frozen=True)
class TaskInputs:
    """What a task is made of."""

    packs: tuple[Path, ...]
    """Packs to train on."""
    held_out: tuple[Path, ...]
    """Packs to measure on; a task without them returns no figures."""
    device: torch.device
    batch: int
    """Samples a step, the same in every step: shapes are fixed."""
    options: Mapping[str, str] = field(default_factory=dict)
    """``--set name=value``: what this task alone knows, for example the weights of an earlier, frozen stage."""


@runtime_checkable
class Task(Protocol):
    """One network to train. What is frozen (an earlier stage, the bank of objects) belongs to the task, not to its model.

    Everything random in ``build``, ``loss`` and the model comes from torch's global generator or the one that is handed
    in: the runner seeds, saves and restores both. Adversarial training needs no second optimiser: ``loss`` may add a
    discriminator's loss on detached samples, and judge samples by ``torch.func.functional_call`` with its detached weights.
    """

    name: str
    defaults: Defaults

    def build(self) -> nn.Module:
        """Everything that learns, in one module, with fresh weights (float32)."""
        ...

    def shipped(self, model: nn.Module) -> nn.Module:
        """The part of ``model`` that is exported and that ``--warm-start`` fills; the model itself, or one of its children."""
        ...

    def about(self, model: nn.Module) -> dict[str, str]:
        """What the exported file says of ``shipped(model)`` beside task, steps and seconds; often nothing."""
        ...

    def batch(self, generator: torch.Generator, share: float) -> Any:
        """One batch on the device, drawn from ``generator`` alone. ``share`` of the budget is spent (0 to 1): for curricula."""
        ...

    def loss(self, model: nn.Module, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A scalar to descend, and its parts (scalars, detached) for the log. Runs under mixed precision."""
        ...

    def sample(self, model: nn.Module) -> np.ndarray:
        """A picture that shows people what the model can do, uint8 (h, w, 3); the same inputs every time."""
        ...

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Figures on the held-out packs, the same inputs every time; empty without such packs."""
        ...


TaskMaker = Callable[[TaskInputs], Task]
"""A task's class. Raises ``BadInput`` for packs or options that can't be used."""
