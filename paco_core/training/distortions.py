"""What goes wrong in pictures that are made up: blur, noise, blocks, smeared, moved and miscoloured parts.

``paco-feat-1`` learns to tell how much of each a picture has, beside what it shows: features that only know objects need not
notice blur. For the training alone; what it is measured with is made elsewhere (``paco_core.training.trials``).
"""

import torch
from torch.nn import functional

KINDS = ("blur", "noise", "blocks", "smear", "moved", "miscoloured")
CLEAN_SHARE = 0.4
"""Pictures with nothing wrong."""
SIGMAS_PX = (0.7, 1.2, 2.2)
"""Of blur; strengths 1/3, 2/3 and 1. A picture made up by a small network looks like the middle one."""
MAX_NOISE = 0.15
"""Standard deviation of the strongest noise, colours from 0 to 1."""
BLOCK_PX = 4
MAX_MOVE_PX = 5
MAX_CAST = 0.35
"""Largest change of a colour in a miscoloured part."""


def distort(rgb: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, h, w) with at most one kind of ``KINDS`` each, and the strengths (n, kinds), 0 to 1."""
    n, device = len(rgb), rgb.device
    kind = torch.randint(0, len(KINDS), (n,), generator=generator, device=device)
    clean = torch.rand(n, generator=generator, device=device) < CLEAN_SHARE
    level = torch.randint(1, 4, (n,), generator=generator, device=device)
    strength = (level.float() / 3)[:, None, None, None]
    part = _blobs(n, rgb.shape[-1], generator)
    blurred = _blurred(rgb, level)
    noisy = rgb + MAX_NOISE * strength * torch.randn(rgb.shape, generator=generator, device=device)
    blocks = functional.interpolate(functional.avg_pool2d(rgb, BLOCK_PX), scale_factor=BLOCK_PX)
    smear = torch.lerp(rgb, gaussian(rgb, 4.0), part * strength)
    move = int(torch.randint(2, MAX_MOVE_PX + 1, (1,), generator=generator, device=device).item())
    moved = torch.lerp(rgb, rgb.roll((move, -move), (2, 3)), (part > 0.5).float() * (strength > 0.5))
    cast = MAX_CAST * strength * (2 * torch.rand(n, 3, 1, 1, generator=generator, device=device) - 1).sign()
    results = torch.stack([blurred, noisy, torch.lerp(rgb, blocks, strength), smear, moved, rgb + cast * part])
    chosen = results[kind, torch.arange(n, device=device)]
    strengths = functional.one_hot(kind, len(KINDS)) * strength.flatten(1)
    strengths[:, 4] *= (strengths[:, 4] > 0.5).float()
    picture = torch.where(clean[:, None, None, None], rgb, chosen).clamp(0, 1)
    return picture, torch.where(clean[:, None], torch.zeros_like(strengths), strengths)


def gaussian(rgb: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur of one strength for all pictures; the border's pixels go on outside."""
    reach = int(3 * sigma_px + 0.5)
    ticks = torch.arange(-reach, reach + 1, device=rgb.device, dtype=rgb.dtype)
    kernel = torch.exp(-0.5 * (ticks / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).repeat(rgb.shape[1], 1, 1, 1)
    padded = functional.pad(rgb, (reach,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.transpose(2, 3), groups=rgb.shape[1])
    return functional.conv2d(rows, kernel, groups=rgb.shape[1])


def _blurred(rgb: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    choices = torch.stack([gaussian(rgb, sigma) for sigma in SIGMAS_PX])
    return choices[level - 1, torch.arange(len(rgb), device=rgb.device)]


def _blobs(n: int, side_px: int, generator: torch.Generator) -> torch.Tensor:
    """(n, 1, side, side), 0 to 1: an ellipse with a soft rim, in the middle of the picture rather than at its border."""
    device = generator.device
    centre = 0.6 * torch.rand(n, 2, 1, 1, generator=generator, device=device) - 0.3
    radius = 0.12 + 0.2 * torch.rand(n, 2, 1, 1, generator=generator, device=device)
    ticks = torch.linspace(-0.5, 0.5, side_px, device=device)
    x, y = ticks.expand(side_px, side_px), ticks[:, None].expand(side_px, side_px)
    inside = ((x - centre[:, 0]) / radius[:, 0]) ** 2 + ((y - centre[:, 1]) / radius[:, 1]) ** 2
    return torch.sigmoid(8 * (1 - inside))[:, None]
