"""Intrinsics that the user has: JSON, a 3×3 matrix, COLMAP's ``cameras.txt`` or Middlebury's ``calib.txt``."""

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from paco_core.camera import FOV_RANGE_DEG
from paco_core.depthfile import StereoRig
from paco_core.errors import BadInput
from paco_core.imagefile import read_bytes, size_text
from paco_core.types import Camera

log = logging.getLogger(__name__)

MAX_BYTES = 1_000_000
"""COLMAP's list of ten thousand cameras has less."""

MAX_ASPECT_DIFFERENCE = 0.01
"""Rounding of sizes stays below it; a crop doesn't."""

MAX_SKEW = 1e-3
"""Of the focal length: below it skew moves no pixel that one could see."""

COLMAP_MODELS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
}
"""Parameters of COLMAP's models (https://colmap.github.io/cameras.html) that are pinholes with little or no distortion."""

DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_KEYS = {"f": ("f", "fl"), "fx": ("fx", "fl_x"), "fy": ("fy", "fl_y"), "cx": ("cx",), "cy": ("cy",)}
_WIDTH, _HEIGHT = ("width", "w"), ("height", "h")
_MATRIX = ("K", "k", "intrinsic_matrix", "camera_matrix", "intrinsics", "intrinsic", "cam_K")
_HOW_TO_WRITE = 'Write {"fx": 1200, "fy": 1200, "cx": 960, "cy": 540, "width": 1920, "height": 1080}.'


@dataclass(frozen=True)
class Calibration:
    """What a file says about the camera, for the photo's size."""

    camera: Camera
    rig: StereoRig | None = None
    """Where the file is of a rectified stereo pair (Middlebury)."""


@dataclass(frozen=True)
class _Found:
    """Numbers as they stand in the file, with the picture's size where the file has it; ``cx`` None: the middle."""

    fx: float
    fy: float
    cx: float | None = None
    cy: float | None = None
    wh: tuple[float, float] | None = None
    distortion: tuple[float, ...] = ()
    baseline_m: float | None = None
    doffs_px: float = 0.0


def load_camera(path: str | Path, hw: tuple[int, int]) -> Calibration:
    """Read intrinsics in px for a photo of size ``hw``; pixel centres lie at +0.5, as in COLMAP (OpenCV's cx, cy: add 0.5).

    JSON with ``fx fy cx cy width height`` (also as ``scene.json`` has it, as ``fl_x fl_y w h``, or with a matrix ``K``), a 3×3
    matrix as JSON, ``.npy`` or text, COLMAP's ``cameras.txt``, Middlebury's ``calib.txt``. A matrix of numbers below 1 is
    relative to width and height (MoGe). The photo may be a resized version of the calibrated picture, of the same aspect;
    without a size in the file the intrinsics are for the photo as it is. Distortion is not undone: that is logged.
    Raises ``BadInput`` for anything else, and for numbers that no pinhole camera has.
    """
    path = Path(path)
    return _calibration(path, _read(path), hw)


def _read(path: Path) -> _Found:
    data = read_bytes(path, "camera file")
    if len(data) > MAX_BYTES:
        raise BadInput(f"{path} has {len(data) / 1e6:.1f} MB, more than intrinsics of a camera need. {_HOW_TO_WRITE}")
    if data.startswith(b"\x93NUMPY"):
        return _from_matrix(path, _load_npy(path), {})
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        advice = "Convert it with `colmap model_converter --output_type TXT`." if path.suffix == ".bin" else _HOW_TO_WRITE
        raise BadInput(f"{path} is no text. {advice}") from error
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(path, text)
    if re.search(r"^\s*cam0\s*=", text, re.MULTILINE):
        return _from_middlebury(path, text)
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and len(lines[0]) > 1 and re.fullmatch(r"[A-Z_0-9]*[A-Z][A-Z_0-9]*", lines[0][1]):
        return _from_colmap(path, lines)
    return _from_matrix(path, [word for line in lines for word in " ".join(line).replace(",", " ").split()], {})


