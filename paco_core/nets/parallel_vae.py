"""The parallel autoencoder (PACO, Section 4.1): several objects into one map, any of them out again by its visible mask."""

from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.resnet import ResnetBlock2D
from torch import nn
from torch.nn import functional

from paco_core.nets.mask_query import MaskQuery
from paco_core.nets.paco_config import PacoConfig
from paco_core.nets.priors import diffused, known_colours

LOG_VARIANCE = -5.0
"""Where the log-variance of fresh weights starts: at 0, the noise drowns the means and colour is never learned (measured)."""
LOG_VARIANCE_GAIN = 0.1
"""By which the weights in front of it are multiplied, so that it starts near that value everywhere."""
MASKS = 2
"""Planes that a mask query reads at least: what is visible, and what may hide the rest."""
MASK_LOGIT = -2.0
"""Of every pixel at the start: about the share of a picture that one object covers (sigmoid: 0.12)."""


class ParallelVae(nn.Module):
    """diffusers' AutoencoderKL with a sum in its encoder, and with a mask query and a mask channel in its decoder.

    At the start its colours are exactly those of the plain decoder: all that is new enters through weights of zero; or, where
    it sees colours, those of the visible part, diffused.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: PacoConfig, plain: AutoencoderKL | None = None) -> None:
        """``plain``: the autoencoder to start from, of ``plain_vae``'s architecture; without it, one with fresh weights."""
        super().__init__()
        self.config = config
        self.vae: Any = plain or plain_vae(config)
        planes = MASKS + 3 * config.sees_colours
        self.query = MaskQuery(config.latent_channels, config.query_width, config.factor, planes)
        if config.fusion == "stem":
            width, no_time = config.vae_channels[0], cast(Any, None)
            self.stem = ResnetBlock2D(in_channels=width, out_channels=width, temb_channels=no_time, groups=config.groups)
        self.vae.decoder.conv_in = _with_inputs(self.vae.decoder.conv_in, config.query_width)
        self.vae.decoder.conv_out = _with_mask_channels(self.vae.decoder.conv_out, config.patch**2)
        self.register_buffer(
            "mean", torch.tensor(config.latent_mean).view(1, -1, 1, 1).expand(1, config.latent_channels, 1, 1).clone()
        )
        self.register_buffer(
            "std", torch.tensor(config.latent_std).view(1, -1, 1, 1).expand(1, config.latent_channels, 1, 1).clone()
        )
        if config.sees_colours:
            for weights in self.vae.decoder.conv_out.parameters():
                nn.init.zeros_(weights[: 3 * config.patch**2])
        if config.pretrained:
            for part in (self.vae.encoder, self.vae.quant_conv, self.vae.post_quant_conv):
                part.requires_grad_(False)

    @property
    def reads(self) -> tuple[nn.Module, ...]:
        """What gets objects out of a map."""
        return self.vae.post_quant_conv, self.query, self.vae.decoder

    def encode(self, rgb: torch.Tensor, present: torch.Tensor, alpha: torch.Tensor | None = None) -> DiagonalGaussianDistribution:
        """Objects on the canvas (b, n, 3, H, W), -1 to 1, and which slots hold one (b, n), to latents (b, c, h, w) of all.

        ``alpha`` (b, n, H, W), 0 to 1, is read by ``fusion="stem"`` alone. Slots that hold nothing may contain anything.
        """
        rgb = torch.where(present[:, :, None, None, None], rgb, self.config.canvas)
        if self.config.fusion == "linear" and not self.config.literal_sum:
            features = self._deep(self.superposed(rgb))
        else:
            features = self.summed(rgb, present, alpha)
            features = features if self.config.fusion == "late" else self._deep(features)
        return DiagonalGaussianDistribution(self.vae.quant_conv(features))

    def superposed(self, rgb: torch.Tensor) -> torch.Tensor:
        """First features (b, C, H, W) of all objects, exactly ``summed`` with the linear fusion at the cost of one picture.

        A convolution is linear: the corrected sum of its answers is its answer to the sum of what differs from the canvas.
        """
        canvas = self.config.canvas
        return self.vae.encoder.conv_in(self._patches((rgb - canvas).sum(1) + canvas))

    def summed(self, rgb: torch.Tensor, present: torch.Tensor, alpha: torch.Tensor | None = None) -> torch.Tensor:
        """Features of each object, added up: sum_i x_i - (n - 1) x(canvas).

        Without the second term (``literal_sum``, the paper's words) n canvases are added, which no encoder has ever seen.
        With it, the sum over disjoint parts is the feature of their composite.
        """
        empty = torch.full_like(rgb[:1, :1], self.config.canvas)
        transparent = None if alpha is None else torch.zeros_like(alpha[:1, :1])
        each, canvas = self._features(rgb, alpha), self._features(empty, transparent)[0]
        weights = present.to(each.dtype)[:, :, None, None, None]
        total = (each * weights).sum(1)
        return total if self.config.literal_sum else total - (weights.sum(1) - 1) * canvas

    def standardise(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the autoencoder makes them to a map, mean 0 and deviation 1 a channel; both (b, c, h, w)."""
        return (latents - self.mean) / self.std

    def decode(
        self,
        full_map: torch.Tensor,
        masks: torch.Tensor,
        occluders: torch.Tensor | None = None,
        picture: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A map (b, c, h, w) and the visible masks of k wanted objects (b, k, H, W), 0 to 1, to their colours
        (b, k, 3, H, W), -1 to 1 on the canvas, and the logits of their whole masks (b, k, H, W).

        ``occluders`` (b, k, H, W): what may hide each of them; without it, nothing is said about that. ``picture``
        (b, 3, H, W), -1 to 1, is read within the masks, and where ``sees_colours`` says so.
        """
        occluders = torch.zeros_like(masks) if occluders is None else occluders
        planes = torch.stack([masks, occluders], dim=2)
        fill = self._fill(picture, masks) if self.config.sees_colours else None
        planes = planes if fill is None else torch.cat([planes, fill], dim=2)
        found = self.vae.post_quant_conv(full_map * self.std + self.mean)
        answers = self.query(found, planes)
        repeated = found.repeat_interleave(masks.shape[1], dim=0)
        patches = self.vae.decoder(torch.cat([repeated, answers], dim=1))
        colours, logits = patches.split([3 * self.config.patch**2, self.config.patch**2], dim=1)
        pictures, whole = (
            functional.pixel_shuffle(x, self.config.patch).unflatten(0, masks.shape[:2]) for x in (colours, logits)
        )
        return pictures if fill is None else pictures + fill, whole[:, :, 0]

    def _fill(self, picture: torch.Tensor | None, masks: torch.Tensor) -> torch.Tensor:
        """(b, k, 3, H, W): the colours of every object's visible part, diffused over the picture."""
        if picture is None:
            raise ValueError("this autoencoder sees colours: give the picture.")
        every = picture[:, None].expand(-1, masks.shape[1], -1, -1, -1).flatten(0, 1)
        known = known_colours(masks.flatten(0, 1)[:, None])
        return diffused(every, known).unflatten(0, masks.shape[:2])

    def _features(self, rgb: torch.Tensor, alpha: torch.Tensor | None) -> torch.Tensor:
        """What is added up, of every picture of (b, n, ...) by itself."""
        if self.config.fusion == "stem":
            if alpha is None:
                raise ValueError("fusion='stem' reads RGBA: give alpha.")
            rgb = torch.cat([rgb, alpha[:, :, None]], dim=2)
        features = self.vae.encoder.conv_in(self._patches(rgb.flatten(0, 1)))
        if self.config.fusion == "stem":
            features = self.stem(features, None)
        if self.config.fusion == "late":
            features = self._deep(features)
        return features.unflatten(0, rgb.shape[:2])

    def _patches(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, ch, H, W) to (n, ch * patch^2, H / patch, W / patch)."""
        return functional.pixel_unshuffle(pictures, self.config.patch)

    def _deep(self, x: torch.Tensor) -> torch.Tensor:
        """The encoder behind its first convolution."""
        encoder = self.vae.encoder
        for block in encoder.down_blocks:
            x = block(x)
        x = encoder.mid_block(x)
        return encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(x)))


def plain_vae(config: PacoConfig) -> AutoencoderKL:
    """The autoencoder before anything of PACO's, with fresh weights."""
    levels = len(config.vae_channels)
    sizes: dict[str, Any] = {
        "in_channels": (4 if config.fusion == "stem" else 3) * config.patch**2,
        "out_channels": 3 * config.patch**2,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": config.vae_channels,
        "layers_per_block": config.vae_layers,
        "latent_channels": config.latent_channels,
        "norm_num_groups": config.groups,
    }
    plain: Any = AutoencoderKL(**sizes)
    with torch.no_grad():
        plain.quant_conv.weight[config.latent_channels :].mul_(LOG_VARIANCE_GAIN)
        plain.quant_conv.bias[config.latent_channels :].fill_(LOG_VARIANCE)
    return plain


def latent_statistics(latents: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``latent_mean`` and ``latent_std`` for the description, from many latents (n, c, h, w) of a trained autoencoder."""
    values = latents.float()
    return tuple(values.mean((0, 2, 3)).tolist()), tuple(values.std((0, 2, 3)).tolist())


def _with_inputs(conv: nn.Conv2d, more: int) -> nn.Conv2d:
    """The same convolution, reading ``more`` channels through weights of zero."""
    weight, bias = _state(conv)
    wider = nn.Conv2d(conv.in_channels + more, conv.out_channels, 3, padding=1)
    unread = weight.new_zeros(conv.out_channels, more, 3, 3)
    wider.load_state_dict({"weight": torch.cat([weight, unread], dim=1), "bias": bias})
    return wider


def _with_mask_channels(conv: nn.Conv2d, more: int) -> nn.Conv2d:
    """The same convolution, with ``more`` outputs behind its own that are ``MASK_LOGIT`` everywhere."""
    weight, bias = _state(conv)
    wider = nn.Conv2d(conv.in_channels, conv.out_channels + more, 3, padding=1)
    silent, logit = weight.new_zeros(more, *weight.shape[1:]), torch.full_like(bias[:1], MASK_LOGIT).expand(more)
    wider.load_state_dict({"weight": torch.cat([weight, silent]), "bias": torch.cat([bias, logit])})
    return wider


def _state(conv: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    state = conv.state_dict()
    return state["weight"], state["bias"]
