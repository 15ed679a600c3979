"""COCOA's amodal annotations (Zhu et al. 2017, "Semantic amodal segmentation") as scenes with known hidden parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from paco_core.errors import BadInput
from paco_core.evaluation.order import true_order
from paco_core.evaluation.outlines import fill_with_outline
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.usable import usable
from paco_core.maskjson import read_json
from paco_core.photo import load_photo
from paco_core.polygons import polygon_points
from paco_core.rle import decode_rle
from paco_core.types import Segmentation

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_cocoa(
    path: Path, photos: Path | None = None, *, stuff: bool = True, skipped: list[str] | None = None
) -> Iterator[AmodalScene]:
    """The scenes of a COCOA file, or of a folder with one JSON file a photo, as they are needed.

    A file about many images (``images``, ``annotations``) finds them by ``file_name`` in ``photos``, else beside it; one
    about a single image (``regions``) by its own stem. ``stuff``: with regions that are marked as stuff, as SSSD counts them
    (PACO leaves them out). What is damaged or lacks its photo is skipped, with a sentence in ``skipped``; regions without a
    shape count as damage. Raises ``BadInput`` for a folder or file without annotations, and when nothing can be used.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise BadInput(f"{path} has no JSON file with amodal regions.")
    flaws = [] if skipped is None else skipped
    found = (item for file in usable(files, lambda file: _annotations(file, photos or file.parent), flaws) for item in file)
    return usable(found, lambda item: _scene(*item, stuff=stuff), flaws)


def _annotations(path: Path, folder: Path) -> list[tuple[Path, dict[str, Any], Path, str]]:
    """What a file says about each photo: the file, the annotation, and the photo's folder and stem."""
    content = read_json(path)
    if isinstance(content, dict) and isinstance(content.get("regions"), list):
        return [(path, content, folder, path.stem)]
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in ("images", "annotations")):
        raise BadInput(f"{path} has no amodal annotations (regions, or images and annotations with regions).")
    names = {str(image.get("id")): str(image.get("file_name", "")) for image in content["images"] if isinstance(image, dict)}
    if not all(isinstance(a, dict) and isinstance(a.get("regions"), list) for a in content["annotations"]):
        raise BadInput(f"{path} has an annotation without regions: is it an ordinary COCO file?")
    return [(path, a, folder, Path(names.get(str(a.get("image_id")), "")).stem) for a in content["annotations"]]


def _beside(folder: Path, stem: str, path: Path) -> Path:
    found = next((p for suffix in PHOTO_SUFFIXES if (p := folder / f"{stem}{suffix}").is_file()), None)
    if not stem or found is None:
        raise BadInput(f"The photo {stem or '(without a name)'} of {path} is not in {folder}. Name the photos' folder.")
    return found


def _scene(path: Path, annotation: dict[str, Any], folder: Path, stem: str, *, stuff: bool) -> AmodalScene:
    photo_path = _beside(folder, stem, path)
    photo = load_photo(photo_path)
    regions = [r for r in annotation["regions"] if isinstance(r, dict) and (stuff or not r.get("isStuff"))]
    if not regions:
        raise BadInput(f"{path} has no region for {photo_path.name}.")
    amodal, visible = [], []
    for number, region in enumerate(regions, 1):
        try:
            amodal.append(fill_with_outline(polygon_points(region.get("segmentation")), photo.hw))
            told = region.get("visible_mask")
            visible.append(amodal[-1] if not told else decode_rle(told, photo.hw))
        except BadInput as flaw:
            raise BadInput(f"{path}, region {number} ({str(region.get('name'))[:40]}): {flaw}") from flaw
    names = tuple(str(r.get("name") or f"object {n}") for n, r in enumerate(regions, 1))
    segmentation = Segmentation(tuple(range(1, len(regions) + 1)), names, np.stack(visible))
    whole = np.stack(amodal)
    return AmodalScene(photo, segmentation, whole, true_order(segmentation.masks, whole))