def _load_npy(path: Path) -> list[Any]:
    try:
        return np.load(path, allow_pickle=False).tolist()
    except Exception as error:  # NumPy reads the header as Python: damage raises almost anything
        raise BadInput(f"{path} is not a NumPy file with numbers ({error}). Save the 3×3 matrix with np.save.") from error


def _from_json(path: Path, text: str) -> _Found:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON ({str(error)[:120]}). {_HOW_TO_WRITE}") from error
    if isinstance(content, list):
        return _from_matrix(path, content, {})
    if isinstance(content.get("camera"), dict):  # scene.json
        content = content["camera"]
    matrix = next((content[key] for key in _MATRIX if key in content), None)
    if isinstance(matrix, dict):  # OpenCV's FileStorage
        matrix = matrix.get("data")
    if matrix is not None:
        return _from_matrix(path, matrix, content)
    return _from_fields(path, content)


def _from_fields(path: Path, content: Mapping[str, Any]) -> _Found:
    values = {name: _first(path, content, keys) for name, keys in _KEYS.items()}
    fx = values["fx"] if values["fx"] is not None else values["f"]
    fy = values["fy"] if values["fy"] is not None else fx
    if fx is None or fy is None:
        raise BadInput(f"{path} has no focal length. {_HOW_TO_WRITE}")
    return _Found(fx, fy, values["cx"], values["cy"], _wh(path, content), _distortion(path, content))


def _from_matrix(path: Path, values: object, content: Mapping[str, Any]) -> _Found:
    try:
        K = np.array(values, np.float64).reshape(3, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{path} holds no 3×3 matrix of numbers, fx 0 cx, 0 fy cy, 0 0 1. {_HOW_TO_WRITE}") from error
    if K[0, 2] == K[1, 2] == 0 and (K[2, :2] != 0).any():  # Open3D writes column after column
        K = K.T
    if not np.isfinite(K).all() or not np.allclose(K[2], (0, 0, 1)) or abs(K[1, 0]) > MAX_SKEW * abs(K[1, 1]):
        raise BadInput(f"{path} holds a 3×3 matrix that is no camera matrix: it should be fx 0 cx, 0 fy cy, 0 0 1.")
    if abs(K[0, 1]) > MAX_SKEW * abs(K[0, 0]):
        log.warning("%s: the skew of %g px is left out", path.name, K[0, 1])
    wh = _wh(path, content)
    if 0 < K[0, 2] < 1 and 0 < K[1, 2] < 1:  # relative to width and height: no camera has its principal point in the first pixel
        return _Found(K[0, 0], K[1, 1], K[0, 2], K[1, 2], (1.0, 1.0), _distortion(path, content))
    return _Found(K[0, 0], K[1, 1], K[0, 2], K[1, 2], wh, _distortion(path, content))


def _from_colmap(path: Path, lines: Sequence[Sequence[str]]) -> _Found:
    if len(lines) > 1:
        ids = ", ".join(line[0] for line in lines[:12]) + (" …" if len(lines) > 12 else "")
        raise BadInput(f"{path} holds {len(lines)} cameras (ids {ids}). Keep the line of this photo's camera alone.")
    model, numbers = lines[0][1], lines[0][2:]
    if model not in COLMAP_MODELS:
        known = ", ".join(COLMAP_MODELS)
        raise BadInput(
            f"{path}: the camera model {model} can't be used, only {known}. "
            "Undistort the photo first (`colmap image_undistorter`) and give its new cameras.txt."
        )
    names = ("width", "height", *COLMAP_MODELS[model].split())
    if len(numbers) != len(names):
        raise BadInput(f"{path}: {model} needs {len(names)} numbers ({' '.join(names)}), there are {len(numbers)}.")
    return _from_fields(path, dict(zip(names, numbers, strict=True)))


def _from_middlebury(path: Path, text: str) -> _Found:
    """``calib.txt`` of the Middlebury stereo data (Scharstein et al., GCPR 2014): matrices in px, the baseline in mm."""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in text.splitlines())}
    found = _from_matrix(path, re.split(r"[\s;,]+", fields["cam0"].strip("[] ")), fields)
    baseline_mm, doffs = _first(path, fields, ("baseline",)), _first(path, fields, ("doffs",))
    return replace(found, baseline_m=None if baseline_mm is None else baseline_mm / 1000, doffs_px=doffs or 0.0)


