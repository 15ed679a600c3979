"""Files appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from paco_core.errors import BadInput


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file so that, whenever the program or machine stops, its old or its new content is there, never a part.

    Raises ``BadInput`` when the disk or the folder doesn't take it.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise BadInput(
            f"{path} can't be written ({error.strerror or error}). Choose another output folder, or make room or "
            "rights there; what was finished is kept."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """``writing`` for data that is already whole."""
    with writing(path) as file:
        file.write(data)
