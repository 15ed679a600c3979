"""Masks that the user has: a label image, a folder with one mask per object, or JSON; stuff is left out by name or mark."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image

from paco_core.errors import BadInput
from paco_core.imagefile import open_image
from paco_core.maskjson import is_json, read_json_masks
from paco_core.masknames import clean_name, find_sidecar, match_names, read_names
from paco_core.rawmasks import MAX_OBJECTS, RawMasks, check_count, check_size
from paco_core.stuff import is_stuff, stuff_map
from paco_core.types import Segmentation

log = logging.getLogger(__name__)

Stuff = Literal["background", "objects"]

MAX_CHANGES = 0.3
"""Share of horizontal neighbours with different labels: label images stay below 0.1, photos and noise lie above 0.5."""

SOFT_SHARE = 0.95
"""With this share of pixels at 0 or 255 and grey levels in between, a picture is one mask with a soft edge."""

MASK_SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg")


def load_masks(
    path: str | Path,
    photo_hw: tuple[int, int],
    names_path: str | Path | None = None,
    names: Sequence[str] | None = None,
    *,
    photo_name: str | None = None,
    stuff: Stuff = "background",
) -> Segmentation:
    """Read the visible masks of a photo of size ``photo_hw``; they may still overlap (``segment`` resolves that).

    ``path`` is a label image (8/16-bit grey, indexed, or one colour per object; 0 or black is background), a folder
    of binary or RGBA masks, one per object, sorted as people count, or JSON (COCO, COCOA, LabelMe), in which
    ``photo_name``, the stem of the photo's file name, finds the image. Names come from ``names`` (one per object),
    ``names_path``, the JSON itself, or a JSON file found beside the masks; files of a folder are named by their stems.
    Stuff (sky, wall: by the file's mark, else by name) is left out unless ``stuff`` is ``"objects"``, which is logged.
    Raises ``BadInput`` for another size, an empty mask, no object, a photo in place of labels, or names without object.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}. Check the path of the masks.")
    raw = _read(path, photo_hw, photo_name)
    given = _given_names(path, raw.ids, names_path, names)
    called = tuple(clean_name(given.get(i, own)) or f"object {i}" for i, own in zip(raw.ids, raw.names, strict=True))
    whole = Segmentation(raw.ids, called, raw.masks)
    return whole if stuff == "objects" else without_stuff(whole, _things(path, raw, called))


def without_stuff(whole: Segmentation, things: Sequence[int]) -> Segmentation:
    """The objects at these indices; the other masks tell what is floor, what stands, and what is sky."""
    if len(things) == len(whole.ids):
        return whole
    others = sorted(set(range(len(whole.ids))) - set(things))
    return Segmentation(
        tuple(whole.ids[k] for k in things),
        tuple(whole.names[k] for k in things),
        whole.masks[list(things)],
        stuff_map([whole.names[k] for k in others], whole.masks[others]),
    )


def _read(path: Path, photo_hw: tuple[int, int], photo_name: str | None) -> RawMasks:
    if path.is_dir():
        return _from_folder(path, photo_hw)
    return read_json_masks(path, photo_hw, photo_name) if is_json(path) else _from_labels(path, photo_hw)


def _things(path: Path, raw: RawMasks, names: tuple[str, ...]) -> list[int]:
    """Indices of the objects that are no stuff, by the file's mark or, where it has none, by name."""
    is_background = [is_stuff(name) if mark is None else mark for name, mark in zip(names, raw.stuff, strict=True)]
    left_out = [f"{names[k]} ({raw.ids[k]})" for k, background in enumerate(is_background) if background]
    listed = ", ".join(left_out[:12]) + (" …" if len(left_out) > 12 else "")
    if len(left_out) == len(raw.ids):
        raise BadInput(f"{path} has no object: {listed} is background by name or mark. To keep it as objects: --stuff objects.")
    if left_out:
        log.warning("%s: %s: background, not objects (to keep them as objects: --stuff objects)", path.name, listed)
    return [k for k, background in enumerate(is_background) if not background]


def _given_names(path: Path, ids: tuple[int, ...], names_path: str | Path | None, names: Sequence[str] | None) -> dict[int, str]:
    if names is not None:
        if names_path is not None:
            raise BadInput("Names are given twice, as a list and as a file. Leave one of them out.")
        return match_names(names, ids, "The list of names")
    found = None if is_json(path) else find_sidecar(path)
    sidecar = found if names_path is None else Path(names_path)
    return {} if sidecar is None else read_names(sidecar, ids)


