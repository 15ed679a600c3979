"""``log.txt`` of a run folder: what the library did, and the traceback when it failed."""

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

from paco_core.errors import BadInput, MissingDependency
from paco_core.store import RunFolder
from viewers.errors import UnexpectedError

log = logging.getLogger(__name__)

LOG_FILE = "log.txt"


class _LogFile(logging.FileHandler):
    """Where the disk takes no more lines the run goes on without them; what it needs to write says what is wrong."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""


@contextmanager
def run_log(run: RunFolder) -> Iterator[None]:
    """Append everything from INFO up to the run folder's log while the block runs.

    Raises ``BadInput`` when the folder can't be used, ``UnexpectedError`` for a mistake of the program.
    """
    file = run.path / LOG_FILE
    try:
        handler = _LogFile(file, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file} can't be written ({error.strerror or error}). Choose another --out.") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        log.info("paco %s, Python %s, %s", version("paco-scene3d"), platform.python_version(), platform.platform())
        yield
    except (BadInput, MissingDependency) as error:
        log.info("refused: %s", error)
        raise
    except Exception as error:
        log.info("a mistake of the program", exc_info=True)
        raise UnexpectedError(error, file) from error
    except KeyboardInterrupt:
        log.info("interrupted")
        raise
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        with suppress(OSError):  # what a full disk did not take
            handler.close()
