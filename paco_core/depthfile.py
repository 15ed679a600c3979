"""Depth that the user has, as depth, distance or disparity, in metres or not: it becomes a ``DepthMap``."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Real

from paco_core.depthraster import Raster, read_raster
from paco_core.errors import BadInput
from paco_core.imagefile import size_text
from paco_core.types import Camera, DepthKind, DepthMap

log = logging.getLogger(__name__)

PNG_UNIT_M = 0.001
"""Depth cameras and the usual data sets (TUM aside) write 16-bit PNG in millimetres."""

PNG_UNIT_PX = 1 / 256
"""KITTI's 16-bit PNG of disparity, which others have taken over (stereo 2015 development kit)."""

PNG_INVALID = 0xFFFF
"""Next to 0, the value that sensors write where they saw nothing."""

MIN_VALID_FRACTION = 0.01
"""Below this the file says nothing about the scene."""

MAX_ASPECT_DIFFERENCE = 0.01
"""Rounding of sizes stays below it; a cropped or rotated map doesn't."""

PLAUSIBLE_MEDIAN_M = (0.02, 1000.0)
"""From a macro shot to a landscape; outside of it the unit is nearly always wrong."""

DEPTH_RANGE = 3.0
"""Far end : near end (percentiles 99 and 1) where disparity is relative. Measured medians: 3.2 in a kitchen (75 photos), 4.9 on
table tops (6), 2.8 in procedural rooms (30), 2.2 in the motorcycle photo (docs/method.md)."""


FROM_FILE = "file"
"""``DepthMap.source`` of what is read here."""


@dataclass(frozen=True)
class StereoRig:
    """What turns the disparity of a rectified pair into depth; px are those of the photo."""

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
    distance_from: Camera | None = None,
) -> DepthMap:
    """Read depth for a photo of size ``hw``: along the optical axis, or along every ray when ``distance_from`` is its camera.

    NumPy, PFM, EXR and float TIFF hold metres unless ``unit_m`` says how many metres one unit is; 16-bit PNG/TIFF hold
    millimetres, 0 and 65535 meaning nothing. NaN, infinite and non-positive values are invalid. A map of another size and the
    same aspect is resized (logged). Raises ``BadInput`` when the file can't be read as depth, has another aspect, is the same
    everywhere, or less than 1 % of it is valid.
    """
    path = Path(path)
    _check_positive("--depth-unit-m", unit_m)
    raster = read_raster(path)
    _check_size(path, raster.values.shape, hw)
    if raster.bits == 8:
        raise BadInput(
            f"{path} has pixels with 8 bits, too coarse for depth (or a picture of it). Give .npy, .exr or .pfm with metres, or "
            "a 16-bit PNG with millimetres. If it is what a network estimated, with bright for near, say --depth-is disparity."
        )
    default_unit_m = PNG_UNIT_M if raster.bits else 1.0
    depth = _depth(_without_marks(raster), default_unit_m if unit_m is None else unit_m, kind)
    return _finished(path, depth, hw, distance_from)


def load_disparity(
    path: str | Path,
    hw: tuple[int, int],
    *,
    rig: StereoRig | None = None,
    unit_px: float | None = None,
    depth_range: float | None = None,
) -> DepthMap:
    """Read disparity (large is near) for a photo of size ``hw``.

    With ``rig`` the file holds px of its own width, and metric depth comes out: NumPy, PFM, EXR and float TIFF px, 16-bit PNG
    1/256 px with 0 and 65535 meaning nothing, unless ``unit_px`` says how many px one unit is.
    Without ``rig`` it is relative, as MiDaS and Depth Anything give it: ``1 / z`` up to an unknown factor and an unknown offset.
    The factor stays unknown (``kind`` is ``relative``); the offset is chosen so that the far end of the scene is ``depth_range``
    times (3 times, unless said) as far away as the near end, percentiles 1 and 99. Raises ``BadInput`` as ``load_depth`` does.
    """
    path = Path(path)
    _check_positive("--disparity-unit-px", unit_px)
    raster = read_raster(path)
    _check_size(path, raster.values.shape, hw)
    if raster.bits == 8:
        log.warning("%s has only 256 steps of disparity: depth will be coarse", path.name)
    if rig is None:
        return _finished(path, _from_relative(path, raster.values, DEPTH_RANGE if depth_range is None else depth_range), hw)
    if depth_range is not None:
        raise BadInput(
            "--depth-range is for relative disparity; with a baseline the depth follows from the disparity. Leave it out."
        )
    default_unit_px = PNG_UNIT_PX if raster.bits == 16 else 1.0
    scale = raster.values.shape[1] / hw[1]  # disparities are px of the map's own width
    own_rig = StereoRig(rig.focal_px * scale, rig.baseline_m, rig.doffs_px * scale)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is invalid, as it should be
        disparity_px = _without_marks(raster) * np.float64(default_unit_px if unit_px is None else unit_px)
    return _finished(path, depth_from_disparity(disparity_px, own_rig), hw)


