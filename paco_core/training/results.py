"""What a run leaves for people and programs: samples, figures, weights."""

import io
import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from paco_core.errors import BadInput
from paco_core.files import write_atomic
from paco_core.nets.weights import export_weights
from paco_core.training.options import TrainOptions
from paco_core.training.trainer import Trainer

WEIGHTS, FIGURES, SAMPLES = "weights.safetensors", "figures.json", "samples"


@dataclass(frozen=True)
class TrainingResult:
    """What a run has come to."""

    folder: Path
    finished: bool
    """False: it was paused; the same command goes on."""
    steps: int
    seconds: float
    skipped: int
    """Steps whose loss or gradient was not finite."""
    figures: dict[str, float]
    """Of the averaged weights on the held-out packs; empty while it is not finished, and without such packs."""

    @property
    def text(self) -> str:
        """Steps, minutes and figures, for people."""
        skipped = f", {self.skipped} of them skipped" if self.skipped else ""
        head = f"{self.folder}: {self.steps} steps{skipped} in {self.seconds / 60:.1f} min"
        if not self.finished:
            return f"{head}; paused: the same command goes on from here"
        return "\n".join([head, *(f"  {name:<36}{value:.4g}" for name, value in self.figures.items())])


def look(trainer: Trainer, folder: Path) -> dict[str, float]:
    """Write a sample of the averaged weights into ``folder`` and return their figures; training draws what it would have."""
    devices = [trainer.device] if trainer.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        sample = trainer.task.sample(trainer.average)
        figures = trainer.task.evaluate(trainer.average)
    _write_png(folder / SAMPLES / f"step_{trainer.steps:07d}.png", sample)
    return figures


def finish(trainer: Trainer, options: TrainOptions) -> TrainingResult:
    """Measure and export the averaged weights; ``figures.json`` comes last and says that the run is complete."""
    figures = look(trainer, options.out)
    about = {"task": trainer.task.name, "steps": str(trainer.steps), "seconds": f"{trainer.seconds:.0f}"}
    about |= trainer.task.about(trainer.average)
    export_weights(trainer.task.shipped(trainer.average), options.out / WEIGHTS, about=about)
    result = TrainingResult(options.out, True, trainer.steps, trainer.seconds, trainer.guard.skipped, figures)
    told = {
        "steps": result.steps,
        "seconds": result.seconds,
        "skipped": result.skipped,
        "figures": figures,
        "settings": asdict(trainer.settings),
        "packs": [path.name for path in options.packs],
        "held_out": [path.name for path in options.held_out],
        "machine": {"device": _device_name(trainer.device), "torch": torch.__version__, "python": platform.python_version()},
    }
    write_atomic(options.out / FIGURES, f"{json.dumps(told, indent=1)}\n".encode())
    return result


def finished_before(folder: Path) -> TrainingResult | None:
    """The result of a run that is complete, or None."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told: dict[str, Any] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        return TrainingResult(folder, True, told["steps"], told["seconds"], told["skipped"], told["figures"])
    return None


def _write_png(path: Path, picture: np.ndarray) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise BadInput(f"A task's sample must be uint8 (h, w, 3), not {picture.dtype} {picture.shape}.")
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    write_atomic(path, file.getvalue())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
