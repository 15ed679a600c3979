"""Both stages of PACO from a Stable Diffusion as diffusers writes it: safetensors only, and every weight has to fit."""

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from paco_core.errors import BadInput
from paco_core.nets.paco_config import PacoConfig
from paco_core.nets.parallel_vae import ParallelVae, plain_vae
from paco_core.nets.visible_to_complete import VisibleToComplete, plain_unet
from paco_core.nets.weights import MAX_BYTES

CONFIG_FILE, WEIGHTS_FILE = "config.json", "diffusion_pytorch_model.safetensors"
MAX_CONFIG_BYTES = 1 << 20
"""Stable Diffusion's are 2 KB."""
OF_NO_CONCERN = {"sample_size", "force_upcast", "upcast_attention"}
"""Entries that change neither the weights nor what they mean."""


def vae_from_folder(config: PacoConfig, folder: Path) -> ParallelVae:
    """The parallel autoencoder from a ``vae`` folder; its encoder is frozen if ``config.pretrained``.

    Raises ``BadInput`` unless the folder holds exactly the autoencoder that ``config`` describes.
    """
    with torch.device("meta"):
        wanted = plain_vae(config)
    check_architecture(wanted, folder, config.name)
    return ParallelVae(config, read_part(AutoencoderKL, folder))


def generator_from_folder(config: PacoConfig, folder: Path) -> VisibleToComplete:
    """The visible-to-complete generator from a ``unet`` folder. Raises ``BadInput`` as ``vae_from_folder``."""
    with torch.device("meta"):
        wanted = plain_unet(config)
    check_architecture(wanted, folder, config.name)
    return VisibleToComplete(config, read_part(UNet2DConditionModel, folder))


def check_architecture(wanted: Any, folder: Path, name: str) -> None:
    """Raises ``BadInput`` unless ``folder`` describes ``wanted``, a network of diffusers, entry by entry.

    Before any weight is read: not all of an architecture shows in the shapes of weights, and a description may ask for any size.
    """
    given = read_config(folder / CONFIG_FILE)
    for key, entry in inspect.signature(type(wanted).__init__).parameters.items():
        if key == "self" or key in OF_NO_CONCERN:
            continue
        ours, theirs = _plain(wanted.config[key]), _plain(given.get(key, entry.default))
        if isinstance(ours, list) and type(theirs) is int:  # one number stands for all levels
            theirs = [theirs] * len(ours)
        if ours != theirs:
            raise BadInput(
                f"{folder} holds another network than {name} starts from: {key} is {str(theirs)[:80]}, not {ours}. "
                "Give the folder of the Stable Diffusion that the settings name."
            )


def read_config(path: Path) -> dict[str, Any]:
    """A description that diffusers wrote. Raises ``BadInput`` where there is none."""
    if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES:
        raise BadInput(f"{path} is not there: give a folder that diffusers wrote, with {CONFIG_FILE} and {WEIGHTS_FILE}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON ({error}).") from error
    if not isinstance(values, dict):
        raise BadInput(f"{path} describes no network: it holds a {type(values).__name__}.")
    return values


def read_part(kind: Any, folder: Path) -> Any:
    """A network of diffusers' class ``kind`` from its folder, old names of attention layers included, as float32.

    Raises ``BadInput`` where a weight is missing, left over or of another shape, and for other files than safetensors.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is no file of weights: other formats can carry code and are not read. Give safetensors.")
    try:
        net, info = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, torch_dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise BadInput(f"{folder} can't be read as {kind.__name__}: {' '.join(str(error).split())[:300]}") from error
    wrong = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if wrong:
        raise BadInput(f"{path} holds the weights of another network: {len(wrong)} do not fit, the first is {wrong[0]}.")
    return net.train()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
