"""Finding one object in a map of several by its visible mask: the cross-attention of the paper's Eq. 1."""

import math

import torch
from torch import nn
from torch.nn import functional

SLOWEST = 100.0
"""Cells over 2 pi that the slowest of the sine positions takes to come round: farther than any map of ours is wide."""


class MaskQuery(nn.Module):
    """softmax(Q(m) K(g)^T / sqrt(d)) V(g), with positions and with the mask itself beside what was found.

    Eq. 1 alone answers the same at all cells away from the mask, where all queries are alike (measured); hence the 2-D sine
    positions on queries and keys. The result is meant to be added through weights that start at zero, so that the decoder of
    Stable Diffusion starts as it is.
    """

    def __init__(self, channels: int, width: int, factor: int, planes: int = 2) -> None:
        """``channels`` of the map, ``width`` d of the attention, ``factor``: picture side over map side; it reads two ``planes``,
        the masks, or five, with colours."""
        super().__init__()
        self.factor = factor
        self.read_masks = nn.Sequential(
            nn.Conv2d(planes * factor * factor, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.query = nn.Conv2d(width, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.value = nn.Conv2d(channels, width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, found: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
        """Map (b, c, h, w); visible masks, what may hide them, and perhaps colours (b, k, planes, H, W); to (b * k, d, h, w).

        Pixels are unshuffled into channels: no detail of a mask is lost on the way to the map's size.
        """
        b, k = planes.shape[:2]
        pixels = planes.flatten(0, 1).to(found.dtype)
        seen = self.read_masks(functional.pixel_unshuffle(pixels, self.factor))
        positions = sine_positions(seen.shape[1], *found.shape[-2:]).to(found)
        query = self.query(seen + positions).unflatten(0, (b, k))
        answer = _attend(query, self.key(found) + positions, self.value(found))
        return self.out(answer) + seen


def sine_positions(width: int, h: int, w: int) -> torch.Tensor:
    """(1, width, h, w): sines and cosines of column and row at geometric wavelengths (Vaswani et al. 2017), in two dimensions."""
    rates = torch.exp(-math.log(SLOWEST) * torch.arange(width // 4) / (width // 4))[:, None]
    columns, rows = rates * torch.arange(w), rates * torch.arange(h)
    across = torch.cat([columns.sin(), columns.cos()])[:, None, :].expand(-1, h, w)
    down = torch.cat([rows.sin(), rows.cos()])[:, :, None].expand(-1, h, w)
    return torch.cat([across, down])[None]


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Queries (b, k, d, h, w) of k masks over one map's (b, d, h, w); to (b * k, d, h, w)."""
    b, k, d, h, w = query.shape
    rows = query.permute(0, 1, 3, 4, 2).reshape(b, 1, k * h * w, d)
    keys, values = (x.flatten(2).transpose(1, 2)[:, None] for x in (key, value))
    answer = functional.scaled_dot_product_attention(rows, keys, values)
    return answer.reshape(b * k, h, w, d).permute(0, 3, 1, 2)
