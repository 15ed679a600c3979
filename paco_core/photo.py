"""The photo: whatever a camera or an editor wrote becomes upright 8-bit sRGB."""

import dataclasses
import hashlib
import io
import logging
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageFilter

from paco_core.errors import BadInput
from paco_core.exif import focal_35mm, is_adobe_rgb
from paco_core.imagefile import DAMAGED, PHOTO_FORMATS, open_image, size_text
from paco_core.types import Photo

log = logging.getLogger(__name__)

MIN_SIDE_PX = 16
"""Below this there is nothing to reconstruct; such files are icons or mistakes."""

_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_PROFILE_SPACE = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab ", "YCbCr": "YCbr"}
"""The ICC's name of the colour space that a profile of a picture of this mode must have."""

_SRGB_FROM_ADOBE = np.array([[1.39836, -0.39836, 0.0], [0.0, 1.0, 0.0], [0.0, -0.04293, 1.04293]])
"""Linear sRGB of linear Adobe RGB (1998), both D65: the product of the two standards' XYZ matrices."""
_ADOBE_GAMMA = 563 / 256
_LUT_SIDE = 33


def load_photo(path: str | Path) -> Photo:
    """Read a JPEG, PNG, WebP, TIFF, AVIF or HEIC file as upright 8-bit sRGB.

    EXIF orientation is applied, an embedded colour profile (or EXIF's word that it is Adobe RGB) is converted to sRGB,
    transparency is laid on white (logged), 16-bit, grey and CMYK pictures become 8-bit RGB; of several pages or frames the
    first counts (logged). Raises ``BadInput`` when the file is not there, no picture, damaged, larger than 100 megapixels or
    smaller than 16 px a side, and ``MissingDependency`` for HEIC without its reader.
    """
    path = Path(path)
    image = open_image(path, "photo", PHOTO_FORMATS)
    if min(image.size) < MIN_SIDE_PX:
        size = size_text((image.height, image.width))
        raise BadInput(f"{path} has {size}. The photo needs at least {MIN_SIDE_PX} px on each side: use the original.")
    focal = focal_35mm(image, path.name)
    rgb = np.asarray(_to_srgb(image, path))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Photo(rgb, path.stem, sha256, focal)


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
    """RGB in sRGB: alpha on white, 16 bit to 8, colour profile converted. Copies no more than it must: 100 MP are 0.3 GB."""
    profile, adobe_rgb = image.info.get("icc_profile"), is_adobe_rgb(image)
    if image.mode in ("P", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colour = _as_mode(image, {"LA": "L", "RGBA": "RGB", "1": "L"}.get(image.mode, image.mode))
    if colour.mode in (*_SIXTEEN_BIT_MODES, "F"):
        colour = Image.fromarray(_eight_bit(np.asarray(colour), image, path))
    colour = _convert_adobe_rgb(colour) if adobe_rgb and not profile else _convert_profile(colour, profile, path)
    colour = _as_mode(colour, "RGB")
    if alpha is None or alpha.getextrema() == (255, 255):
        return colour
    log.info("%s has transparent parts: they are laid on white", path.name)
    return Image.composite(colour, Image.new("RGB", colour.size, "white"), alpha)


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "LAB":
        return image if mode == "LAB" else _from_lab(image)
    return image if image.mode == mode else image.convert(mode)


def _from_lab(image: Image.Image) -> Image.Image:
    """CIE Lab has no profile of its own: its numbers are colours already."""
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    return image if converted is None else converted


def _eight_bit(values: np.ndarray, image: Image.Image, path: Path) -> UInt8[np.ndarray, "h w"]:
    """16-bit grey as 8-bit grey: 65535 becomes 255."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 0xFFFF:
        raise BadInput(
            f"{path} holds numbers that are no grey levels (float or 32 bit). Save the photo with 8 or 16 bits a channel."
        )
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    white_is_zero = getattr(image, "tag_v2", {}).get(262) == 0  # TIFF's PhotometricInterpretation; Pillow heeds it up to 8 bits
    return 255 - grey if white_is_zero else grey


def _convert_profile(image: Image.Image, profile: bytes | None, path: Path) -> Image.Image:
    """Convert from the embedded ICC profile to sRGB; a broken profile is ignored, and that is logged."""
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):  # a conversion to itself would only add rounding
            return image
        space = str(getattr(source.profile, "xcolor_space", ""))
        if space == "RGB " and image.mode == "L":  # editors leave their RGB profile in grey pictures
            image = image.convert("RGB")
        if space != _PROFILE_SPACE.get(image.mode):
            raise ValueError(f"it is for {space.strip()}, the pixels are {image.mode}")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (*DAMAGED, ImageCms.PyCMSError) as error:
        log.warning("the colour profile of %s can't be used (%s): its colours are taken as sRGB", path.name, error)
        return image
    return image if converted is None else converted


def _convert_adobe_rgb(image: Image.Image) -> Image.Image:
    """sRGB of a picture that EXIF says is in Adobe RGB (1998), by a table of 33³ colours."""
    if image.mode != "RGB":
        return image
    steps = np.linspace(0, 1, _LUT_SIDE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # Pillow's tables count red first
    linear = np.stack([red, green, blue], axis=-1) ** _ADOBE_GAMMA @ _SRGB_FROM_ADOBE.T
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return image.filter(ImageFilter.Color3DLUT(_LUT_SIDE, encoded.ravel().tolist()))
