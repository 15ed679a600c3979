"""Run-length encoded masks as COCO writes them: runs down the columns, empty pixels first, alternating."""

import numpy as np
from jaxtyping import Bool, Int64

from paco_core.errors import BadInput
from paco_core.imagefile import size_text

_LONGEST_GROUP = 7
"""Characters of one number, 5 bits each: 35 bits are enough for every picture."""
MAX_COUNTS = 10_000_000
"""Numbers or characters of one mask: 500 runs in each of 10,000 columns. Decoding them takes 2 s and 0.7 GB."""


def decode_rle(rle: object, hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The mask of ``{"size": [h, w], "counts": …}``, where ``counts`` is a list of run lengths or COCO's compressed string.

    The format is that of the COCO API (``maskApi.c``, ``rleFrString`` and ``rleDecode``). Memory is in proportion to ``hw``
    and to the length of ``counts``, whatever they say. Raises ``BadInput`` for what does not describe exactly ``hw``.
    """
    if not isinstance(rle, dict) or "counts" not in rle:
        raise BadInput('a run-length mask must hold {"size": [height, width], "counts": …}.')
    size, counts = rle.get("size", list(hw)), rle["counts"]
    if size != list(hw):
        told = size_text((size[0], size[1])) if _is_size(size) else f"the size {str(size)[:40]}"
        raise BadInput(f"its run-length mask has {told}, the photo {size_text(hw)}. Export the masks at the photo's size.")
    if isinstance(counts, list | str) and len(counts) > MAX_COUNTS:
        raise BadInput("its run-length mask has too many runs to be an object's. Smooth it, or leave it out.")
    runs = _from_string(counts) if isinstance(counts, str) else _from_list(counts)
    if (runs < 0).any() or (runs > hw[0] * hw[1]).any() or runs.sum() != hw[0] * hw[1]:
        raise BadInput(
            f"its run-length mask does not fill {size_text(hw)}: the runs are damaged or belong to another size. Export it again."
        )
    filled = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(filled, runs).reshape(hw[1], hw[0]).T)


def _is_size(size: object) -> bool:
    return isinstance(size, list) and len(size) == 2 and all(type(side) is int and 0 <= side < 10**6 for side in size)


def _from_list(counts: object) -> Int64[np.ndarray, " n"]:
    try:
        runs = np.asarray(counts if isinstance(counts, list) else None)
    except (ValueError, OverflowError):
        runs = np.asarray(None)
    if runs.ndim != 1 or runs.dtype.kind != "i":  # unsigned and object: a number beyond 63 bits
        raise BadInput("the counts of its run-length mask must be a list of whole numbers or COCO's compressed string.")
    return runs.astype(np.int64)


def _from_string(counts: str) -> Int64[np.ndarray, " n"]:
    """Every number is little-endian in groups of 5 bits (character − 48, bit 5: more follow), its last group's bit 4 the sign;
    from the fourth number on, it is the difference from the number two before."""
    if not counts.isascii() or not counts:
        raise _not_compressed()
    codes = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    if ((codes < 0) | (codes > 63)).any() or not len(ends) or ends[-1] != len(codes) - 1 or lengths.max() > _LONGEST_GROUP:
        raise _not_compressed()
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * lengths), 0)
    values[1::2], values[2::2] = np.cumsum(values[1::2]), np.cumsum(values[2::2])
    return values


def _not_compressed() -> BadInput:
    return BadInput("the compressed counts of its run-length mask are damaged or cut short. Export it again.")
