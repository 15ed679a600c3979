"""Tiny inpainting networks with random weights, in the files that the published ones come in."""

from pathlib import Path

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from torch import nn

from paco_core.backends.base import CompletionTarget
from paco_core.nets.lama import LamaGenerator
from paco_core.nets.paco_config import PACO_SD_TINY
from paco_core.nets.parallel_vae import plain_vae
from paco_core.nets.pcnet_c import PcnetC
from paco_core.nets.visible_to_complete import plain_unet
from tests.paconets import clip_folder, seeded, written


def lively(net: nn.Module) -> nn.Module:
    """Batch norms that change what they see, as after training."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None and layer.running_var is not None:
            layer.running_mean.normal_(0, 0.1, generator=seeded())
            layer.running_var.uniform_(0.5, 1.5, generator=seeded())
    return net.eval()


def tiny_lama() -> nn.Module:
    torch.manual_seed(0)
    return lively(LamaGenerator(width=4, blocks=2))


def tiny_pcnet_c() -> nn.Module:
    torch.manual_seed(0)
    return lively(PcnetC(width=4, channels=4, levels=5))


def lama_file(path: Path) -> Path:
    """As training leaves it: the generator beside a discriminator."""
    state = {f"generator.{name}": value for name, value in tiny_lama().state_dict().items()}
    torch.save({"state_dict": {**state, "discriminator.model0.0.weight": torch.zeros(2)}, "epoch": 3}, path)
    return path


def pcnet_c_file(path: Path) -> Path:
    """As SSSD publishes it: the weights of a module on several processors, and its optimizer."""
    net = tiny_pcnet_c()
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"step": 9, "state_dict": state, "optimizer": torch.optim.Adam(net.parameters()).state_dict()}, path)
    return path


def sd_folder(folder: Path, *, channels: int = 9) -> Path:
    """A Stable Diffusion for inpainting, as diffusers writes it."""
    torch.manual_seed(0)
    written(plain_vae(PACO_SD_TINY), folder / "vae")
    described = {**dict(plain_unet(PACO_SD_TINY).config), "in_channels": channels, "sample_size": 64}
    written(UNet2DConditionModel(**described), folder / "unet")
    PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True).save_pretrained(
        folder / "scheduler"
    )
    return clip_folder(folder, width=PACO_SD_TINY.text_width)


def target(high: int = 40, wide: int = 48) -> CompletionTarget:
    """The left of a noisy crop is seen, a bar in its middle hides more of it, and the right is neither's."""
    rgb = np.random.default_rng(0).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    x = np.broadcast_to(np.arange(wide), (high, wide))
    return CompletionTarget(7, "box", rgb, x < wide // 3, (x >= wide // 3) & (x < 2 * wide // 3), (5, -3))
