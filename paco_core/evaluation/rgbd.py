"""Folders of colour and depth (RGB-D cameras) as scenes whose depth is known."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from paco_core.camera import estimate_camera
from paco_core.depthfile import load_depth
from paco_core.errors import BadInput
from paco_core.evaluation.depth import DepthScene
from paco_core.evaluation.usable import inside, usable
from paco_core.imagefile import read_bytes
from paco_core.maskfile import load_masks
from paco_core.photo import load_photo
from paco_core.types import Camera, Photo, Segmentation

INDEX = "index.jsonl"
MAX_INDEX_BYTES = 50_000_000
"""A line per picture has half a kilobyte."""
DEPTH_ENDING = "_depth.png"
"""Without an index: the depth of ``desk.jpg`` (or ``.png``) is ``desk_depth.png``."""
MASKS_ENDING = "_masks.png"
"""Masks, where there are any: a label image."""
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_rgbd(folder: Path, skipped: list[str]) -> tuple[int, Iterator[DepthScene]]:
    """How many pictures a folder lists, and those that can be used, one at a time; sentences about the others in ``skipped``.

    With ``index.jsonl`` a line per picture: ``image``, ``depth`` (16-bit millimetres, or anything that ``load_depth`` reads),
    and optionally ``masks``, ``depth_unit_m``, ``intrinsics`` (``fx``, ``fy``, ``cx``, ``cy`` in px of the image). Without one,
    pairs by name. Raises ``BadInput`` for a folder without any, and at the end when nothing could be used.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}. Give one with photos and their depth, or the word rooms.")
    entries = _index(folder) if (folder / INDEX).is_file() else _pairs(folder)
    if not entries:
        raise BadInput(f"{folder} has neither {INDEX} nor photos with a {DEPTH_ENDING} beside them.")
    return len(entries), usable(entries, lambda entry: _scene(folder, entry), skipped)


def _pairs(folder: Path) -> list[dict[str, Any]]:
    found = []
    for depth in sorted(folder.rglob(f"*{DEPTH_ENDING}")):
        stem = depth.name.removesuffix(DEPTH_ENDING)
        photo = next((p for suffix in PHOTO_SUFFIXES if (p := depth.with_name(stem + suffix)).is_file()), depth.with_name(stem))
        found.append({"image": str(photo.relative_to(folder)), "depth": str(depth.relative_to(folder))})
    return found


def _index(folder: Path) -> list[Any]:
    path = folder / INDEX
    if path.stat().st_size > MAX_INDEX_BYTES:
        raise BadInput(f"{path} is larger than {MAX_INDEX_BYTES // 10**6} MB. Cut it down to the pictures that are there.")
    try:
        return [json.loads(line) for line in read_bytes(path, "index").decode("utf-8-sig").splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} can't be read as one JSON object per line ({str(error)[:120]}).") from error


def _scene(folder: Path, fields: Any) -> DepthScene:
    if not isinstance(fields, dict) or not all(isinstance(fields.get(key), str) for key in ("image", "depth")):
        raise BadInput(f"{folder / INDEX} has a line without image and depth: {str(fields)[:80]}.")
    path = inside(folder, fields["image"])
    photo = load_photo(path)
    unit = fields.get("depth_unit_m")
    if unit is not None and not _positive(unit):
        raise BadInput(f"{folder / INDEX}: depth_unit_m of {path.name} is {str(unit)[:20]}; it must be a positive number.")
    depth = load_depth(inside(folder, fields["depth"]), photo.hw, unit_m=unit)
    named = fields.get("masks")
    masks = inside(folder, named) if isinstance(named, str) else path.with_name(f"{path.stem}{MASKS_ENDING}")
    seen = load_masks(masks, photo.hw) if isinstance(named, str) or masks.is_file() else _no_objects(photo)
    return DepthScene(photo, depth, seen, _camera(path, photo, fields.get("intrinsics")))


def _no_objects(photo: Photo) -> Segmentation:
    return Segmentation((), (), np.zeros((0, *photo.hw), bool))


def _camera(path: Path, photo: Photo, told: Any) -> Camera:
    """From the index; the principal point is the middle where it isn't told (``x_offset`` and ``y_offset`` are others' words)."""
    if told is None:
        return estimate_camera(photo)
    if not isinstance(told, dict) or not all(_positive(told.get(key)) for key in ("fx", "fy")):
        raise BadInput(f"The intrinsics of {path} are none: give fx, fy, cx and cy, px of the image.")
    h, w = photo.hw
    axes = (("cx", "x_offset", w), ("cy", "y_offset", h))
    centre = [told.get(ours, told.get(other, size / 2)) for ours, other, size in axes]
    if not all(_positive(value) for value in centre):
        raise BadInput(f"The principal point of {path} is {str(centre)[:40]}; it must lie inside of the picture, px.")
    return Camera(float(told["fx"]), float(told["fy"]), float(centre[0]), float(centre[1]), w, h, "calibration")


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
