"""``paco-feat-1``: a small convolutional network whose maps and pooled features tell pictures of objects apart.

Made for this project's own distances, in the manner of LPIPS (Zhang et al., CVPR 2018, arXiv:1801.03924: distances between
normalised maps of several stages) and of KID (Bińkowski et al., ICLR 2018, arXiv:1801.01401: pooled features); it is neither.
"""

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (24, 48, 96, 192)
"""Channels of the stages, at 1/2, 1/4, 1/8 and 1/16 of the size: four stages of about the same work, 1 million weights."""
MIN_SIDE_PX = 16
"""Smaller pictures have nothing left at the last stage."""
CENTRE, SPREAD = 0.5, 0.25
"""What the network subtracts from colours of 0 to 1, and divides by: most pictures are then between -2 and 2."""


class PixelNorm(nn.Module):
    """Layer normalisation over the channels of every pixel (as in ConvNeXt, Liu et al. 2022).

    It knows nothing of other pixels or pictures: a change in one corner stays there, and any size gives the same features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) to the same."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """x + conv(silu(conv(norm(x)))), 3 x 3 each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = PixelNorm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) to the same."""
        return x + self.second(functional.silu(self.first(self.norm(x))))


class Stage(nn.Module):
    """Half the size, more channels. Averaging before thinning out keeps features still when the picture moves by a pixel
    (Zhang, ICML 2019, arXiv:1904.11486)."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(before, channels, 3, padding=1)
        self.shrink = nn.AvgPool2d(2, ceil_mode=True)
        self.block = Residual(channels)
        self.norm = PixelNorm(channels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, before, h, w) to (n, channels, ceil(h / 2), ceil(w / 2)): for the next stage, and normalised to look at."""
        x = self.block(self.shrink(functional.silu(self.widen(x))))
        return x, self.norm(x)


class FeatureNet(nn.Module):
    """Maps of four stages, fully convolutional, and a vector: pictures of any size from 16 px."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        befores = (3, *widths[:-1])
        self.stages = nn.ModuleList(Stage(before, width) for before, width in zip(befores, widths, strict=True))
        self.judge = nn.Linear(sum(widths), sum(widths))

    def forward(self, rgb: torch.Tensor) -> list[torch.Tensor]:
        """(n, 3, h, w) colours of 0 to 1 to normalised maps, finest first."""
        x = (rgb - CENTRE) / SPREAD
        maps = []
        for stage in self.stages:
            x, seen = stage(x)
            maps.append(seen)
        return maps

    def vector(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """(n, d), one vector a picture, from the maps of ``forward``: what tells flaws, not what tells objects, apart."""
        return functional.silu(self.judge(means(maps)))


def means(maps: list[torch.Tensor]) -> torch.Tensor:
    """(n, sum of channels): means over all pixels, stage after stage. What tells objects apart."""
    return torch.cat([m.float().mean((2, 3)) for m in maps], dim=1)
