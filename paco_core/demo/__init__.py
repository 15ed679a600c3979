"""Two demo photos with masks: the photos come with scikit-image's wheel, the masks were drawn for this project."""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

import numpy as np
from jaxtyping import Float32
from PIL import Image

from paco_core.errors import BadInput
from paco_core.types import Camera, DepthMap, Photo, Segmentation

DemoName = Literal["coffee", "motorcycle"]


@dataclass(frozen=True)
class DemoInput:
    """Everything that the main job needs for one demo."""

    photo: Photo
    segmentation: Segmentation
    camera: Camera | None
    """The published calibration, where there is one."""
    depth: DepthMap | None
    """Metric depth from the published disparity, where there is one."""
    licence: str
    attribution: str


def load_demo(name: DemoName) -> DemoInput:
    """Load the ``coffee`` (400×600, photo only) or ``motorcycle`` (500×741, with camera and metric depth) demo.

    Raises ``BadInput`` when the name is unknown or the installed scikit-image carries no sample photos.
    """
    if name == "coffee":
        photo = _photo("coffee.png", "coffee")
        return DemoInput(photo, _masks("coffee"), None, None, _COFFEE_LICENCE, _COFFEE_ATTRIBUTION)
    if name == "motorcycle":
        photo = _photo("motorcycle_left.png", "motorcycle")
        depth = _depth_from_disparity(_disparity("motorcycle_disp.npz"))
        return DemoInput(photo, _masks("motorcycle"), _MOTORCYCLE_CAMERA, depth, _MOTORCYCLE_LICENCE, _MOTORCYCLE_ATTRIBUTION)
    raise BadInput(f"There is no demo called {name!r}. The demos are: coffee, motorcycle.")


# docs/demo-data.md says where each of these statements was found.
_COFFEE_LICENCE = "CC0 (no copyright restrictions), says the docstring of skimage.data.coffee"
_COFFEE_ATTRIBUTION = "Photo by Rachel Michetti, courtesy of Pikolo Espresso Bar, distributed with scikit-image"
_MOTORCYCLE_LICENCE = "no formal licence is stated; citation requested"
_MOTORCYCLE_ATTRIBUTION = (
    "Middlebury 2014 stereo benchmark, distributed with scikit-image: D. Scharstein, H. Hirschmüller, Y. Kitajima, "
    "G. Krathwohl, N. Nešić, X. Wang and P. Westling, High-resolution stereo datasets with subpixel-accurate ground "
    "truth, GCPR 2014"
)

# Calibration of the quarter-size images, from the docstring of skimage.data.stereo_motorcycle.
_MOTORCYCLE_CAMERA = Camera(994.978, 994.978, 311.193, 254.877, 741, 500, "calibration")
_DOFFS_PX = 31.086  # difference of the two cameras' principal points
_BASELINE_M = 0.193001


def _sample(filename: str) -> Traversable:
    """A file of scikit-image's sample data, as its wheel carries it; never downloads."""
    found = resources.files("skimage") / "data" / filename
    if not found.is_file():
        raise BadInput(
            f"The installed scikit-image carries no {filename} (some distributions leave the sample photos out). "
            "Install the wheel from PyPI (pip install --force-reinstall scikit-image), or use a photo of your own."
        )
    return found


def _photo(filename: str, name: str) -> Photo:
    found = _sample(filename)
    with found.open("rb") as file, Image.open(file) as image:
        rgb = np.asarray(image.convert("RGB"))
    return Photo(rgb, name, hashlib.sha256(found.read_bytes()).hexdigest())


def _masks(name: DemoName) -> Segmentation:
    here = resources.files(__name__)
    names: dict[str, str] = json.loads((here / "names.json").read_text(encoding="utf-8"))[name]
    with (here / f"{name}_masks.png").open("rb") as file, Image.open(file) as image:
        labels = np.asarray(image)
    ids = tuple(int(key) for key in names)
    return Segmentation(ids, tuple(names.values()), np.stack([labels == i for i in ids]))


def _disparity(filename: str) -> Float32[np.ndarray, "h w"]:
    with _sample(filename).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["arr_0"].astype(np.float32)


def _depth_from_disparity(disparity: Float32[np.ndarray, "h w"]) -> DepthMap:
    """Z = f·B / (d + doffs), the Middlebury 2014 calibration page; NaN and infinite disparities are unknown."""
    valid = np.isfinite(disparity)
    depth = _MOTORCYCLE_CAMERA.fx * _BASELINE_M / (np.where(valid, disparity, 0) + _DOFFS_PX)
    return DepthMap(depth.astype(np.float32), valid, "metric", "middlebury-2014")
