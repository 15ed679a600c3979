"""Averaged weights: what is sampled, measured and shipped."""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

WARM_UP = 9
"""The n-th average weighs the newest weights WARM_UP / (n + WARM_UP), until that is less than 1 - decay: the first steps'
poor weights are forgotten as fast as they are few."""


def decay_at(updates: int, decay: float) -> float:
    """Weight of the old average when ``updates`` are in it already; 0 for none: the untrained start is no part of it."""
    return min(decay, updates / (updates + WARM_UP))


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A copy whose ``update_parameters(model)`` averages exponentially, warmed up; buffers are copied. Not for training."""

    def average(old: Any, new: Any, updates: torch.Tensor | int) -> None:
        get_ema_multi_avg_fn(decay_at(int(updates), decay))(old, new, updates)

    ema = AveragedModel(model, multi_avg_fn=average)
    ema.requires_grad_(False)
    return ema.eval()
