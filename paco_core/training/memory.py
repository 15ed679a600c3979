"""What is said when memory is full: nothing is lost, and the next command can be one that fits."""

from collections.abc import Iterator
from contextlib import contextmanager

from paco_core.errors import PacoError
from paco_core.nets.memory import FULL, memory_is_full
from paco_core.training.options import Settings


class MemoryFull(PacoError):
    """Training needs more memory than there is."""


@contextmanager
def room_for(settings: Settings) -> Iterator[None]:
    """Raises ``MemoryFull``, with what to lower, where torch finds no memory for what is done."""
    try:
        yield
    except FULL as error:
        if not memory_is_full(error):
            raise
        raise MemoryFull(
            f"Memory is full with a --batch of {settings.batch}. Give {_smaller(settings)}--set checkpointing=1 to a task that "
            "has it: with the same --out that goes on from the last checkpoint. What begins anew, with another --out: "
            "--precision bf16, or a smaller --set side=… to a task that has it."
        ) from error


def _smaller(settings: Settings) -> str:
    """The largest batch below this one that its samples can be split into, as options."""
    parts = next((n for n in range(2, settings.batch + 1) if settings.batch % n == 0), None)
    if parts is None:
        return ""
    split = f"--batch {settings.batch // parts} --accumulate {settings.accumulate * parts}"
    return f"{split} (as many samples a step, in smaller parts) or "
