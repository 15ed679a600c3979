"""Masks from COCO's JSON files and their relatives: instances, results, panoptic, and COCOA's amodal regions."""

import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool

from paco_core.errors import BadInput
from paco_core.imagefile import open_image
from paco_core.polygons import fill_polygons, polygon_points
from paco_core.rawmasks import RawMasks, check_count, check_size
from paco_core.rle import decode_rle

log = logging.getLogger(__name__)

MIN_SCORE = 0.5
"""Detectors list dozens of guesses per photo; the usual threshold of what is shown."""

Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True)
class _Drawn:
    name: str | None
    mask: Mask
    stuff: bool | None = None


def read_coco(path: Path, content: dict[str, Any], photo_hw: tuple[int, int], photo_name: str | None) -> RawMasks:
    """The masks of the image called ``photo_name`` (a file's stem), or of the only image that there is.

    ``content`` has ``annotations``, each with a ``segmentation`` (polygons or run lengths), with ``segments_info`` (panoptic:
    the PNG lies beside the JSON) or with COCOA's ``regions``, of which the visible masks are taken.
    Raises ``BadInput`` for another size than the photo's, shapes that are none, or when no image fits.
    """
    annotations = _annotations(path, content, photo_hw, photo_name)
    kinds = _categories(path, content)
    panoptic = next((a for a in annotations if isinstance(a.get("segments_info"), list)), None)
    amodal = next((a for a in annotations if isinstance(a.get("regions"), list)), None)
    if panoptic is not None:
        drawn = _panoptic(path, panoptic, kinds, photo_hw)
    elif amodal is not None:
        drawn = _amodal(path, amodal, photo_hw)
    else:
        drawn = _instances(path, annotations, kinds, photo_hw)
    if not drawn:
        raise BadInput(f"{path} has no mask for this photo. Give boxes with --box, or annotate its objects.")
    names = tuple(d.name or f"object {n}" for n, d in enumerate(drawn, 1))
    masks = np.stack([d.mask for d in drawn])
    return RawMasks(tuple(range(1, len(drawn) + 1)), names, masks, tuple(d.stuff for d in drawn))


def _dicts(path: Path, content: dict[str, Any], what: str) -> list[dict[str, Any]]:
    """The list ``what`` of a JSON object; empty where there is none."""
    value = content.get(what)
    if value is not None and not (isinstance(value, list) and all(isinstance(entry, dict) for entry in value)):
        raise BadInput(f"{path}: {what!r} must be a list of JSON objects. Export the file again.")
    return value or []


def _key(value: object) -> str:
    """Ids are numbers in some files and strings in others."""
    return str(value)[:80]


def _annotations(path: Path, content: dict[str, Any], hw: tuple[int, int], photo_name: str | None) -> list[dict[str, Any]]:
    """Those of the photo."""
    everything = _dicts(path, content, "annotations")
    only = content.get("image")
    images = [only] if isinstance(only, dict) else _dicts(path, content, "images")
    if not images:
        wanted = {_key(a.get("image_id")) for a in everything}
        if len(wanted) > 1:
            raise BadInput(f"{path} has masks of {len(wanted)} images and no names of theirs. Cut it down to this photo's.")
        return everything
    image = _choose(path, images, photo_name)
    size = (image.get("height"), image.get("width"))
    if all(type(side) is int for side in size):
        check_size(path, size, hw)  # type: ignore[arg-type]
    if image is only:
        return everything
    return [a for a in everything if _key(a.get("image_id")) == _key(image.get("id"))]


def _choose(path: Path, images: list[dict[str, Any]], photo_name: str | None) -> dict[str, Any]:
    if len(images) == 1:
        return images[0]
    names = [PurePosixPath(str(image.get("file_name"))[:300].replace("\\", "/")).name for image in images]
    fitting = [k for k, name in enumerate(names) if PurePosixPath(name).stem.casefold() == (photo_name or "").casefold()]
    if len(fitting) != 1:
        found = "none is" if not fitting else f"{len(fitting)} are"
        listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise BadInput(
            f"{path} is about {len(images)} images, and {found} called {photo_name!r} as the photo is: {listed}. "
            "Name the photo as in the file, or cut the file down to this photo."
        )
    return images[fitting[0]]


def _categories(path: Path, content: dict[str, Any]) -> dict[str, tuple[str | None, bool | None]]:
    """Name and stuff mark by id."""
    return {
        _key(c.get("id")): (str(c["name"]) if c.get("name") else None, _stuff(c.get("isthing"), thing=1))
        for c in _dicts(path, content, "categories")
    }


