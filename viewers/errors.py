"""What a command lets through to the command line, beside ``paco_core.errors``."""

from pathlib import Path


class UnexpectedError(Exception):
    """A mistake of the program; ``log_file`` has the traceback."""

    def __init__(self, cause: Exception, log_file: Path) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.log_file = log_file
