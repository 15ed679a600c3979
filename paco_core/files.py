"""Files appear whole or not at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from paco_core.errors import BadInput

PART = ".paco-part"
"""How the name of a file ends that is being written. Only a killed process leaves one behind."""


@contextmanager
def writing(path: Path, *, root: Path | None = None) -> Iterator[IO[bytes]]:
    """Write a file so that, whenever the program or machine stops, its old or its new content is there, never a part.

    Folders that are missing are made, but for ``root`` and those above it: what somebody took away is not begun anew. Raises
    ``BadInput`` when the disk or the folder doesn't take the file.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        _make_folders(path.parent, root)
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


def _make_folders(folder: Path, root: Path | None) -> None:
    if root is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    for place in reversed([folder, *folder.parents]):
        if root in place.parents:
            place.mkdir(exist_ok=True)


def write_atomic(path: Path, data: bytes, *, root: Path | None = None) -> None:
    """``writing`` for data that is already whole."""
    with writing(path, root=root) as file:
        file.write(data)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder and below it; nobody may be writing there."""
    for part in list(folder.rglob(f".*{PART}")):
        with suppress(OSError):
            part.unlink()


def sweep_beside(path: Path) -> None:
    """Remove what killed processes left half-written of one file; nobody may be writing it."""
    for part in list(path.parent.glob(f".{path.name}.*{PART}")):
        with suppress(OSError):
            part.unlink()


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove these files and then the folder, unless it holds others. What can't be removed stays."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()
    remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing (any more); others stay."""
    with suppress(OSError):
        folder.rmdir()
