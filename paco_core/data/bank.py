"""A bank of whole objects, read from pack files. Needs torch, NumPy and Pillow only: training machines have little else.

A pack is one uncompressed zip: ``pack.json`` (what it is, made how, under which licences), ``items.jsonl`` (a line per picture)
and the pictures, WebP with alpha, cropped to the object; ``paco_core.data.pack`` writes it. Packs travel, so nothing in one is
trusted.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from paco_core.errors import BadInput

VERSION = 1
"""Of the pack format; a reader refuses any other."""
HEADER, ITEMS = "pack.json", "items.jsonl"

MARGIN_PX = 2
"""Empty rim of every picture of a bank: soft edges and small rotations stay inside."""
BALANCE = 0.5
"""Styles, and categories within a style, count as their number of groups to this power. 1 would let 140 motorbikes among 900
photos rule the scenes, 0 would show a lone bird as often as all motorbikes."""

MAX_PACK_BYTES = 256_000_000
"""Ten times what is meant to travel."""
MAX_ITEMS = 200_000
"""Twice the objects that PACO's authors chose from COCO (85,000)."""
MAX_TABLE_BYTES = 64_000_000
"""Of ``items.jsonl``: 300 characters for each of so many items."""
MAX_SIDE_PX = 1024
"""Of one picture of a pack."""
MAX_TEXT = 120
"""Characters of a name, category, style or group."""

DAMAGED = (OSError, ValueError, KeyError, EOFError, RecursionError, zipfile.BadZipFile, Image.DecompressionBombError)
"""What zip, JSON and picture readers say of files that are no packs."""

T = TypeVar("T")


@dataclass(frozen=True)
class Bank:
    """Whole objects to compose scenes of."""

    rgba: torch.Tensor
    """(n, 4, s, s) uint8, straight alpha; box centred, longest side s - 2 ``MARGIN_PX``; colours go on where alpha is 0."""
    names: tuple[str, ...]
    """What each object is called; may be empty."""
    categories: tuple[str, ...]
    styles: tuple[str, ...]
    """``photo``, ``picture``, ``lowpoly``, ``realistic``, ``scan`` …"""
    groups: torch.Tensor
    """(n,) int64: pictures of the same object share a number."""
    weights: torch.Tensor
    """(n,) float32, sum 1: how often to draw each; see ``balanced``."""

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> "Bank":
        """The same bank with its tensors elsewhere."""
        tensors = (self.rgba.to(device), self.groups.to(device), self.weights.to(device))
        return Bank(tensors[0], self.names, self.categories, self.styles, tensors[1], tensors[2])


def read_bank(paths: Sequence[Path], *, size: int, measuring: bool = False) -> Bank:
    """Pack files as one bank of ``size`` px pictures.

    ``measuring`` also takes packs of pictures that nothing may be trained on. Raises ``BadInput`` for what is no pack, is
    damaged, of another version, too large, or not for training.
    """
    if not paths:
        raise BadInput("No pack is given. `paco pack` makes them.")
    if not 4 * MARGIN_PX < size <= MAX_SIDE_PX:
        raise BadInput(f"A bank of {size} px can't be made: choose {4 * MARGIN_PX + 1} to {MAX_SIDE_PX}.")
    rgba, items = [], []
    for path in paths:
        listed, pictures = _read(path, size, measuring)
        items += listed
        rgba.append(pictures)
    columns = {key: tuple(item[key] for item in items) for key in ("name", "category", "style", "group")}
    numbers = {group: n for n, group in enumerate(dict.fromkeys(columns["group"]))}
    return Bank(
        torch.from_numpy(np.concatenate(rgba)),
        columns["name"],
        columns["category"],
        columns["style"],
        torch.tensor([numbers[group] for group in columns["group"]]),
        torch.tensor(balanced(columns["style"], columns["category"], columns["group"]), dtype=torch.float32),
    )


def balanced(styles: Sequence[str], categories: Sequence[str], groups: Sequence[str]) -> list[float]:
    """Weight of every picture, sum 1: shared between styles, then categories, then groups, then a group's pictures.

    Groups of a category count the same; categories and styles as (number of groups) ** ``BALANCE``.
    """
    places = list(zip(styles, categories, groups, strict=True))
    pictures = _counts(places)
    members = _counts(place[:2] for place in pictures)
    by_style = _sums((style, count**BALANCE) for (style, _), count in members.items())
    sizes = _sums((place[0], 1.0) for place in pictures)
    whole = sum(size**BALANCE for size in sizes.values())

    def weight(place: tuple[str, str, str]) -> float:
        of_style = sizes[place[0]] ** BALANCE / whole
        of_category = members[place[:2]] ** BALANCE / by_style[place[0]]
        return of_style * of_category / members[place[:2]] / pictures[place]

    return [weight(place) for place in places]


