"""LaMa's generator (Suvorov et al., WACV 2022, arXiv:2109.07161): an inpainting network of fast Fourier convolutions.

Modules have the names of the published weights (advimman/lama, ``big-lama``), and its settings: three quarters of the
bottleneck's channels are global, there is no local Fourier unit, and the answer ends with a sigmoid.
"""

import re
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from paco_core.errors import BadInput
from paco_core.nets.foreign import State, filled, read_state

GLOBAL_SHARE = 0.75
"""Of the bottleneck's channels."""
MARKER = "model.1.ffc.convl2l.weight"
"""The first convolution."""
DOWN = 3
"""Halvings: sides are multiples of 8."""
STEM = 2
"""Layers before the first halving: padding and the first convolution."""

Parts = tuple[torch.Tensor, torch.Tensor | None]
"""Local and global channels; None: there are no global ones."""


def load_lama(path: Path) -> "LamaGenerator":
    """The generator with the weights of a file, of any width and depth. Raises ``BadInput`` for another file."""
    state = read_state(path, MARKER)
    with torch.device("meta"):
        net = LamaGenerator(len(state[MARKER]), _blocks(state, path))
    filled(net, state, path)
    return net


def _blocks(state: State, path: Path) -> int:
    found = {int(hit[1]) for name in state if (hit := re.match(r"model\.(\d{1,3})\.conv1\.", name))}
    if not found:
        raise BadInput(f"{path} holds the weights of another network: it has no residual blocks.")
    return len(found)


class LamaGenerator(nn.Module):
    """A convolution, three halvings, Fourier blocks at an eighth of the size, three doublings."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        widths = [width << level for level in range(DOWN + 1)]
        wide = int(widths[-1] * GLOBAL_SHARE)
        inner = (widths[-1] - wide, wide)
        down = [FourierLayer((a, 0), inner if b == widths[-1] else (b, 0), 3, 2) for a, b in pairwise(widths)]
        up: list[nn.Module] = []
        for a, b in pairwise(reversed(widths)):
            up += [nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        first = [nn.ReflectionPad2d(3), FourierLayer((4, 0), (width, 0), 7, 1, padding=0)]
        last = [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Sigmoid()]
        self.joins = STEM + DOWN + blocks
        self.model = nn.ModuleList([*first, *down, *(FourierBlock(inner) for _ in range(blocks)), nn.Identity(), *up, *last])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 4, h, w), colours 0 … 1 with black holes and the holes' mask, to colours (b, 3, h, w); sides are multiples of 8."""
        parts: Parts = (self.model[0](x), None)
        for layer in self.model[1 : self.joins]:
            parts = layer(parts)
        x = torch.cat([part for part in parts if part is not None], dim=1)
        for layer in self.model[self.joins + 1 :]:
            x = layer(x)
        return x


class FourierUnit(nn.Module):
    """A 1 × 1 convolution of the spectrum: every answer sees the whole picture (Chi et al., NeurIPS 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) to the same."""
        (b, c, h, w), half = x.shape, x.shape[-1] // 2 + 1
        spectrum = torch.view_as_real(torch.fft.rfft2(x, norm="ortho"))
        mixed = functional.relu(self.bn(self.conv_layer(spectrum.permute(0, 1, 4, 2, 3).reshape(b, 2 * c, h, half))))
        pairs = mixed.reshape(b, c, 2, h, half).permute(0, 1, 3, 4, 2).contiguous()
        return torch.fft.irfft2(torch.view_as_complex(pairs), s=(h, w), norm="ortho")


class SpectralTransform(nn.Module):
    """Global channels to global channels, by way of half as many."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(given, made // 2, 1, bias=False), nn.BatchNorm2d(made // 2), nn.ReLU())
        self.fu = FourierUnit(made // 2)
        self.conv2 = nn.Conv2d(made // 2, made, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, given, h, w) to (b, made, h, w)."""
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class FourierConvolution(nn.Module):
    """Local and global channels, each made of both (Figure 2 of the paper)."""

    def __init__(self, given: tuple[int, int], made: tuple[int, int], kernel: int, stride: int, padding: int) -> None:
        super().__init__()

        def conv(a: int, b: int) -> nn.Conv2d:
            return nn.Conv2d(a, b, kernel, stride, padding, bias=False, padding_mode="reflect")

        self.convl2l = conv(given[0], made[0])
        self.convl2g = conv(given[0], made[1]) if made[1] else None
        self.convg2l = conv(given[1], made[0]) if given[1] else None
        self.convg2g = SpectralTransform(given[1], made[1]) if given[1] and made[1] else None

    def forward(self, parts: Parts) -> Parts:
        """Each (b, channels, h, w)."""
        near, wide = parts
        local = self.convl2l(near)
        if self.convg2l is not None:
            local = local + self.convg2l(wide)
        if self.convl2g is None:
            return local, None
        return local, self.convl2g(near) if self.convg2g is None else self.convl2g(near) + self.convg2g(wide)


class FourierLayer(nn.Module):
    """A Fourier convolution with batch norms and ReLUs."""

    def __init__(self, given: tuple[int, int], made: tuple[int, int], kernel: int, stride: int, *, padding: int = 1) -> None:
        super().__init__()
        self.ffc = FourierConvolution(given, made, kernel, stride, padding)
        self.bn_l = nn.BatchNorm2d(made[0])
        self.bn_g = nn.BatchNorm2d(made[1]) if made[1] else None

    def forward(self, parts: Parts) -> Parts:
        """Each (b, channels, h, w)."""
        local, wide = self.ffc(parts)
        return functional.relu(self.bn_l(local)), None if self.bn_g is None else functional.relu(self.bn_g(wide))


class FourierBlock(nn.Module):
    """Two layers, added to what goes in."""

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = FourierLayer(channels, channels, 3, 1)
        self.conv2 = FourierLayer(channels, channels, 3, 1)

    def forward(self, parts: tuple[torch.Tensor, torch.Tensor]) -> Parts:
        """Each (b, channels, h, w), the same after."""
        local, wide = self.conv2(self.conv1(parts))
        return parts[0] + local, parts[1] + wide
