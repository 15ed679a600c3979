"""Weights as safetensors: exported in half precision, read strictly. Torch is imported by what needs it alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from safetensors import SafetensorError, numpy, safe_open

from paco_core.errors import BadInput
from paco_core.files import write_atomic

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
MAX_BYTES = 4 << 30
"""Larger files are no weights of ours."""


def export_weights(model: "nn.Module", path: Path, *, about: dict[str, str]) -> None:
    """Write a state as float16, with ``about`` as its metadata. Raises ``BadInput`` when a weight does not fit."""
    from safetensors.torch import save

    half = {name: value.detach().cpu().half().contiguous() for name, value in model.state_dict().items()}
    broken = [name for name, value in half.items() if not value.isfinite().all()]
    if broken:
        raise BadInput(f"{path.name} can't be written: {broken[0]} holds values that half precision does not.")
    write_atomic(path, save(half, metadata=about))


def holds(path: Path, prefix: str) -> bool:
    """Whether a safetensors file has a weight whose name begins like this. Raises ``BadInput`` for no such file."""
    try:
        with safe_open(path, framework="numpy") as file:
            return any(name.startswith(prefix) for name in file.offset_keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path} is no safetensors file that can be read ({error}).") from error


def load_weights(model: "nn.Module", path: Path) -> None:
    """Fill ``model`` from a safetensors file. Raises ``BadInput`` unless names and shapes are exactly the model's."""
    from safetensors.torch import load_file

    state = _read(path, load_file)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise BadInput(f"{path} holds the weights of another network: {reason}") from error


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, by name. Raises ``BadInput`` where it can't be read."""
    return _read(path, numpy.load_file)


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is no file of weights: give a .safetensors file of at most {MAX_BYTES >> 30} GiB.")
    try:
        return reader(path)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path} is no safetensors file that can be read ({error}).") from error
