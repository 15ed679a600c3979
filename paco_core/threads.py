"""The same numbers on any number of processors."""

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import scipy.linalg  # noqa: F401  (loads SciPy's own BLAS, which can't be limited before it is there)
from threadpoolctl import threadpool_limits

P = ParamSpec("P")
T = TypeVar("T")


def on_one_blas_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Let BLAS work on one thread meanwhile: on two it adds up in another order, and the last bits decide about meshes.

    Objects are worked on side by side instead, which is faster, too.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


def available_processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
