"""``log.txt`` of a run folder: what the library did, and the traceback when it failed."""

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from paco_core.errors import BadInput, MissingDependency
from paco_core.store import RunFolder
from viewers.errors import UnexpectedError

log = logging.getLogger(__name__)


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Open the run folder and append everything from INFO up to its log while the block runs.

    Raises ``BadInput`` when the folder can't be used, ``UnexpectedError`` for a mistake of the program.
    """
    file = RunFolder(folder).path / "log.txt"
    handler = logging.FileHandler(file, encoding="utf-8")
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
        handler.close()
