"""A folder of photos with masks, as data sets have them: which scenes there are, and what in them is an object."""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from paco_core.errors import BadInput
from paco_core.imagefile import FORMATS_TEXT
from paco_core.maskfile import load_masks, without_stuff
from paco_core.photo import load_photo
from paco_core.stuff import is_stuff
from paco_core.types import Photo, Segmentation

log = logging.getLogger(__name__)

INDEX = "index.jsonl"
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif")
LABEL_NAMES = ("seg.png", "masks.png", "labels.png")
MASK_PATTERN = "mask_*.png"


@dataclass(frozen=True)
class PhotoScene:
    """One photo on disk, with its masks."""

    name: str
    photo: Path
    masks: tuple[Path, ...]
    """One label image, or one picture per object."""
    names: dict[int, str]
    """By id; what is missing here is called "object 7"."""
    stuff: frozenset[int]
    """Ids of what is background: the index says so."""


def find_scenes(folder: Path) -> tuple[PhotoScene, ...]:
    """The scenes of a folder, by name; photos without masks are left out, which is logged.

    One subfolder a scene, with one photo and its masks (``seg.png``, ``masks.png``, ``labels.png``, or ``mask_*.png``).
    An ``index.jsonl`` beside them may give a line per scene: ``{"name": …, "segments": [{"id": 1, "category": "cup",
    "isthing": 1}, …]}``. Raises ``BadInput`` when there is no scene.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}. Give one that has a subfolder per photo.")
    index = _read_index(folder / INDEX)
    scenes = [s for f in sorted(folder.iterdir()) if f.is_dir() if (s := _scene(f, index.get(f.name, {}))) is not None]
    if not scenes:
        raise BadInput(
            f"{folder} has no scene: a subfolder with a photo ({FORMATS_TEXT}) and {', '.join(LABEL_NAMES)} or {MASK_PATTERN}."
        )
    return tuple(scenes)


def choose(scenes: tuple[PhotoScene, ...], only: Path | None) -> tuple[PhotoScene, ...]:
    """The scenes that a text file lists, a name a line (``#`` begins a comment), in its order; all without a file."""
    if only is None:
        return scenes
    try:
        lines = [line.split("#")[0].strip() for line in only.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{only} can't be read as a list of names ({error}).") from error
    by_name = {scene.name: scene for scene in scenes}
    wanted = [line for line in lines if line]
    if missing := [name for name in wanted if name not in by_name]:
        raise BadInput(f"{only} lists {missing[0]!r}, which is not among the {len(scenes)} scenes. Check the spelling.")
    return tuple(by_name[name] for name in wanted)


def load_scene(scene: PhotoScene) -> tuple[Photo, Segmentation]:
    """The photo and the masks of its things, which may overlap. Raises ``BadInput``, also when nothing is a thing."""
    photo = load_photo(scene.photo)
    if len(scene.masks) == 1 and scene.masks[0].name in LABEL_NAMES:
        raw = load_masks(scene.masks[0], photo.hw)
    else:
        singles = [load_masks(path, photo.hw) for path in scene.masks]
        ids = tuple(range(1, len(singles) + 1))
        raw = Segmentation(ids, tuple(f"object {i}" for i in ids), np.stack([s.masks.any(axis=0) for s in singles]))
    names = tuple(scene.names.get(i, own) for i, own in zip(raw.ids, raw.names, strict=True))
    kept = [k for k, i in enumerate(raw.ids) if i not in scene.stuff and not is_stuff(names[k])]
    if not kept:
        raise BadInput(f"{scene.name} has no object: all of its {len(raw.ids)} masks are background (sky, wall, …).")
    return photo, without_stuff(replace(raw, names=names), kept)


def _scene(folder: Path, entry: dict[str, Any]) -> PhotoScene | None:
    labels = [folder / name for name in LABEL_NAMES if (folder / name).is_file()][:1]
    masks = labels or sorted(folder.glob(MASK_PATTERN))
    others = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in PHOTO_SUFFIXES and p not in masks]
    photos = [p for p in others if p.stem in ("image", "photo")] or others
    if not photos or not masks:
        log.info("%s is left out: it has no %s", folder.name, "photo" if not photos else "masks")
        return None
    segments = [s for s in entry.get("segments", ()) if isinstance(s, dict) and isinstance(s.get("id"), int)]
    names = {s["id"]: str(s["category"]) for s in segments if "category" in s}
    return PhotoScene(folder.name, photos[0], tuple(masks), names, frozenset(s["id"] for s in segments if s.get("isthing") == 0))


def _read_index(path: Path) -> dict[str, dict[str, Any]]:
    """Entries by scene name; empty when there is no index."""
    if not path.is_file():
        return {}
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} can't be read as one JSON object per line ({error}).") from error
    return {e["name"]: e for e in entries if isinstance(e, dict) and isinstance(e.get("name"), str)}
