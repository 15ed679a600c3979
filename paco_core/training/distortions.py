"""What goes wrong in pictures that are made up: blur, noise, blocks, smeared, moved and miscoloured parts.

``paco-feat-1`` learns to tell how much of each a picture has, beside what it shows: features that only know objects need not
notice blur. For the training alone; what it is measured with is made elsewhere (``paco_core.training.trials``).
"""

import torch
from torch.nn import functional

KINDS = ("blur", "noise", "blocks", "smear", "moved", "miscoloured")
CLEAN = 4
"""Of ``CLEAN + len(KINDS)`` pictures so many have nothing wrong."""
SIGMAS_PX = (0.7, 1.2, 2.2)
"""Of blur; strengths 1/3, 2/3 and 1. A picture made up by a small network looks like the middle one."""
SMEAR_PX = 4.0
"""Standard deviation of the blur inside a smeared part."""
MAX_NOISE = 0.15
"""Standard deviation of the strongest noise, colours from 0 to 1."""
BLOCK_PX = 4
MOVES_PX = (1, 3, 5)
"""Of a moved part, to the right and down; strengths 1/3, 2/3 and 1."""
MAX_CAST = 0.35
"""Largest change of a colour in a miscoloured part."""


def distort(rgb: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, h, w), 0 to 1, with at most one kind of ``KINDS`` each, and the strengths (n, kinds), 0 to 1.

    What kind a picture gets is a matter of its place (every tenth is blurred …): each is computed where it is needed alone.
    """
    result, strengths = rgb.clone(), torch.zeros(len(rgb), len(KINDS), device=rgb.device)
    level = torch.randint(1, 4, (len(rgb), 1, 1, 1), generator=generator, device=rgb.device)
    for number, kind in enumerate(KINDS):
        every = slice(CLEAN + number, None, CLEAN + len(KINDS))
        result[every] = _damaged(rgb[every], kind, level[every], generator)
        strengths[every, number] = level[every].flatten() / 3
    return result.clamp(0, 1), strengths


def _damaged(rgb: torch.Tensor, kind: str, level: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures with one kind of flaw, of ``level`` (n, 1, 1, 1) 1 to 3."""
    strength = level / 3
    match kind:
        case "blur":
            return _chosen([gaussian(rgb, sigma) for sigma in SIGMAS_PX], level)
        case "noise":
            return rgb + MAX_NOISE * strength * torch.randn(rgb.shape, generator=generator, device=rgb.device)
        case "blocks":
            blocks = functional.interpolate(functional.avg_pool2d(rgb, BLOCK_PX), scale_factor=BLOCK_PX)
            return torch.lerp(rgb, blocks, strength)
    part = _blobs(len(rgb), rgb.shape[-1], generator)
    if kind == "smear":
        return torch.lerp(rgb, gaussian(rgb, SMEAR_PX), part * strength)
    if kind == "moved":
        moved = _chosen([rgb.roll((by, by), (2, 3)) for by in MOVES_PX], level)
        return torch.where(part > 0.5, moved, rgb)
    sign = (2 * torch.rand(len(rgb), 3, 1, 1, generator=generator, device=rgb.device) - 1).sign()
    return rgb + MAX_CAST * strength * sign * part


def _chosen(variants: list[torch.Tensor], level: torch.Tensor) -> torch.Tensor:
    """For every picture, variant number ``level`` (1, 2, …)."""
    return torch.stack(variants)[level.flatten() - 1, torch.arange(len(level), device=level.device)]


def gaussian(rgb: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur of one strength for all pictures; the border's pixels go on outside."""
    reach = int(3 * sigma_px + 0.5)
    ticks = torch.arange(-reach, reach + 1, device=rgb.device, dtype=rgb.dtype)
    kernel = torch.exp(-0.5 * (ticks / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).repeat(rgb.shape[1], 1, 1, 1)
    padded = functional.pad(rgb, (reach,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.transpose(2, 3), groups=rgb.shape[1])
    return functional.conv2d(rows, kernel, groups=rgb.shape[1])


def _blobs(n: int, side_px: int, generator: torch.Generator) -> torch.Tensor:
    """(n, 1, side, side), 0 to 1: an ellipse with a soft rim, in the middle of the picture rather than at its border."""
    device = generator.device
    centre = 0.6 * torch.rand(n, 2, 1, 1, generator=generator, device=device) - 0.3
    radius = 0.12 + 0.2 * torch.rand(n, 2, 1, 1, generator=generator, device=device)
    ticks = torch.linspace(-0.5, 0.5, side_px, device=device)
    x, y = ticks.expand(side_px, side_px), ticks[:, None].expand(side_px, side_px)
    inside = ((x - centre[:, 0]) / radius[:, 0]) ** 2 + ((y - centre[:, 1]) / radius[:, 1]) ** 2
    return torch.sigmoid(8 * (1 - inside))[:, None]
