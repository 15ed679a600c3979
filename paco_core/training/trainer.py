"""Everything of a run that changes from step to step, and one step of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from paco_core.training.checkpoint import random_states, restore_random_states
from paco_core.training.ema import averaged
from paco_core.training.groups import parameter_groups
from paco_core.training.guard import Guard, Verdict
from paco_core.training.log import OWN_KEYS
from paco_core.training.options import Settings
from paco_core.training.schedule import rate_factor
from paco_core.training.task import Task
from paco_core.training.team import Team

BETAS = (0.9, 0.98)
"""Of AdamW. Runs are thousands of steps, not hundreds of thousands: 0.999 would remember the start for a third of one."""
APART = 1_000_003
"""Between the seeds of two processes: more than anybody's seeds differ by, so that no run repeats what another one drew."""


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    verdict: Verdict
    rate: float
    values: dict[str, torch.Tensor]
    """``loss``, its parts and ``gradient`` (its norm before clipping): scalars on the device."""


class Trainer:
    """Model, averaged model, optimiser, generators and counters; ``state`` and ``load`` are each other's inverse."""

    def __init__(self, task: Task, settings: Settings, team: Team) -> None:
        self.task, self.settings, self.team = task, settings, team
        self.accelerator = team.accelerator
        torch.manual_seed(settings.seed)
        self.generator = torch.Generator(self.device).manual_seed(settings.seed + APART * team.rank)
        self.model = convert_conv2d_weight_memory_format(task.build().to(self.device), torch.channels_last)
        team.share(chain(self.model.parameters(), self.model.buffers()))
        self.ema = averaged(self.model, settings.ema)
        groups = parameter_groups(self.model, settings)
        self.highest = [group["lr"] for group in groups]
        self.optimizer: Any = self.accelerator.prepare(torch.optim.AdamW(groups, settings.lr, BETAS))
        self.loss = task.loss
        self.guard = Guard()
        self.steps = 0
        self.seconds = 0.0
        if team.rank:
            torch.manual_seed(settings.seed + APART * team.rank)  # the same weights, but other noise

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.team.device

    @property
    def average(self) -> nn.Module:
        """The averaged model, to look at and to ship."""
        return self.ema.module

    def begin_average(self) -> None:
        """Let the averaged weights be the model's own until the first step; for weights that were loaded after the making."""
        self.average.load_state_dict(self.model.state_dict())

    def step(self, share: float) -> StepReport:
        """One batch: forward, backward, clipped, and the weights unless loss or gradient is not finite."""
        factor = rate_factor(share, self.settings.warmup)
        for group, highest in zip(self.optimizer.param_groups, self.highest, strict=True):
            group["lr"] = highest * factor * self.guard.rate
        self.model.train()
        values = self.team.mean(self._descend(share))
        self.team.average_gradients(self.learning)
        self.team.share(self.model.buffers())
        norm = torch.as_tensor(self.accelerator.clip_grad_norm_(self.learning, self.settings.clip), device=self.device)
        finite = bool(torch.isfinite(values["loss"] + norm))
        if finite or self.settings.precision == "fp16":  # the gradient scaler skips by itself, and has to learn of it
            self.optimizer.step()
        if finite:
            self.ema.update_parameters(self.model)
        self.optimizer.zero_grad()
        self.steps += 1
        rate = self.settings.lr * factor * self.guard.rate
        return StepReport(self.guard.judge(finite=finite), rate, {**values, "gradient": norm})

    @property
    def learning(self) -> list[nn.Parameter]:
        """Weights that are not frozen."""
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def _descend(self, share: float) -> dict[str, torch.Tensor]:
        """Gradients of one step's batches, and the means of its losses."""
        told = []
        for _ in range(self.settings.accumulate):
            batch = self.task.batch(self.generator, share)
            with self.accelerator.autocast():
                loss, parts = self.loss(self.model, batch)
            _check_names(self.task.name, parts)
            self.accelerator.backward(loss / self.settings.accumulate)
            told.append({"loss": loss.detach(), **parts})
        return {name: torch.stack([values[name] for values in told]).mean() for name in told[0]}

    def state(self) -> dict[str, Any]:
        """All of it, in tensors and plain values; all processes have to ask for it, the main one's is to be kept."""
        scaler, mine = self.accelerator.scaler, random_states(self.generator)
        random, *elsewhere = self.team.collected(mine)
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "random": random,
            "random_elsewhere": elsewhere,
            "guard": asdict(self.guard),
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        self._load_weights(state)
        everywhere = [state["random"], *state.get("random_elsewhere", ())]
        restore_random_states(everywhere[self.team.rank], self.generator)
        self.guard = Guard(**state["guard"])
        self.steps, self.seconds = int(state["steps"]), float(state["seconds"])

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


def _check_names(task: str, parts: Mapping[str, torch.Tensor]) -> None:
    """Raises ``ValueError``: a part of a loss would hide what the log itself says under its name."""
    clash = sorted(OWN_KEYS & parts.keys())
    if clash:
        raise ValueError(f"The task {task!r} calls a part of its loss {clash[0]!r}, as the log calls something else: rename it.")
