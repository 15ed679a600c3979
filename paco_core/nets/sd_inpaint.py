"""Stable Diffusion's inpainting (Rombach et al., CVPR 2022) from a folder that diffusers wrote."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint import StableDiffusionInpaintPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from paco_core.errors import BadInput
from paco_core.nets.names_text import clip_from_folder
from paco_core.nets.pretrained import CONFIG_FILE, WEIGHTS_FILE, read_config, read_part

CHANNELS = 9
"""Of the U-Net: the noisy map (4), the mask (1), the map of the picture with its hole (4). A plain Stable Diffusion has 4."""
LEAST_BYTES = 2
"""Of a weight in a file: half precision."""


def sd_inpainting(folder: Path, device: str) -> StableDiffusionInpaintPipeline:
    """The pipeline, with DDIM as its sampler; safetensors only, and none of a folder's own code.

    There is no safety checker: it would blank parts of objects. Raises ``BadInput`` for a folder of something else.
    """
    for part, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        _check_size(kind, folder / part)
    unet = read_part(UNet2DConditionModel, folder / "unet").eval()
    if unet.config.in_channels != CHANNELS:
        raise BadInput(
            f"{folder} is no Stable Diffusion for inpainting: its U-Net reads {unet.config.in_channels} channels, "
            f"not {CHANNELS}. Give the inpainting one."
        )
    vae = read_part(AutoencoderKL, folder / "vae").eval()
    tokenizer, text_encoder = clip_from_folder(folder)
    if text_encoder.config.hidden_size != unet.config.cross_attention_dim:
        raise BadInput(
            f"The text encoder in {folder} is of another Stable Diffusion than its U-Net. Give one folder as it was published."
        )
    tokenizer.model_max_length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
    parts: dict[str, Any] = {"vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer, "unet": unet}
    unchecked: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    try:
        pipeline = StableDiffusionInpaintPipeline(**parts, scheduler=_sampler(folder / "scheduler"), **unchecked)
    except (TypeError, ValueError, AttributeError) as error:  # descriptions that lack what the pipeline asks of them
        raise BadInput(
            f"The parts in {folder} can't be put together ({str(error)[:200]}): give a folder as published."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(torch.device(device))


def _sampler(folder: Path) -> Any:
    """DDIM with the noise schedule that the folder describes; maps are not clipped, as pixels would be."""
    fixed = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}  # Stable Diffusion's own
    try:
        return DDIMScheduler.from_pretrained(folder, local_files_only=True, **fixed)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{folder} holds no schedule of noise that can be read ({' '.join(str(error).split())[:200]}).") from error


def _check_size(kind: Any, folder: Path) -> None:
    """Raises ``BadInput`` where a description asks for more weights than there are: it may ask for any size."""
    given = read_config(folder / CONFIG_FILE)
    try:
        with torch.device("meta"):
            needed = LEAST_BYTES * sum(weight.numel() for weight in kind.from_config(given).parameters())
    except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError, AttributeError, IndexError) as error:
        raise BadInput(f"{folder / CONFIG_FILE} describes no {kind.__name__} ({json.dumps(str(error))[:200]}).") from error
    path = folder / WEIGHTS_FILE
    if not path.is_file() or needed > path.stat().st_size:
        raise BadInput(f"{path} is missing, or holds fewer weights than the network that is described beside it.")
