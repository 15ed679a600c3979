"""How far the work is, on stderr: one line that rewrites itself on a terminal, plain lines elsewhere."""

import logging
import shutil
import time
from collections.abc import Callable
from typing import Any, TextIO

# Into a file or a pipe, a stage of many short steps writes a line this often at most
PLAIN_INTERVAL_S = 5.0
_CLEAR = "\r\x1b[2K"


class ProgressLine:
    """A ``paco_core.progress.Progress`` for people."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._tty = stream.isatty()
        self._clock = clock
        self._stage = ""
        self._stage_start = self._start = self._last_call = clock()
        self._calls = 0
        self._last_line = -PLAIN_INTERVAL_S
        self._shown = False

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` units are finished, how long it took and about how long the rest will take."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._stage_start, self._calls = stage, self._last_call, 0
            self._last_line = now - PLAIN_INTERVAL_S
        self._last_call = now
        self._calls += 1
        line = self._line(now, done, total, note)
        if self._tty:
            columns = shutil.get_terminal_size().columns
            self._stream.write(_CLEAR + line[: columns - 1])
            self._stream.flush()
            self._shown = True
        elif done >= total or now - self._last_line >= PLAIN_INTERVAL_S:
            self._last_line = now
            self.say(line)

    def say(self, text: str) -> None:
        """Print whole lines without disturbing the one that rewrites itself."""
        self.clear()
        print(text, file=self._stream, flush=True)

    def clear(self) -> None:
        """Take the rewriting line away."""
        if self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False

    def _line(self, now: float, done: int, total: int, note: str) -> str:
        parts = [f"{now - self._start:5.1f} s", f"{self._stage} {done}/{total}"]
        left = (now - self._stage_start) / max(done, 1) * (total - done)
        if self._calls > 1 and left >= 1:  # one call tells nothing about the others
            parts.append(f"about {left:.0f} s left of it")
        return "  ".join([*parts, note]).rstrip()


class WarningsTo(logging.Handler):
    """While it is entered, what the library warns about is said to the person, too."""

    def __init__(self, progress: ProgressLine) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        self._progress.say(f"warning: {record.getMessage()}")

    def __enter__(self) -> "WarningsTo":
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: Any) -> None:
        logging.getLogger().removeHandler(self)
