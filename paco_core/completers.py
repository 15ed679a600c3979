"""Completers by name, with the settings of those that have some."""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from paco_core.backends.base import Completer
from paco_core.errors import BadInput
from paco_core.registry import BACKENDS


@dataclass(frozen=True)
class PacoOptions:
    """Of the completer ``paco``; what is None is as ``paco_core.backends.paco`` says."""

    weights: str | None = None
    """File of weights that ``paco train paco-stage-2`` exported, in place of those that come with the package."""
    base: str | None = None
    """Folder of the Stable Diffusion whose CLIP reads the names, for weights that started from one."""
    side_px: int | None = None
    """Of a canvas as the network sees it: 128 for ``paco-small``, 512 for ``paco-sd``."""
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    """"ddim" or "dpm++" for weights that predict noise."""
    crops: bool | None = None
    samples: int | None = None
    at_once: int | None = None


def make_completer(name: str, options: PacoOptions = PacoOptions(), *, device: str = "auto") -> Completer:
    """The completer of that name, ready. Raises ``BadInput`` for an unknown one, for missing weights and for odd numbers."""
    if name != "paco":
        return BACKENDS.create("completer", name)
    given: dict[str, Any] = {f.name: value for f in fields(options) if (value := getattr(options, f.name)) is not None}
    paths = {key: Path(given[key]) for key in ("weights", "base") if key in given}
    return BACKENDS.create("completer", name, **{**given, **paths, "device": device})


def identity_of(name: str, options: PacoOptions) -> Any:
    """What a result depends on, to tell whether it can be taken from a run folder: not where, or how many at once."""
    if name != "paco":
        return name
    settings = {f.name: getattr(options, f.name) for f in fields(options) if f.name not in ("weights", "at_once")}
    return {"name": name, "weights": _digest(options.weights), **settings}


def _digest(weights: str | None) -> str:
    """SHA-256 of the file; "" for the package's own, which are as old as the program."""
    if weights is None:
        return ""
    try:
        with Path(weights).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"The weights {weights} can't be read: {error.strerror or error}.") from error
