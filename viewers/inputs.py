"""What every command that reads a photo takes: the files' options, and how they become ``Inputs``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from paco_core.depthfile import load_depth
from paco_core.maskfile import load_masks
from paco_core.masknames import split_names
from paco_core.photo import load_photo
from scene3d.pipeline import Inputs


@dataclass(frozen=True)
class InputOptions:
    """The photo, and what is known about it."""

    photo: Positional[Path]
    """The photo: JPEG, PNG, WebP or TIFF; EXIF orientation and focal length are honoured."""
    masks: Path
    """The objects' visible parts: a label PNG (0: background), a folder with a PNG per object, or JSON (COCO, COCOA, LabelMe)."""
    names: str | None = None
    """The objects' names: a JSON or text file, or cup,saucer; without it: JSON beside the masks, their file names, or numbers."""
    stuff: Literal["background", "objects"] = "background"
    """What becomes of masks that are called sky, wall, grass and the like, or are marked as stuff in a JSON file."""
    depth: Path | None = None
    """Depth along the optical axis: NPY, NPZ, TIFF (metres) or 16-bit PNG (millimetres); without it, it is estimated."""
    depth_unit_m: float | None = None
    """Metres per unit of the depth file, when it is another: 0.0002 for fifths of a millimetre."""
    depth_kind: Literal["metric", "relative"] = "metric"
    """Whether the depth file's scale is known."""
    fov_deg: float | None = None
    """Field of view along the photo's longer side, degrees; without it, EXIF or a usual lens."""
    pitch_deg: float | None = None
    """How far the camera looks down, degrees; without it, it is estimated."""
    order: tuple[str, ...] = ()
    """Who hides whom, when the program has it wrong: "cup>saucer" says that the cup is in front."""


def read_inputs(options: InputOptions) -> Inputs:
    """All files that the options name, checked."""
    photo = load_photo(options.photo)
    segmentation = load_masks(options.masks, photo.hw, photo_name=photo.name, stuff=options.stuff, **_names(options.names))
    depth = None
    if options.depth is not None:
        depth = load_depth(options.depth, photo.hw, unit_m=options.depth_unit_m, kind=options.depth_kind)
    return Inputs(photo, segmentation, None, depth, options.fov_deg, options.pitch_deg, options.order)


def _names(given: str | None) -> dict[str, Any]:
    """A file where there is one (or where it must be meant), else a list of words."""
    if given is None:
        return {}
    file = Path(given)
    is_file = file.is_file() or file.suffix.lower() in (".json", ".txt")
    return {"names_path": file} if is_file else {"names": split_names(given)}
