"""What ``pcnet`` is trained on and measured with: crops of scenes made for them, with loose masks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from paco_core.data.arrange import Dice, EnsembleSettings
from paco_core.data.augment import Roughness, rough_masks
from paco_core.data.bank import Bank, read_bank
from paco_core.data.crops import Crops, draw_crops, joined
from paco_core.data.ensemble import EnsembleBatch, compose

SMALL_PX, LARGE_PX = 64, 128
"""Sides of crops: at first, and for the last part of the budget and for measuring."""
BANK_PX = 128
CANVAS = 1.5
"""Side of a scene / side of its crops: as many pixels as the crops show."""
PER_SCENE = 2
"""Crops a scene: about as many objects of one are partly hidden."""
SLOTS, SCALE = 5, (0.2, 0.6)
"""Fewer and larger objects than in scenes that are completed at once: a crop shows one object and what hides it."""
LOOSE = Roughness(share=0.4, shift_px=3.0, alike=0.5, gap_px=3)
"""±3 px and gaps of 1 to 3 px (6 where both keep away) at ``LARGE_PX``; a third of the crops keeps its exact masks."""
CLUTTER, CLUTTER_SCALE, CLUTTER_SEED = 192, (0.35, 1.0), 20_21
"""Scenes of many large objects that other scenes have for a background, and their objects' sizes: nothing else is at hand that
looks like the rest of a photo."""
CANVASES = (0.3, 0.2, 0.5)
"""Shares of white, coloured and cluttered backgrounds."""
COPIES = 2
"""Crops of every object in a batch, with other colours and masks, every other one mirrored: composing costs as much as a step
of the network does (Hoffer et al., CVPR 2020, arXiv:1901.09335, "Augment your batch")."""
GAIN, TINT, SWAPPED = (0.7, 1.3), (0.88, 1.12), 0.3
"""Of a copy's brightness and of its channels; share of copies whose channels change places."""
MEASURED = 192
"""Crops a pack to measure with; those outside of ``HIDDEN`` are left out then."""
HIDDEN = (0.1, 0.8)
"""Hidden share of objects to measure with: less is a slip of the outline, more is guesswork."""
SEED = 20_20
"""Of what is drawn to measure with, which is the same in every run."""


@dataclass(frozen=True)
class HeldOut:
    """The same objects of one pack twice."""

    name: str
    """Of the pack."""
    exact: Crops
    """With the masks that the scenes were made with."""
    loose: Crops
    """With ``LOOSE`` ones."""
    control: dict[str, float] = field(default_factory=dict)
    """Figures without a network; filled when they are first needed."""


def make_clutter(bank: Bank) -> torch.Tensor:
    """(``CLUTTER``, 3, s, s) uint8: backgrounds made of the bank's objects, always the same ones."""
    generator = torch.Generator(bank.rgba.device).manual_seed(CLUTTER_SEED)
    settings = EnsembleSettings(size=BANK_PX, slots=SLOTS, count=(SLOTS, SLOTS), scale=CLUTTER_SCALE)
    parts = [compose(bank, generator, settings, CLUTTER // 12).composite for _ in range(12)]
    return (255 * torch.cat(parts)).round().byte()


def make_scenes(
    bank: Bank, generator: torch.Generator, crops: int, side_px: int, clutter: torch.Tensor | None = None
) -> EnsembleBatch:
    """As many scenes as so many crops need; without ``clutter`` on white and coloured backgrounds."""
    settings = EnsembleSettings(size=round(CANVAS * side_px), slots=SLOTS, count=(2, SLOTS), scale=SCALE, canvases=CANVASES)
    return compose(bank, generator, settings, math.ceil(crops / PER_SCENE), clutter)


def make_crops(bank: Bank, generator: torch.Generator, count: int, side_px: int, clutter: torch.Tensor | None = None) -> Crops:
    """``count`` crops with loose masks, ``COPIES`` of every object."""
    objects = math.ceil(count / COPIES)
    scenes = make_scenes(bank, generator, objects, side_px, clutter)
    exact = draw_crops(scenes, generator, count=objects, side_px=side_px)
    return loosened(_varied(exact, generator).pick(slice(count)), generator)


def loosened(crops: Crops, generator: torch.Generator) -> Crops:
    """The same crops, given as somebody less exact would have drawn object and occluder."""
    masks = rough_masks(torch.cat([crops.visible, crops.occluder], 1) > 0, generator, LOOSE).float()
    return replace(crops, visible=masks[:, :1], occluder=masks[:, 1:])


def _varied(crops: Crops, generator: torch.Generator) -> Crops:
    """``COPIES`` of all, which differ in colours; every other copy is mirrored."""
    dice = Dice(generator)
    copies = joined([crops if copy % 2 == 0 else crops.mirrored() for copy in range(COPIES)])
    gain = dice.uniform(len(copies), 1, 1, 1, low=GAIN[0], high=GAIN[1]) * dice.uniform(
        len(copies), 3, 1, 1, low=TINT[0], high=TINT[1]
    )
    kept = torch.arange(3, device=dice.device)
    order = torch.where(dice.uniform(len(copies), 1) < SWAPPED, dice.uniform(len(copies), 3).argsort(1), kept)

    def recoloured(picture: torch.Tensor) -> torch.Tensor:
        return (picture * gain).clamp(0, 1).gather(1, order[..., None, None].expand_as(picture))

    return replace(copies, rgb=recoloured(copies.rgb), truth=recoloured(copies.truth))


def read_held_out(packs: Sequence[Path], device: torch.device) -> tuple[HeldOut, ...]:
    """Each pack's crops. Raises ``BadInput`` for what is no pack."""
    return tuple(_held_out(pack, device) for pack in packs)


def _held_out(pack: Path, device: torch.device) -> HeldOut:
    bank = read_bank([pack], size=BANK_PX, measuring=True).to(device)

    def seeded() -> torch.Generator:
        return torch.Generator(device).manual_seed(SEED)

    scenes = make_scenes(bank, seeded(), MEASURED, LARGE_PX)
    exact = draw_crops(scenes, seeded(), count=MEASURED, side_px=LARGE_PX)
    exact = exact.pick((exact.hidden >= HIDDEN[0]) & (exact.hidden <= HIDDEN[1]))
    return HeldOut(pack.stem, exact, loosened(exact, seeded()))
