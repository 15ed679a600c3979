"""Masks from the JSON that LabelMe writes, one file per photo."""

import base64
import binascii
import io
import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from paco_core.errors import BadInput
from paco_core.imagefile import DAMAGED
from paco_core.polygons import MAX_COORDINATE, circle_points, fill_polygons, point_pair, polygon_points
from paco_core.rawmasks import RawMasks, check_count, check_size

log = logging.getLogger(__name__)

_AREAS = ("polygon", "rectangle", "circle", "mask")


def read_labelme(path: Path, content: dict[str, Any], photo_hw: tuple[int, int]) -> RawMasks:
    """One object per shape, or per label and ``group_id``; lines and points are left out, which is logged.

    Raises ``BadInput`` for another size than the photo's and for shapes that enclose nothing.
    """
    size = (content.get("imageHeight"), content.get("imageWidth"))
    if all(type(side) is int for side in size):
        check_size(path, size, photo_hw)  # type: ignore[arg-type]
    groups = _groups(path, content["shapes"])
    if not groups:
        raise BadInput(f"{path} has no shape that encloses an object. Draw polygons, rectangles or circles.")
    check_count(path, len(groups), photo_hw)
    masks = np.stack([_union(path, shapes, photo_hw) for shapes in groups])
    names = tuple(str(shapes[0][1].get("label") or f"object {n}") for n, shapes in enumerate(groups, 1))
    return RawMasks(tuple(range(1, len(groups) + 1)), names, masks, (None,) * len(groups))


def _groups(path: Path, shapes: list[Any]) -> list[list[tuple[int, dict[str, Any]]]]:
    """The shapes of every object with their numbers in the file, in its order."""
    groups: dict[Hashable, list[tuple[int, dict[str, Any]]]] = {}
    for number, shape in enumerate(shapes, 1):
        if not isinstance(shape, dict):
            raise BadInput(f"{path}, shape {number} is no object with a label and points. Export the file again.")
        kind, group = shape.get("shape_type", "polygon"), shape.get("group_id")
        if kind not in _AREAS:
            log.warning("%s: shape %d (%s) is left out: a %s has no area", path.name, number, _label(shape), str(kind)[:20])
            continue
        key = number if group is None else (_label(shape), str(group))
        groups.setdefault(key, []).append((number, shape))
    return list(groups.values())


def _label(shape: dict[str, Any]) -> str:
    return str(shape.get("label"))[:80]


def _union(path: Path, shapes: list[tuple[int, dict[str, Any]]], hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    mask = np.zeros(hw, bool)
    for number, shape in shapes:
        try:
            mask |= _shape_mask(shape, hw)
        except BadInput as flaw:
            raise BadInput(f"{path}, shape {number} ({_label(shape)}): {flaw}") from flaw
    return mask


def _shape_mask(shape: dict[str, Any], hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    kind, points = shape.get("shape_type", "polygon"), shape.get("points")
    if kind == "polygon":
        return fill_polygons([polygon_points(points)], hw)
    pair = point_pair(points, kind)
    if kind == "mask":
        return _pasted(shape.get("mask"), pair.min(axis=0), hw)
    if kind == "circle":
        return fill_polygons([circle_points(pair[0], float(np.hypot(*(pair[1] - pair[0]))))], hw)
    (x0, y0), (x1, y1) = pair
    return fill_polygons([np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])], hw)


def _pasted(png: object, corner: np.ndarray, hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """A black and white PNG in base64, laid on the photo with its top left corner at ``corner``."""
    try:
        image = Image.open(io.BytesIO(base64.b64decode(str(png), validate=True)), formats=("PNG",))
        if image.width * image.height > hw[0] * hw[1]:
            raise BadInput("its mask is larger than the photo. Export it again.")
        cut = np.asarray(image.convert("L")) > 0
    except (*DAMAGED, binascii.Error) as error:
        raise BadInput("its mask is no PNG in base64. Export it again.") from error
    mask = np.zeros(hw, bool)
    x, y = (int(c) for c in np.clip(np.round(corner), -MAX_COORDINATE, MAX_COORDINATE))
    part = cut[max(0, -y) : max(0, hw[0] - y), max(0, -x) : max(0, hw[1] - x)]
    y, x = min(max(y, 0), hw[0]), min(max(x, 0), hw[1])
    mask[y : y + part.shape[0], x : x + part.shape[1]] = part[: hw[0] - y, : hw[1] - x]
    return mask