def depth_from_disparity(disparity_px: Real[np.ndarray, "h w"], rig: StereoRig) -> DepthMap:
    """Metric depth Z = f·B / (d + doffs) (Scharstein et al., GCPR 2014, calibration files); non-finite d is invalid."""
    _check_positive("the focal length of the stereo rig", rig.focal_px)
    _check_positive("--baseline-m", rig.baseline_m)
    if not np.isfinite(rig.doffs_px):
        raise BadInput(f"--doffs-px is {rig.doffs_px:g}; it must be a finite number of pixels.")
    seen = np.isfinite(disparity_px)
    total = np.where(seen, disparity_px, 0.0) + rig.doffs_px
    seen &= total > 0
    with np.errstate(over="ignore"):  # next to nothing is at infinity, which is invalid
        z = rig.focal_px * rig.baseline_m / np.where(seen, total, 1.0)
    return _depth(np.where(seen, z, 0.0), 1.0, "metric")


def resize_depth(depth: DepthMap, hw: tuple[int, int]) -> DepthMap:
    """Depth at another size of the same picture, by the nearest pixel centre.

    Nothing is averaged: a mean across an edge, or with an invalid pixel, lies on no surface.
    """
    if depth.z.shape == hw:
        return depth
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(hw, depth.z.shape, strict=True))
    grid = np.ix_(rows, columns)
    return DepthMap(depth.z[grid], depth.valid[grid], depth.kind, depth.source)


def _without_marks(raster: Raster) -> Real[np.ndarray, "h w"]:
    """Values where 65535 of integer pictures means nothing, as 0 does."""
    return np.where(raster.values == PNG_INVALID, 0, raster.values) if raster.bits else raster.values


def _from_relative(path: Path, values: Real[np.ndarray, "h w"], depth_range: float) -> DepthMap:
    """Near is 1; the far end (percentile 1 of the disparity) is ``depth_range``, and nothing is farther than twice that."""
    if not np.isfinite(depth_range) or not 1 < depth_range <= 1000:
        raise BadInput(
            f"--depth-range {depth_range:g}: it says how many times as far the far end is, so it is above 1 (up to 1000)."
        )
    finite = np.isfinite(values)
    _check_valid(path, finite)
    far, near = np.percentile(values[finite].astype(np.float64), (1, 99))
    if not near > far:
        raise _constant(path, far)
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = 1 / depth_range + (1 - 1 / depth_range) * (np.where(finite, values, far) - far) / (near - far)
    depth = _depth(1 / np.maximum(inverse, 0.5 / depth_range), 1.0, "relative")
    return replace(depth, z=np.where(finite, depth.z, np.float32(0)), valid=finite & depth.valid)


def _depth(values: Real[np.ndarray, "h w"], unit_m: float, kind: DepthKind) -> DepthMap:
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is invalid, as it should be
        z = np.multiply(values, unit_m, dtype=np.float32, casting="unsafe")
    valid = np.isfinite(z) & (z > 0)
    z[~valid] = 0  # in place: 100 megapixels are 0.4 GB
    return DepthMap(z, valid, kind, FROM_FILE)


def _finished(path: Path, depth: DepthMap, hw: tuple[int, int], distance_from: Camera | None = None) -> DepthMap:
    """Checked, at the photo's size, along the optical axis."""
    _check_valid(path, depth.valid)
    nearest, farthest = depth.z.min(where=depth.valid, initial=np.inf), depth.z.max()  # what is invalid is 0
    if depth.z.size > 1 and nearest == farthest:
        raise _constant(path, float(farthest))
    _warn_of_unit(path, depth)
    depth = resize_depth(depth, hw)
    if distance_from is None:
        return depth
    z = depth.z / _ray_lengths(distance_from)
    return replace(depth, z=z.astype(np.float32), valid=depth.valid & (z > 0))


def _ray_lengths(camera: Camera) -> Float[np.ndarray, "h w"]:
    """Length of every pixel's ray up to z = 1."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    return np.sqrt(1 + (x**2)[None, :] + (y**2)[:, None])


def _check_positive(what: str, value: float | None) -> None:
    if value is not None and not (np.isfinite(value) and value > 0):
        raise BadInput(f"{what} is {value:g}; it must be a positive number.")


def _check_valid(path: Path, valid: Bool[np.ndarray, "h w"]) -> None:
    if valid.mean() < MIN_VALID_FRACTION:
        raise BadInput(
            f"{path}: only {100 * valid.mean():.2g} % of the depth is valid (finite and above 0). "
            "Check that it is the depth of this photo and that nothing was lost when it was saved."
        )


def _constant(path: Path, value: float) -> BadInput:
    return BadInput(f"{path} is {value:g} everywhere, which says nothing about the scene. Leave it out, or save the depth again.")


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
    step = max(1, max(depth.z.shape) // 1000)
    seen = depth.z[::step, ::step][depth.valid[::step, ::step]]
    median = float(np.median(seen)) if seen.size else PLAUSIBLE_MEDIAN_M[0]
    if depth.kind == "metric" and not PLAUSIBLE_MEDIAN_M[0] <= median <= PLAUSIBLE_MEDIAN_M[1]:
        log.warning("%s: the median depth is %.3g m. Is the unit right?", path.name, median)
