"""Where the objects of an ensemble lie: sizes, places, tilts, and where the photo's frame cuts them. Torch only."""

import math
from dataclasses import dataclass, fields

import torch
from torch.nn import functional

from paco_core.data.bank import Bank
from paco_core.data.packfile import MARGIN_PX

Range = tuple[float, float]

LOOK_PX = 32
"""Side, about, of the small masks that sizes are taken from, and that decide which arrangement is drawn."""
NEAR = (0.15, 0.75)
"""Distance of a pulled object's centre from the other's: shares of the distance at which their boxes would part."""
CUT = (0.2, 0.7)
"""Where the frame cuts an object: shares of its width or height."""


@dataclass(frozen=True)
class EnsembleSettings:
    """How scenes are made up. Lengths are shares of the canvas's side."""

    size: int = 128
    """Side of the square canvas, px."""
    slots: int = 8
    """Places for objects; every tensor has all of them."""
    count: tuple[int, int] = (2, 8)
    """Fewest and most objects (paper 4.4: up to 8)."""
    scale: Range = (0.12, 0.6)
    """Square root of an object's area, log-uniform."""
    longest: float = 0.9
    """An object's longest side: thin ones stay on the canvas."""
    pulled: float = 0.5
    """Share of the objects that are pulled over another one; otherwise most hide nothing."""
    tilt_deg: float = 8.0
    border: float = 0.15
    """Share of the scenes whose frame cuts objects; the truth goes on outside of it."""
    deepest_cut: float = 0.35
    """How much of the canvas the frame may leave out."""
    least_visible: float = 0.1
    """Objects that show a smaller share of themselves are taken away …"""
    least_area: float = 0.002
    """… and those that show less of the canvas: 32 of 128 x 128 px."""
    canvases: tuple[float, float, float] = (0.4, 0.3, 0.3)
    """Shares of white, coloured and graded canvases; photos take the last one's share where there are any."""
    jitter: float = 1.0
    """Strength of the change of every object's brightness, tint, saturation and contrast; 0 leaves colours alone."""


@dataclass(frozen=True)
class Arrangement:
    """Objects on canvases, slots from front to back. (b, n) each, but for the frame; lengths are shares of the canvas."""

    ids: torch.Tensor
    """Indices into the bank."""
    present: torch.Tensor
    """bool."""
    x: torch.Tensor
    y: torch.Tensor
    """Centres."""
    side: torch.Tensor
    """Of the bank's square picture, with its margin."""
    tilt: torch.Tensor
    """Radians."""
    flip: torch.Tensor
    """1, or -1 for a mirror image."""
    frame: torch.Tensor
    """(b, 4): left, top, right, bottom of what the photo shows."""

    def pick(self, index: torch.Tensor) -> "Arrangement":
        """Some of the scenes."""
        return Arrangement(*(getattr(self, field.name)[index] for field in fields(self)))


class Dice:
    """Random numbers from one generator, on its device."""

    def __init__(self, generator: torch.Generator):
        self.generator, self.device = generator, generator.device

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Between ``low`` and ``high``."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """Mean 0, deviation 1."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def draw(self, weights: torch.Tensor, count: int) -> torch.Tensor:
        """Indices, as often as their weights say."""
        return torch.multinomial(weights, count, replacement=True, generator=self.generator)


def arrange(bank: Bank, dice: Dice, settings: EnsembleSettings, scenes: int) -> tuple[Arrangement, torch.Tensor]:
    """Random arrangements of which nothing is known yet (objects may hide each other wholly), and small masks of their objects.

    The masks are the pictures' alpha (b, n, l, l), 0 … 1.
    """
    shape = (scenes, settings.slots)
    ids = dice.draw(bank.weights, scenes * settings.slots).view(shape)
    fewest, most = settings.count
    counts = fewest + (dice.uniform(scenes, 1) * (most - fewest + 1)).long()
    present = torch.arange(settings.slots, device=dice.device) < counts.clamp(max=most)
    look = _looks(bank, ids)
    fill, half_wh = _measures(look)
    area = torch.exp(dice.uniform(*shape, low=math.log(settings.scale[0]), high=math.log(settings.scale[1])))
    rim = bank.rgba.shape[-1] / (bank.rgba.shape[-1] - 2 * MARGIN_PX)
    side = (area / fill.sqrt()).clamp(max=settings.longest * rim)
    tilt = dice.uniform(*shape, low=-1, high=1) * math.radians(settings.tilt_deg)
    flip = (dice.uniform(*shape) < 0.5) * 2.0 - 1
    half = (side[..., None] * _turned(half_wh, tilt) + 1 / settings.size).clamp(max=0.5)
    centre = _places(dice, settings, half)
    frame = _frames(dice, settings, present, centre, half)
    mixed = dice.uniform(*shape).argsort(1)  # whoever was placed first is as often behind as in front
    ids, present, side, tilt, flip = (value.gather(1, mixed) for value in (ids, present, side, tilt, flip))
    x, y = (value.gather(1, mixed) for value in centre.unbind(-1))
    small = look[torch.arange(scenes, device=dice.device)[:, None], mixed]
    return Arrangement(ids, present, x, y, side, tilt, flip, frame), small


