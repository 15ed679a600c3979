"""How well PACO's stages do on scenes of objects that they have not seen, and pictures of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from paco_core.data.bank import Bank, read_bank
from paco_core.nets.parallel_vae import ParallelVae
from paco_core.training.paco_options import StageOptions
from paco_core.training.paco_scenes import PacoScenes, exact_scenes, pick

MEASURED, MOST = 48, 4
"""Scenes a pack to measure with, and most objects of one."""
SHOWN, WANTED = 8, 3
"""Scenes of a sample picture, and objects of each that are shown or measured."""
PART = 8
"""Scenes at a time."""
SEED = 20_21
"""Of what is drawn to measure with, which is the same in every run."""
HIDDEN = (0.1, 0.8)
"""Hidden share of objects to measure with."""
GAP = 2
"""White px between pictures of a sheet."""

Maps = Callable[[ParallelVae, "Measured"], torch.Tensor]
"""Standardised maps (b, c, h, w) of scenes, to be decoded."""


@dataclass(frozen=True)
class Measured:
    """Scenes of one pack, with exact masks: one layer of each is sampled."""

    name: str
    scenes: PacoScenes
    names: Sequence[Sequence[str]]
    """Of the sampled objects."""
    slots: torch.Tensor
    """(b, k): sampled objects, hidden ones first."""


def read_held_out(packs: Sequence[Path], device: torch.device, options: StageOptions) -> tuple[Measured, ...]:
    """Scenes of each pack. Raises ``BadInput`` for what is no pack."""
    banks = {pack.stem: read_bank([pack], size=options.bank, measuring=True).to(device) for pack in packs}
    return tuple(_measured(name, bank, options.side, MEASURED) for name, bank in banks.items())


def shown(held_out: Sequence[Measured], bank: Bank, side_px: int) -> Measured:
    """A few scenes to look at: held-out ones where there are some."""
    return _part(held_out[-1], slice(SHOWN)) if held_out else _measured("shown", bank, side_px, SHOWN)


def true_maps(vae: ParallelVae, measured: Measured) -> torch.Tensor:
    """Of whole objects: what a perfect second stage would give."""
    scenes = measured.scenes
    return vae.standardise(vae.encode(scenes.whole, scenes.sampled).mode())


@torch.no_grad()
def figures(vae: ParallelVae, held_out: Sequence[Measured], ways: Mapping[str, Maps]) -> dict[str, float]:
    """Of every pack and every way to come by maps: hidden and whole IoU (means over objects), PSNR of hidden pixels together."""
    return {
        f"{one.name}, {way}: {name}": value
        for one in held_out
        for way, maps in ways.items()
        for name, value in _judged(vae, one, maps).items()
    }


def decoded(vae: ParallelVae, measured: Measured, maps: Maps) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours (b, k, 3, s, s), -1 … 1, and masks (b, k, s, s), 0 or 1, of the wanted objects: what is seen, and what is claimed
    under occluders."""
    colours, masks = [], []
    for start in range(0, len(measured.slots), PART):
        part = _part(measured, slice(start, start + PART))
        visible, occluder = (pick(x, part.slots) for x in (part.scenes.visible, part.scenes.occluder))
        rgb, logits = vae.decode(maps(vae, part), visible, occluder, part.scenes.composite)
        colours.append(rgb.float().clamp(-1, 1))
        masks.append(torch.maximum(visible, (logits > 0) * occluder))
    return torch.cat(colours), torch.cat(masks)


def _judged(vae: ParallelVae, measured: Measured, maps: Maps) -> dict[str, float]:
    colours, masks = decoded(vae, measured, maps)
    scenes = measured.scenes
    visible, amodal, truth, shares = (
        pick(x, measured.slots) for x in (scenes.visible, scenes.amodal, scenes.whole, scenes.hidden)
    )
    counted = (shares >= HIDDEN[0]) & (shares <= HIDDEN[1]) & pick(scenes.sampled, measured.slots)
    hidden = amodal * (1 - visible) * counted[..., None, None]
    claimed = masks * (1 - visible)
    error = (((colours - truth) / 2).square().mean(2) * hidden).sum() / hidden.sum().clamp(min=1)
    return {
        "hidden IoU": _iou(claimed, hidden, counted),
        "amodal IoU": _iou(masks, amodal, counted),
        "hidden PSNR": -10 * math.log10(max(float(error), 1e-6)),
    }


def _iou(ours: torch.Tensor, true: torch.Tensor, counted: torch.Tensor) -> float:
    both, either = (ours * true).sum((2, 3)), torch.maximum(ours, true).sum((2, 3))
    return float((both / either.clamp(min=1))[counted].mean()) if counted.any() else math.nan


@torch.no_grad()
def sheet(vae: ParallelVae, measured: Measured, maps: Maps) -> np.ndarray:
    """uint8 (h, w, 3): a row a scene, the picture, then of every wanted object the answer and the truth, on white."""
    colours, masks = decoded(vae, measured, maps)
    scenes = measured.scenes
    truth, amodal = pick(scenes.whole, measured.slots), pick(scenes.amodal, measured.slots)
    cells = [scenes.composite]
    for k in range(measured.slots.shape[1]):
        cells += [_on_white(colours[:, k], masks[:, k]), _on_white(truth[:, k], amodal[:, k])]
    framed = [functional.pad(cell, (GAP,) * 4, value=1.0) for cell in cells]
    picture = torch.cat(list(torch.cat(framed, dim=3)), dim=1)
    return (127.5 * (picture.clamp(-1, 1) + 1)).round().byte().permute(1, 2, 0).cpu().numpy()


def _on_white(colours: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    return torch.where(masks[:, None] > 0, colours, 1.0)


def _measured(name: str, bank: Bank, side_px: int, scenes: int) -> Measured:
    generator = torch.Generator(bank.rgba.device).manual_seed(SEED)
    drawn = exact_scenes(bank, generator, scenes, side_px, MOST)
    worth = drawn.sampled * (1 + (drawn.hidden > HIDDEN[0]) * (drawn.hidden < HIDDEN[1]))
    return Measured(name, drawn, drawn.names(bank), worth.float().topk(WANTED, dim=1).indices)


def _part(measured: Measured, index: slice) -> Measured:
    scenes = PacoScenes(**{name: value[index] for name, value in vars(measured.scenes).items()})
    return Measured(measured.name, scenes, measured.names[index], measured.slots[index])
