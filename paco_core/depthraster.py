"""Files that hold one number per pixel, read as they are: NumPy, 16-bit and float pictures, PFM, EXR."""

import logging
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real

from paco_core.errors import BadInput, MissingDependency
from paco_core.imagefile import FORMATS, MAX_MEGAPIXELS, check_file, open_image, read_bytes

MAX_PIXELS = MAX_MEGAPIXELS * 1_000_000
MAX_ARRAY_BYTES = 16 * MAX_PIXELS
"""The widest number that NumPy has, for each pixel."""

EXR_NOTHING = 1e9
"""Renderers write 1e10 and more where a ray hits nothing; in any unit it is no depth of a photo."""
HALF_NOTHING = 65504.0
"""The largest half-precision number: what infinity becomes in files of that type."""
EXR_MAX_PACKING = 2048
"""Numbers per byte of the file: the best that zip can do with a picture of one colour is about 500."""
_EXR_NAMES = ("z", "depth", "disparity", "distance", "v", "y")
"""What renderers and cv2 call the channel, the best name first."""

_HOW_TO_SAVE = "Save the numbers as .npy, .exr or .pfm, as TIFF with 32-bit floats, or as a 16-bit PNG."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Raster:
    """One number per pixel; what the file marks as nothing is NaN, everything else is as it was written."""

    values: Real[np.ndarray, "h w"]
    bits: int | None = None
    """8 or 16 for integer pictures, whose unit must be known from elsewhere; None for the others."""


def read_raster(path: Path) -> Raster:
    """Read ``.npy``, ``.npz`` (the array ``depth``, or the only one), ``.pfm``, ``.exr``, or a picture with grey levels.

    Raises ``BadInput`` when the file is damaged, too large or holds something else, and ``MissingDependency`` for EXR without
    its reader. Pictures of 8 bits are read, too: whether they are good enough is for the caller to say.
    """
    check_file(path, "depth file")
    with path.open("rb") as file:
        head = file.read(8)
    suffix = path.suffix.lower()
    if suffix == ".npz" or head.startswith(b"PK\x03\x04"):
        return Raster(_checked(path, _npz(path)))
    if suffix == ".npy" or head.startswith(b"\x93NUMPY"):
        return Raster(_checked(path, _npy(path)))
    if suffix == ".pfm" or re.match(rb"P[fF]4?\s", head):
        return Raster(_pfm(path))
    if suffix == ".exr" or head.startswith(b"\x76\x2f\x31\x01"):
        return Raster(_exr(path))
    return _picture(path)


def _checked(path: Path, array: np.ndarray) -> Real[np.ndarray, "h w"]:
    array = array.squeeze()
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise BadInput(f"{path} holds {array.dtype} of shape {array.shape}, but depth is one number per pixel: (height, width).")
    if array.size > MAX_PIXELS:
        raise BadInput(
            f"{path} holds {array.size / 1e6:.0f} megapixels, more than {MAX_MEGAPIXELS}. Make the depth file smaller."
        )
    return np.array(array)


