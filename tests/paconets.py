"""Makers for the tests of PACO's networks: disjoint and overlapping objects on a canvas, conditions, folders of weights."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import nn

from paco_core.nets.conditioning import Condition
from paco_core.nets.paco import Paco, save_paco
from paco_core.nets.paco_config import PACO_TINY, PacoConfig
from paco_core.nets.parallel_vae import plain_vae
from paco_core.nets.visible_to_complete import plain_unet

SIDE_PX = 16
Net = TypeVar("Net", bound=nn.Module)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stripes(objects: int = 3) -> torch.Tensor:
    """(1, objects, SIDE, SIDE): disjoint masks that leave a part of the canvas free."""
    masks = torch.zeros(1, objects, SIDE_PX, SIDE_PX)
    width = SIDE_PX // (objects + 1)
    for index in range(objects):
        masks[:, index, 2:-2, index * width : (index + 1) * width] = 1
    return masks


def on_canvas(masks: torch.Tensor, canvas: float, seed: int = 0) -> torch.Tensor:
    """(b, n, 3, h, w): random colours inside of each mask."""
    colours = torch.rand(*masks.shape[:2], 3, *masks.shape[2:], generator=seeded(seed)) * 2 - 1
    return torch.where(masks[:, :, None] > 0, colours, canvas)


def condition(config: PacoConfig = PACO_TINY, rows: int = 2, side: int = 8, seed: int = 0) -> Condition:
    grid = torch.randn(rows, config.latent_channels + 3, side, side, generator=seeded(seed))
    text = torch.randn(rows, config.text_slots, config.text_width, generator=seeded(seed + 1))
    return Condition(grid, text, torch.zeros(1, config.text_slots, config.text_width))


def noise(rows: int = 2, seed: int = 0) -> torch.Tensor:
    """Maps for ``PACO_TINY``."""
    return torch.randn(rows, 4, 8, 8, generator=seeded(seed))


def stir(net: Net, seed: int = 0) -> Net:
    """Weights that start at zero get values, as if trained."""
    generator = seeded(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)
    return net


def tiny_paco(path: Path, seed: int = 0) -> Path:
    """A file of weights of ``PACO_TINY``, as if trained."""
    torch.manual_seed(seed)
    save_paco(stir(Paco(PACO_TINY), seed), path, about={})
    return path


def changed(net: nn.Module, step: Callable[[], None]) -> Iterator[str]:
    """Names of the weights that ``step`` changes."""
    before = {name: value.clone() for name, value in net.state_dict().items()}
    step()
    return (name for name, value in net.state_dict().items() if not torch.equal(value, before[name]))


def written(net, folder: Path) -> Path:
    """As diffusers writes it."""
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def clip_folder(folder: Path, width: int) -> Path:
    """A tiny CLIP as Stable Diffusion carries it; every letter is a token."""
    transformers = pytest.importorskip("transformers", reason="CLIP needs the package transformers")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer" / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    sizes = {"hidden_size": width, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"vocab_size": len(words), "bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": 0}
    tiny = transformers.CLIPTextConfig(**sizes, **ends, max_position_embeddings=16)
    transformers.CLIPTextModel(tiny).save_pretrained(folder / "text_encoder")
    return folder


def stable_diffusion(folder: Path, config: PacoConfig) -> Path:
    """A Stable Diffusion of that architecture, as diffusers and transformers write it, with random weights."""
    torch.manual_seed(0)
    written(plain_vae(config), folder / "vae")
    written(plain_unet(config), folder / "unet")
    return clip_folder(folder, width=config.text_width)
