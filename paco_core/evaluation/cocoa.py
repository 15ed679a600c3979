"""COCOA's amodal annotations (Zhu et al. 2017, "Semantic amodal segmentation") as scenes with known hidden parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from paco_core.errors import BadInput
from paco_core.evaluation.order import true_order
from paco_core.evaluation.outlines import fill_with_outline
from paco_core.evaluation.scenes import AmodalScene
from paco_core.maskjson import read_json
from paco_core.photo import load_photo
from paco_core.polygons import polygon_points
from paco_core.rle import decode_rle
from paco_core.types import Segmentation

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_cocoa(path: Path, photos: Path | None = None, *, stuff: bool = True) -> Iterator[AmodalScene]:
    """The scenes of a COCOA file, or of a folder with one JSON file a photo, as they are needed.

    A file about many images (``images``, ``annotations``) finds them by ``file_name`` in ``photos``, else beside it; one
    about a single image (``regions``) by its own stem. ``stuff``: with regions that are marked as stuff, as SSSD counts them
    (PACO leaves them out). Raises ``BadInput``, naming the file, for what is damaged; regions without a shape count as damage.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise BadInput(f"{path} has no JSON file with amodal regions.")
        for file in files:
            yield from read_cocoa(file, photos or path, stuff=stuff)
        return
    content, folder = read_json(path), photos or path.parent
    if isinstance(content, dict) and isinstance(content.get("regions"), list):
        yield _scene(path, content, _beside(folder, path.stem, path), stuff=stuff)
        return
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in ("images", "annotations")):
        raise BadInput(f"{path} has no amodal annotations (regions, or images and annotations with regions).")
    names = {image.get("id"): str(image.get("file_name", "")) for image in content["images"] if isinstance(image, dict)}
    for annotation in content["annotations"]:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("regions"), list):
            raise BadInput(f"{path} has an annotation without regions: is it an ordinary COCO file?")
        name = Path(names.get(annotation.get("image_id"), "")).name
        yield _scene(path, annotation, _beside(folder, Path(name).stem, path), stuff=stuff)


def _beside(folder: Path, stem: str, path: Path) -> Path:
    found = next((p for suffix in PHOTO_SUFFIXES if (p := folder / f"{stem}{suffix}").is_file()), None)
    if not stem or found is None:
        raise BadInput(f"The photo {stem or '(without a name)'} of {path} is not in {folder}. Name the photos' folder.")
    return found


def _scene(path: Path, annotation: dict[str, Any], photo_path: Path, *, stuff: bool) -> AmodalScene:
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
