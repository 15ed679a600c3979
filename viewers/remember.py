"""What a run folder remembers of its run: the inputs and the settings, so that later commands need nothing but the folder."""

import json
import logging
from pathlib import Path
from typing import Any

from paco_core.errors import BadInput
from paco_core.pipeline import INPUTS
from paco_core.presets import configure
from paco_core.store import MARKER, RunFolder
from scene3d.pipeline import CONFIG_FILE, Config, Inputs, ObjectChoice, open_run

log = logging.getLogger(__name__)

_WAY_OUT = "Mend it, or delete it to go on with the usual settings."
_LARGEST_BYTES = 10_000_000
"""Of a config.json: ours have two thousand, and no hand writes a thousand times as much."""


def existing_run(folder: Path) -> RunFolder:
    """The run folder of an earlier command, not entered yet. Raises ``BadInput`` when there is none."""
    if not (folder / MARKER).is_file():
        raise BadInput(
            f"{folder} is no run folder (it has no {MARKER}). Make one: `paco reconstruct PHOTO --masks MASKS --out {folder}`."
        )
    return open_run(folder)


def recall_inputs(run: RunFolder) -> Inputs:
    """What the user brought. Raises ``BadInput`` when the folder does not have it any more."""
    inputs = run.kept(INPUTS, Inputs)
    if inputs is None:
        raise BadInput(
            f"{run.path} no longer has its photo and masks (its stages/ was cleaned, damaged, or comes from another version). "
            f"Give them again: `paco reconstruct PHOTO --masks MASKS --out {run.path}`."
        )
    return inputs


def recall_config(run: RunFolder) -> Config:
    """The settings of the last command; the program's own when there is no file. Raises ``BadInput`` for a damaged one."""
    file = run.path / CONFIG_FILE
    if not file.exists():
        return Config()
    return configure(_read(file), Config, str(file))


def recall_choices(run: RunFolder) -> tuple[ObjectChoice, ...]:
    """What ``paco redo`` was asked for. Raises ``BadInput`` for a damaged file: it may hold what somebody decided."""
    return recall_config(run).objects


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise ValueError("it is far too large")
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file} can't be read ({error.strerror or error}). {_WAY_OUT}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is damaged ({str(error)[:100]}). {_WAY_OUT}") from error
