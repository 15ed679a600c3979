"""Masks that the user has: a label image, or a folder with one mask per object."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image

from paco_core.errors import BadInput
from paco_core.imagefile import open_image, size_text
from paco_core.masknames import find_sidecar, match_names, read_names
from paco_core.types import Segmentation

log = logging.getLogger(__name__)

MAX_OBJECTS = 256
"""More labels than this are a photo or a noisy export, not objects."""

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
) -> Segmentation:
    """Read the visible masks of a photo of size ``photo_hw``; they may still overlap (``segment`` resolves that).

    ``path`` is a label image (8/16-bit grey, indexed, or one colour per object; 0 or black is background) or a folder
    of binary or RGBA masks, one per object, sorted as people count. Names come from ``names`` (one per object),
    ``names_path``, or a JSON file found beside the masks; files of a folder are named by their stems.
    Raises ``BadInput`` for another size, an empty mask, no object, a photo in place of labels, or names without object.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}. Check the path of the masks.")
    ids, own_names, masks = _from_folder(path, photo_hw) if path.is_dir() else _from_labels(path, photo_hw)
    given = _given_names(path, ids, names_path, names)
    return Segmentation(ids, tuple(given.get(i, own) for i, own in zip(ids, own_names, strict=True)), masks)


def _given_names(path: Path, ids: tuple[int, ...], names_path: str | Path | None, names: Sequence[str] | None) -> dict[int, str]:
    if names is not None:
        if names_path is not None:
            raise BadInput("Names are given twice, as a list and as a file. Leave one of them out.")
        return match_names(names, ids, "The list of names")
    sidecar = find_sidecar(path) if names_path is None else Path(names_path)
    return {} if sidecar is None else read_names(sidecar, ids)


def _check_size(path: Path, hw: tuple[int, int], photo_hw: tuple[int, int]) -> None:
    if hw == photo_hw:
        return
    advice = "Export the masks at the photo's size, without cropping."
    if hw == photo_hw[::-1]:
        advice = "They look turned by 90°: draw them on the upright photo, as its EXIF orientation shows it."
    elif abs(hw[0] * photo_hw[1] / (hw[1] * photo_hw[0]) - 1) < 0.01:
        advice = "The aspect is the same: scale them to the photo's size without smoothing (nearest neighbour)."
    raise BadInput(f"{path} has {size_text(hw)}, the photo {size_text(photo_hw)}. {advice}")


def _from_labels(path: Path, photo_hw: tuple[int, int]) -> tuple[tuple[int, ...], tuple[str, ...], Bool[np.ndarray, "n h w"]]:
    image = open_image(path, "masks")
    _check_size(path, (image.height, image.width), photo_hw)
    labels = _label_values(image, path)
    ids = tuple(int(i) for i in np.unique(labels) if i != 0)
    if not ids:
        raise BadInput(f"{path} has no object: every pixel is background (0). Paint each object with its own number.")
    if len(ids) > MAX_OBJECTS or (labels[:, 1:] != labels[:, :-1]).mean() > MAX_CHANGES:
        raise _looks_like_a_photo(path)
    if len(ids) > 1 and 255 in ids and np.isin(labels, (0, 255)).mean() > SOFT_SHARE and max(ids) == 255:
        raise BadInput(
            f"{path} looks like one mask with soft edges, not like labels. Put it into a folder (one file per object) "
            "and give the folder, or save it without antialiasing."
        )
    masks = np.stack([labels == i for i in ids])
    if len(ids) == 1 and ids[0] in (255, 65535):  # a black and white mask: its one object is number 1
        ids = (1,)
    return ids, tuple(f"object {i}" for i in ids), masks


def _label_values(image: Image.Image, path: Path) -> Int[np.ndarray, "h w"]:
    """One number per pixel: the grey level or palette index, else colours numbered in reading order, black being 0."""
    if image.mode in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N"):
        return np.asarray(image).astype(np.int64)
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


def _from_folder(folder: Path, photo_hw: tuple[int, int]) -> tuple[tuple[int, ...], tuple[str, ...], Bool[np.ndarray, "n h w"]]:
    files = [p for p in folder.iterdir() if p.suffix.lower() in MASK_SUFFIXES and not p.name.startswith(".")]
    if not files:
        raise BadInput(f"The folder {folder} has no masks. Put one PNG per object into it, white on black or with transparency.")
    if len(files) > MAX_OBJECTS:
        raise BadInput(f"The folder {folder} has {len(files)} pictures; at most {MAX_OBJECTS} objects can be taken. Remove some.")
    files.sort(key=lambda p: _natural(p.name))
    masks = np.stack([_binary(p, photo_hw) for p in files])
    return tuple(range(1, len(files) + 1)), tuple(_name_of(p.stem, i) for i, p in enumerate(files, 1)), masks


def _binary(path: Path, photo_hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Transparency where the file has any, else everything brighter than half of its brightest value."""
    image = open_image(path, "mask")
    _check_size(path, (image.height, image.width), photo_hw)
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
