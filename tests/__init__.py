"""The test suite. Its processes share the processors already: torch threads that spin beside each other cost a hundred times."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
