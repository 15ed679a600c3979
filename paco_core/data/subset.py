"""Which objects of a scene are completed at once, and what hides them (PACO, section 4.2: subset augmentation)."""

from dataclasses import dataclass

import torch

from paco_core.data.arrange import Dice
from paco_core.data.ensemble import EnsembleBatch

LAYERLIKE = 0.5
"""Share of the subsets that are one layer, whose objects hide nothing of each other: what inference asks for (section 4.3)."""


@dataclass(frozen=True)
class Subset:
    """Sampled objects of b scenes."""

    sampled: torch.Tensor
    """(b, n) bool: those to complete."""
    visible: torch.Tensor
    """(b, n, s, s) bool: their visible masks; empty for the others."""
    occluder: torch.Tensor
    """(b, s, s) bool: what is visible of all that hides a sampled object, and all that lies outside of the frame."""


def choose_subset(
    batch: EnsembleBatch, generator: torch.Generator, *, layerlike: float = LAYERLIKE, visible: torch.Tensor | None = None
) -> Subset:
    """k of a scene's n objects, k uniform in 1 … n; or all of one layer that something hides, where there is one.

    ``visible`` are masks to use in place of the batch's own, such as rough ones.
    """
    dice = Dice(generator)
    present, (scenes, slots) = batch.present, batch.present.shape
    turn = dice.uniform(scenes, slots).masked_fill(~present, 2.0).argsort(1).argsort(1)
    wanted = 1 + (dice.uniform(scenes, 1) * present.sum(1, keepdim=True)).long()
    free = present & (turn < wanted)
    behind = batch.layers > 0
    candidates = torch.where(behind.any(1, keepdim=True), behind, present)
    chosen = (dice.uniform(scenes, slots) * candidates).argmax(1, keepdim=True)
    layer = present & (batch.layers == batch.layers.gather(1, chosen))
    sampled = torch.where(dice.uniform(scenes, 1) < layerlike, layer, free)
    hiding = ((batch.order > 0) & sampled[:, None]).any(2)
    masks = batch.visible if visible is None else visible
    occluder = (masks & hiding[..., None, None]).any(1) | ~batch.frame
    return Subset(sampled, masks & sampled[..., None, None], occluder)
