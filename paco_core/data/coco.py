"""Whole objects from COCO: those that nothing in front hides, chosen by depth as PACO does (section 4.4), or by convexity."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool
from skimage.measure import label

from paco_core.backends.base import OrderPredictor
from paco_core.coco import read_coco
from paco_core.data.pack import Found, PackItem, cropped, is_file
from paco_core.depthfile import load_depth
from paco_core.errors import BadInput
from paco_core.imagefile import read_bytes
from paco_core.masks import box_slices
from paco_core.photo import load_photo
from paco_core.registry import BACKENDS
from paco_core.shape import convex_hull
from paco_core.types import DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)

BORDER_PX = 3
"""An object nearer to the photo's border may go on beyond it."""
MIN_AREA_PX = 48**2
"""Smaller ones are blurred when they are shown at 128 px."""
MAIN_PART = 0.95
"""Share of the area in one piece; objects behind bars and branches have several."""
SOLIDITY = 0.35
"""Share of its hull that an object fills; below are tangles, outlines with bites, and mistakes."""
ORDER = "boundary"
"""The weight-free order; it uses depth where there is some, else convexity."""


@dataclass(frozen=True)
class CocoFolder:
    """An instances file, grouped by photo, and where the photos lie."""

    annotations: Path
    images: Path
    depth: Path | None
    """Folder with one depth file a photo, called as the photo."""
    content: tuple[dict[str, Any], ...]
    """For each photo an instances file of its own."""
    licences: dict[str, str]

    def select(self, count: int, seed: int) -> "CocoFolder":
        """``count`` photos at random, or all where there are fewer."""
        order = np.random.default_rng(seed).permutation(len(self.content))[:count]
        return replace(self, content=tuple(self.content[k] for k in order))

    def items(self, size: int) -> Iterator[Found]:
        """The un-occluded objects of one photo after the other; a sentence where a photo can't be used."""
        order = BACKENDS.create("order", ORDER)
        for content in self.content:
            name = _file_name(content["images"][0])
            try:
                yield self._of_photo(content, order, size)
            except BadInput as flaw:
                yield f"{name} is left out: {flaw}"

    def _of_photo(self, content: dict[str, Any], order: OrderPredictor, size: int) -> list[PackItem]:
        image = content["images"][0]
        name = _file_name(image)
        photo = load_photo(self.images / name)
        raw = read_coco(self.annotations, content, photo.hw, None)
        seen = Segmentation(raw.ids, raw.names, raw.masks)
        crowds = [bool(annotation.get("iscrowd")) for annotation in content["annotations"]]
        behind = {edge.behind for edge in order.order(photo, seen, self._depth(photo))}
        licence = self.licences.get(str(image.get("license")), "")
        found = []
        for id_, called, mask, crowd in zip(raw.ids, raw.names, raw.masks, crowds, strict=True):
            if not crowd and id_ not in behind and is_whole(mask):
                rgba = np.dstack([photo.rgb, 255 * mask.astype(np.uint8)])[box_slices(mask, 0)]
                group = f"coco/{PurePosixPath(name).stem}/{id_}"
                found.append(PackItem(cropped(rgba, size), called, called, "photo", group, licence, "COCO"))
        return found

    def _depth(self, photo: Photo) -> DepthMap:
        """From the folder, or without an opinion anywhere."""
        files = [] if self.depth is None else sorted(self.depth.glob(f"{photo.name}.*"))
        if files:
            return load_depth(files[0], photo.hw, kind="relative")
        return DepthMap(np.ones(photo.hw, np.float32), np.zeros(photo.hw, bool), "relative", "none")


def is_whole(mask: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a mask's own shape says nothing against it: away from the border, large, in one piece, no tangle."""
    if mask.sum() < MIN_AREA_PX:
        return False
    inner = np.zeros_like(mask)
    inner[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    if (mask & ~inner).any():
        return False
    part = mask[box_slices(mask, 1)]
    largest = np.bincount(np.asarray(label(part, connectivity=2)).ravel())[1:].max()
    return bool(largest >= MAIN_PART * part.sum() and part.sum() > SOLIDITY * convex_hull(part).sum())


def find_coco(annotations: Path, images: Path, depth: Path | None = None) -> tuple[CocoFolder, tuple[str, ...]]:
    """Group an instances file by photo; also a sentence for each photo that can't be used.

    Raises ``BadInput`` for what is no instances file, folders that are not there, and where no photo is left. COCO's train2017
    file takes about 4 GB of memory.
    """
    for folder in (images, depth):
        if folder is not None and not folder.is_dir():
            raise BadInput(f"There is no folder {folder}. Give the one with COCO's photos, or with their depth.")
    try:
        whole = json.loads(read_bytes(annotations, "COCO file"))
    except (ValueError, RecursionError) as flaw:
        raise BadInput(f"{annotations} is no JSON that can be read ({str(flaw)[:80]}). Give COCO's instances file.") from flaw
    listed, drawn = (_objects(annotations, whole, key) for key in ("images", "annotations"))
    by_image: dict[str, list[dict[str, Any]]] = {}
    for annotation in drawn:
        if annotation.get("segmentation"):
            known = {key: value for key, value in annotation.items() if key != "score"}
            by_image.setdefault(str(annotation.get("image_id")), []).append(known)
    content, skipped = [], []
    for image in listed:
        of_image = by_image.get(str(image.get("id")), [])
        if not is_file(images / _file_name(image)):
            skipped.append(f"{_file_name(image) or 'a photo without a name'} is left out: it is not in {images.name}.")
        elif of_image:
            content.append({"images": [image], "annotations": of_image, "categories": whole.get("categories")})
    if not content:
        raise BadInput(f"{annotations} has no photo with masks that lies in {images} ({len(skipped)} are not there).")
    names = {
        str(entry.get("id")): str(entry.get("name"))[:120] for entry in _objects(annotations, whole, "licenses", needed=False)
    }
    return CocoFolder(annotations, images, depth, tuple(content), names), tuple(skipped)


def _objects(path: Path, whole: Any, key: str, *, needed: bool = True) -> list[dict[str, Any]]:
    value = whole.get(key) if isinstance(whole, dict) else None
    if value is None and not needed:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise BadInput(f"{path} has no list of {key}. Give COCO's instances file, such as instances_train2017.json.")
    return value


def _file_name(image: dict[str, Any]) -> str:
    """Without folders: whatever the file says, a photo lies in the folder of photos."""
    return PurePosixPath(str(image.get("file_name"))[:300].replace("\\", "/")).name
