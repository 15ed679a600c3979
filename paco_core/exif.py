"""What EXIF says about the lens: the focal length, as if the sensor were 36 × 24 mm."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image

from paco_core.camera import FULL_FRAME_DIAGONAL_MM
from paco_core.imagefile import DAMAGED

log = logging.getLogger(__name__)

FOCAL_RANGE_MM = (5.0, 1200.0)
"""Of the 35 mm equivalent: shorter is a fisheye, longer is a telescope, and both are nearly always damaged numbers."""

SENSOR_DIAGONAL_RANGE_MM = (3.0, 90.0)
"""From the smallest phone cameras to medium format; outside of it FocalPlaneResolution is of another picture size."""

CROPPED_ASPECT = 0.02
"""Resizing changes the aspect by less; 4:3 and 3:2 differ by 0.11."""

_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit (EXIF 2.32, 4.6.6: 2 inch, 3 cm; 4 mm and 5 µm are written by some cameras)."""


def focal_35mm(image: Image.Image, name: str) -> float | None:
    """The 35 mm equivalent of the focal length, mm, for the diagonal of ``image`` as it is; None where EXIF doesn't say.

    FocalLengthIn35mmFilm, else FocalLength with the sensor's size from FocalPlaneXResolution. A photo whose aspect differs
    from what the camera took (PixelXDimension) was cropped: it is taken to have kept one of its sides whole.
    """
    try:
        exif = dict(image.getexif().get_ifd(ExifTags.IFD.Exif))
    except DAMAGED as error:
        log.warning("the EXIF data of %s can't be read (%s): its focal length is unknown", name, error)
        return None
    focal = _number(exif, ExifTags.Base.FocalLengthIn35mmFilm) or _from_sensor(exif)
    if focal is None:
        return None
    focal *= _crop_factor(exif, image.size, name)
    if not FOCAL_RANGE_MM[0] <= focal <= FOCAL_RANGE_MM[1]:
        log.warning("%s: a focal length of %g mm (35 mm equivalent) is not believed and left out", name, focal)
        return None
    return focal


def _from_sensor(exif: Mapping[int, Any]) -> float | None:
    """FocalLength times what the sensor is smaller than 36 × 24 mm."""
    focal, unit = _number(exif, ExifTags.Base.FocalLength), _UNIT_MM.get(exif.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    taken, x, y = _taken_wh(exif), *(_number(exif, tag) for tag in _RESOLUTIONS)
    if focal is None or unit is None or taken is None or x is None:
        return None
    diagonal = math.hypot(taken[0] * unit / x, taken[1] * unit / (y or x))
    if not SENSOR_DIAGONAL_RANGE_MM[0] <= diagonal <= SENSOR_DIAGONAL_RANGE_MM[1]:
        return None
    return focal * (_number(exif, ExifTags.Base.DigitalZoomRatio) or 1.0) * FULL_FRAME_DIAGONAL_MM / diagonal


_RESOLUTIONS = (ExifTags.Base.FocalPlaneXResolution, ExifTags.Base.FocalPlaneYResolution)


def _taken_wh(exif: Mapping[int, Any]) -> tuple[float, float] | None:
    """Size of the picture as the camera took it, px."""
    w, h = (_number(exif, tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight))
    return None if w is None or h is None else (w, h)


def _crop_factor(exif: Mapping[int, Any], wh: tuple[int, int], name: str) -> float:
    """How much longer the equivalent focal length is after the crop: 1 when nothing was cut."""
    taken = _taken_wh(exif)
    if taken is None:
        return 1.0
    (short, long), (short_taken, long_taken) = sorted(wh), sorted(taken)
    if abs((long / short) / (long_taken / short_taken) - 1) <= CROPPED_ASPECT:
        return 1.0
    log.info("%s has another aspect than its camera took: it is taken as cropped", name)
    scale = max(long / long_taken, short / short_taken)
    return scale * math.hypot(long_taken, short_taken) / math.hypot(long, short)


def _number(exif: Mapping[int, Any], tag: int) -> float | None:
    """A positive, finite number; the standard says that 0 means unknown."""
    try:
        value = float(exif[tag])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    return value if math.isfinite(value) and value > 0 else None


def is_adobe_rgb(image: Image.Image) -> bool:
    """Whether a camera says that it wrote Adobe RGB: ``R03`` of the DCF option file; many of those embed no profile."""
    try:
        index = image.getexif().get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
    except DAMAGED:
        return False
    return index in ("R03", b"R03", "R03\0")