def _calibration(path: Path, found: _Found, hw: tuple[int, int]) -> Calibration:
    """Checked, and scaled to the photo."""
    h, w = hw
    wh = found.wh or (float(w), float(h))
    if wh != (1.0, 1.0):
        _check_aspect(path, wh, hw)
    x, y = w / wh[0], h / wh[1]
    if x != 1 and wh != (1.0, 1.0):
        log.info("%s is scaled from %g×%g px to the photo's %s", path.name, *wh, size_text(hw))
    cx, cy = (wh[0] / 2 if found.cx is None else found.cx) * x, (wh[1] / 2 if found.cy is None else found.cy) * y
    camera = Camera(found.fx * x, found.fy * y, cx, cy, w, h, "calibration")
    check_camera(camera, str(path))
    _warn_of_distortion(path, found.distortion)
    if found.baseline_m is None:
        return Calibration(camera)
    return Calibration(camera, StereoRig(camera.fx, found.baseline_m, found.doffs_px * x))


def check_camera(camera: Camera, source: str) -> None:
    """Raise ``BadInput`` for numbers that no pinhole camera has; ``source`` begins the sentence."""
    for name, focal in (("fx", camera.fx), ("fy", camera.fy)):
        if not math.isfinite(focal) or focal <= 0:
            raise BadInput(f"{source}: the focal length {name} is {focal:g}; it must be a positive number of pixels.")
    fov_deg = math.degrees(2 * math.atan(max(camera.width / camera.fx, camera.height / camera.fy) / 2))
    if not FOV_RANGE_DEG[0] <= fov_deg <= FOV_RANGE_DEG[1]:
        raise BadInput(
            f"{source}: a focal length of {camera.fx:g} px gives {size_text((camera.height, camera.width))} a field of view of "
            f"{fov_deg:.3g}°. It must be in pixels (not mm), for pictures of the photo's size."
        )
    if not (0 <= camera.cx <= camera.width and 0 <= camera.cy <= camera.height):
        raise BadInput(
            f"{source}: the principal point ({camera.cx:g}, {camera.cy:g}) lies outside of the photo's "
            f"{size_text((camera.height, camera.width))}. Are they of a larger picture? Give its width and height."
        )


def _check_aspect(path: Path, wh: tuple[float, float], hw: tuple[int, int]) -> None:
    if abs((wh[0] / wh[1]) / (hw[1] / hw[0]) - 1) <= MAX_ASPECT_DIFFERENCE:
        return
    turned = " It looks turned by 90°: the photo is used upright, as its EXIF says." if wh == hw else ""
    raise BadInput(
        f"{path} is for {wh[0]:g}×{wh[1]:g} px, the photo has {size_text(hw)}: another aspect. "
        f"Give the intrinsics of this photo, or the photo without cropping.{turned}"
    )


def _warn_of_distortion(path: Path, coefficients: tuple[float, ...]) -> None:
    if any(coefficients):
        log.warning(
            "%s: the lens distortion (%s) is not undone: straight lines near the border come out bent. Undistort it first.",
            path.name,
            ", ".join(f"{c:g}" for c in coefficients),
        )


def _distortion(path: Path, content: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(value for key in DISTORTION if (value := _first(path, content, (key,))) is not None)


def _wh(path: Path, content: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = _first(path, content, _WIDTH), _first(path, content, _HEIGHT)
    if width is None and height is None:
        return None
    if width is None or height is None or min(width, height) < 1 or max(width, height) > 1e6:
        raise BadInput(f"{path}: width and height are {width} and {height}; both must be numbers of pixels.")
    return width, height


def _first(path: Path, content: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    """The first of these that is there, as a finite number."""
    for key in keys:
        value = content.get(key)
        if value is None or isinstance(value, (list, dict)):
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number) or isinstance(value, bool):
            raise BadInput(f"{path}: {key} is {str(value)[:40]!r}, not a finite number. {_HOW_TO_WRITE}")
        return number
    return None
