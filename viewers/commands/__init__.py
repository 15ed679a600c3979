"""One module per subcommand: a frozen dataclass ``Options`` (its fields are the options) and ``run``, which prints nothing."""

from dataclasses import dataclass
from typing import Protocol

from paco_core.progress import Progress

COMPLETE, BUG, BAD_INPUT, WITH_FALLBACKS, INTERRUPTED = 0, 1, 2, 3, 130
"""All exit codes that there are: see CONVENTIONS.md."""


@dataclass(frozen=True)
class Outcome:
    """What a command has to say and how it ended."""

    text: str
    """For stdout."""
    code: int = 0
    """Exit code: 0 complete, 3 finished with listed fallbacks (errors are exceptions)."""


class Terminal(Progress, Protocol):
    """What commands talk to that go on for as long as somebody works with them."""

    def say(self, text: str) -> None:
        """Print whole lines, at once."""
        ...
