"""Opening picture files that people hand in: photos, masks, depth. Refuses with a sentence; never trusts the header."""

import logging
import struct
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from paco_core.errors import BadInput, MissingDependency

log = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
FORMATS_TEXT = "JPEG, PNG, WebP or TIFF"
PHOTO_FORMATS = (*FORMATS, "AVIF", "HEIF")
"""Photos come as phones write them, too; these two blur what must be exact in masks and depth."""

MAX_MEGAPIXELS = 100
"""Twice what cameras of today make; decoded it is 0.3 GB. A header that claims more is a mistake or an attack."""

MAX_FILE_BYTES = 2 * 10**9
"""100 megapixels with four channels of 16 bits are 0.8 GB; nothing that is meant to be read here is larger than 2 GB."""

MAX_JPEG_SCANS = 200
"""Encoders write about ten for a progressive picture; every scan costs 30 ms at 100 megapixels, however few bytes it has."""

DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError, MemoryError,
    RuntimeError, struct.error,
)  # fmt: skip
"""What Pillow's decoders and its EXIF reader let through for damaged files."""

_RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f", ".3fr", ".iiq")
_DNG_VERSION_TAG = 50706

_KNOWN_STARTS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP picture"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"%PDF", "a PDF document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"<svg", "an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def check_file(path: Path, what: str) -> None:
    """Raise ``BadInput`` unless ``path`` is a file of sensible size; ``what`` names its role in the sentence."""
    try:
        if path.is_dir():
            raise BadInput(f"{path} is a folder, but the {what} must be a file.")
        if not path.exists():
            raise BadInput(f"There is no file {path}. Check the path of the {what}.")
        size = path.stat().st_size
        if path.is_file() and size > MAX_FILE_BYTES:
            raise BadInput(f"{path} has {size / 1e9:.1f} GB, more than any {what} needs. Make it smaller first.")
        if not path.is_file():
            raise BadInput(f"{path} is a device or a pipe, but the {what} must be a file. Save it to disk first.")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(path, error) from error
    if not size:
        raise BadInput(f"{path} is empty (0 bytes). Copy or export the {what} again.")


def read_bytes(path: Path, what: str) -> bytes:
    """The content of a file, as ``check_file`` likes it. Raises ``BadInput``."""
    check_file(path, what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def open_image(path: Path, what: str, formats: tuple[str, ...] = FORMATS, *, advice: str = "") -> Image.Image:
    """The first frame of a picture file, decoded and upright (EXIF orientation applied), in the file's own mode.

    ``formats`` are Pillow's names, ``advice`` says how to save the file when it is of no kind that is read. Raises ``BadInput``
    when it isn't there, is of another format, is damaged or has more than 100 megapixels, and ``MissingDependency`` for HEIC
    without its reader.
    """
    check_file(path, what)
    if path.suffix.lower() in _RAW_SUFFIXES:
        raise _raw(path, what)
    head = _head(path)
    if "HEIF" in formats and head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        _register_heif(path)
    if head.startswith(b"\xff\xd8") and read_bytes(path, what).count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise BadInput(f"{path} has more than {MAX_JPEG_SCANS} scans; no camera writes that. Save the {what} anew.")
    try:
        with warnings.catch_warnings():  # Pillow warns from 89 megapixels; the limit here is our own, below
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=formats)
    except Image.DecompressionBombError as error:
        raise _too_large(path, what) from error
    except DAMAGED as error:
        raise BadInput(f"{path} {_what_it_is(path, head)} {advice or _advice(what, formats)}") from error
    with image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata; what can't be used is said below
        if image.width * image.height > MAX_MEGAPIXELS * 1e6:
            raise _too_large(path, what)
        _check_tiff(image, path, what)
        return _decoded(image, path, what)


def _decoded(image: Image.Image, path: Path, what: str) -> Image.Image:
    several = getattr(image, "is_animated", False) and image.format != "MPO"  # MPO: the second picture is a depth or gain map
    try:
        image.load()
    except DAMAGED as error:
        raise BadInput(f"{path} is damaged or cut short ({error}). Copy or export the {what} again.") from error
    if several:
        log.info("%s has several pages or frames: the first is used", path.name)
    try:
        Image.Exif().load(image.info.get("exif", b""))  # Pillow keeps silent about what it couldn't read while opening
        ImageOps.exif_transpose(image, in_place=True)
    except DAMAGED as error:  # the picture itself is fine
        log.warning("the EXIF data of %s can't be read (%s): it is taken as upright", path.name, error)
    return image


def _check_tiff(image: Image.Image, path: Path, what: str) -> None:
    """What Pillow opens without complaint but doesn't show as it is meant."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return
    if _DNG_VERSION_TAG in tags:
        raise _raw(path, what)
    separate_planes, bits = tags.get(284) == 2, tags.get(258) or (8,)
    if separate_planes and len(bits) > 1 and max(bits) > 8:
        raise BadInput(
            f"{path} stores its 16-bit channels one after the other (per channel), which can't be read. "
            f"Save the {what} with interleaved channels, or with 8 bits."
        )


def _register_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise MissingDependency(
            f"{path} is a HEIC photo. Install its reader (pip install 'paco-scene3d[heic]'), or save the photo as JPEG or PNG."
        ) from error
    register_heif_opener(thumbnails=False)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise _unreadable(path, error) from error


def _what_it_is(path: Path, head: bytes) -> str:
    """Why it can't be opened, as far as its first bytes say it."""
    for start, kind in _KNOWN_STARTS:
        if head.lstrip().startswith(start):
            return f"is {kind}, which is not read here."
    if head[4:8] == b"ftyp":
        kind = "a HEIC picture" if head[8:12] in _HEIF_BRANDS else "an AVIF picture" if head[8:12] in _AVIF_BRANDS else "a video"
        return f"is {kind}, which can't be read here."
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "is a TIFF that can't be read: it is damaged, or of an unusual kind (float colour, grey with alpha)."
    return "is not a picture that can be read."


def _advice(what: str, formats: tuple[str, ...]) -> str:
    also = " (HEIC and AVIF are read, too; RAW needs developing first)" if "HEIF" in formats else ""
    return f"Save the {what} as {FORMATS_TEXT} with 8 or 16 bits a channel{also}."


def _raw(path: Path, what: str) -> BadInput:
    return BadInput(f"{path} is a camera's RAW file. Develop it first: export the {what} as JPEG, or as TIFF with 8 or 16 bits.")


def _unreadable(path: Path, error: Exception) -> BadInput:
    reason = getattr(error, "strerror", None) or error
    return BadInput(f"{path} can't be read ({reason}). Check its name and its rights, or copy it elsewhere.")


def _too_large(path: Path, what: str) -> BadInput:
    return BadInput(
        f"{path} claims more than {MAX_MEGAPIXELS} megapixels. Make the {what} smaller first (4000 px a side is plenty)."
    )


def size_text(hw: tuple[int, int]) -> str:
    """``(480, 640)`` as people say it: ``640×480 px``."""
    return f"{hw[1]}×{hw[0]} px"
