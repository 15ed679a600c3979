"""One module per subcommand: a frozen dataclass ``Options`` (its fields are the options) and ``run``, which prints nothing."""

from dataclasses import dataclass

COMPLETE, BUG, BAD_INPUT, WITH_FALLBACKS, INTERRUPTED = 0, 1, 2, 3, 130
"""All exit codes that there are: see CONVENTIONS.md."""


@dataclass(frozen=True)
class Outcome:
    """What a command has to say and how it ended."""

    text: str
    """For stdout."""
    code: int = 0
    """Exit code: 0 complete, 3 finished with listed fallbacks (errors are exceptions)."""
