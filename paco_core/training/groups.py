"""Weights in groups: what decays, and what learns slower or faster than the rest."""

import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from paco_core.errors import BadInput
from paco_core.training.options import Settings


def parameter_groups(model: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """For AdamW, of all that learns; ``lr`` of a group is its highest rate.

    Weight decay is for matrices and kernels alone: scales and offsets are free. Raises ``BadInput`` for a rate that no weight
    that learns belongs to.
    """
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    shares = read_rates(settings.rates)
    unused = [prefix for prefix in shares if not any(name.startswith(prefix) for name in learning)]
    if unused:
        raise BadInput(
            f"rates: no weight that learns begins with {unused[0]!r}. Weights are called {next(iter(learning))} and alike."
        )
    of = {name: next((share for prefix, share in shares.items() if name.startswith(prefix)), 1.0) for name in learning}
    return [
        {"params": [weight for name, weight in learning.items() if of[name] == share and (weight.ndim >= 2) == matrix],
         "weight_decay": settings.weight_decay * matrix, "lr": settings.lr * share}
        for share in sorted(set(of.values()), reverse=True)
        for matrix in (True, False)
    ]  # fmt: skip


def read_rates(pairs: Sequence[str]) -> dict[str, float]:
    """``beginning=share`` to a mapping, the longest beginning first. Raises ``BadInput`` for what is none."""
    found = {}
    for pair in pairs:
        prefix, _, text = pair.partition("=")
        try:
            found[prefix] = float(text)
        except ValueError as error:
            raise BadInput(f"rates: {pair!r} is no beginning=share, such as unet.=0.5.") from error
        if not prefix or not (math.isfinite(found[prefix]) and found[prefix] > 0):
            raise BadInput(f"rates: {pair!r} makes no sense: give a beginning of names and a number above 0.")
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))
