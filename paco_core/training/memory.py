"""What is said when memory is full: nothing is lost, and the next command can be one that fits."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from paco_core.errors import PacoError
from paco_core.training.options import Settings

FULL_ON_CPU = "DefaultCPUAllocator"
"""What torch's ``RuntimeError`` names when the processor's memory is full; GPUs have an error of their own."""


class MemoryFull(PacoError):
    """A step needs more memory than there is."""


@contextmanager
def room_for(settings: Settings) -> Iterator[None]:
    """Raises ``MemoryFull``, with what to lower, where torch finds no memory for a step."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and FULL_ON_CPU not in str(error):
            raise
        half = max(1, settings.batch // 2)
        raise MemoryFull(
            f"Memory is full with a --batch of {settings.batch}. Give --batch {half} --accumulate {2 * settings.accumulate} (as "
            "many samples a step, in smaller parts), --set checkpointing=1 or a smaller --set side=… to a task that has them, or "
            "--precision bf16; and another --out: this one keeps its last checkpoint."
        ) from error
