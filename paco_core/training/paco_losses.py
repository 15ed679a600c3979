"""Losses of PACO's first stage (section 4.4, equations 2 to 5), and of its second (equation 6)."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from paco_core.nets.features import FeatureNet
from paco_core.nets.paco_config import PacoConfig

AROUND = 0.25
"""Weight of colours outside of the object, where the canvas is asked for, next to 1 within."""
MOST_WEIGHT = 1e4
"""Of the adversarial loss (taming-transformers and latent diffusion clamp there, too)."""


def colour_loss(colours: torch.Tensor, truth: torch.Tensor, amodal: torch.Tensor, around: float = AROUND) -> torch.Tensor:
    """Absolute plus squared errors of (b, k, 3, s, s), -1 … 1, weighted by ``amodal`` (b, k, s, s), elsewhere by ``around``.

    Squared errors bring colour off the canvas's (notes of the first trainings: absolute ones alone stay there for long).
    """
    error = colours - truth
    weight = around + (1 - around) * amodal[:, :, None]
    return ((error.abs() + error.square()) * weight).mean()


def around(config: PacoConfig) -> float:
    """``AROUND``; 0 where a decoder starts from diffused colours, which go on outside of the object."""
    return 0.0 if config.sees_colours else AROUND


def mask_loss(logits: torch.Tensor, amodal: torch.Tensor) -> torch.Tensor:
    """Cross-entropy (Eq. 5) and dice, of (b, k, s, s)."""
    share = torch.sigmoid(logits)
    both, sizes = (share * amodal).sum((2, 3)), (share + amodal).sum((2, 3))
    return functional.binary_cross_entropy_with_logits(logits, amodal) + (1 - (2 * both + 1) / (sizes + 1)).mean()


def perceptual_loss(net: FeatureNet, colours: torch.Tensor, truth: torch.Tensor, amodal: torch.Tensor) -> torch.Tensor:
    """Squared distance of normalised feature maps (in the manner of LPIPS), of objects (b, k, 3, s, s), -1 … 1, on white."""
    whole = amodal[:, :, None]
    ours, true = ((torch.lerp(torch.ones_like(x), x, whole).flatten(0, 1) + 1) / 2 for x in (colours, truth))
    with torch.no_grad():
        wanted = net(true)
    pairs = zip(net(ours), wanted, strict=True)
    return torch.stack([(found - map_).square().mean() for found, map_ in pairs]).mean()


class PatchDiscriminator(nn.Module):
    """Which patches are real (Isola et al., CVPR 2017, arXiv:1611.07004, section 6.1.2), three halvings, hinge loss."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            norm = [nn.BatchNorm2d(after)] if before > 3 else []
            layers += [nn.Conv2d(before, after, 4, 2, 1), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        """(n, 3, s, s), -1 … 1, to (n, 1, s', s'): above 0 where it looks real."""
        return self.layers(rgb)


def discriminator_loss(net: PatchDiscriminator, real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """Hinge loss on pictures (n, 3, s, s); what was made is not changed by it."""
    return (functional.relu(1 - net(real)).mean() + functional.relu(1 + net(made.detach())).mean()) / 2


def generator_loss(net: PatchDiscriminator, made: torch.Tensor) -> torch.Tensor:
    """What was made should look real; the discriminator is not changed by it."""
    frozen: dict[str, Any] = {name: value.detach() for name, value in net.named_parameters()}
    frozen |= {name: value.clone() for name, value in net.named_buffers()}
    return -functional_call(net, frozen, made).mean()


def adaptive_weight(reconstruction: torch.Tensor, adversarial: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """By which the adversarial loss pulls at the last layer's weights as much as the others (Esser et al., CVPR 2021, Eq. 7)."""
    pulls = [torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (reconstruction, adversarial)]
    return (pulls[0] / (pulls[1] + 1e-4)).clamp(0, MOST_WEIGHT).detach()
