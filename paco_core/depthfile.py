"""Depth that the user has: a NumPy file, a 16-bit PNG or a TIFF becomes a ``DepthMap``."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Real

from paco_core.errors import BadInput
from paco_core.imagefile import open_image, read_bytes, size_text
from paco_core.types import DepthKind, DepthMap

log = logging.getLogger(__name__)

PNG_UNIT_M = 0.001
"""Depth cameras and the usual data sets (TUM aside) write 16-bit PNG in millimetres."""

PNG_INVALID = 0xFFFF
"""Next to 0, the value that sensors write where they saw nothing."""

MIN_VALID_FRACTION = 0.01
"""Below this the file says nothing about the scene."""

MAX_ASPECT_DIFFERENCE = 0.01
"""Rounding of sizes stays below it; a cropped or rotated map doesn't."""

PLAUSIBLE_MEDIAN_M = (0.02, 1000.0)
"""From a macro shot to a landscape; outside of it the unit is nearly always wrong."""


@dataclass(frozen=True)
class StereoRig:
    """What turns the disparity of a rectified pair into depth."""

    focal_px: float
    baseline_m: float
    doffs_px: float = 0.0
    """Difference of the two principal points' x (Middlebury's ``doffs``)."""


def load_depth(
    path: str | Path,
    hw: tuple[int, int],
    *,
    unit_m: float | None = None,
    kind: DepthKind = "metric",
    rig: StereoRig | None = None,
) -> DepthMap:
    """Read z-depth for a photo of size ``hw``.

    ``.npy``/``.npz``/float TIFF hold metres unless ``unit_m`` says how many metres one unit is; 16-bit PNG/TIFF hold
    millimetres, 0 and 65535 meaning nothing. With ``rig`` the file holds disparities in px instead. NaN, infinite and
    non-positive values are invalid. A map of another size and the same aspect is resized (logged).
    Raises ``BadInput`` when the file can't be read as depth, has another aspect, or less than 1 % of it is valid.
    """
    path = Path(path)
    values, default_unit_m = _read(path)
    if rig is not None:
        depth = depth_from_disparity(values, rig)
    else:
        depth = _depth(values, default_unit_m if unit_m is None else unit_m, kind)
    _check_size(path, depth.z.shape, hw)
    if depth.valid.mean() < MIN_VALID_FRACTION:
        raise BadInput(
            f"{path}: only {100 * depth.valid.mean():.2g} % of the depth is valid (finite and above 0). "
            "Check that it is the depth of this photo and that nothing was lost when it was saved."
        )
    _warn_of_unit(path, depth)
    return resize_depth(depth, hw)


def depth_from_disparity(disparity_px: Real[np.ndarray, "h w"], rig: StereoRig) -> DepthMap:
    """Metric depth Z = f·B / (d + doffs) (Scharstein et al., GCPR 2014, calibration files); non-finite d is invalid."""
    seen = np.isfinite(disparity_px)
    total = np.where(seen, disparity_px, 0.0) + rig.doffs_px
    seen &= total > 0
    return _depth(np.where(seen, rig.focal_px * rig.baseline_m / np.where(seen, total, 1.0), 0.0), 1.0, "metric")


def resize_depth(depth: DepthMap, hw: tuple[int, int]) -> DepthMap:
    """Depth at another size of the same picture, by the nearest pixel centre.

    Nothing is averaged: a mean across an edge, or with an invalid pixel, lies on no surface.
    """
    if depth.z.shape == hw:
        return depth
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(hw, depth.z.shape, strict=True))
    grid = np.ix_(rows, columns)
    return DepthMap(depth.z[grid], depth.valid[grid], depth.kind, depth.source)


def _depth(values: Real[np.ndarray, "h w"], unit_m: float, kind: DepthKind) -> DepthMap:
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is invalid, as it should be
        z = (values * np.float64(unit_m)).astype(np.float32)
    valid = np.isfinite(z) & (z > 0)
    return DepthMap(np.where(valid, z, np.float32(0)), valid, kind, "file")


def _read(path: Path) -> tuple[Real[np.ndarray, "h w"], float]:
    """Values as they are in the file (invalid ones NaN or not positive), and the default unit in metres."""
    if path.suffix.lower() in (".npy", ".npz"):
        return _read_numpy(path), 1.0
    image = open_image(path, "depth file")
    values = np.asarray(image)
    if image.mode == "F":
        return values, 1.0
    if image.mode not in ("I;16", "I;16B", "I;16L", "I;16N", "I"):
        raise BadInput(
            f"{path} has {image.mode} pixels with 8 bits a channel, too coarse for depth (or a coloured picture of it). "
            "Give .npy with metres, or a 16-bit PNG with millimetres."
        )
    return np.where(values == PNG_INVALID, 0, values), PNG_UNIT_M


def _read_numpy(path: Path) -> Real[np.ndarray, "h w"]:
    read_bytes(path, "depth file")
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"depth": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except Exception as error:  # NumPy reads the header as Python and the archive lazily: damage raises almost anything
        raise BadInput(f"{path} is not a NumPy file with numbers ({error}). Save it with np.save.") from error
    array = _only_array(path, arrays)
    array = array.squeeze()
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise BadInput(f"{path} holds {array.dtype} of shape {array.shape}, but depth is one number per pixel: (height, width).")
    return array


def _only_array(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The array called ``depth``, or the only one there is."""
    if "depth" in arrays or len(arrays) == 1:
        return arrays.get("depth", next(iter(arrays.values())))
    raise BadInput(f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; one array called depth is needed.")


def _check_size(path: Path, have_hw: tuple[int, ...], hw: tuple[int, int]) -> None:
    have = (have_hw[0], have_hw[1])
    if have == hw:
        return
    aspect_difference = abs((have[1] / have[0]) / (hw[1] / hw[0]) - 1)
    if aspect_difference > MAX_ASPECT_DIFFERENCE:
        turned = " It looks turned by 90°: the photo is used upright, as its EXIF says." if have == hw[::-1] else ""
        raise BadInput(
            f"{path} has {size_text(have)}, the photo {size_text(hw)}. Depth must show exactly what the photo shows.{turned}"
        )
    log.info("%s is resized from %s to the photo's %s (nearest pixel)", path.name, size_text(have), size_text(hw))


def _warn_of_unit(path: Path, depth: DepthMap) -> None:
    median = float(np.median(depth.z[depth.valid]))
    if depth.kind == "metric" and not PLAUSIBLE_MEDIAN_M[0] <= median <= PLAUSIBLE_MEDIAN_M[1]:
        log.warning("%s: half of the depths are beyond %.3g m. Is the unit right?", path.name, median)
