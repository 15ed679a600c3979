"""Mask files as tools write them, and hostile ones: shared by the tests of readers."""

import numpy as np


def runs_of(mask: np.ndarray) -> list[int]:
    """Lengths of the runs down the columns, empty pixels first."""
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], ends, [mask.size]])).astype(int).tolist()


def coco_string(runs: list[int]) -> str:
    """The COCO API's compressed form, written as its source describes it, number by number."""
    text = ""
    for k, run in enumerate(runs):
        x, more = run - (runs[k - 2] if k > 2 else 0), True
        while more:
            bits = x & 31
            x >>= 5
            more = x != (-1 if bits & 16 else 0)
            text += chr(48 + (bits | (32 if more else 0)))
    return text
