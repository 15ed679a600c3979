"""Ctrl-C and SIGTERM end a run after the step in hand, with a checkpoint."""

import signal
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While it is entered (in the main thread), the first signal sets ``asked``; a second one acts as it always does.

    Unless ``insist`` is false: launchers of several processes send on what a terminal has already sent to each of them, and
    kill the ones that take longer than they allow.
    """

    def __init__(self, *, insist: bool = True) -> None:
        self.asked = False
        self._insist = insist
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._give_back()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self._insist:
            self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
