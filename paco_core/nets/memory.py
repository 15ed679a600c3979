"""Work that is halved where memory is full."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

log = logging.getLogger(__name__)

FULL_ON_CPU = "DefaultCPUAllocator"
"""What torch's ``RuntimeError`` names when the processor's memory is full; GPUs have an error of their own."""
FULL = (RuntimeError, MemoryError)
"""Errors among which ``memory_is_full`` finds those about memory."""

T = TypeVar("T")
R = TypeVar("R")


def memory_is_full(error: BaseException) -> bool:
    """Whether torch, or Python, found no memory."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or FULL_ON_CPU in str(error)


def in_batches(items: Sequence[T], most: int, work: Callable[[Sequence[T]], Sequence[R]]) -> list[R]:
    """``work`` on all items, at most ``most`` at a time, and half as many from where memory is full.

    Raises what ``work`` raises, and its error about memory where not even one item fits.
    """
    done: list[R] = []
    while len(done) < len(items):
        part = items[len(done) : len(done) + most]
        try:
            done += work(part)
            continue
        except FULL as error:
            if not memory_is_full(error) or len(part) == 1:
                raise
        most = len(part) // 2  # here, when the error no longer holds what the step had made
        log.warning("memory is full with %d at a time: going on with %d", len(part), most)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return done


def best_device() -> str:
    """The GPU that is there, or the processor."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
