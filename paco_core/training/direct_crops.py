"""What ``pcnet`` is trained on and measured with: crops of scenes made for them, with loose masks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from paco_core.data.arrange import EnsembleSettings
from paco_core.data.augment import Roughness, rough_masks
from paco_core.data.bank import Bank, read_bank
from paco_core.data.crops import Crops, draw_crops
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
LOOSE = Roughness(share=0.7, shift_px=2.0, gap_px=2)
"""Of scenes half as large again as crops: ±3 px and gaps of 1 to 3 px (6 where both keep away) at ``LARGE_PX``."""
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


def make_scenes(bank: Bank, generator: torch.Generator, crops: int, side_px: int) -> EnsembleBatch:
    """As many scenes as so many crops need."""
    settings = EnsembleSettings(size=round(CANVAS * side_px), slots=SLOTS, count=(2, SLOTS), scale=SCALE)
    return compose(bank, generator, settings, math.ceil(crops / PER_SCENE))


def make_crops(bank: Bank, generator: torch.Generator, count: int, side_px: int) -> Crops:
    """``count`` crops with loose masks."""
    scenes = make_scenes(bank, generator, count, side_px)
    visible = rough_masks(scenes.visible, generator, LOOSE)
    return draw_crops(scenes, generator, count=count, side_px=side_px, visible=visible)


def read_held_out(packs: Sequence[Path], device: torch.device) -> tuple[HeldOut, ...]:
    """Each pack's crops. Raises ``BadInput`` for what is no pack."""
    return tuple(_held_out(pack, device) for pack in packs)


def _held_out(pack: Path, device: torch.device) -> HeldOut:
    bank = read_bank([pack], size=BANK_PX, measuring=True).to(device)

    def seeded() -> torch.Generator:
        return torch.Generator(device).manual_seed(SEED)

    scenes = make_scenes(bank, seeded(), MEASURED, LARGE_PX)
    rough = rough_masks(scenes.visible, seeded(), LOOSE)
    exact = draw_crops(scenes, seeded(), count=MEASURED, side_px=LARGE_PX)
    loose = draw_crops(scenes, seeded(), count=MEASURED, side_px=LARGE_PX, visible=rough)
    wanted = (exact.hidden >= HIDDEN[0]) & (exact.hidden <= HIDDEN[1])
    return HeldOut(pack.stem, exact.pick(wanted), loose.pick(wanted))
