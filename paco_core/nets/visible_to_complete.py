"""The visible-to-complete generator (PACO, Section 4.2): from the map of visible parts to the map of whole objects."""

from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from paco_core.nets.conditioning import MASK_CHANNELS, Condition
from paco_core.nets.diffusion import sampler
from paco_core.nets.names_text import HashedNames
from paco_core.nets.paco_config import PacoConfig
from paco_core.progress import Progress, silent


class CondEmbed(nn.Module):
    """The zero convolution at the entry of the trainable copy: partial map, masks and edges to its first width.

    The paper adds to the noisy map itself; behind the first convolution, which is linear, this contains that and does not
    press the conditions into as many channels as a map has.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.zero = nn.Conv2d(channels, width, 1)
        for weights in self.zero.parameters():
            nn.init.zeros_(weights)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) to (b, width, h, w)."""
        return self.zero(grid)


class VisibleToComplete(nn.Module):
    """A U-Net with a copy of its encoder that reads the condition (ControlNet, Zhang et al. 2023, arXiv:2302.05543).

    Where the weights come from Stable Diffusion, the U-Net's encoder and middle are frozen; its decoder, the copy and the
    zero convolutions learn. The paper is silent about the middle, ControlNet keeps it, too.
    """

    def __init__(self, config: PacoConfig, unet: UNet2DConditionModel | None = None) -> None:
        """``unet``: the network to start from, of ``plain_unet``'s architecture; without it, one with fresh weights."""
        super().__init__()
        self.config = config
        self.unet: Any = unet or plain_unet(config)
        # the stock embedding reads pictures; it is made as small as can be and replaced
        self.control: Any = ControlNetModel.from_unet(self.unet, conditioning_embedding_out_channels=(16, 16))
        entry = CondEmbed(config.latent_channels + MASK_CHANNELS, config.unet_channels[0])
        self.control.controlnet_cond_embedding = entry
        self.names = HashedNames(config) if config.text_buckets else None
        if config.pretrained:
            for part in (self.unet.conv_in, self.unet.time_embedding, self.unet.down_blocks, self.unet.mid_block):
                part.requires_grad_(False)

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Noisy maps (b, c, h, w) at ``times`` (b,) or (), 0 to 1000, to what ``config.prediction`` says, (b, c, h, w)."""
        skips, middle = self.control(noisy, times, condition.text, condition.grid, return_dict=False)
        answer = self.unet(
            noisy,
            times,
            condition.text,
            down_block_additional_residuals=skips,
            mid_block_additional_residual=middle,
            return_dict=False,
        )
        return answer[0]

    def guided(
        self, noisy: torch.Tensor, times: torch.Tensor, condition: Condition, guidance: float, rescale: float = 0.0
    ) -> torch.Tensor:
        """Away from the answer without names, ``guidance`` times as far (Ho & Salimans 2022); the paper's is 9.

        At 1 that is the answer with names: nothing is computed twice. ``rescale`` of its deviation, over each map, is brought
        back to that answer's: far guidance makes maps too strong (Lin et al., WACV 2024, arXiv:2305.08891, section 3.4, which
        finds 0.7). ``times`` is ().
        """
        if guidance == 1:
            return self(noisy, times, condition)
        without, with_names = self(torch.cat([noisy, noisy]), times, condition.doubled()).chunk(2)
        far = torch.lerp(without, with_names, guidance)
        if not rescale:
            return far
        wanted, found = (x.std(dim=(1, 2, 3), keepdim=True) for x in (with_names, far))
        return torch.lerp(far, far * (wanted / found), rescale)

    @torch.no_grad()
    def sample(
        self,
        condition: Condition,
        *,
        steps: int,
        scheduler: str = "",
        guidance: float = 1.0,
        guidance_rescale: float = 0.0,
        generator: torch.Generator | None = None,
        noise: torch.Tensor | None = None,
        progress: Progress = silent,
    ) -> torch.Tensor:
        """Maps (b, c, h, w) of whole objects, from ``noise`` (b, c, h, w), or else from ``generator``'s alone; see ``guided``.

        ``scheduler``: one of ``SAMPLERS`` for the prediction. Raises ``BadInput`` for another one.
        """
        if noise is None:
            b, _, h, w = condition.grid.shape
            device = condition.grid.device if generator is None else generator.device
            noise = torch.randn(b, self.config.latent_channels, h, w, generator=generator, device=device)
        maps, plan = noise.to(condition.grid), sampler(self.config.prediction, scheduler, steps)
        for done, time in enumerate(plan.timesteps, start=1):
            answer = self.guided(maps, time.to(maps.device), condition, guidance, guidance_rescale)
            maps = plan.step(answer, time, maps, return_dict=False)[0]
            progress("denoise", done, steps)
        return maps


def plain_unet(config: PacoConfig) -> UNet2DConditionModel:
    """The U-Net before anything of PACO's, with fresh weights."""
    attention = config.unet_attention
    sizes: dict[str, Any] = {
        "in_channels": config.latent_channels,
        "out_channels": config.latent_channels,
        "down_block_types": tuple("CrossAttnDownBlock2D" if level else "DownBlock2D" for level in attention),
        "up_block_types": tuple("CrossAttnUpBlock2D" if level else "UpBlock2D" for level in reversed(attention)),
        "block_out_channels": config.unet_channels,
        "layers_per_block": config.unet_layers,
        "cross_attention_dim": config.text_width,
        "attention_head_dim": config.unet_heads,  # diffusers reads this as the number of heads
        "norm_num_groups": config.groups,
        "use_linear_projection": config.linear_projection,
    }
    return UNet2DConditionModel(**sizes)
