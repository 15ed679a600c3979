"""One module per subcommand: a frozen dataclass ``Options`` (its fields are the options) and ``run``, which prints nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a command has to say and how it ended."""

    text: str
    """For stdout."""
    code: int = 0
    """Exit code: 0 complete, 3 finished with listed fallbacks (errors are exceptions)."""