def _npy(path: Path) -> np.ndarray:
    """A view of the file: nothing is read before the shape has been checked."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy reads the header as Python: damage raises almost anything
        raise _not_numpy(path, error) from error


def _npz(path: Path) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except Exception as error:  # of the same many kinds
        raise _not_numpy(path, error) from error
    if unpacked > MAX_ARRAY_BYTES:
        raise BadInput(f"{path} unpacks to {unpacked / 1e9:.1f} GB, more than depth needs. Save the depth alone with np.savez.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = sorted(arrays.files)
            name = "depth" if "depth" in names else names[0] if len(names) == 1 else None
            array = None if name is None else arrays[name]
    except Exception as error:
        raise _not_numpy(path, error) from error
    if not isinstance(array, np.ndarray):
        raise BadInput(f"{path} holds {', '.join(names)[:200] or 'nothing'}; one array called depth is needed.")
    return array


def _not_numpy(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path} is not a NumPy file with numbers ({str(error)[:200]}). Save it with np.save.")


def _pfm(path: Path) -> Real[np.ndarray, "h w"]:
    """Portable float map (https://netpbm.sourceforge.net/doc/pfm.html): rows from the bottom up.

    A negative scale means little-endian. The scale's size is a unit that hardly any program means: it is left out, as
    Middlebury's own reader does.
    """
    data = read_bytes(path, "depth file")
    header = re.match(rb"(P[fF]4?)\s+(\d{1,9})\s+(\d{1,9})\s+(\S{1,40})\s", data[:200])
    if header is None:
        raise BadInput(f"{path} does not begin as a PFM file (Pf, width and height, scale). Save it again, or give .npy.")
    kind, width, height = header[1], int(header[2]), int(header[3])
    if kind != b"Pf":
        raise BadInput(f"{path} is a PFM with colours ({kind.decode()}), but depth is one number per pixel (Pf).")
    try:
        scale = float(header[4])
    except ValueError:
        scale = math.nan
    if not scale:  # 0 says nothing about the order of the bytes
        scale = math.nan
    wanted = width * height * 4
    if math.isnan(scale) or not 0 < width * height <= MAX_PIXELS or len(data) - header.end() < wanted:
        raise BadInput(
            f"{path} is damaged or cut short: {width}×{height} px at scale {header[4].decode('latin-1')} need {wanted} bytes, "
            f"there are {len(data) - header.end()}. Copy or export it again."
        )
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", width * height, header.end())
    return values.reshape(height, width)[::-1].astype(np.float32)


def _picture(path: Path) -> Raster:
    image = open_image(path, "depth file", FORMATS, advice=_HOW_TO_SAVE)
    if image.mode == "F":
        return Raster(np.asarray(image))
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I"):
        return Raster(np.asarray(image), 16)
    if image.mode in ("L", "RGB"):
        values = np.asarray(image)
        if values.ndim == 2 or (values == values[..., :1]).all():
            return Raster(values if values.ndim == 2 else values[..., 0], 8)
    raise BadInput(f"{path} is a coloured picture of depth ({image.mode}), not depth. {_HOW_TO_SAVE}")


def _exr(path: Path) -> Real[np.ndarray, "h w"]:
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingDependency(
            f"{path} is an OpenEXR file. Install its reader (pip install 'paco-scene3d[exr]'), or save the depth as .npy or .pfm."
        ) from error
    try:
        parts = OpenEXR.File(str(path), separate_channels=True, header_only=True).parts
        sizes = [_exr_window(part.header) for part in parts]
    except Exception as error:  # the binding raises what it finds
        raise _damaged_exr(path, error) from error
    pixels = sum(height * width * max(1, len(part.channels)) for part, (height, width, _, _) in zip(parts, sizes, strict=True))
    if not 0 < pixels <= min(2 * MAX_PIXELS, EXR_MAX_PACKING * path.stat().st_size):
        raise BadInput(
            f"{path} claims {pixels / 1e6:.3g} million numbers, more than it can hold or depth needs. Export it again."
        )
    try:
        parts, announced = OpenEXR.File(str(path), separate_channels=True).parts, len(parts)
        if len(parts) != announced:  # the binding leaves out what it can't decode
            raise ValueError("its pixels are damaged or cut short")
        found = [(name, channel.pixels, part.header) for part in parts for name, channel in part.channels.items()]
    except Exception as error:
        raise _damaged_exr(path, error) from error
    name = _exr_channel(path, {name: pixels for name, pixels, _ in found})
    values, header = next((pixels, header) for known, pixels, header in found if known == name)
    nothing = HALF_NOTHING if values.dtype == np.float16 else EXR_NOTHING
    values = _checked(path, values).astype(np.float32)
    return _in_display(np.where(values >= nothing, np.float32(np.nan), values), header)


def _damaged_exr(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path} is not an OpenEXR file that can be read ({' '.join(str(error).split())[:200]}). Export it again.")


def _exr_channel(path: Path, channels: Mapping[str, np.ndarray]) -> str:
    """The channel with the best name; the only one; or red, when all colours are the same."""
    plain = {name: pixels for name, pixels in channels.items() if isinstance(pixels, np.ndarray) and pixels.ndim == 2}
    for wanted in _EXR_NAMES:
        fitting = sorted((name for name in plain if wanted in re.split(r"[._]", name.lower())), key=len)
        if fitting:
            return fitting[0]
    if len(plain) == 1:
        return next(iter(plain))
    colours = [name for name in plain if name != "A"]
    if colours and all(np.array_equal(plain[name], plain[colours[0]], equal_nan=True) for name in colours):
        return colours[0]
    listed = ", ".join(sorted(channels))[:200] or "none"
    raise BadInput(f"{path} has these channels: {listed}. None of them is called Z or depth: keep that one alone.")


def _exr_window(header: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Height and width of the pixels that are there, and where they begin in the picture (rows, columns)."""
    (x0, y0), (x1, y1) = (np.asarray(corner, np.int64) for corner in header["dataWindow"])
    left, top = np.asarray(header["displayWindow"][0], np.int64)
    return int(y1 - y0 + 1), int(x1 - x0 + 1), int(y0 - top), int(x0 - left)


def _in_display(values: Real[np.ndarray, "h w"], header: Mapping[str, Any]) -> Real[np.ndarray, "h2 w2"]:
    """The whole picture, where the file holds only the window that something was rendered into."""
    _, _, top, left = _exr_window(header)
    (x0, y0), (x1, y1) = (np.asarray(corner, np.int64) for corner in header["displayWindow"])
    whole = (int(y1 - y0 + 1), int(x1 - x0 + 1))
    if whole == values.shape and top == left == 0:
        return values
    inside = top >= 0 and left >= 0 and top + values.shape[0] <= whole[0] and left + values.shape[1] <= whole[1]
    if not inside or whole[0] * whole[1] > MAX_PIXELS:
        return values
    picture = np.full(whole, np.nan, np.float32)
    picture[top : top + values.shape[0], left : left + values.shape[1]] = values
    return picture