def _looks(bank: Bank, ids: torch.Tensor) -> torch.Tensor:
    """Alpha of objects, about ``LOOK_PX`` a side, 0 … 1."""
    alpha = bank.rgba[ids.flatten(), 3].float()[:, None]
    small = functional.avg_pool2d(alpha, max(1, bank.rgba.shape[-1] // LOOK_PX)).div_(255)
    return small.view(*ids.shape, *small.shape[-2:])


def _measures(look: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of the picture that is filled, and half width and height of the box as shares of its side (b, n, 2)."""
    spans = [(look > 0).any(dim).sum(-1) / look.shape[-1] for dim in (-2, -1)]
    return look.mean((-2, -1)).clamp(min=1e-4), torch.stack(spans, -1) / 2


def _turned(half_wh: torch.Tensor, tilt: torch.Tensor) -> torch.Tensor:
    """Half width and height of the box round a tilted box."""
    cos, sin = tilt.cos().abs()[..., None], tilt.sin().abs()[..., None]
    return cos * half_wh + sin * half_wh.flip(-1)


def _places(dice: Dice, settings: EnsembleSettings, half: torch.Tensor) -> torch.Tensor:
    """Centres (b, n, 2) with which every object is wholly on the canvas; some are pulled to one that was placed before."""
    scenes, slots = half.shape[:2]
    centre = half + (1 - 2 * half) * dice.uniform(scenes, slots, 2)
    every = torch.arange(scenes, device=dice.device)
    for slot in range(1, slots):
        to = (dice.uniform(scenes) * slot).long()
        angle, near = dice.uniform(scenes, high=2 * math.pi), dice.uniform(scenes, 1, low=NEAR[0], high=NEAR[1])
        away = torch.stack([angle.cos(), angle.sin()], -1) * near * (half[every, to] + half[:, slot])
        beside = torch.minimum(torch.maximum(centre[every, to] + away, half[:, slot]), 1 - half[:, slot])
        centre[:, slot] = torch.where(dice.uniform(scenes, 1) < settings.pulled, beside, centre[:, slot])
    return centre


def _frames(
    dice: Dice, settings: EnsembleSettings, present: torch.Tensor, centre: torch.Tensor, half: torch.Tensor
) -> torch.Tensor:
    """(b, 4): all of the canvas, or all but a strip on one side that cuts through the object nearest to it."""
    axis, far_side = (dice.uniform(2, len(present)) < 0.5).long()
    along = axis[:, None, None].expand(-1, present.shape[1], 1)
    middle, reach = centre.gather(2, along)[..., 0], half.gather(2, along)[..., 0]
    begins = torch.where(far_side[:, None] > 0, 1 - middle, middle) - reach
    first, slot = begins.masked_fill(~present, 2.0).min(1, keepdim=True)
    strip = first + 2 * reach.gather(1, slot) * dice.uniform(len(present), 1, low=CUT[0], high=CUT[1])
    cut = (first < settings.deepest_cut) & (dice.uniform(len(present), 1) < settings.border)
    strip = torch.where(cut, strip.clamp(max=settings.deepest_cut), 0.0)
    low = strip * functional.one_hot(axis, 2) * (1 - far_side[:, None])
    high = 1 - strip * functional.one_hot(axis, 2) * far_side[:, None]
    return torch.cat([low, high], 1)
