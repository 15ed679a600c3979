"""A folder of photos: which files are photos, and what belongs to each of them by its name (docs/inputs.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paco_core.errors import BadInput

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif")
LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".webp")
MASKS_END = "_masks"
DEPTH_SUFFIXES = (".npy", ".npz", ".exr", ".pfm", ".tif", ".tiff", ".png")


@dataclass(frozen=True)
class FoundPhoto:
    """One photo of a folder."""

    path: Path
    name: str
    """Of its run folder: the stem, or the whole name where two photos share the stem."""
    masks: Path | None
    """None: nothing by any of the names was found; the objects are guessed then."""
    depth: Path | None = None


def find_photos(folder: Path, masks: Path | None = None, depth: Path | None = None) -> tuple[FoundPhoto, ...]:
    """The photos of a folder, by name, with their masks and depth; subfolders are not searched for photos.

    ``masks`` is a folder of masks named like the photos, or one COCO file for all; without it, they lie beside the photos.
    ``depth`` is a folder of depth files named like the photos. Raises ``BadInput`` when there is no photo, and for one label
    image or one depth file that would have to do for all.
    """
    if masks is not None and not masks.is_dir() and masks.suffix.lower() != ".json":
        raise BadInput(f"{masks} can't be the masks of all photos in {folder}. Give a folder with masks named like the photos.")
    if depth is not None and not depth.is_dir():
        raise BadInput(f"{depth} can't be the depth of all photos in {folder}. Give a folder with files named like the photos.")
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise BadInput(f"{folder} can't be read ({error.strerror or error}).") from error
    pictures = [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES and not path.stem.endswith(MASKS_END)]
    photos = pictures if masks is not None else [p for p in pictures if not _is_label_image(p, pictures)]
    if not photos:
        raise BadInput(
            f"There is no photo in {folder} ({', '.join(PHOTO_SUFFIXES)}). Photos in its subfolders are not looked for."
        )
    stems = [path.stem for path in photos]
    return tuple(
        FoundPhoto(
            path,
            path.stem if stems.count(path.stem) == 1 else path.name,
            _find_masks(path, masks),
            depth and _first(depth / f"{path.stem}{suffix}" for suffix in DEPTH_SUFFIXES),
        )
        for path in photos
    )


def _is_label_image(path: Path, pictures: list[Path]) -> bool:
    """``desk.png`` beside ``desk.jpg`` holds its masks."""
    others = (other for other in pictures if other.stem == path.stem and other != path)
    return path.suffix.lower() == ".png" and any(other.suffix.lower() != ".png" for other in others)


def _find_masks(photo: Path, masks: Path | None) -> Path | None:
    """In this order: ``desk_masks.png``, ``desk_masks/``, ``desk_masks.json``, ``desk.png``, ``desk/``, ``desk.json``."""
    if masks is not None and not masks.is_dir():
        return masks
    place, stem = photo.parent if masks is None else masks, photo.stem
    names = [f"{base}{suffix}" for base in (f"{stem}{MASKS_END}", stem) for suffix in (*LABEL_SUFFIXES, "", ".json")]
    return _first(path for path in (place / name for name in names) if path != photo)


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.exists()), None)
