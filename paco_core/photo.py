"""The photo: whatever a camera or an editor wrote becomes upright 8-bit sRGB."""

import dataclasses
import hashlib
import io
import logging
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms

from paco_core.errors import BadInput
from paco_core.imagefile import DAMAGED, open_image, read_bytes, size_text
from paco_core.types import Photo

log = logging.getLogger(__name__)

MIN_SIDE_PX = 16
"""Below this there is nothing to reconstruct; such files are icons or mistakes."""

_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def load_photo(path: str | Path) -> Photo:
    """Read a JPEG, PNG, WebP or TIFF file as upright 8-bit sRGB.

    EXIF orientation is applied, an embedded colour profile is converted to sRGB, transparency is laid on white (logged),
    16-bit and grey pictures become 8-bit RGB. Raises ``BadInput`` when the file is not there, no picture, damaged,
    larger than 100 megapixels or smaller than 16 px a side.
    """
    path = Path(path)
    image = open_image(path, "photo")
    if min(image.size) < MIN_SIDE_PX:
        size = size_text((image.height, image.width))
        raise BadInput(f"{path} has {size}. The photo needs at least {MIN_SIDE_PX} px on each side: use the original.")
    rgb = np.asarray(_to_srgb(image, path))
    sha256 = hashlib.sha256(read_bytes(path, "photo")).hexdigest()
    return Photo(rgb, path.stem, sha256, _focal_35mm(image, path))


def limit_size(photo: Photo, max_side_px: int) -> tuple[Photo, float]:
    """Shrink a photo whose longer side exceeds ``max_side_px``; return it with new size / old size (1.0: unchanged).

    The sha256 stays: it is the identity of the file. ``resize_masks`` and ``resize_depth`` bring the other inputs along;
    intrinsics in px are multiplied by the factor.
    """
    h, w = photo.hw
    factor = max_side_px / max(h, w)
    if factor >= 1:
        return photo, 1.0
    size_wh = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = Image.fromarray(photo.rgb).resize(size_wh, Image.Resampling.LANCZOS)
    log.info("photo shrunk from %s to %s", size_text((h, w)), size_text((size_wh[1], size_wh[0])))
    return dataclasses.replace(photo, rgb=np.asarray(small)), factor


def _to_srgb(image: Image.Image, path: Path) -> Image.Image:
    """RGB in sRGB: alpha on white, 16 bit to 8, colour profile converted."""
    profile = image.info.get("icc_profile")
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "La", "RGBa") else None
    colour = image.convert({"LA": "L", "La": "L", "RGBA": "RGB", "RGBa": "RGB", "1": "L"}.get(image.mode, image.mode))
    if colour.mode in (*_SIXTEEN_BIT_MODES, "F"):
        colour = Image.fromarray(_eight_bit(np.asarray(colour), path))
    colour = _convert_profile(colour, profile, path).convert("RGB")
    if alpha is None or alpha.getextrema() == (255, 255):
        return colour
    log.info("%s has transparent parts: they are laid on white", path.name)
    return Image.composite(colour, Image.new("RGB", colour.size, "white"), alpha)


def _eight_bit(values: np.ndarray, path: Path) -> UInt8[np.ndarray, "h w"]:
    """16-bit grey as 8-bit grey: 65535 becomes 255."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 0xFFFF:
        raise BadInput(
            f"{path} holds numbers that are no grey levels (float or 32 bit). Save the photo with 8 or 16 bits a channel."
        )
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _convert_profile(image: Image.Image, profile: bytes | None, path: Path) -> Image.Image:
    """Convert from the embedded ICC profile to sRGB; a broken profile is ignored, and that is logged."""
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):  # a conversion to itself would only add rounding
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.warning("the colour profile of %s can't be used (%s): its colours are taken as sRGB", path.name, error)
        return image
    return image if converted is None else converted


def _focal_35mm(image: Image.Image, path: Path) -> float | None:
    """EXIF FocalLengthIn35mmFilm, mm; the standard says that 0 means unknown."""
    try:
        focal = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
        return float(focal) or None if focal is not None else None
    except DAMAGED as error:
        log.warning("the EXIF data of %s can't be read (%s): its focal length is unknown", path.name, error)
        return None
