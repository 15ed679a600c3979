"""The whole state of a run in one file, so that going on gives what an uninterrupted run gives."""

import pickle
from pathlib import Path
from typing import Any

import torch

from paco_core.errors import BadInput
from paco_core.files import writing

CHECKPOINT = "state.pt"
VERSION = 1
"""Of the file's layout; another one is refused."""


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write atomically: killed at any moment, the folder holds the old or the new state."""
    with writing(folder / CHECKPOINT) as file:
        torch.save({"version": VERSION, **state}, file)


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The state on the processor, or None when there is none. Raises ``BadInput`` when the file can't be used.

    Only tensors and plain values are unpickled (``weights_only``): a checkpoint of a stranger can't run code.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise BadInput(f"{path} is no checkpoint that can be read. Remove it to begin anew, or choose another --out.") from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise BadInput(f"{path} was written by another version. Remove it to begin anew, or choose another --out.")
    if not all(isinstance(state.get(part), dict) for part in ("settings", "trainer")):
        raise BadInput(f"{path} is no checkpoint of a training. Remove it to begin anew, or choose another --out.")
    return state


def random_states(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """States of the generators that a step draws from."""
    states = {"batches": generator.get_state(), "cpu": torch.get_rng_state()}
    if generator.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: dict[str, torch.Tensor], generator: torch.Generator) -> None:
    """The inverse of ``random_states``."""
    generator.set_state(states["batches"])
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and generator.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"])
