"""The pack format: whole objects in one uncompressed zip. Packs travel, so nothing in one is trusted.

``pack.json`` says what it is, made how, under which licences; ``items.jsonl`` has a line per picture; the pictures are WebP with
alpha, cropped to the object, with colours that go on where alpha is 0. ``paco_core.data.pack`` writes packs.
"""

import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from paco_core.errors import BadInput

VERSION = 1
"""Of the pack format; a reader refuses any other."""
HEADER, ITEMS = "pack.json", "items.jsonl"

MARGIN_PX = 2
"""Empty rim of every picture of a bank: soft edges and small rotations stay inside."""
ALIKE_PX = 2
"""A picture whose longest side is so much too short is not enlarged: what resizing blurs, it also makes costly to store."""
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


def read_header(path: Path) -> dict[str, Any]:
    """``pack.json`` of a pack: licences, sources, counts and the command that made it. Raises ``BadInput``."""
    return _guarded(path, _header)


def read_pack(path: Path, size: int, *, measuring: bool) -> tuple[list[dict[str, str]], np.ndarray]:
    """Items (file, name, category, style, group) and their pictures (n, 4, size, size) uint8. Raises ``BadInput``."""

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


def fitting(wh: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height at which a picture fills a bank's square of ``size`` px but for its margin."""
    longest = size - 2 * MARGIN_PX
    if longest - ALIKE_PX <= max(wh) <= longest:
        return wh
    width, height = (max(1, round(side * longest / max(wh))) for side in wh)
    return width, height


def _picture(data: bytes, size: int) -> np.ndarray:
    """(4, size, size): colours and alpha resized apart, since colours under alpha 0 are meant to be there."""
    image = Image.open(io.BytesIO(data), formats=("WEBP",))
    if max(image.size) > MAX_SIDE_PX:
        raise BadInput(f"holds a picture of {image.width} x {image.height} px; at most {MAX_SIDE_PX} can be used.")
    image = image.convert("RGBA")
    width, height = fitting(image.size, size)
    alpha = image.getchannel("A")
    colour = image.convert("RGB")  # keeps what lies under alpha 0
    if (width, height) != image.size:
        colour, alpha = (part.resize((width, height), Image.Resampling.LANCZOS) for part in (colour, alpha))
    top, left = (size - height) // 2, (size - width) // 2
    around = ((top, size - height - top), (left, size - width - left))
    rgb = np.pad(np.asarray(colour), (*around, (0, 0)), mode="edge")
    return np.concatenate([rgb, np.pad(np.asarray(alpha), around)[..., None]], axis=2).transpose(2, 0, 1)
