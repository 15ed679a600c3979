"""Folders of other people's data: what can't be used is skipped and listed, and only an empty rest is an error."""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from paco_core.errors import BadInput

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S")
LISTED = 10
"""Sentences that a note shows; the log has all."""


def usable(items: Iterable[T], read: Callable[[T], S], skipped: list[str]) -> Iterator[S]:
    """Every item as ``read`` has it, one at a time; the sentences of those that raise ``BadInput`` are added to ``skipped``.

    Raises ``BadInput`` at the end when nothing could be read: with the first sentence, and how many more there are.
    """
    count = 0
    for item in items:
        try:
            found = read(item)
        except BadInput as flaw:
            log.warning("skipped: %s", flaw)
            skipped.append(str(flaw))
            continue
        count += 1
        yield found
    if not count:
        more = f" And {len(skipped) - 1} more that can't be used." if len(skipped) > 1 else ""
        raise BadInput(f"{skipped[0] if skipped else 'There is nothing to measure on.'}{more}")


def skipped_text(skipped: list[str]) -> str:
    """A note for people: how many, and which; empty when all could be used."""
    if not skipped:
        return ""
    rest = f" … and {len(skipped) - LISTED} more." if len(skipped) > LISTED else ""
    return f"{len(skipped)} skipped: {' '.join(skipped[:LISTED])}{rest}"


def inside(folder: Path, name: str) -> Path:
    """A path that an index names, which must not leave its folder. Raises ``BadInput``."""
    try:
        path = folder / name
        leaves = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadInput(f"The index of {folder} names {name[:80]!r}, which is no path ({error}).") from error
    if leaves:
        raise BadInput(f"The index of {folder} names {name[:80]!r}, which lies outside of it.")
    return path
