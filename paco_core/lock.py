"""One run at a time in a folder. The system takes the lock back from a process that dies, however it dies."""

import errno
import logging
import os
import platform
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path

from paco_core.errors import BadInput

log = logging.getLogger(__name__)

LOCK_FILE = ".lock"
"""Stays in the folder: removing it would let a second process lock a new file of this name."""
TAKEN = "Another run works in {folder} ({holder}). Wait until it has ended, or choose another --out."
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_BYTE = 1 << 30
"""Where Windows locks: far behind the text, which others must be able to read."""


class FolderLock:
    """A lock on a folder, held from ``acquire`` to ``release`` or to the end of the process."""

    def __init__(self, folder: Path, name: str = LOCK_FILE, taken: str = TAKEN) -> None:
        """``name`` is that of the file; ``taken`` is said when somebody else has it, with ``{folder}`` and ``{holder}`` in it."""
        self._path, self._taken = folder / name, taken
        self._file: FileIO | None = None

    def acquire(self) -> None:
        """Raises ``BadInput`` when another process (or another part of this one) holds it, saying which."""
        try:
            file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise BadInput(f"{self._path} can't be written ({error.strerror or error}). Choose another --out.") from error
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _TAKEN:
                holder = _holder(file)
                file.close()
                raise BadInput(self._taken.format(folder=self._path.parent, holder=holder)) from error
            log.info("%s: this file system has no locks (%s); two runs at once are not noticed", self._path, error)
        if not _is_still_there(file, self._path):  # the holder removed the folder's files before it let go
            file.close()
            return self.acquire()
        with suppress(OSError):  # on a full disk the lock holds without the name of its holder
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}".encode())
        self._file = file
        return None

    def release(self) -> None:
        """Let others in."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: FileIO) -> None:
    """Take the lock or raise ``OSError``, without waiting."""
    if os.name == "nt":
        import msvcrt

        file.seek(_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(file: FileIO) -> str:
    file.seek(0)
    text = file.read(200).decode(errors="replace")
    return text if text.isprintable() and text else "its process is not known"


def _is_still_there(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
