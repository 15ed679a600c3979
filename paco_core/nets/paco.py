"""Both stages in one module and one file, with the description that builds them in its metadata."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from paco_core.errors import BadInput
from paco_core.nets.paco_config import PacoConfig, config_from_json
from paco_core.nets.parallel_vae import ParallelVae
from paco_core.nets.visible_to_complete import VisibleToComplete
from paco_core.nets.weights import MAX_BYTES, export_weights, load_weights

CONFIG_KEY = "paco"
"""Of the description in a file's metadata."""
HALF_BYTES = 2
"""Of one weight in a file."""


class Paco(nn.Module):
    """What completes objects: encode the visible parts, sample the map of whole ones, decode each by its mask."""

    def __init__(self, config: PacoConfig, vae: ParallelVae | None = None, generator: VisibleToComplete | None = None) -> None:
        """Without ``vae`` or ``generator``, fresh ones."""
        super().__init__()
        self.config = config
        self.vae = vae or ParallelVae(config)
        self.generator = generator or VisibleToComplete(config)


def save_paco(model: Paco, path: Path, *, about: dict[str, str]) -> None:
    """Half-precision safetensors. Raises ``BadInput`` when a weight does not fit."""
    export_weights(model, path, about=about | {CONFIG_KEY: model.config.to_json()})


def load_paco(path: Path) -> Paco:
    """What ``save_paco`` wrote, as float32 and for inference. Raises ``BadInput`` for anything else."""
    config = config_of(path)
    with torch.device("meta"):
        needed = HALF_BYTES * sum(weight.numel() for weight in Paco(config).parameters())
    if needed > path.stat().st_size:
        raise BadInput(f"{path} holds fewer weights than the network it describes: export it again.")
    model = Paco(config)
    load_weights(model, path)
    return model.eval().requires_grad_(False)


def config_of(path: Path) -> PacoConfig:
    """The description in the metadata of a file of weights. Raises ``BadInput`` when there is none."""
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is no file of weights: give a .safetensors file of at most {MAX_BYTES >> 30} GiB.")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(CONFIG_KEY)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path} is no safetensors file that can be read ({error}).") from error
    if text is None:
        raise BadInput(f"{path} does not say what network it is for: give weights that were exported from PACO's training.")
    return config_from_json(text)
