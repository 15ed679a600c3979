"""Files appear whole or not at all."""

import os
import tempfile
from pathlib import Path

from paco_core.errors import BadInput


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path`` and move it into place: a reader sees the old file or the new one, never a part.

    Raises ``BadInput`` when the folder can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise BadInput(_sentence(path, error)) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)  # mkstemp makes files that only their owner can read
        Path(temporary).replace(path)
    except OSError as error:
        raise BadInput(_sentence(path, error)) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _sentence(path: Path, error: OSError) -> str:
    reason = error.strerror or error
    return f"{path} can't be written ({reason}). Choose another output folder, or make room or rights there."
