"""PCNet-C of SSSD (Zhan et al., CVPR 2020, arXiv:2004.02788): content of hidden parts, by a U-Net of partial convolutions.

Partial convolutions are Liu et al.'s (ECCV 2018, arXiv:1804.07723); modules have the names of the published weights
(XiaohangZhan/deocclusion, ``PCNet-C``).
"""

import re
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from paco_core.errors import BadInput
from paco_core.nets.foreign import filled, read_state

MARKER = "enc_1.conv.input_conv.weight"
"""The first convolution."""
GROWING = 4
"""Levels over which channels double; the others have as many as the last of these."""
KERNELS = {1: 7, 2: 5, 3: 5}
"""Of the encoder's first levels; 3 elsewhere."""
LEAK = 0.2
"""Slope of the decoder's activations below 0."""

Known = tuple[torch.Tensor, torch.Tensor]
"""Values, and where they are known: the same shape, 0 or 1."""


def load_pcnet_c(path: Path) -> "PcnetC":
    """The network with the weights of a file, of any width and depth. Raises ``BadInput`` for another file."""
    state = read_state(path, MARKER)
    levels = {int(hit[1]) for name in state if (hit := re.match(r"enc_(\d{1,2})\.", name))}
    if len(levels) < GROWING:
        raise BadInput(f"{path} holds the weights of another network: its encoder has {len(levels)} levels.")
    with torch.device("meta"):
        net = PcnetC(len(state[MARKER]), state[MARKER].shape[1], len(levels))
    filled(net, state, path)
    return net


class PcnetC(nn.Module):
    """Each level halves the size; the way back sees what was there at every size."""

    def __init__(self, width: int, channels: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        widths = [channels, *(width << min(level, GROWING - 1) for level in range(levels))]
        for level in range(1, levels + 1):
            above, below = widths[level - 1], widths[level]
            norm = level > 1
            self.add_module(f"enc_{level}", PartialLayer(above, below, KERNELS.get(level, 3), 2, norm=norm, leak=0.0))
            made = above if norm else 3
            self.add_module(f"dec_{level}", PartialLayer(below + above, made, 3, 1, norm=norm, leak=LEAK if norm else None))

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(b, channels, s, s) and what of it is known, 0 or 1, to colours (b, 3, s, s); s is a multiple of 2 to the levels."""
        seen: list[Known] = [(values, mask)]
        for level in range(1, self.levels + 1):
            seen.append(self.get_submodule(f"enc_{level}")(seen[-1]))
        made = seen.pop()
        for level in range(self.levels, 0, -1):
            pairs = zip(made, seen.pop(), strict=True)
            joined = tuple(torch.cat([functional.interpolate(low, scale_factor=2), skip], dim=1) for low, skip in pairs)
            made = self.get_submodule(f"dec_{level}")(joined)
        return made[0]


class PartialConvolution(nn.Module):
    """A convolution of what is known, divided by how much of its window is known; what had any of it known is known then."""

    def __init__(self, given: int, made: int, kernel: int, stride: int, *, bias: bool) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=bias)
        self.mask_conv = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False)
        nn.init.ones_(self.mask_conv.weight)

    def forward(self, known: Known) -> Known:
        """(b, given, h, w) each to (b, made, h, w), or half of both sides."""
        values, mask = known
        count, bias = self.mask_conv(mask), self.input_conv.bias
        plain = functional.conv2d(values * mask, self.input_conv.weight, None, self.input_conv.stride, self.input_conv.padding)
        mean = plain / count.clamp(min=1) + (0 if bias is None else bias[:, None, None])
        there = (count > 0).to(mean)
        return mean * there, there


class PartialLayer(nn.Module):
    """A partial convolution, a batch norm, a (leaky) ReLU; ``leak`` None: no activation, and a bias."""

    def __init__(self, given: int, made: int, kernel: int, stride: int, *, norm: bool, leak: float | None) -> None:
        super().__init__()
        self.conv = PartialConvolution(given, made, kernel, stride, bias=leak is None)
        self.bn = nn.BatchNorm2d(made) if norm else None
        self.leak = leak

    def forward(self, known: Known) -> Known:
        """As its convolution."""
        values, mask = self.conv(known)
        values = values if self.bn is None else self.bn(values)
        return values if self.leak is None else functional.leaky_relu(values, self.leak), mask
