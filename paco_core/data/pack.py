"""Writing pack files: pictures of whole objects that are small enough to travel. ``paco_core.data.packfile`` reads them."""

import io
import json
import logging
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from scipy import ndimage
from skimage.measure import label

from paco_core.data.packfile import HEADER, ITEMS, MAX_TEXT, VERSION, fitting
from paco_core.errors import BadInput
from paco_core.files import writing
from paco_core.progress import Progress, silent

log = logging.getLogger(__name__)

QUALITIES = (85, 75, 65, 55, 45, 35)
"""WebP's, for colours; alpha is exact with all of them. Below the last one, blocks are seen at 128 px."""
TRIAL_PICTURES = 300
"""So many pictures, spread over all, tell how many bytes a quality needs."""
ENTRY_BYTES = 100
"""What the zip adds to a picture: two headers and twice its name."""
SPARE = 0.97
"""Of the limit: the trial pictures are not quite like the others, and the header needs room, too."""
HARD = 0.5
"""Alpha from which a pixel's colour is the object's own; below, it is mixed with what was behind and made anew."""
NEAR_PX = 4
"""So far beyond the object its colours go on as they are, and over as much again they fade: soft edges, filters and the blocks of
WebP reach no farther, and an even rest costs next to nothing."""
SPECK = 0.03
"""Of the area of an object's largest part."""

RGBA = UInt8[np.ndarray, "_ _ 4"]


@dataclass(frozen=True)
class PackItem:
    """One picture of a whole object."""

    rgba: RGBA
    """Straight alpha, as ``cropped`` makes it."""
    name: str
    category: str
    style: str
    group: str
    """Pictures of the same object, or near duplicates, share it."""
    licence: str
    source: str
    rank: int = 0
    """Number of the view: where a pack grows too large, the highest ones are dropped."""


@dataclass(frozen=True)
class PackPlan:
    """What a pack is for, and how large it may be."""

    split: str
    use: Literal["train", "eval"]
    """``eval``: for measuring only; training refuses the pack."""
    size: int
    """Px, longest side of its pictures with their margin."""
    max_bytes: int
    made_by: str
    """The command, for the model card."""


@dataclass(frozen=True)
class PackSummary:
    """What was written."""

    path: Path
    pictures: int
    objects: int
    dropped: int
    """Pictures that were left out to keep the limit."""
    quality: int
    """WebP's."""
    bytes: int
    skipped: tuple[str, ...]
    """A sentence for each object that can't be used."""


def is_file(path: Path) -> bool:
    """Whether a name out of somebody's index is a file; names that no file can have are none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def cropped(rgba: RGBA, size: int) -> RGBA:
    """The object alone, as large as a bank of ``size`` px shows it, with its colours continued under the soft edge.

    Raises ``BadInput`` where nothing is opaque.
    """
    solid = rgba[..., 3] >= 255 * HARD
    if not solid.any():
        raise BadInput("it shows nothing.")
    rows, columns = (np.flatnonzero((rgba[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    picture = continued(rgba[box], solid[box])
    wh = fitting((picture.shape[1], picture.shape[0]), size)
    if wh == (picture.shape[1], picture.shape[0]):
        return picture
    parts = (Image.fromarray(part).resize(wh, Image.Resampling.LANCZOS) for part in (picture[..., :3], picture[..., 3]))
    return np.dstack([np.asarray(part) for part in parts])


def continued(rgba: RGBA, known: Bool[np.ndarray, "_ _"]) -> RGBA:
    """What is not ``known`` has the colour of the nearest pixel that is, and farther out the mean colour; alpha stays."""
    nearest = np.asarray(ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True))
    distance = np.linalg.norm(nearest - np.indices(known.shape), axis=0)
    rgb = rgba[..., :3][tuple(nearest)]
    share = np.clip(distance / NEAR_PX - 1, 0, 1)[..., None]
    rgb = (1 - share) * rgb + share * rgba[known][:, :3].mean(axis=0)
    return np.dstack([np.round(rgb).astype(np.uint8), rgba[..., 3]])


def without_specks(rgba: RGBA) -> RGBA:
    """Parts smaller than ``SPECK`` of the largest become transparent: letters, dust, crumbs of a mask."""
    parts = np.asarray(label(rgba[..., 3] > 0, connectivity=2))
    areas = np.bincount(parts.ravel())
    large = areas >= SPECK * areas[1:].max(initial=0)
    return np.dstack([rgba[..., :3], rgba[..., 3] * large[parts]])


def encode(rgba: RGBA, quality: int) -> bytes:
    """WebP: lossy colours (also where alpha is 0), exact alpha."""
    file = io.BytesIO()
    Image.fromarray(rgba).save(file, "WEBP", quality=quality, alpha_quality=100, exact=True, method=4)
    return file.getvalue()


def choose_quality(pictures: Sequence[RGBA], limit_bytes: float) -> int:
    """The best quality with which a picture needs ``limit_bytes`` on average; the least one where none does."""
    for quality in QUALITIES:
        if np.mean([len(encode(picture, quality)) for picture in pictures]) <= limit_bytes:
            return quality
    return QUALITIES[-1]


Found = Sequence[PackItem] | str
"""All pictures of one object, or why it can't be used."""


