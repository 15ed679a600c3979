"""Objects of a bank drawn on canvases, all slots at once. Torch only, fixed shapes, no loop over scenes."""

import torch
from torch.nn import functional

from paco_core.data.arrange import Arrangement, Dice, EnsembleSettings
from paco_core.data.bank import Bank

LEVELS = 4
"""A picture and its halves down to an eighth: objects are drawn from 8 times smaller to any size without flicker."""
BRIGHTNESS, TINT, SATURATION, CONTRAST = 0.15, 0.06, 0.25, 0.04
"""Deviations of an object's brightness and channels (factors, logarithmic), of its saturation, and of what is added to it."""
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def pixel_centres(size: int, device: torch.device) -> torch.Tensor:
    """(size * size, 3): x, y as shares of the canvas, and 1."""
    line = (torch.arange(size, device=device) + 0.5) / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1).view(-1, 3)


def draw_alpha(masks: torch.Tensor, placed: Arrangement, size: int) -> torch.Tensor:
    """Small masks (b, n, l, l) as ``placed`` on canvases: (b, n, size, size), 0 … 1; absent objects are empty."""
    shape = placed.ids.shape
    grid = _canvas_to_picture(placed, size)
    drawn = functional.grid_sample(masks.flatten(0, 1)[:, None], grid, padding_mode="zeros", align_corners=False)
    return drawn.view(*shape, size, size) * placed.present[..., None, None]


def draw(bank: Bank, placed: Arrangement, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Objects as ``placed``: colours times alpha (b, n, 3, size, size) and alpha (b, n, size, size), 0 … 1."""
    shape, full = placed.ids.shape, bank.rgba.shape[-1]
    atlas = _atlas(bank.rgba[placed.ids.flatten()])
    shrink = full * placed.side.flatten().reciprocal() / size
    level = shrink.log2().add(0.3).floor().clamp(0, LEVELS - 1)[:, None, None]
    part = 0.5**level  # of the full side
    left = torch.where(level > 0, 1.0, 0.0)
    top = torch.where(level > 0, 1 - 2 * part, 0.0)
    grid = _canvas_to_picture(placed, size).view(len(atlas), -1, 2)
    inside = (grid.abs().amax(-1) <= 1).view(-1, 1, size, size)
    rim = 1 - 1 / (part * full)  # half a pixel: the neighbours on the atlas must not bleed in
    x, y = (torch.minimum(torch.maximum(grid, -rim), rim) + 1).mul(part / 2).unbind(-1)
    at = torch.stack([(x + left[..., 0]) * (2 / 1.5) - 1, (y + top[..., 0]) * 2 - 1], -1)
    drawn = functional.grid_sample(atlas, at.view(-1, size, size, 2), padding_mode="border", align_corners=False)
    drawn = drawn.mul_(inside & placed.present.view(-1, 1, 1, 1)).view(*shape, 4, size, size)
    return drawn[:, :, :3], drawn[:, :, 3]


def _canvas_to_picture(placed: Arrangement, size: int) -> torch.Tensor:
    """(b * n, size, size, 2): where in its picture, -1 … 1, every object is seen at the canvas's pixel centres."""
    x, y, side, tilt, flip = (value.flatten() for value in (placed.x, placed.y, placed.side, placed.tilt, placed.flip))
    cos, sin = 2 / side * tilt.cos(), 2 / side * tilt.sin()
    across = torch.stack([cos, sin, -(cos * x + sin * y)], -1) * flip[:, None]
    down = torch.stack([-sin, cos, sin * x - cos * y], -1)
    both = torch.stack([across, down], -1)  # (b * n, 3, 2)
    return (pixel_centres(size, x.device) @ both).view(-1, size, size, 2)


def _atlas(rgba: torch.Tensor) -> torch.Tensor:
    """(m, 4, s, 1.5 s), colours times alpha: the picture, and to its right its halves, one below the other."""
    count, _, full, _ = rgba.shape
    atlas = torch.zeros((count, 4, full, full + full // 2), device=rgba.device)
    picture = atlas[..., :full]
    torch.mul(rgba, 1 / 255, out=picture)
    picture[:, :3] *= picture[:, 3:]
    top = 0
    for _ in range(1, LEVELS):
        picture = functional.avg_pool2d(picture, 2)
        side = picture.shape[-1]
        atlas[..., top : top + side, full : full + side] = picture
        top += side
    return atlas


def jittered(colour: torch.Tensor, alpha: torch.Tensor, dice: Dice, strength: float) -> torch.Tensor:
    """Another brightness, tint, saturation and contrast for every object.

    Colours (b, n, 3, h, w) come and go times alpha (b, n, h, w).
    """
    shape = alpha.shape[:2]
    luma = torch.tensor(LUMA, device=dice.device).expand(3, 3)
    saturation = 1 + strength * SATURATION * dice.normal(*shape, 1, 1)
    mix = saturation * torch.eye(3, device=dice.device) + (1 - saturation) * luma
    gain = (strength * (BRIGHTNESS * dice.normal(*shape, 1, 1) + TINT * dice.normal(*shape, 3, 1))).exp()
    added = strength * CONTRAST * dice.normal(*shape, 1, 1)
    changed = (gain * mix) @ colour.flatten(3) + added * alpha.flatten(2)[:, :, None]
    return torch.minimum(changed.clamp_(min=0).view(colour.shape), alpha[:, :, None])


def canvases(
    dice: Dice, settings: EnsembleSettings, count: int, photos: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Backgrounds (b, 3, s, s) and their mean colours (b, 3): white, coloured, and graded or, where there are any, photos."""
    one, other = dice.uniform(2, count, 3, 1, 1)
    kind = dice.draw(torch.tensor(settings.canvases, device=dice.device), count)[:, None, None, None]
    if photos is None:
        direction = functional.normalize(dice.normal(count, 2), dim=1) / 2**0.5
        share = (pixel_centres(settings.size, dice.device)[:, :2] - 0.5) @ direction.T + 0.5
        rich = one + (other - one) * share.T.view(count, 1, settings.size, settings.size)
    else:
        rich = _windows(dice, photos, count, settings.size)
    canvas = torch.where(kind == 2, rich, torch.where(kind == 1, one, 1.0))
    return canvas, canvas.mean((2, 3))


def _windows(dice: Dice, photos: torch.Tensor, count: int, size: int) -> torch.Tensor:
    """Random square windows, from half a photo on, of uint8 photos (m, 3, h, w); half of them mirrored."""
    chosen = photos[(dice.uniform(count) * len(photos)).long()].float() / 255
    zoom = dice.uniform(count, low=0.5)
    shift = (1 - zoom[:, None]) * dice.uniform(count, 2, low=-1)
    mirror = (dice.uniform(count) < 0.5) * 2.0 - 1
    zero = torch.zeros_like(zoom)
    maps = torch.stack([mirror * zoom, zero, shift[:, 0], zero, zoom, shift[:, 1]], -1).view(count, 2, 3)
    grid = functional.affine_grid(maps, [count, 3, size, size], align_corners=False)
    return functional.grid_sample(chosen, grid, padding_mode="border", align_corners=False)
