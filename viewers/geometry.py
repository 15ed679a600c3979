"""What is known about the photo's camera and depth: the options, and how they become a ``Camera`` and a ``DepthMap``."""

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from paco_core.camera import estimate_camera
from paco_core.camerafile import Calibration, load_camera
from paco_core.depthcheck import contradicted, looks_inverted
from paco_core.depthfile import StereoRig, load_depth, load_disparity
from paco_core.errors import BadInput
from paco_core.occlusion import parse_order
from paco_core.types import Camera, DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GeometryOptions:
    """Camera and depth, where they are known."""

    camera: Path | None = None
    """Intrinsics in px: JSON (fx fy cx cy width height), a 3x3 matrix (JSON, NPY, text), COLMAP's cameras.txt, Middlebury's
    calib.txt."""
    fov_deg: float | None = None
    """Field of view along the photo's longer side, degrees; without it and --camera, EXIF's focal length, else 55."""
    pitch_deg: float | None = None
    """How far the camera looks down, degrees; without it, it is estimated."""
    depth: Path | None = None
    """Depth file of the photo: NPY, NPZ, EXR, PFM, TIFF (metres) or 16-bit PNG (millimetres); without it, it is estimated."""
    depth_is: Literal["depth", "distance", "disparity"] = "depth"
    """What the file holds: depth along the optical axis, distance from the camera along each ray, disparity (large is near)."""
    depth_kind: Literal["metric", "relative"] = "metric"
    """Whether the scale is known. Disparity is relative without a baseline, and where this says so."""
    depth_unit_m: float | None = None
    """Metres per unit of depth or distance, when it is another: 0.0002 for fifths of a millimetre."""
    disparity_unit_px: float | None = None
    """Px per unit of disparity, when it is another than 1 (16-bit PNG: 1/256)."""
    baseline_m: float | None = None
    """Distance of the two cameras of the stereo pair: makes disparity metric. Without it, disparity is relative."""
    doffs_px: float | None = None
    """Difference of the two principal points of the stereo pair, px of the photo; without it, 0."""
    depth_range: float | None = None
    """Relative disparity: how many times as far as the near end the far end of the scene is; without it, 3."""


def read_geometry(options: GeometryOptions, photo: Photo) -> tuple[Camera | None, DepthMap | None]:
    """The given camera and depth, None where it is to be estimated. Raises ``BadInput``."""
    calibration = None if options.camera is None else load_camera(options.camera, photo.hw)
    given = calibration and calibration.camera
    camera = estimate_camera(photo, fov_deg=options.fov_deg, given=given)  # refuses what can't be, before any work starts
    if options.depth is None:
        _refuse_without_depth(options)
        return given, None
    return given, _read_depth(options, options.depth, photo, camera, calibration)


def check_order(words: tuple[str, ...], segmentation: Segmentation, depth: DepthMap | None, depth_is: str) -> None:
    """Refuse words that name nothing, and warn where the user's depth says otherwise. Raises ``BadInput``."""
    order = parse_order(words, segmentation)
    if depth is None:
        return
    for front, behind in contradicted(depth, segmentation, order):
        log.warning(
            'The depth file says that "%s" is farther away than "%s", --order says that it is in front: the order counts. %s',
            *(segmentation.name(i) for i in (front, behind)),
            _way_out(depth_is, "If most things are the wrong way round, "),
        )
    if looks_inverted(depth, segmentation):
        log.warning(
            "The depth file looks turned around: what is low in the photo is farther away than what is above it. %s",
            _way_out(depth_is, "If so, "),
        )


def _way_out(depth_is: str, condition: str) -> str:
    option = "leave --depth-is disparity out" if depth_is == "disparity" else "give --depth-is disparity"
    return f"{condition}{option}."


def _read_depth(options: GeometryOptions, path: Path, photo: Photo, camera: Camera, calibration: Calibration | None) -> DepthMap:
    if options.depth_is == "disparity":
        _refuse_for(options, "disparity", "depth_unit_m")
        rig = _rig(options, camera, calibration)
        return load_disparity(path, photo.hw, rig=rig, unit_px=options.disparity_unit_px, depth_range=options.depth_range)
    _refuse_for(options, options.depth_is, "disparity_unit_px", "baseline_m", "doffs_px", "depth_range")
    distance_from = camera if options.depth_is == "distance" else None
    return load_depth(path, photo.hw, unit_m=options.depth_unit_m, kind=options.depth_kind, distance_from=distance_from)


def _refuse_without_depth(options: GeometryOptions) -> None:
    for each in fields(options):
        if each.name.startswith(("depth_", "disparity_", "baseline_", "doffs_")) and getattr(options, each.name) != each.default:
            value = f" {options.depth_is}" if each.name == "depth_is" else ""
            raise BadInput(f"--{each.name.replace('_', '-')}{value} is given without --depth: name the file, too.")


def _refuse_for(options: GeometryOptions, depth_is: str, *names: str) -> None:
    """Options that mean nothing here are refused, not left out in silence."""
    for name in names:
        if getattr(options, name) is not None:
            flag = "--" + name.replace("_", "-")
            other = "--depth-is depth or distance" if depth_is == "disparity" else "--depth-is disparity"
            raise BadInput(f"{flag} means nothing with --depth-is {depth_is}: leave it out, or give {other}.")


def _rig(options: GeometryOptions, camera: Camera, calibration: Calibration | None) -> StereoRig | None:
    """The stereo pair: what the options say, else what the camera file says; None where no baseline is known."""
    known = calibration and calibration.rig
    baseline_m = options.baseline_m if options.baseline_m is not None else known and known.baseline_m
    if options.depth_kind == "relative":
        if options.baseline_m is not None:
            raise BadInput("--baseline-m makes disparity metric, --depth-kind says that it is relative. Leave one of them out.")
        return None
    if baseline_m is None:
        return None
    if camera.source in ("default", "exif"):
        log.warning("The focal length of the stereo pair comes from %s: give --camera for metric depth.", camera.source)
    doffs_px = options.doffs_px if options.doffs_px is not None else known.doffs_px if known else 0.0
    return StereoRig(camera.fx, baseline_m, doffs_px)