def write_pack(path: Path, found: Iterable[Found], plan: PackPlan, *, total: int, progress: Progress = silent) -> PackSummary:
    """Write what is ``found`` of ``total`` objects, whole or not at all; ``found`` should come in no particular order.

    The first objects decide about the quality. Raises ``BadInput`` where nothing is left, or there is no place to write.
    """
    skipped: list[str] = []
    waiting: list[PackItem] = []
    pack: list[tuple[PackItem, bytes]] = []
    quality = 0
    for done, item in enumerate(found, 1):
        if isinstance(item, str):
            skipped.append(item)
            log.warning("%s", item)
        else:
            waiting += item
        if len(waiting) >= TRIAL_PICTURES or done == total or quality:
            quality = quality or _quality(waiting, (len(waiting) * total) / max(done - len(skipped), 1), plan)
            pack += [(entry, encode(entry.rgba, quality)) for entry in waiting]
            waiting = []
        progress("pack", done, total)
    kept = _within(sorted(pack, key=lambda entry: entry[0].rank), plan.max_bytes)
    if not kept:
        raise BadInput(f"Nothing is left to write into {path} ({len(skipped)} objects left out). Check the folder and --max-mb.")
    objects = len({item.group for item, _ in kept})
    summary = PackSummary(path, len(kept), objects, len(pack) - len(kept), quality, 0, tuple(skipped))
    _save(kept, plan, summary)
    return replace(summary, bytes=path.stat().st_size)


def _quality(trial: Sequence[PackItem], expected: float, plan: PackPlan) -> int:
    if not trial:
        return QUALITIES[0]
    room = SPARE * plan.max_bytes / expected - ENTRY_BYTES - np.mean([len(_line(item, 0)) for item in trial])
    return choose_quality([item.rgba for item in trial], float(room))


def _within(pack: Sequence[tuple[PackItem, bytes]], max_bytes: int) -> list[tuple[PackItem, bytes]]:
    sizes = [len(data) + ENTRY_BYTES + len(_line(item, 0)) for item, data in pack]
    return list(pack[: int(np.searchsorted(np.cumsum(sizes), max_bytes, side="right"))])


def _save(kept: Sequence[tuple[PackItem, bytes]], plan: PackPlan, summary: PackSummary) -> None:
    listed = {key: Counter(getattr(item, key) or "not said" for item, _ in kept) for key in ("licence", "source", "style")}
    said = {**asdict(plan), "quality": summary.quality, "count": summary.pictures, "objects": summary.objects}
    header = {"version": VERSION, **said, **listed, "dropped": summary.dropped, "skipped": summary.skipped}
    with writing(summary.path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        _put(pack, HEADER, json.dumps(header, indent=1, ensure_ascii=False))
        _put(pack, ITEMS, "\n".join(_line(item, number) for number, (item, _) in enumerate(kept)))
        for number, (_, data) in enumerate(kept):
            _put(pack, _file(number), data)


def _put(pack: zipfile.ZipFile, name: str, data: bytes | str) -> None:
    pack.writestr(zipfile.ZipInfo(name), data)  # a ZipInfo has no date of today: the same items, the same bytes


def _file(number: int) -> str:
    return f"{number:06d}.webp"


def _line(item: PackItem, number: int) -> str:
    texts = {key: getattr(item, key)[:MAX_TEXT] for key in ("name", "category", "style", "group")}
    return json.dumps({"file": _file(number), **texts}, ensure_ascii=False)
