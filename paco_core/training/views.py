"""Pictures of objects as nobody took them: other places, sizes, canvases and light. For the training of ``paco-feat-1``."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from paco_core.data.bank import Bank

FAR, NEAR = (0.55, 1.1), (1.0, 1.9)
"""Longest side of an object / side of the canvas, seen whole and seen from near."""
NEAR_SHARE = 0.3
"""Pictures from near: textures as a larger picture shows them."""
MAX_TILT_RAD, MAX_STRETCH, MAX_SHIFT = 0.35, 0.12, 0.2
"""Rotation in the picture; stretch of one axis (log); offset of the centre / side of the canvas."""
COVERED_SHARE = 0.35
"""Pictures in which another object covers a part."""
GAIN, CAST, GAMMA = 0.3, 0.08, 0.25
"""Half ranges (log) of exposure, of the colours' gains, and of gamma: the same object under another light."""


@dataclass(frozen=True)
class Shelf:
    """A bank at two sizes, so that sampling never skips pixels."""

    near: torch.Tensor
    """(n, 4, 2 s, 2 s) uint8, colours multiplied by alpha."""
    far: torch.Tensor
    """(n, 4, s, s) uint8."""

    @staticmethod
    def of(bank: Bank) -> "Shelf":
        """From a bank of an even size."""
        pairs = [_premultiplied(part) for part in bank.rgba.split(256)]
        return Shelf(torch.cat([near for near, _ in pairs]), torch.cat([far for _, far in pairs]))


def _premultiplied(rgba: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    colours = rgba.float()
    colours[:, :3] *= colours[:, 3:] / 255
    return colours.round().byte(), functional.avg_pool2d(colours, 2).round().byte()


def draw_views(shelf: Shelf, index: torch.Tensor, side_px: int, generator: torch.Generator) -> torch.Tensor:
    """(n, 3, side, side) colours of 0 to 1: the objects of ``index`` (n,), each somewhere on a canvas of its own.

    The last ``NEAR_SHARE`` of them are seen from near.
    """
    far = len(index) - int(NEAR_SHARE * len(index))
    sprites = _placed(shelf.far[index[:far]], FAR, side_px, generator)
    if far < len(index):
        sprites = torch.cat([sprites, _placed(shelf.near[index[far:]], NEAR, side_px, generator)])
    canvas = canvases(len(index), side_px, generator)
    picture = _over(canvas, relit(sprites, generator))
    picture = torch.where(_chance(len(index), COVERED_SHARE, generator), _covered(picture, sprites, generator), picture)
    return picture.clamp(0, 1)


def canvases(n: int, side_px: int, generator: torch.Generator) -> torch.Tensor:
    """(n, 3, side, side): white, one colour, or a ramp between two with soft blotches."""
    device = generator.device
    first, second = (torch.rand(n, 3, 1, 1, generator=generator, device=device) for _ in range(2))
    angle = 2 * torch.pi * torch.rand(n, 1, 1, 1, generator=generator, device=device)
    ticks = torch.linspace(-0.5, 0.5, side_px, device=device)
    ramp = 0.5 + ticks * angle.cos() + ticks[:, None] * angle.sin()
    blotches = torch.randn(n, 3, side_px // 8, side_px // 8, generator=generator, device=device)
    mixed = first + (second - first) * ramp + 0.1 * functional.interpolate(blotches, side_px, mode="bilinear")
    plain = torch.where(_chance(n, 0.5, generator), torch.ones_like(first), first).expand_as(mixed)
    return torch.where(_chance(n, 0.5, generator), plain, mixed).clamp(0, 1)


def relit(rgba: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Other exposure, cast and gamma for every picture of (n, 4, h, w), premultiplied."""
    n, device = len(rgba), rgba.device
    gain = _spread((n, 1, 1, 1), GAIN, generator, device) + _spread((n, 3, 1, 1), CAST, generator, device)
    gamma = _spread((n, 1, 1, 1), GAMMA, generator, device).exp()
    alpha = rgba[:, 3:]
    colour = (rgba[:, :3] / alpha.clamp(min=1e-3)).clamp(1e-3, 1) ** gamma * gain.exp()
    return torch.cat([colour.clamp(0, 1) * alpha, alpha], dim=1)


def _placed(rgba: torch.Tensor, sizes: tuple[float, float], side_px: int, generator: torch.Generator) -> torch.Tensor:
    n, device = len(rgba), rgba.device
    low, high = (torch.tensor(size).log() for size in sizes)
    size = (low + (high - low) * torch.rand(n, generator=generator, device=device)).exp()
    tilt = _spread((n,), MAX_TILT_RAD, generator, device)
    stretch = _spread((n,), MAX_STRETCH, generator, device).exp()
    mirror = torch.where(torch.rand(n, generator=generator, device=device) < 0.5, -1.0, 1.0)
    shift = _spread((n, 2), 2 * MAX_SHIFT, generator, device)
    cos, sin = tilt.cos() / size, tilt.sin() / size
    rows = [cos * mirror * stretch, sin * mirror * stretch, -sin / stretch, cos / stretch]
    turn = torch.stack(rows, 1).view(n, 2, 2)
    theta = torch.cat([turn, -(turn @ shift[:, :, None])], dim=2)
    grid = functional.affine_grid(theta, [n, 4, side_px, side_px], align_corners=False)
    return functional.grid_sample(rgba.float() / 255, grid, align_corners=False)


def _covered(picture: torch.Tensor, sprites: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Its neighbour in the batch in front of each, moved aside by a third to half of the side."""
    side = picture.shape[-1]
    where = torch.randint(0, 4, (1,), generator=generator, device=picture.device).item()
    step = side // 3 + int(torch.randint(0, side // 6, (1,), generator=generator, device=picture.device).item())
    dy, dx = ((step, 0), (-step, 0), (0, step), (0, -step))[int(where)]
    aside = functional.pad(sprites.roll(1, 0), (dx, -dx, dy, -dy))
    return _over(picture, aside)


def _over(canvas: torch.Tensor, premultiplied: torch.Tensor) -> torch.Tensor:
    return canvas * (1 - premultiplied[:, 3:]) + premultiplied[:, :3]


def _chance(n: int, share: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(n, 1, 1, 1, generator=generator, device=generator.device) < share


def _spread(shape: tuple[int, ...], half_range: float, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    return half_range * (2 * torch.rand(shape, generator=generator, device=device) - 1)
