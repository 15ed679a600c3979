"""Where networks run. Nothing is imported for that until somebody asks for a device."""

import importlib
import importlib.util
from typing import Any, Literal

from paco_core.errors import BadInput, MissingDependency

Device = Literal["auto", "cpu", "cuda", "mps"]


def check_device(device: Device) -> None:
    """Raise ``MissingDependency`` or ``BadInput`` when a device that was asked for by name is not there."""
    if device in ("auto", "cpu"):
        return
    if importlib.util.find_spec("torch") is None:
        raise MissingDependency(
            f"--device {device} needs PyTorch, which is not installed: pip install torch. "
            "Without --device everything runs on the processor."
        )
    torch: Any = importlib.import_module("torch")
    there = torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
    if not there:
        what = "NVIDIA GPU that PyTorch can use" if device == "cuda" else "Apple GPU that PyTorch can use"
        raise BadInput(f"--device {device}: there is no {what} here. Leave it out, or give --device cpu.")
