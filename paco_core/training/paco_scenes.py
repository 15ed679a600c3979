"""What both stages of PACO are trained on: Object Ensemble scenes on white, as a parallel autoencoder reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from paco_core.data.arrange import EnsembleSettings
from paco_core.data.augment import Roughness, rough_masks
from paco_core.data.bank import Bank
from paco_core.data.crops import in_front
from paco_core.data.ensemble import EnsembleBatch, compose
from paco_core.data.subset import LAYERLIKE, choose_subset

SLOTS, SCALE = 5, (0.2, 0.6)
"""Crops of one layer show few objects, and show them large; slots are fixed, because changing shapes are slow."""
LOOSE = Roughness(share=0.5, shift_px=3.0, gap_px=3)
"""Of the masks that are given: ±3 px and gaps of 1 to 3 px at 128 px; a quarter stays exact."""
WANTED = 2
"""Objects of a scene that are decoded: what most of a step's time goes into."""


@dataclass(frozen=True)
class PacoScenes:
    """b scenes of n slots, s px. Colours are -1 … 1 on white; masks are float 0 or 1."""

    whole: torch.Tensor
    """(b, n, 3, s, s): every object, whole and alone."""
    composite: torch.Tensor
    """(b, 3, s, s): the picture."""
    visible: torch.Tensor
    """(b, n, s, s): as given to the networks."""
    occluder: torch.Tensor
    """(b, n, s, s): what is visible of everything in front of each, and what lies outside of the frame."""
    amodal: torch.Tensor
    """(b, n, s, s)."""
    hidden: torch.Tensor
    """(b, n): share that is not visible."""
    present: torch.Tensor
    """(b, n) bool."""
    sampled: torch.Tensor
    """(b, n) bool: those to complete in one pass (section 4.2)."""
    hides_sampled: torch.Tensor
    """(b, 1, s, s): what is visible of everything that hides one of those."""
    ids: torch.Tensor
    """(b, n): indices into the bank."""

    def partial(self) -> torch.Tensor:
        """(b, 1, 3, s, s): the visible parts of the sampled objects on white, as one picture: they are disjoint."""
        seen = (self.visible * self.sampled[..., None, None]).amax(1)
        return torch.where(seen[:, None] > 0, self.composite, 1.0)[:, None]

    def names(self, bank: Bank) -> Sequence[Sequence[str]]:
        """Of the sampled objects of every scene."""
        rows = zip(self.ids.tolist(), self.sampled.tolist(), strict=True)
        return [[bank.names[i] for i, wanted in zip(ids, sampled, strict=True) if wanted] for ids, sampled in rows]

    def wanted(self, generator: torch.Generator, *, of_sampled: bool) -> torch.Tensor:
        """(b, ``WANTED``) slots to decode: objects that are partly hidden before others, chance decides between them."""
        lots = torch.rand(self.present.shape, generator=generator, device=generator.device)
        allowed = self.sampled if of_sampled else self.present
        lots = lots + (self.hidden > 0.05) + 2 * allowed
        return lots.topk(WANTED, dim=1).indices


def draw_scenes(
    bank: Bank, generator: torch.Generator, scenes: int, side_px: int, most: int, layerlike: float = LAYERLIKE
) -> PacoScenes:
    """``scenes`` scenes of at most ``most`` objects, with loose masks; that share of the subsets is one layer."""
    settings = EnsembleSettings(size=side_px, slots=SLOTS, count=(min(2, most), most), scale=SCALE)
    batch = compose(bank, generator, settings, scenes)
    return _on_white(batch, rough_masks(batch.visible, generator, LOOSE), generator, layerlike)


def exact_scenes(bank: Bank, generator: torch.Generator, scenes: int, side_px: int, most: int) -> PacoScenes:
    """The same with exact masks."""
    settings = EnsembleSettings(size=side_px, slots=SLOTS, count=(min(2, most), most), scale=SCALE)
    batch = compose(bank, generator, settings, scenes)
    return _on_white(batch, batch.visible, generator, LAYERLIKE)


def pick(values: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """``values`` (b, n, …) of the slots (b, k): (b, k, …)."""
    return values[torch.arange(len(values), device=values.device)[:, None], slots]


def _on_white(batch: EnsembleBatch, visible: torch.Tensor, generator: torch.Generator, layerlike: float) -> PacoScenes:
    white = batch.objects + (1 - batch.alpha[:, :, None]) * (1 - batch.canvas_rgb[:, None, :, None, None])
    subset = choose_subset(batch, generator, layerlike=layerlike, visible=visible)
    front = in_front(batch.order).transpose(1, 2).float()  # row: the object; column: what hides it
    seen = visible.float()
    hiding = (front @ seen.flatten(2)).clamp(max=1).unflatten(2, seen.shape[2:])
    outside = (~batch.frame[:, None]).float()
    occluder = torch.maximum(hiding, outside) * (1 - seen)
    return PacoScenes(
        2 * white - 1, 2 * batch.composite - 1, seen, occluder, batch.amodal.float(), batch.hidden, batch.present,
        subset.sampled & batch.present, subset.occluder[:, None].float(), batch.ids,
    )  # fmt: skip