def _from_labels(path: Path, photo_hw: tuple[int, int]) -> RawMasks:
    image = open_image(path, "masks")
    check_size(path, (image.height, image.width), photo_hw)
    labels = _label_values(image, path)
    ids = tuple(int(i) for i in np.unique(labels) if i != 0)
    if ids and ids[0] < 0:
        raise BadInput(f"{path} has the label {ids[0]}. Labels must be positive: number the objects from 1 on.")
    if not ids:
        raise BadInput(f"{path} has no object: every pixel is background (0). Paint each object with its own number.")
    if len(ids) > MAX_OBJECTS or (labels[:, 1:] != labels[:, :-1]).mean() > MAX_CHANGES:
        raise _looks_like_a_photo(path)
    if len(ids) > 1 and 255 in ids and np.isin(labels, (0, 255)).mean() > SOFT_SHARE and max(ids) == 255:
        raise BadInput(
            f"{path} looks like one mask with soft edges, not like labels. Put it into a folder (one file per object) "
            "and give the folder, or save it without antialiasing."
        )
    check_count(path, len(ids), photo_hw)
    masks = np.stack([labels == i for i in ids])
    if len(ids) == 1 and ids[0] in (255, 65535):  # a black and white mask: its one object is number 1
        ids = (1,)
    return RawMasks(ids, tuple(f"object {i}" for i in ids), masks, (None,) * len(ids))


def _label_values(image: Image.Image, path: Path) -> Int[np.ndarray, "h w"]:
    """One number per pixel: the grey level or palette index, else colours numbered in reading order, black being 0."""
    if image.mode in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N"):
        return np.asarray(image).astype(np.int32)
    if image.mode == "F":
        raise BadInput(f"{path} holds floating-point numbers. Save the labels as 8- or 16-bit PNG.")
    rgba = np.asarray(image.convert("RGBA"))
    visible = rgba[..., 3] > 127
    if (rgba[..., :3] == rgba[..., :1]).all():  # grey saved as colour
        return np.where(visible, rgba[..., 0], 0).astype(np.int64)
    packed = np.where(visible, rgba[..., :3].astype(np.int64) @ [65536, 256, 1], 0)
    return _numbered(packed, path)


def _numbered(colours: Int[np.ndarray, "h w"], path: Path) -> Int[np.ndarray, "h w"]:
    """Colours as 1, 2, 3 … in the order in which they appear from the top left; 0 stays."""
    values, first, inverse = np.unique(colours, return_index=True, return_inverse=True)
    if len(values) > MAX_OBJECTS:
        raise _looks_like_a_photo(path)
    order = [k for k in np.argsort(first) if values[k] != 0]
    number = np.zeros(len(values), np.int64)
    number[order] = np.arange(1, len(order) + 1)
    log.info("%s: %s", path.name, ", ".join(f"{number[k]} is #{values[k]:06x}" for k in order))
    return number[inverse].reshape(colours.shape)


def _looks_like_a_photo(path: Path) -> BadInput:
    return BadInput(
        f"{path} looks like a photo, not like a label image (one number or flat colour per object, at most {MAX_OBJECTS}). "
        "Save labels as PNG without antialiasing; JPEG blurs them."
    )


def _from_folder(folder: Path, photo_hw: tuple[int, int]) -> RawMasks:
    files = [p for p in folder.iterdir() if p.suffix.lower() in MASK_SUFFIXES and not p.name.startswith(".")]
    if not files:
        hint = " A JSON file with masks is given itself, not its folder." if next(folder.glob("*.json"), None) else ""
        raise BadInput(
            f"The folder {folder} has no masks. Put one PNG per object into it, white on black or with transparency.{hint}"
        )
    check_count(folder, len(files), photo_hw)
    files.sort(key=lambda p: _natural(p.name))
    masks = np.stack([_binary(p, photo_hw) for p in files])
    names = tuple(_name_of(p.stem, i) for i, p in enumerate(files, 1))
    return RawMasks(tuple(range(1, len(files) + 1)), names, masks, (None,) * len(files))


def _binary(path: Path, photo_hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Transparency where the file has any, else everything brighter than half of its brightest value."""
    image = open_image(path, "mask")
    check_size(path, (image.height, image.width), photo_hw)
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    if alpha is not None and alpha.getextrema() != (255, 255):
        mask = np.asarray(alpha) > 127
    else:
        values = np.asarray(image if alpha is None else image.convert("RGB")).astype(np.float64)
        values = values.max(axis=-1) if values.ndim == 3 else values
        mask = values > values.max() / 2
    if not mask.any():
        raise BadInput(f"{path} is an empty mask: no pixel is white or opaque. Draw its object, or remove the file.")
    return mask


def _name_of(stem: str, number: int) -> str:
    """``02_left chair`` is called ``left chair``."""
    name = re.sub(r"^[\d_\-. ]+", "", stem).replace("_", " ").strip()
    return name or f"object {number}"


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key by which ``2.png`` comes before ``10.png``."""
    return tuple((int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", text))
