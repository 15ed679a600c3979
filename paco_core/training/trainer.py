"""Everything of a run that changes from step to step, and one step of it."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from paco_core.training.checkpoint import random_states, restore_random_states
from paco_core.training.ema import averaged
from paco_core.training.guard import Guard, Verdict
from paco_core.training.options import Settings
from paco_core.training.schedule import rate_factor
from paco_core.training.task import Task

BETAS = (0.9, 0.98)
"""Of AdamW. Runs are thousands of steps, not hundreds of thousands: 0.999 would remember the start for a third of one."""
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
"""Names of precisions in accelerate."""


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    verdict: Verdict
    rate: float
    values: dict[str, torch.Tensor]
    """``loss``, its parts and ``gradient`` (its norm before clipping): scalars on the device."""


class Trainer:
    """Model, averaged model, optimiser, generators and counters; ``state`` and ``load`` are each other's inverse."""

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task = task
        self.settings = settings
        AcceleratorState._reset_state(True)  # one process may train twice, with other precisions
        self.accelerator = Accelerator(mixed_precision=PRECISIONS[settings.precision], cpu=settings.device == "cpu")
        torch.manual_seed(settings.seed)
        self.generator = torch.Generator(self.device).manual_seed(settings.seed)
        self.model = convert_conv2d_weight_memory_format(task.build().to(self.device), torch.channels_last)
        self.ema = averaged(self.model, settings.ema)
        self.optimizer: Any = self.accelerator.prepare(torch.optim.AdamW(_groups(self.model, settings), settings.lr, BETAS))
        self.loss = task.loss
        self.guard = Guard()
        self.steps = 0
        self.seconds = 0.0

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.accelerator.device

    @property
    def average(self) -> nn.Module:
        """The averaged model, to look at and to ship."""
        return self.ema.module

    def begin_average(self) -> None:
        """Let the averaged weights be the model's own until the first step; for weights that were loaded after the making."""
        self.average.load_state_dict(self.model.state_dict())

    def step(self, share: float) -> StepReport:
        """One batch: forward, backward, clipped, and the weights unless loss or gradient is not finite."""
        rate = self.settings.lr * rate_factor(share, self.settings.warmup) * self.guard.rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.task.batch(self.generator, share)
        self.model.train()
        with self.accelerator.autocast():
            loss, parts = self.loss(self.model, batch)
        self.accelerator.backward(loss)
        norm = self._clipped()
        finite = bool(torch.isfinite(loss.detach() + norm))
        if finite or self.settings.precision == "fp16":  # the gradient scaler skips by itself, and has to learn of it
            self.optimizer.step()
        if finite:
            self.ema.update_parameters(self.model)
        self.optimizer.zero_grad()
        self.steps += 1
        return StepReport(self.guard.judge(finite=finite), rate, {"loss": loss.detach(), **parts, "gradient": norm})

    def _clipped(self) -> torch.Tensor:
        learning = [weight for weight in self.model.parameters() if weight.requires_grad]
        norm = self.accelerator.clip_grad_norm_(learning, self.settings.clip)
        return torch.as_tensor(norm, device=self.device)

    def state(self) -> dict[str, Any]:
        """All of it, in tensors and plain values."""
        scaler = self.accelerator.scaler
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "random": random_states(self.generator),
            "guard": asdict(self.guard),
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        self._load_weights(state)
        restore_random_states(state["random"], self.generator)
        self.guard = Guard(**state["guard"])
        self.steps, self.seconds = state["steps"], state["seconds"]

    def return_to(self, state: dict[str, Any]) -> None:
        """Weights and steps of an earlier ``state``; time, counters and generators go on: the same draw would fail again."""
        self._load_weights(state)
        self.steps = state["steps"]

    def _load_weights(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"], strict=True)
        self.ema.load_state_dict(state["ema"], strict=True)
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])


def _groups(model: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels alone: scales and offsets are free."""
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in learning if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in learning if weight.ndim < 2], "weight_decay": 0.0},
    ]
