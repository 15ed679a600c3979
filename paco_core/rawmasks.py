"""Masks as a file gives them, before names are settled and before anything is left out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from paco_core.errors import BadInput
from paco_core.imagefile import size_text

MAX_OBJECTS = 256
"""More labels than this are a photo or a noisy export, not objects."""

MAX_MASK_BYTES = 4 * 10**9
"""All masks of a photo together, at one byte a pixel: 256 objects at 15 megapixels, or 40 at 100."""


@dataclass(frozen=True)
class RawMasks:
    """One entry per object in every field."""

    ids: tuple[int, ...]
    """Positive and unique."""
    names: tuple[str, ...]
    masks: Bool[np.ndarray, "n h w"]
    """May overlap; may be empty."""
    stuff: tuple[bool | None, ...]
    """What the file says about being background (COCO's ``isthing``, COCOA's ``isStuff``); None: nothing."""


def check_size(path: Path, hw: tuple[int, int], photo_hw: tuple[int, int]) -> None:
    """Raise ``BadInput`` with advice when masks have another size than the photo."""
    if hw == photo_hw:
        return
    advice = "Export the masks at the photo's size, without cropping."
    if hw == photo_hw[::-1]:
        advice = "They look turned by 90°: draw them on the upright photo, as its EXIF orientation shows it."
    elif min(hw) > 0 and abs(hw[0] * photo_hw[1] / (hw[1] * photo_hw[0]) - 1) < 0.01:
        advice = "The aspect is the same: scale them to the photo's size without smoothing (nearest neighbour)."
    raise BadInput(f"{path} has {size_text(hw)}, the photo {size_text(photo_hw)}. {advice}")


def check_count(path: Path, count: int, hw: tuple[int, int]) -> None:
    """Raise ``BadInput`` for more objects than can be taken, or than fit into memory at this size."""
    if count > MAX_OBJECTS:
        raise BadInput(f"{path} has {count} masks; at most {MAX_OBJECTS} objects can be taken. Remove some.")
    if count * hw[0] * hw[1] > MAX_MASK_BYTES:
        raise BadInput(
            f"{path} has {count} masks of {size_text(hw)}, which needs {count * hw[0] * hw[1] / 1e9:.0f} GB. "
            "Make the photo and its masks smaller first (4000 px a side is plenty)."
        )
