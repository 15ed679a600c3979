"""The task ``pcnet``: one hidden object at a time, completed in one pass, from masks that are rarely exact.

Losses are means over the hidden place of every crop, then over crops: SSSD (Zhan et al., CVPR 2020) weighs pixels within the
occluder, too; dice as in V-Net (Milletari et al., 3DV 2016, section 3); gradients at several scales as in MegaDepth
(Li and Snavely, CVPR 2018, equation 6).
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from paco_core.data.bank import read_bank
from paco_core.data.crops import Crops, joined
from paco_core.errors import BadInput
from paco_core.nets.direct import DirectNet
from paco_core.training.direct_crops import (
    BANK_PX,
    COPIES,
    LARGE_PX,
    SEED,
    SMALL_PX,
    HeldOut,
    make_clutter,
    make_crops,
    read_held_out,
)
from paco_core.training.direct_figures import figures, sheet
from paco_core.training.task import Defaults, TaskInputs

LARGE_FROM, LARGE_SHARE = 0.45, 2
"""Small crops take a quarter of the time, which is enough for the first part of it; then half as many a step."""
WEIGHTS = {"dice": 0.7, "colour": 2.0, "detail": 0.5}
"""Of the losses next to the cross-entropy of the mask, 1; ``--set dice=0`` and so on change them. Detail is that of colours; the
log calls the norm of all weights' gradient ``gradient``."""
SQUARED = 2.0
"""Of squared next to absolute errors of colours."""
SCALES = (1, 2, 4)
"""Pixels over which differences of colours are compared."""
SHOWN, ROWS = 32, 8
"""Crops of a sample picture, and its rows."""


class DirectTask:
    """See ``paco_core.training.task.Task``."""

    name = "pcnet"
    defaults = Defaults(batch=64, lr=1.2e-3, minutes=120.0, ema=0.998)

    def __init__(self, inputs: TaskInputs) -> None:
        self.weights = read_weights(inputs.options)
        self.bank = read_bank(inputs.packs, size=BANK_PX).to(inputs.device)
        self.clutter = make_clutter(self.bank)
        self.crops = inputs.batch
        self.held_out: tuple[HeldOut, ...] = read_held_out(inputs.held_out, inputs.device)
        self.shown = self._shown(inputs.device)

    def build(self) -> DirectNet:
        """The network alone."""
        return DirectNet()

    def shipped(self, model: nn.Module) -> nn.Module:
        """All of it."""
        return model

    def about(self, model: nn.Module) -> dict[str, str]:
        """Nothing: there is one such network."""
        return {}

    def batch(self, generator: torch.Generator, share: float) -> Crops:
        """Crops of as many objects, with loose masks; larger ones from ``LARGE_FROM`` on."""
        if share < LARGE_FROM:
            return make_crops(self.bank, generator, self.crops, SMALL_PX, self.clutter)
        return make_crops(self.bank, generator, max(COPIES, self.crops // LARGE_SHARE), LARGE_PX, self.clutter)

    def loss(self, model: nn.Module, batch: Crops) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Mask and colours where the network has a say: mask within the occluder, colours within the hidden part."""
        colours, logit, place = model(batch.rgb, batch.visible, batch.occluder)
        hidden = place * batch.amodal
        parts = {
            "mask": _mean_within(functional.binary_cross_entropy_with_logits(logit, batch.amodal, reduction="none"), place),
            "dice": dice_loss(torch.sigmoid(logit) * place, hidden),
            "colour": colour_loss(colours - batch.truth, hidden),
            "detail": gradient_loss(colours - batch.truth, hidden),
        }
        total = parts["mask"] + torch.stack([weight * parts[name] for name, weight in self.weights.items()]).sum()
        return total, {name: part.detach() for name, part in parts.items()}

    def sample(self, model: nn.Module) -> np.ndarray:
        """Rows of: what is given (occluder red, visible part green), the answer, the truth."""
        return sheet(model, self.shown, ROWS)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """See ``direct_figures``; empty without held-out packs."""
        return {name: value for held_out in self.held_out for name, value in figures(model, held_out).items()}

    def _shown(self, device: torch.device) -> Crops:
        """Some of every held-out pack, or of the training objects where none is held out."""
        if not self.held_out:
            return make_crops(self.bank, torch.Generator(device).manual_seed(SEED), SHOWN, LARGE_PX)
        each = SHOWN // len(self.held_out)
        return joined([held_out.loose.pick(slice(each)) for held_out in self.held_out])


def read_weights(options: Mapping[str, str]) -> dict[str, float]:
    """``WEIGHTS`` with what ``--set`` says. Raises ``BadInput`` for other names, and for what is no number from 0."""
    weights = dict(WEIGHTS)
    for name, text in options.items():
        if name not in WEIGHTS:
            raise BadInput(f"pcnet has no option {name!r}: --set takes {', '.join(WEIGHTS)}.")
        try:
            weights[name] = float(text)
        except ValueError as error:
            raise BadInput(f"--set {name}={text}: give a number from 0.") from error
        if not 0 <= weights[name] < math.inf:
            raise BadInput(f"--set {name}={text}: give a number from 0.")
    return weights


def dice_loss(share: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """1 - 2 |both| / (|one| + |other|) of shares and truth (m, 1, s, s), with one pixel more of each: empty truths count, too."""
    both, sizes = (share * hidden).sum((1, 2, 3)), (share + hidden).sum((1, 2, 3))
    return (1 - (2 * both + 1) / (sizes + 1)).mean()


def colour_loss(error: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Absolute and squared errors (m, 3, s, s) of hidden pixels."""
    return _mean_within((error.abs() + SQUARED * error.square()).mean(1, keepdim=True), hidden)


def gradient_loss(error: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Absolute differences between neighbours' errors at ``SCALES``, where both neighbours are wholly hidden."""
    total = error.new_zeros(())
    for scale in SCALES:
        coarse, inside = functional.avg_pool2d(error, scale), (functional.avg_pool2d(hidden, scale) == 1).float()
        for axis in (2, 3):
            near, far = inside.narrow(axis, 0, inside.shape[axis] - 1), inside.narrow(axis, 1, inside.shape[axis] - 1)
            total = total + _mean_within(coarse.diff(dim=axis).abs().mean(1, keepdim=True), near * far)
    return total


def _mean_within(values: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Means over the place (m, 1, h, w) of every crop, then over the crops; 0 for an empty place."""
    return ((values * place).sum((1, 2, 3)) / place.sum((1, 2, 3)).clamp(min=1)).mean()
