"""What every command that reads a photo takes: the files' options, and how they become ``Inputs``."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from tyro.conf import Positional, UseAppendAction

from paco_core.errors import BadInput
from paco_core.maskfile import load_masks
from paco_core.masknames import split_names
from paco_core.objects import GUESSED, PROMPTED, find_objects
from paco_core.photo import load_photo
from paco_core.pipeline import DeocclusionConfig, shrink
from paco_core.prompts import Prompt, parse_prompts, scaled
from paco_core.registry import BACKENDS
from paco_core.types import Photo, Segmentation
from scene3d.pipeline import Inputs
from viewers.geometry import GeometryOptions, check_order, read_geometry


@dataclass(frozen=True)
class InputOptions:
    """The photo, and what is known about it."""

    photo: Positional[Path]
    """The photo: JPEG, PNG, WebP, TIFF, AVIF or HEIC; EXIF orientation and focal length are honoured."""
    masks: Path | None = None
    """The objects' visible parts: a label PNG (0: background), a folder with a PNG per object, or JSON (COCO, COCOA, LabelMe).
    Without masks, boxes and points the objects are guessed by colour."""
    box: Annotated[tuple[tuple[str, ...], ...], UseAppendAction] = ()
    """Objects to cut out by colour: "cup=120,80,340,300" is left, top, right, bottom in px of the upright photo."""
    point: Annotated[tuple[tuple[str, ...], ...], UseAppendAction] = ()
    """The same by points: "cup=200,150 230,180"; with a minus ("cup=-90,40") it is not the cup. With the name of a box: in it."""
    names: str | None = None
    """The objects' names: a JSON or text file, or cup,saucer; without it: JSON beside the masks, their file names, or numbers."""
    stuff: Literal["background", "objects"] = "background"
    """What becomes of masks that are called sky, wall, grass and the like, or are marked as stuff in a JSON file."""
    geometry: GeometryOptions = field(default_factory=GeometryOptions)
    """Camera and depth, where they are known."""
    order: tuple[str, ...] = ()
    """Who hides whom, when the program has it wrong: "cup>saucer" says that the cup is in front; names or ids, also "a>b>c"."""


def read_inputs(options: InputOptions, config: DeocclusionConfig | None = None) -> Inputs:
    """All files that the options name, checked; what has no mask is cut out of the photo, at the size that is worked on."""
    config = config or DeocclusionConfig()
    photo = load_photo(options.photo)
    prompts = parse_prompts(_flat(options.box), _flat(options.point), photo.hw)
    segmentation = _read_masks(options, photo)
    camera, depth = read_geometry(options.geometry, photo)
    known = options.geometry
    inputs = Inputs(photo, segmentation, camera, depth, known.fov_deg, known.pitch_deg, options.order)
    if prompts or options.masks is None:
        inputs = _with_objects(shrink(inputs, config.max_side_px), prompts, photo.hw, config.segmenter)
    check_order(options.order, inputs.segmentation, inputs.depth, known.depth_is)
    return inputs


def _read_masks(options: InputOptions, photo: Photo) -> Segmentation:
    """Of the file; none without one."""
    if options.masks is not None:
        return load_masks(options.masks, photo.hw, photo_name=photo.name, stuff=options.stuff, **_names(options.names))
    if options.names is not None:
        raise BadInput('--names names the objects of --masks, and there are none. Give --masks, or --box "cup=120,80,340,300".')
    return Segmentation((), (), np.zeros((0, *photo.hw), bool))


def _with_objects(inputs: Inputs, prompts: tuple[Prompt, ...], hw: tuple[int, int], segmenter: str) -> Inputs:
    """``prompts`` are for the photo at the size ``hw``."""
    small = inputs.photo.hw
    found = find_objects(
        inputs.photo,
        inputs.segmentation,
        scaled(prompts, small[1] / hw[1], small[0] / hw[0]),
        BACKENDS.create("segmenter", segmenter),
        inputs.depth,
    )
    return replace(inputs, segmentation=found, masks_from=PROMPTED if prompts else GUESSED)


def _flat(words: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """``--box a b --box c``: all three."""
    return tuple(word for group in words for word in group)


def _names(given: str | None) -> dict[str, Any]:
    """A file where there is one (or where it must be meant), else a list of words."""
    if given is None:
        return {}
    file = Path(given)
    is_file = file.is_file() or file.suffix.lower() in (".json", ".txt")
    return {"names_path": file} if is_file else {"names": split_names(given)}
