"""Pictures of whole objects from a folder of cut-outs with an ``index.jsonl``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from paco_core.data.pack import Found, PackItem, cropped, is_file, without_specks
from paco_core.errors import BadInput
from paco_core.imagefile import open_image, read_bytes

INDEX = "index.jsonl"
MIN_SIDE_PX = 48
"""Longest side of a cut-out; a smaller one is mostly edge."""
OPAQUE = 0.98
"""A picture with a larger opaque share is no cut-out."""


@dataclass(frozen=True)
class CutoutEntry:
    """One picture on disk, and what the index says of it."""

    path: Path
    item: PackItem
    """Its picture is not there yet."""
    split: str
    use: str
    """``train``: weights trained on it may ship."""


@dataclass(frozen=True)
class CutoutFolder:
    """The cut-outs of a folder."""

    entries: tuple[CutoutEntry, ...]
    skipped: tuple[str, ...] = ()
    """A sentence per line that can't be used."""

    def select(self, split: str, *, measuring: bool, training: bool = True) -> "CutoutFolder":
        """Those of a split: with ``training`` what may be trained on, with ``measuring`` the rest.

        Raises ``BadInput`` without any.
        """
        of_split = [entry for entry in self.entries if entry.split == split]
        kept = tuple(entry for entry in of_split if (training if entry.use == "train" else measuring))
        if not kept and not training:
            raise BadInput(f"All {len(of_split)} cut-outs of the split {split!r} may be trained on: leave --only-measuring out.")
        if not kept:
            hint = " --measuring takes them for a pack that nothing is trained on." if of_split else ""
            raise BadInput(f"No cut-out of the split {split!r} may be trained on ({len(of_split)} others).{hint}")
        return replace(self, entries=kept)

    def items(self, size: int, seed: int = 0) -> Iterator[Found]:
        """One after the other in random order, cropped for ``size`` px; a sentence where a picture can't be used."""
        for k in np.random.default_rng(seed).permutation(len(self.entries)):
            entry = self.entries[k]
            try:
                yield [replace(entry.item, rgba=cropped(without_specks(_rgba(entry.path)), size))]
            except BadInput as flaw:
                yield f"{entry.path.name} is left out: {flaw}"


def find_cutouts(folder: Path) -> CutoutFolder:
    """What a folder's index lists. Raises ``BadInput`` where there is none, or none of it can be used."""
    if not (folder / INDEX).is_file():
        raise BadInput(f"{folder} has no {INDEX}, which says of each cut-out its file, category, licence, split and use.")
    entries, skipped = [], []
    lines = read_bytes(folder / INDEX, "index of cut-outs").decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                entries.append(_entry(folder, json.loads(line)))
        except (ValueError, RecursionError) as flaw:
            skipped.append(f"{INDEX}, line {number} is left out: it is no JSON ({str(flaw)[:80]}).")
        except BadInput as flaw:
            skipped.append(f"{INDEX}, line {number} is left out: {flaw}")
    if not entries:
        raise BadInput(f"{folder / INDEX} lists no cut-out that can be used ({len(skipped)} left out).")
    return CutoutFolder(tuple(entries), tuple(skipped))


def _entry(folder: Path, content: Any) -> CutoutEntry:
    if not isinstance(content, dict) or not isinstance(content.get("file"), str):
        raise BadInput("it names no file.")
    file = content["file"]
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"{file[:80]} lies outside of the folder.")
    if not is_file(path):
        raise BadInput(f"{file[:80]} is not there.")
    text = {key: str(content.get(key) or "")[:200] for key in ("category", "licence", "source_repo", "split", "use")}
    repeat = content.get("near_duplicate_group")
    item = PackItem(
        rgba=np.zeros((0, 0, 4), np.uint8),
        name=text["category"],
        category=text["category"],
        style="photo" if content.get("real_photo") else "picture",
        group=f"cutout/{file}" if repeat is None else f"cutouts/{str(repeat)[:60]}",
        licence=text["licence"],
        source=text["source_repo"],
    )
    return CutoutEntry(path, item, text["split"], text["use"])


def _rgba(path: Path) -> np.ndarray:
    image = open_image(path, "cut-out")
    if "A" not in image.getbands():
        raise BadInput("it has no alpha channel.")
    rgba = np.asarray(image.convert("RGBA"))
    if max(rgba.shape[:2]) < MIN_SIDE_PX:
        raise BadInput(f"its longest side has less than {MIN_SIDE_PX} px.")
    if (rgba[..., 3] > 127).mean() > OPAQUE:
        raise BadInput("its alpha hides nothing: it is a whole picture.")
    return rgba
