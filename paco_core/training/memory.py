"""What is said when memory is full: nothing is lost, and the next command can be one that fits."""

from collections.abc import Iterator
from contextlib import contextmanager

from paco_core.errors import PacoError
from paco_core.nets.memory import FULL, memory_is_full
from paco_core.training.options import Settings


class MemoryFull(PacoError):
    """A step needs more memory than there is."""


@contextmanager
def room_for(settings: Settings) -> Iterator[None]:
    """Raises ``MemoryFull``, with what to lower, where torch finds no memory for a step."""
    try:
        yield
    except FULL as error:
        if not memory_is_full(error):
            raise
        half = max(1, settings.batch // 2)
        raise MemoryFull(
            f"Memory is full with a --batch of {settings.batch}. Give --batch {half} --accumulate {2 * settings.accumulate} (as "
            "many samples a step, in smaller parts), --set checkpointing=1 or a smaller --set side=… to a task that has them, or "
            "--precision bf16; and another --out: this one keeps its last checkpoint."
        ) from error
