"""Opening picture files that people hand in: photos, masks, depth. Refuses with a sentence; never trusts the header."""

import logging
import struct
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from paco_core.errors import BadInput

log = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
FORMATS_TEXT = "JPEG, PNG, WebP or TIFF"

MAX_MEGAPIXELS = 100
"""Twice what cameras of today make; decoded it is 0.3 GB. A header that claims more is a mistake or an attack."""

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, ZeroDivisionError, struct.error)
"""What Pillow's decoders and its EXIF reader let through for damaged files."""


def read_bytes(path: Path, what: str) -> bytes:
    """The content of a file; ``what`` names its role in the sentence that is raised as ``BadInput``."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder, but the {what} must be a file.")
    if not path.exists():
        raise BadInput(f"There is no file {path}. Check the path of the {what}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror or error}). Check its rights, or copy it elsewhere.") from error
    if not data:
        raise BadInput(f"{path} is empty (0 bytes). Copy or export the {what} again.")
    return data


def open_image(path: Path, what: str) -> Image.Image:
    """The first frame of a picture file, decoded and upright (EXIF orientation applied), in the file's own mode.

    Raises ``BadInput`` when it isn't there, is none of the four formats, is damaged or has more than 100 megapixels.
    """
    read_bytes(path, what)
    try:
        with warnings.catch_warnings():  # Pillow warns from 89 megapixels; the limit here is our own, below
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(path, what) from error
    except DAMAGED as error:
        raise BadInput(
            f"{path} is not a picture that can be read. Save the {what} as {FORMATS_TEXT} (HEIC and RAW need converting first)."
        ) from error
    with image:
        if image.width * image.height > MAX_MEGAPIXELS * 1e6:
            raise _too_large(path, what)
        try:
            image.load()
        except DAMAGED as error:
            raise BadInput(f"{path} is damaged or cut short ({error}). Copy or export the {what} again.") from error
        try:
            return ImageOps.exif_transpose(image)
        except DAMAGED as error:  # the picture itself is fine
            log.warning("the EXIF data of %s can't be read (%s): it is taken as upright", path.name, error)
            return image


def _too_large(path: Path, what: str) -> BadInput:
    return BadInput(
        f"{path} claims more than {MAX_MEGAPIXELS} megapixels. Make the {what} smaller first (4000 px a side is plenty)."
    )


def size_text(hw: tuple[int, int]) -> str:
    """``(480, 640)`` as people say it: ``640×480 px``."""
    return f"{hw[1]}×{hw[0]} px"