def _stuff(mark: object, *, thing: int) -> bool | None:
    return None if mark not in (0, 1) else mark != thing


def _instances(path: Path, annotations: list[dict[str, Any]], kinds: dict, hw: tuple[int, int]) -> list[_Drawn]:
    sure = [a for a in annotations if not isinstance(a.get("score"), int | float) or a["score"] >= MIN_SCORE]
    if len(sure) < len(annotations):
        log.warning("%s: %d masks with a score below %g are left out", path.name, len(annotations) - len(sure), MIN_SCORE)
    drawn = [a for a in sure if a.get("segmentation")]
    if len(drawn) < len(sure):
        log.warning("%s: %d annotations are left out: they have no segmentation", path.name, len(sure) - len(drawn))
    check_count(path, len(drawn), hw)
    found = []
    for number, annotation in enumerate(drawn, 1):
        name, stuff = kinds.get(_key(annotation.get("category_id")), (None, None))
        mask = _located(path, f"annotation {_key(annotation.get('id', number))} ({name})", annotation["segmentation"], hw)
        found.append(_Drawn(name, mask, stuff))
    return found


def _located(path: Path, where: str, segmentation: object, hw: tuple[int, int]) -> Mask:
    """The mask of a segmentation; a sentence about a flaw says where it is."""
    try:
        if not isinstance(segmentation, list):
            return decode_rle(segmentation, hw)
        nested = bool(segmentation) and all(isinstance(part, list) for part in segmentation)
        return fill_polygons([polygon_points(part) for part in (segmentation if nested else [segmentation])], hw)
    except BadInput as flaw:
        raise BadInput(f"{path}, {where}: {flaw}") from flaw


def _panoptic(path: Path, annotation: dict[str, Any], kinds: dict, hw: tuple[int, int]) -> list[_Drawn]:
    segments = _dicts(path, annotation, "segments_info")
    check_count(path, len(segments), hw)
    ids = _panoptic_ids(path, str(annotation.get("file_name")), hw)
    found = []
    for segment in segments:
        name, stuff = kinds.get(_key(segment.get("category_id")), (None, None))
        own = _stuff(segment.get("isthing"), thing=1)
        number = segment.get("id")
        mask = ids == (number if type(number) is int and 0 < number < 2**24 else -1)
        found.append(_Drawn(name, mask, stuff if own is None else own))
    if found and not any(d.mask.any() for d in found):
        raise BadInput(f"{path}: none of its segments is in the PNG beside it. Check that both belong together.")
    return found


def _panoptic_ids(path: Path, name: str, hw: tuple[int, int]) -> np.ndarray:
    """Ids as COCO paints them: red + 256 green + 65536 blue."""
    name = PurePosixPath(name[:300].replace("\\", "/")).name
    candidates = (path.parent / name, path.with_suffix("") / name)
    try:
        png = next((p for p in candidates if p.is_file()), None)
    except OSError:  # no name that a file can have
        png = None
    if png is None:
        raise BadInput(
            f"{path} is a panoptic file: its segments are in the picture {name[:80]!r}, which is not beside it. "
            "Put both into one folder."
        )
    image = open_image(png, "masks")
    check_size(png, (image.height, image.width), hw)
    return np.asarray(image.convert("RGB")).astype(np.int32) @ np.array([1, 256, 65536], np.int32)


def _amodal(path: Path, annotation: dict[str, Any], hw: tuple[int, int]) -> list[_Drawn]:
    """COCOA draws whole objects: of each, what is visible. Where the file does not say that, ``order`` does (1 is in front)."""
    listed = _dicts(path, annotation, "regions")
    check_count(path, len(listed), hw)
    orders = [r["order"] if type(r.get("order")) is int else len(listed) for r in listed]
    found: list[_Drawn | None] = [None] * len(listed)
    taken = np.zeros(hw, bool)
    for k in sorted(range(len(listed)), key=lambda k: orders[k]):
        region, name = listed[k], str(listed[k].get("name") or "").strip() or None
        where = f"region {k + 1} ({name})"
        if region.get("visible_mask"):
            mask = _located(path, f"{where}, visible_mask", region["visible_mask"], hw)
        else:
            mask = _located(path, where, region.get("segmentation"), hw) & ~taken
        taken |= mask
        found[k] = _Drawn(name, mask, _stuff(region.get("isStuff"), thing=0))
    return [drawn for drawn in found if drawn is not None]
