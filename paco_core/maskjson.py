"""JSON files with masks: what they are is seen by what they hold."""

import json
from pathlib import Path
from typing import Any

from paco_core.coco import read_coco
from paco_core.errors import BadInput
from paco_core.imagefile import read_bytes
from paco_core.labelme import read_labelme
from paco_core.rawmasks import RawMasks

MAX_JSON_BYTES = 100_000_000
"""COCO's file of 5,000 photos has 20 MB; hostile JSON takes 25 times its size in memory."""


def is_json(path: Path) -> bool:
    """Whether a file begins as JSON does; no picture does."""
    try:
        with path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    except OSError:
        return False


def read_json_masks(path: Path, photo_hw: tuple[int, int], photo_name: str | None = None) -> RawMasks:
    """Masks from COCO (instances, results, panoptic), COCOA or LabelMe JSON; ids are 1, 2, 3 … in the file's order.

    ``photo_name`` is the stem of the photo's file name, by which a file about several images is searched.
    Raises ``BadInput``.
    """
    content = read_json(path)
    if isinstance(content, list):
        content = {"annotations": content}
    if isinstance(content, dict) and isinstance(content.get("shapes"), list):
        return read_labelme(path, content, photo_hw)
    if isinstance(content, dict) and isinstance(content.get("regions"), list):
        content = {"annotations": [content]}
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return read_coco(path, content, photo_hw, photo_name)
    raise BadInput(
        f"{path} holds no masks that can be read. Known are COCO (annotations), COCOA (regions) and LabelMe (shapes); "
        "a file of names is given with --names."
    )


def read_json(path: Path) -> Any:
    """Whatever a JSON file holds. Raises ``BadInput`` when it is none, or too large."""
    try:
        too_large = path.stat().st_size > MAX_JSON_BYTES
    except OSError:
        too_large = False  # read_bytes says what is wrong
    if too_large:
        raise BadInput(f"{path} is larger than {MAX_JSON_BYTES // 10**6} MB. Cut it down to the annotations of this photo.")
    try:
        return json.loads(read_bytes(path, "file of masks").decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not valid JSON ({str(error)[:120]}). Export it again.") from error
