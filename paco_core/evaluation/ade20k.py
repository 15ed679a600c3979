"""ADE20K (Zhou et al. 2017) as photos with visible masks: real occlusions of things, without the truth behind them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image

from paco_core.errors import BadInput
from paco_core.evaluation.usable import usable
from paco_core.imagefile import open_image, read_bytes
from paco_core.maskfile import without_stuff
from paco_core.photo import load_photo
from paco_core.rawmasks import check_count, check_size
from paco_core.stuff import is_stuff
from paco_core.types import Photo, Segmentation

SEGMENTS = "_seg.png"
CLASS_LISTS = ("objectInfo150.txt", "objects.txt")
"""Of the scene parsing challenge: a line per class, its number first, its name last, tabs between."""
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_TEXT_BYTES = 5_000_000
"""The largest description of a picture has 2 MB."""
LEAST_PX = 64
"""Smaller segments are specks of the annotation."""


def is_ade20k(folder: Path) -> bool:
    """Whether a folder looks like one of ADE20K's."""
    return next(folder.rglob(f"*{SEGMENTS}"), None) is not None or any((folder / name).is_file() for name in CLASS_LISTS)


def read_ade20k(folder: Path, skipped: list[str]) -> tuple[int, Iterator[tuple[Photo, Segmentation]]]:
    """How many pictures there are, and those that can be used, one at a time; sentences about the others in ``skipped``.

    The full data set (2016, 2021): ``X_seg.png`` beside ``X.jpg``, class number R / 10 · 256 + G, instance B; names from
    ``X.json`` by class, else ``X_atr.txt`` by instance. Parts (``X_parts_1.png``) are ignored. The challenge's form: a label
    image of classes ``annotations/…/X.png`` for ``images/…/X.jpg``, and names in ``objectInfo150.txt``; there, all things of a
    class are one mask. Stuff is left out by name. Raises ``BadInput`` for a folder without any, and when none can be used.
    """
    full = sorted(folder.rglob(f"*{SEGMENTS}"))
    if full:
        return len(full), usable(full, _full, skipped)
    listed = next((folder / name for name in CLASS_LISTS if (folder / name).is_file()), None)
    labels = sorted((folder / "annotations").rglob("*.png"))
    if listed is None or not labels:
        raise BadInput(f"{folder} has neither files X{SEGMENTS} nor {CLASS_LISTS[0]} with annotations/: it is no ADE20K.")
    names = _class_names(listed)
    return len(labels), usable(labels, lambda path: _by_class(folder, path, names), skipped)


def _full(path: Path) -> tuple[Photo, Segmentation]:
    stem = path.name.removesuffix(SEGMENTS)
    photo = _photo(path.with_name(stem))
    coded = np.asarray(_labels(path, photo).convert("RGB")).astype(np.int64)
    classes, instances = coded[..., 0] // 10 * 256 + coded[..., 1], coded[..., 2]
    by_class = _names_by_class(path.with_name(f"{stem}.json"))
    by_instance = {} if by_class else _names_by_instance(path.with_name(f"{stem}_atr.txt"))
    values = np.unique(instances[instances > 0])
    pairs = np.where(classes > 0, classes * 256 + instances, 0)

    def name(pair: int) -> str:
        known = by_class.get(pair // 256) or by_instance.get(int(np.searchsorted(values, pair % 256)) + 1)
        return known or f"class {pair // 256}"

    return photo, _things(path, pairs, name)


def _by_class(folder: Path, path: Path, names: dict[int, str]) -> tuple[Photo, Segmentation]:
    place = folder / "images" / path.relative_to(folder / "annotations")
    photo = _photo(place.with_suffix(""))
    image = _labels(path, photo)
    if image.mode not in ("L", "P", "I", "I;16"):
        raise BadInput(f"{path} is no image of class numbers (its mode is {image.mode}).")
    return photo, _things(path, np.asarray(image).astype(np.int64), lambda number: names.get(number, f"class {number}"))


def _things(path: Path, labels: Int[np.ndarray, "h w"], name: Callable[[int], str]) -> Segmentation:
    """A mask per label that is no stuff; 0 is nothing."""
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    kept = [int(v) for v, n in zip(values, counts, strict=True) if n >= LEAST_PX]
    hw = (labels.shape[0], labels.shape[1])
    check_count(path, len(kept), hw)
    names = tuple(name(value) for value in kept)
    things = [k for k, called in enumerate(names) if not is_stuff(called)]
    if not things:
        raise BadInput(f"{path} has no object: all of its {len(kept)} segments are background (sky, wall, …).")
    masks = np.stack([labels == value for value in kept])
    return without_stuff(Segmentation(tuple(range(1, len(kept) + 1)), names, masks), things)


def _photo(stem: Path) -> Photo:
    found = next((p for suffix in PHOTO_SUFFIXES if (p := stem.with_name(stem.name + suffix)).is_file()), None)
    if found is None:
        raise BadInput(f"The photo {stem.name} is not in {stem.parent}.")
    return load_photo(found)


def _labels(path: Path, photo: Photo) -> Image.Image:
    image = open_image(path, "segments", ("PNG",))
    check_size(path, (image.height, image.width), photo.hw)
    return image


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise BadInput(f"{path} is larger than {MAX_TEXT_BYTES // 10**6} MB: it describes no picture.")
    return read_bytes(path, "description").decode("utf-8-sig", errors="replace")


def _names_by_class(path: Path) -> dict[int, str]:
    """Of the 2021 release: objects with ``name_ndx``; empty where the file is not there."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not valid JSON ({str(error)[:120]}).") from error
    annotation = content.get("annotation") if isinstance(content, dict) else None
    objects = annotation.get("object") if isinstance(annotation, dict) else None
    told = [o for o in objects if isinstance(o, dict)] if isinstance(objects, list) else []
    return {o["name_ndx"]: _first(str(o.get("name", ""))) for o in told if isinstance(o.get("name_ndx"), int)}


def _names_by_instance(path: Path) -> dict[int, str]:
    """Of the 2016 release, lines ``001 # 0 # 0 # cabinet # cupboard # ""``: number, part level (0 an object), cut, class."""
    if not path.is_file():
        return {}
    rows = [[cell.strip() for cell in line.split("#")] for line in _text(path).splitlines()]
    return {int(row[0]): _first(row[3]) for row in rows if len(row) > 3 and row[1] == "0" and row[0].isdigit()}


def _class_names(path: Path) -> dict[int, str]:
    rows = [line.split("\t") for line in _text(path).splitlines()]
    return {int(row[0]): _first(row[-1]) for row in rows if len(row) > 1 and row[0].strip().isdigit()}


def _first(name: str) -> str:
    """``floor, flooring`` is called floor."""
    return name.replace(";", ",").split(",")[0].strip()[:60]
