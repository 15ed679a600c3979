"""Names of objects as tokens: CLIP as in the paper, or hashed words that need no other network."""

import importlib
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from paco_core.errors import BadInput, MissingDependency
from paco_core.nets.paco_config import PacoConfig

PIECES = 16
"""Hashes a word at most: itself, and three letters at a time; longer words are told apart by their beginnings."""
BETWEEN = " and "
"""What joins names to a prompt (Figure 3: "Flower and person")."""


@runtime_checkable
class NameEncoder(Protocol):
    """Turns names into what the U-Net attends to."""

    def encode(self, names: Sequence[Sequence[str]]) -> torch.Tensor:
        """The names of the objects of b passes to (b, slots, width); a pass may have none."""
        ...


class HashedNames(nn.Module):
    """One slot a word: the mean of learned rows for the word and for its letter triples (fastText, Bojanowski et al. 2017).

    Words never seen share triples with known ones. Slots have no positions: the order of objects changes nothing.
    """

    def __init__(self, config: PacoConfig) -> None:
        super().__init__()
        self.slots, self.buckets = config.text_slots, config.text_buckets
        self.rows = nn.Embedding(self.buckets + 1, config.text_width, padding_idx=0)
        self.nothing = nn.Parameter(torch.zeros(config.text_width))

    def tokens(self, names: Sequence[Sequence[str]]) -> torch.Tensor:
        """Names of b passes to (b, slots, ``PIECES``) int64, 0 where nothing is; words beyond the slots are left out."""
        found = torch.zeros(len(names), self.slots, PIECES, dtype=torch.int64)
        for row, several in zip(found, names, strict=True):
            for slot, word in zip(row, (word for name in several for word in name.casefold().split()), strict=False):
                pieces = [self._hashed(piece) for piece in islice(_pieces(word), PIECES)]
                slot[: len(pieces)] = torch.tensor(pieces)
        return found

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``tokens`` to (b, slots, width)."""
        count = (tokens > 0).sum(-1, keepdim=True)
        mean = self.rows(tokens).sum(2) / count.clamp(min=1)
        return torch.where(count > 0, mean, self.nothing)

    def encode(self, names: Sequence[Sequence[str]]) -> torch.Tensor:
        """Protocol ``NameEncoder``."""
        return self(self.tokens(names).to(self.nothing.device))

    def _hashed(self, piece: str) -> int:
        """A row from 1; the same on every machine, unlike ``hash``."""
        return 1 + zlib.crc32(piece.encode("utf-8", "replace")) % self.buckets


class ClipNames:
    """Stable Diffusion's own text encoder, frozen: " and " between the names, the states of the last layer."""

    def __init__(self, config: PacoConfig, folder: Path, device: torch.device) -> None:
        """``folder`` of a Stable Diffusion: its ``tokenizer`` and ``text_encoder`` are read, safetensors only.

        Raises ``MissingDependency`` without the package transformers, ``BadInput`` for a folder that does not fit.
        """
        self._tokenizer, model = clip_from_folder(folder)
        if model.config.hidden_size != config.text_width:
            raise BadInput(
                f"The text encoder in {folder} makes {model.config.hidden_size} numbers a word, "
                f"{config.name} reads {config.text_width}: take the encoder of the same Stable Diffusion."
            )
        self._slots, self._device = config.text_slots, device
        self._model = model.to(device).eval().requires_grad_(False)

    def encode(self, names: Sequence[Sequence[str]]) -> torch.Tensor:
        """Protocol ``NameEncoder``."""
        prompts = [BETWEEN.join(several) for several in names]
        tokens = self._tokenizer(prompts, padding="max_length", max_length=self._slots, truncation=True, return_tensors="pt")
        return self._model(tokens.input_ids.to(self._device)).last_hidden_state


def clip_from_folder(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and text encoder of a Stable Diffusion, safetensors only.

    Raises ``MissingDependency`` without the package transformers, ``BadInput`` for a folder that has none.
    """
    try:
        package = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingDependency("Names are read by CLIP, which needs a package: pip install 'paco-scene3d[sd]'.") from error
    try:
        tokenizer = package.CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        model = package.CLIPTextModel.from_pretrained(folder / "text_encoder", use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{folder} holds no CLIP text encoder as safetensors ({str(error)[:200]}).") from error
    return tokenizer, model.eval()


def _pieces(word: str) -> Iterator[str]:
    """The word between its marks, then every three letters of that."""
    marked = f"<{word}>"
    yield marked
    for start in range(len(marked) - 2):
        yield marked[start : start + 3]
