"""What every command that reads a photo takes: the files' options, and how they become ``Inputs``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.maskfile import load_masks
from paco_core.masknames import split_names
from paco_core.photo import load_photo
from scene3d.pipeline import Inputs
from viewers.geometry import GeometryOptions, check_order, read_geometry


@dataclass(frozen=True)
class InputOptions:
    """The photo, and what is known about it."""

    photo: Positional[Path]
    """The photo: JPEG, PNG, WebP, TIFF, AVIF or HEIC; EXIF orientation and focal length are honoured."""
    masks: Path | None = None
    """The objects' visible parts: a label PNG (0: background), a folder with a PNG per object, or JSON (COCO, COCOA, LabelMe)."""
    names: str | None = None
    """The objects' names: a JSON or text file, or cup,saucer; without it: JSON beside the masks, their file names, or numbers."""
    stuff: Literal["background", "objects"] = "background"
    """What becomes of masks that are called sky, wall, grass and the like, or are marked as stuff in a JSON file."""
    geometry: GeometryOptions = field(default_factory=GeometryOptions)
    """Camera and depth, where they are known."""
    order: tuple[str, ...] = ()
    """Who hides whom, when the program has it wrong: "cup>saucer" says that the cup is in front; names or ids, also "a>b>c"."""


def read_inputs(options: InputOptions) -> Inputs:
    """All files that the options name, checked."""
    photo = load_photo(options.photo)
    if options.masks is None:
        raise BadInput(f"There are no masks for {options.photo}. Name them with --masks (docs/inputs.md).")
    segmentation = load_masks(options.masks, photo.hw, photo_name=photo.name, stuff=options.stuff, **_names(options.names))
    camera, depth = read_geometry(options.geometry, photo)
    check_order(options.order, segmentation, depth, options.geometry.depth_is)
    known = options.geometry
    return Inputs(photo, segmentation, camera, depth, known.fov_deg, known.pitch_deg, options.order)


def _names(given: str | None) -> dict[str, Any]:
    """A file where there is one (or where it must be meant), else a list of words."""
    if given is None:
        return {}
    file = Path(given)
    is_file = file.is_file() or file.suffix.lower() in (".json", ".txt")
    return {"names_path": file} if is_file else {"names": split_names(given)}
