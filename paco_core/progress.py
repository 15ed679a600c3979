"""How long work tells how far it is. Library code reports through a ``Progress``; only the command line prints."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Receives one call per finished unit of work."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total`` units of ``stage`` are finished; ``note`` is one short phrase for people."""
        ...


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Report nothing."""


def counting_on(progress: Progress, before: int, whole: int) -> Progress:
    """``progress`` for a part of the work, which counts on from ``before`` units of ``whole``."""

    def part(stage: str, done: int, total: int, note: str = "") -> None:
        progress(stage, before + done, whole, note)

    return part
