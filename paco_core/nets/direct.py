"""``pcnet``: one pass from an object's visible part and what hides it to its whole mask and colours.

In the manner of PCNet-M and PCNet-C (SSSD, Zhan et al., CVPR 2020, arXiv:2004.02788, sections 3.2 and 3.3: a partial-completion
network that is told what hides the object), in one network, and on top of classical priors (``paco_core.nets.priors``).
"""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from paco_core.nets.direct_plan import CHANNELS, STEP, WIDTHS
from paco_core.nets.priors import close_gaps, diffused, known_colours, mirrored


class BatchNorm(nn.BatchNorm2d):
    """Ioffe and Szegedy, ICML 2015. A third faster on a CPU than group norm in training, and part of the convolutions after it.

    Without the count of batches, which half precision can't hold and nothing reads.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("num_batches_tracked", None)

    def _load_from_state_dict(self, *args: Any, **named: Any) -> None:
        nn.Module._load_from_state_dict(self, *args, **named)  # the parent's would ask for the count


class Residual(nn.Module):
    """Skip + conv(relu(norm(conv(relu(norm(x)))))), 3 x 3 each; the second starts at zero."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([BatchNorm(before), BatchNorm(channels)])
        self.first = nn.Conv2d(before, channels, 3, padding=1)
        self.second = _zero(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Identity() if before == channels else nn.Conv2d(before, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, before, h, w) to (n, channels, h, w)."""
        inner = self.first(functional.relu(self.norms[0](x)))
        return self.skip(x) + self.second(functional.relu(self.norms[1](inner)))


class GlobalContext(nn.Module):
    """Every channel scaled and shifted by what mean and maximum of the whole crop say; nothing at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.read = nn.Linear(2 * channels, channels)
        self.write = _zero(nn.Linear(channels, 2 * channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) to the same."""
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        scale, shift = self.write(functional.relu(self.read(pooled)))[..., None, None].chunk(2, 1)
        return x * (1 + scale) + shift


class DirectNet(nn.Module):
    """A U-Net (Ronneberger et al., MICCAI 2015) whose output is the diffused colours plus a residual, and a mask's logit."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stem = nn.Conv2d(CHANNELS * STEP**2, widths[0], 3, padding=1)
        self.encode = nn.ModuleList(Residual(width, width) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.context = GlobalContext(widths[-1])
        self.middle = Residual(widths[-1], widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.decode = nn.ModuleList(Residual(2 * width, width) for width in widths[:-1])
        self.norm = BatchNorm(widths[0])
        self.out = _zero(nn.Conv2d(widths[0], 4 * STEP**2, 3, padding=1))

    def forward(
        self, rgb: torch.Tensor, visible: torch.Tensor, occluder: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Colours (n, 3, s, s) and amodal logit (n, 1, s, s) of crops, and the occluder (n, 1, s, s) with gaps closed.

        ``rgb`` is the picture, 0 … 1; masks are float 0 or 1 (n, 1, s, s); s a multiple of ``MULTIPLE``. The answer holds
        where the returned occluder is 1; everywhere else the visible mask is all there is.
        """
        given, occluder = occluder, close_gaps(visible, occluder)
        known = known_colours(visible)
        fill, mirror = diffused(rgb, known), mirrored(rgb, visible, occluder)
        seen = torch.maximum(visible, occluder)
        priors = [
            (rgb - 0.5) * seen,
            visible,
            occluder,
            fill - 0.5,
            mirror[:, :3] - 0.5 * mirror[:, 3:],
            mirror[:, 3:],
            occluder * (1 - given),
            (rgb - 0.5) * (1 - seen),
        ]
        answer = self._unet(torch.cat(priors, 1).contiguous(memory_format=torch.channels_last)).float()
        return fill + answer[:, :3], answer[:, 3:], occluder

    def _unet(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(functional.pixel_unshuffle(x, STEP))
        kept = []
        for encode, down in zip(self.encode, self.down, strict=False):
            x = encode(x)
            kept.append(x)
            x = down(x)
        x = self.middle(self.context(self.encode[-1](x)))
        for finer, up, decode in zip(kept[::-1], reversed(self.up), reversed(self.decode), strict=True):
            x = decode(torch.cat([functional.interpolate(up(x), scale_factor=2.0), finer], 1))
        return functional.pixel_shuffle(self.out(functional.relu(self.norm(x))), STEP)


def _zero(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
