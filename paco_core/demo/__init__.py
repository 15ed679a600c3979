"""Two demo photos with masks: the photos come with scikit-image's wheel, the masks were drawn for this project."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from paco_core.depthfile import StereoRig, depth_from_disparity
from paco_core.errors import BadInput
from paco_core.maskfile import load_masks
from paco_core.photo import load_photo
from paco_core.types import Camera, DepthMap, Photo, Segmentation

DEMO_NAMES = ("coffee", "motorcycle")


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
    """Of the photo; where each statement was found: docs/demo-data.md."""
    attribution: str


def load_demo(name: str) -> DemoInput:
    """Load the ``coffee`` (400×600, photo only) or ``motorcycle`` (500×741, with camera and metric depth) demo.

    Raises ``BadInput`` when the name is unknown or the installed scikit-image carries no sample photos.
    """
    if name == "coffee":
        photo, masks = _photo_and_masks("coffee.png", name)
        return DemoInput(photo, masks, None, None, _COFFEE_LICENCE, _COFFEE_ATTRIBUTION)
    if name == "motorcycle":
        photo, masks = _photo_and_masks("motorcycle_left.png", name)
        return DemoInput(photo, masks, _MOTORCYCLE_CAMERA, _motorcycle_depth(), _MOTORCYCLE_LICENCE, _MOTORCYCLE_ATTRIBUTION)
    raise BadInput(f"There is no demo called {name!r}. The demos are: {', '.join(DEMO_NAMES)}.")


_COFFEE_LICENCE = "CC0 (scikit-image states no copyright restrictions)"
_COFFEE_ATTRIBUTION = "Photo by Rachel Michetti, courtesy of Pikolo Espresso Bar, distributed with scikit-image"
_MOTORCYCLE_LICENCE = (
    "no formal licence is named; Middlebury's data page is quoted as permitting use and publication, citation requested"
)
_MOTORCYCLE_ATTRIBUTION = (
    "Middlebury 2014 stereo benchmark, distributed with scikit-image: D. Scharstein, H. Hirschmüller, Y. Kitajima, "
    "G. Krathwohl, N. Nešić, X. Wang and P. Westling, High-resolution stereo datasets with subpixel-accurate ground "
    "truth, GCPR 2014"
)

# Calibration of the quarter-size pair, from the docstring of skimage.data.stereo_motorcycle.
_MOTORCYCLE_CAMERA = Camera(994.978, 994.978, 311.193, 254.877, 741, 500, "calibration")
_MOTORCYCLE_RIG = StereoRig(focal_px=994.978, baseline_m=0.193001, doffs_px=31.086)


@contextmanager
def _sample(filename: str) -> Iterator[Path]:
    """A file of scikit-image's sample data, as its wheel carries it; never downloads."""
    found = resources.files("skimage") / "data" / filename
    if not found.is_file():
        raise BadInput(
            f"The installed scikit-image carries no {filename} (some distributions leave the sample photos out). "
            "Install the wheel from PyPI (pip install --force-reinstall scikit-image), or use a photo of your own."
        )
    with resources.as_file(found) as path:
        yield path


def _photo_and_masks(filename: str, name: str) -> tuple[Photo, Segmentation]:
    with _sample(filename) as path:
        photo = dataclasses.replace(load_photo(path), name=name)
    with resources.as_file(resources.files(__name__)) as folder:
        return photo, load_masks(folder / f"{name}_masks.png", photo.hw)


def _motorcycle_depth() -> DepthMap:
    with _sample("motorcycle_disp.npz") as path, np.load(path, allow_pickle=False) as arrays:
        depth = depth_from_disparity(arrays["arr_0"], _MOTORCYCLE_RIG)
    return dataclasses.replace(depth, source="middlebury-2014")
