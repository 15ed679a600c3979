"""Pairs of damaged pictures of which people would surely call one nearer to the original, made so: nobody was asked.

The questions are those of a two-alternative forced choice (2AFC, as in LPIPS, Zhang et al. 2018, section 2). In each, the better
picture differs by something hardly seen (a pixel's shift, a bend, a little more light), the worse one by a flaw that completion
makes: blur, a smeared or missing part, blocks, noise. Per-pixel errors often prefer the flaw.
"""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from paco_core.training.distortions import gaussian

Distance = Callable[[torch.Tensor], torch.Tensor]
"""Damaged pictures (n, 3, h, w), 0 to 1, to the distances (n,) from their originals."""
Damage = Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]
"""Pictures, a strength and a generator to damaged pictures."""


def shifted(rgb: torch.Tensor, pixels: float, generator: torch.Generator) -> torch.Tensor:
    """To the right and down by whole pixels; the border goes on."""
    by = int(pixels)
    return functional.pad(rgb, (by, 0, by, 0), mode="replicate")[..., : rgb.shape[-2], : rgb.shape[-1]]


def blurred(rgb: torch.Tensor, sigma_px: float, generator: torch.Generator) -> torch.Tensor:
    """Gaussian."""
    return gaussian(rgb, sigma_px)


def noisy(rgb: torch.Tensor, deviation: float, generator: torch.Generator) -> torch.Tensor:
    """White noise of that standard deviation."""
    return (rgb + deviation * torch.randn(rgb.shape, generator=generator, device=rgb.device)).clamp(0, 1)


def cast(rgb: torch.Tensor, change: float, generator: torch.Generator) -> torch.Tensor:
    """Every channel up or down by ``change``, the same all over a picture."""
    sign = 2.0 * torch.randint(0, 2, (len(rgb), 3, 1, 1), generator=generator, device=rgb.device) - 1
    return (rgb + change * sign).clamp(0, 1)


def dimmed(rgb: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """All colours less bright by ``share``."""
    return rgb * (1 - share)


def bent(rgb: torch.Tensor, pixels: float, generator: torch.Generator) -> torch.Tensor:
    """Every pixel moved by up to ``pixels``, smoothly."""
    n, _, h, w = rgb.shape
    field = 2 * torch.rand(n, 2, 4, 4, generator=generator, device=rgb.device) - 1
    field = functional.interpolate(field, (h, w), mode="bicubic", align_corners=True) * (2 * pixels / w)
    still = functional.affine_grid(torch.eye(2, 3, device=rgb.device).expand(n, 2, 3), [n, 3, h, w], align_corners=False)
    return functional.grid_sample(rgb, still + field.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def smeared(rgb: torch.Tensor, radius: float, generator: torch.Generator) -> torch.Tensor:
    """A disc of ``radius`` (share of the side) near the middle keeps its rough colours alone."""
    return torch.lerp(rgb, gaussian(rgb, 0.06 * rgb.shape[-1]), _disc(rgb, radius, generator))


def holed(rgb: torch.Tensor, radius: float, generator: torch.Generator) -> torch.Tensor:
    """A disc of ``radius`` near the middle has the picture's mean colour."""
    return torch.lerp(rgb, rgb.mean((2, 3), keepdim=True).expand_as(rgb), _disc(rgb, radius, generator))


def blocky(rgb: torch.Tensor, pixels: float, generator: torch.Generator) -> torch.Tensor:
    """One colour per block of that many pixels a side."""
    small = functional.avg_pool2d(rgb, int(pixels), ceil_mode=True)
    return functional.interpolate(small, scale_factor=int(pixels))[..., : rgb.shape[-2], : rgb.shape[-1]]


def _disc(rgb: torch.Tensor, radius: float, generator: torch.Generator) -> torch.Tensor:
    n, _, h, w = rgb.shape
    centre = 0.5 + 0.3 * (torch.rand(n, 2, 1, 1, 1, generator=generator, device=rgb.device) - 0.5)
    y = torch.linspace(0, 1, h, device=rgb.device)[:, None]
    x = torch.linspace(0, 1, w, device=rgb.device)
    return ((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2 < radius**2).float()


QUESTIONS: Mapping[str, tuple[Damage, float, Damage, float]] = {
    "shift or blur": (shifted, 1, blurred, 1.5),
    "bend or smear": (bent, 1.5, smeared, 0.2),
    "dim or noise": (dimmed, 0.1, noisy, 0.06),
    "dim or hole": (dimmed, 0.1, holed, 0.12),
    "bend or blocks": (bent, 1.5, blocky, 4),
    "grain or blur": (noisy, 0.02, blurred, 1.5),
}
"""Question: the better damage and its strength, the worse damage and its. At 128 px all worse ones are seen at once, all better
ones by comparing."""
LADDERS: Mapping[str, tuple[Damage, tuple[float, ...]]] = {
    "blur": (blurred, (0.5, 1, 2, 4)),
    "noise": (noisy, (0.02, 0.05, 0.1, 0.2)),
    "misplacement": (shifted, (1, 2, 4, 8)),
    "colour": (cast, (0.03, 0.08, 0.16, 0.3)),
    "hole": (holed, (0.05, 0.1, 0.2, 0.3)),
}
"""Damages of rising strength."""


def agreement(pictures: torch.Tensor, distance: Distance, *, seed: int) -> dict[str, float]:
    """Share of pictures (n, 3, h, w) for which the distance calls the better one nearer, for every question."""
    shares = {}
    for question, (better, little, worse, much) in QUESTIONS.items():
        generator = torch.Generator(pictures.device).manual_seed(seed)
        near = distance(better(pictures, little, generator))
        far = distance(worse(pictures, much, generator))
        shares[question] = (near < far).float().mean().item()
    return shares


def rising(pictures: torch.Tensor, distance: Distance, *, seed: int) -> dict[str, float]:
    """Share of pictures for which the distance rises with every step of a ladder."""
    shares = {}
    for name, (damage, strengths) in LADDERS.items():
        damaged = [damage(pictures, s, torch.Generator(pictures.device).manual_seed(seed)) for s in strengths]
        steps = torch.stack([distance(picture) for picture in damaged]).diff(dim=0)
        shares[name] = (steps > 0).all(dim=0).float().mean().item()
    return shares
