"""What a training command may say, and what a run is bound to from its first step on."""

import hashlib
import importlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from paco_core.errors import BadInput

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

EVERY_MINUTES = 3.0
"""Between checkpoints. A network of laptop size is written in a second, and who waits for a run looks about as often."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a network of this project. The same command again goes on where it was stopped."""

    packs: tuple[Path, ...]
    """Packs to train on (`paco pack` makes them)."""
    held_out: tuple[Path, ...] = ()
    """Packs to measure on, of objects that are in no training pack."""
    out: Path
    """Folder of the run: checkpoint, log, samples, weights, figures."""
    config: str | None = None
    """Recipe (configs/README.md): a name from configs/train, or a file that ends in .yaml. What the command says itself wins."""
    max_minutes: float | None = None
    """Time to train (its evaluations included, over all interruptions); without it, the task's own. The learning rate ends with
    it."""
    steps: int | None = None
    """Steps to train, where these end sooner than the minutes."""
    batch: int | None = None
    """Samples at a time in each process; without it, the task's own."""
    accumulate: int | None = None
    """Batches a step in each process, 1 unless said: more samples a step than memory has room for at once."""
    lr: float | None = None
    """Highest learning rate; without it, the task's own."""
    rates: tuple[str, ...] = ()
    """`beginning=share`: weights whose names begin so learn at that share of the rate."""
    weight_decay: float | None = None
    """Of AdamW; without it, the task's own, as for the three below."""
    ema: float | None = None
    """Decay of the averaged weights."""
    clip: float | None = None
    """Longest gradient (L2 norm over all weights)."""
    warmup: float | None = None
    """Share of the budget in which the rate rises."""
    seed: int = 0
    """Of weights and batches."""
    device: Device = "auto"
    """Where to train; `auto` takes a GPU if there is one."""
    precision: Precision = "auto"
    """Of the arithmetic; `auto` is bf16 on a GPU, fp32 elsewhere."""
    compile: bool = False
    """Let torch compile the model (on a GPU only): slow to start, then faster."""
    warm_start: Path | None = None
    """Weights to begin with: the `weights.safetensors` of another run of this task."""
    set: tuple[str, ...] = ()
    """`name=value`: options of the task alone."""
    pause_after_minutes: float | None = None
    """End this process after so long, with a checkpoint, where a machine gives no more time at once."""
    every_minutes: float | None = None
    """How often to write a checkpoint and a sample, and to measure; 3 unless said."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides about the weights. A run that goes on must have the same ones."""

    task: str
    packs: tuple[str, ...]
    """SHA-256 of every training pack."""
    options: tuple[str, ...]
    warm_start: str | None
    """SHA-256 of the weights that it began with."""
    seconds: float
    steps: int | None
    batch: int
    lr: float
    weight_decay: float
    ema: float
    clip: float
    warmup: float
    seed: int
    device: str
    precision: str
    accumulate: int = 1
    rates: tuple[str, ...] = ()
    processes: int = 1
    """Each draws its own batches."""

    def check_same(self, before: Mapping[str, Any], folder: Path) -> None:
        """Raise ``BadInput`` naming what another command changed; what only decides how much memory a step takes may change."""
        mine = _binding(asdict(self))
        before = _binding({field.name: field.default for field in fields(self)} | dict(before))
        changed = [key for key, value in mine.items() if before.get(key) != value]
        if changed:
            told = "; ".join(
                f"{key} was {_short(before.get(key), mine[key])}, now {_short(mine[key], before.get(key))}" for key in changed
            )
            raise BadInput(
                f"{folder} holds a run with other settings ({told}). Give the same command again to go on with it, or choose "
                "another --out; --warm-start begins a new run with its weights."
            )


def _binding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, but for the split of a step's samples into batches, and whether what can be computed again is kept."""
    bound = dict(settings)
    split = bound.pop("batch"), bound.pop("accumulate")
    bound["samples"] = math.prod(number for number in split if isinstance(number, int))
    if isinstance(bound["options"], tuple):
        bound["options"] = tuple(pair for pair in bound["options"] if not str(pair).startswith("checkpointing="))
    return bound


def settle(name: str, options: TrainOptions, defaults: Any, device: str, processes: int = 1) -> Settings:
    """The settings of a command. Raises ``BadInput`` for values that can't be and files that are not there."""
    settings = Settings(
        task=name,
        packs=tuple(_sha256(path) for path in options.packs),
        options=tuple(sorted(options.set)),
        warm_start=None if options.warm_start is None else _sha256(options.warm_start),
        seconds=60.0 * _said(options.max_minutes, defaults.minutes),
        steps=options.steps,
        batch=_said(options.batch, defaults.batch),
        lr=_said(options.lr, defaults.lr),
        weight_decay=_said(options.weight_decay, defaults.weight_decay),
        ema=_said(options.ema, defaults.ema),
        clip=_said(options.clip, defaults.clip),
        warmup=_said(options.warmup, defaults.warmup),
        seed=options.seed,
        device=device,
        precision=options.precision if options.precision != "auto" else ("bf16" if device == "cuda" else "fp32"),
        accumulate=_said(options.accumulate, 1),
        rates=tuple(sorted(options.rates)),
        processes=processes,
    )
    _check(options, settings)
    return settings


def _check(options: TrainOptions, settings: Settings) -> None:
    _check_positive("--max-minutes", options.max_minutes)
    _check_positive("--steps", settings.steps)
    _check_positive("--batch", settings.batch)
    _check_positive("--accumulate", settings.accumulate)
    _check_positive("--lr", settings.lr)
    _check_positive("--clip", settings.clip)
    _check_positive("--pause-after-minutes", options.pause_after_minutes)
    _check_positive("--every-minutes", options.every_minutes)
    for option, share in (("--ema", settings.ema), ("--warmup", settings.warmup), ("--weight-decay", settings.weight_decay)):
        if not 0 <= share < 1:
            raise BadInput(f"{option} {share} makes no sense: give a number from 0 to below 1.")
    if settings.precision == "fp16" and settings.device == "cpu":
        raise BadInput("--precision fp16 needs a GPU: use bf16 or fp32 on the processor.")


def task_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """``name=value`` pairs as a mapping. Raises ``BadInput`` for what is none."""
    wrong = [pair for pair in pairs if not pair.partition("=")[0] or "=" not in pair]
    if wrong:
        raise BadInput(f"--set {wrong[0]!r} is no name=value.")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def choose_device(device: Device) -> str:
    """``cpu``, ``cuda`` or ``mps``. Raises ``BadInput`` when the one that was asked for is not there."""
    torch: Any = importlib.import_module("torch")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, found in there.items() if found)
    if not there[device]:
        raise BadInput(f"--device {device}: torch finds none here. Leave it out, or give --device cpu.")
    return device


def _said(value: Any, default: Any) -> Any:
    return default if value is None else value


def _check_positive(option: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise BadInput(f"{option} {value} makes no sense: give a number above 0.")


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror or error}).") from error


def _short(value: Any, other: Any) -> str:
    """Of several values those that are not among the ``other``."""
    if isinstance(value, tuple) and isinstance(other, tuple):
        value = ", ".join(str(part) for part in value if part not in other) or "without"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
