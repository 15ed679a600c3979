"""Processes that work side by side, and leave with the one that started them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

LOOK_S = 2.0
"""How often a worker looks whether its parent is still there."""


@contextmanager
def workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` fresh processes; what is not begun when the block is left is not begun at all.

    Spawned, not forked: libraries keep threads of their own. Ctrl-C is heard by the parent alone. Workers of a parent that was
    killed end by themselves.
    """
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)  # nobody waits for what is being worked on
