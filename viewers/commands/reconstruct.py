"""``paco reconstruct``: one photo and its masks become a run folder with the 3D scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from paco_core.depthfile import load_depth
from paco_core.maskfile import load_masks
from paco_core.masknames import split_names
from paco_core.photo import load_photo
from paco_core.progress import Progress
from scene3d.pipeline import Inputs
from viewers.commands import Outcome
from viewers.job import config, reconstruct_into, summary


@dataclass(frozen=True)
class Options:
    """One photo and its masks become a 3D scene in a run folder. The same command again goes on where it was stopped."""

    photo: Positional[Path]
    """The photo: JPEG, PNG, WebP or TIFF; EXIF orientation and focal length are honoured."""
    masks: Path
    """The objects' visible parts: one label PNG (0 is background), or a folder with one PNG per object."""
    out: Path
    """The run folder: a new or empty one, or that of an earlier run."""
    names: str | None = None
    """The objects' names: a JSON or text file, or cup,saucer; without it: JSON beside the masks, their file names, or numbers."""
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
    preset: str | None = None
    """Name of a preset, or a YAML file with settings of the stages."""
    seed: int = 0
    """Of everything that is random; the same seed gives the same scene."""


def run(options: Options, progress: Progress) -> Outcome:
    """Read the inputs, reconstruct, and say where the results are."""
    settings = config(options.preset, options.seed)
    return summary([reconstruct_into(options.out, lambda: read_inputs(options), settings, progress)])


def read_inputs(options: Options) -> Inputs:
    """All files that the options name, checked."""
    photo = load_photo(options.photo)
    segmentation = load_masks(options.masks, photo.hw, **_names(options.names))
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