def _counts(keys: Iterable[T]) -> dict[T, int]:
    found: dict[T, int] = {}
    for key in keys:
        found[key] = found.get(key, 0) + 1
    return found


def _sums(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in pairs:
        found[key] = found.get(key, 0.0) + value
    return found


def read_header(path: Path) -> dict[str, Any]:
    """``pack.json`` of a pack: licences, sources, counts and the command that made it. Raises ``BadInput``."""
    return _guarded(path, _header)


def _read(path: Path, size: int, measuring: bool) -> tuple[list[dict[str, str]], np.ndarray]:
    def read(pack: zipfile.ZipFile) -> tuple[list[dict[str, str]], np.ndarray]:
        if _header(pack).get("use") != "train" and not measuring:
            raise BadInput("is marked for measuring only: nothing that ships may be trained on it.")
        items = _items(pack)
        files = [_entry(pack, item["file"], MAX_PACK_BYTES) for item in items]
        with ThreadPoolExecutor() as pool:
            return items, np.stack(list(pool.map(lambda data: _picture(data, size), files)))

    return _guarded(path, read)


def _guarded(path: Path, read: Callable[[zipfile.ZipFile], T]) -> T:
    """What ``read`` makes of the pack; its flaws become sentences that name the file."""
    try:
        if path.stat().st_size > MAX_PACK_BYTES:
            raise BadInput(f"has more than {MAX_PACK_BYTES // 10**6} MB, more than any pack needs.")
        with zipfile.ZipFile(path) as pack:
            return read(pack)
    except BadInput as flaw:
        raise BadInput(f"{path} {flaw}") from flaw
    except DAMAGED as error:
        raise BadInput(f"{path} is no pack that can be read ({error}). Make it again with `paco pack`.") from error


def _entry(pack: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = pack.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise BadInput(f"is no pack: its {name} is compressed or too large.")
    return pack.read(info)


def _header(pack: zipfile.ZipFile) -> dict[str, Any]:
    header = json.loads(_entry(pack, HEADER, MAX_TABLE_BYTES))
    if not isinstance(header, dict) or header.get("version") != VERSION:
        raise BadInput(f"is no pack of version {VERSION}. Make it again with `paco pack`.")
    return header


def _items(pack: zipfile.ZipFile) -> list[dict[str, str]]:
    lines = _entry(pack, ITEMS, MAX_TABLE_BYTES).decode().splitlines()
    if not 0 < len(lines) <= MAX_ITEMS:
        raise BadInput(f"lists {len(lines)} pictures; 1 to {MAX_ITEMS} can be used.")
    items = [json.loads(line) for line in lines]
    for number, item in enumerate(items, 1):
        texts = [item.get(key) for key in ("file", "name", "category", "style", "group")] if isinstance(item, dict) else [None]
        if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
            raise BadInput(f"{ITEMS}, line {number}: file, name, category, style and group must be short texts.")
    return items


def _picture(data: bytes, size: int) -> np.ndarray:
    """(4, size, size): colours and alpha resized apart, since colours under alpha 0 are meant to be there."""
    image = Image.open(io.BytesIO(data), formats=("WEBP",))
    if max(image.size) > MAX_SIDE_PX:
        raise BadInput(f"holds a picture of {image.width} x {image.height} px; at most {MAX_SIDE_PX} can be used.")
    image = image.convert("RGBA")
    scale = (size - 2 * MARGIN_PX) / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    alpha = image.getchannel("A")
    colour = image.convert("RGB")  # keeps what lies under alpha 0
    if (width, height) != image.size:
        colour, alpha = (part.resize((width, height), Image.Resampling.LANCZOS) for part in (colour, alpha))
    top, left = (size - height) // 2, (size - width) // 2
    around = ((top, size - height - top), (left, size - width - left))
    rgb = np.pad(np.asarray(colour), (*around, (0, 0)), mode="edge")
    return np.concatenate([rgb, np.pad(np.asarray(alpha), around)[..., None]], axis=2).transpose(2, 0, 1)
