"""Camera, depth and order on the command line: what belongs together, what contradicts, and who wins."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paco_core.errors import BadInput
from paco_core.types import DepthMap, Photo, Segmentation
from viewers.geometry import GeometryOptions, check_order, read_geometry

HW = (60, 80)
PHOTO = Photo(np.zeros((*HW, 3), np.uint8), "p", "0", focal_35mm=28.0)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A camera, and the same ramp as depth, distance and disparity."""
    (tmp_path / "camera.json").write_text(json.dumps({"fx": 100, "fy": 100, "cx": 40, "cy": 30, "width": 80, "height": 60}))
    (tmp_path / "calib.txt").write_text("cam0=[100 0 40; 0 100 30; 0 0 1]\ndoffs=2\nbaseline=500\nwidth=80\nheight=60\n")
    np.save(tmp_path / "depth.npy", ramp())
    np.save(tmp_path / "disparity.npy", 100 * 0.5 / ramp() - 2)
    return tmp_path


def ramp() -> np.ndarray:
    return np.repeat(np.linspace(4, 1, HW[0])[:, None], HW[1], axis=1).astype(np.float32)


def depth_of(options: GeometryOptions) -> DepthMap:
    depth = read_geometry(options, PHOTO)[1]
    assert depth is not None
    return depth


def test_without_options_nothing_is_given():
    assert read_geometry(GeometryOptions(), PHOTO) == (None, None)


def test_disparity_is_metric_with_the_pair_and_relative_without(files: Path):
    options = GeometryOptions(depth=files / "disparity.npy", depth_is="disparity")
    by_calibration = depth_of(replace(options, camera=files / "calib.txt"))
    by_options = depth_of(replace(options, camera=files / "camera.json", baseline_m=0.5, doffs_px=2.0))
    for depth in (by_calibration, by_options):
        assert depth.kind == "metric"
        assert np.allclose(depth.z, ramp(), rtol=1e-4)
    assert depth_of(options).kind == "relative"
    assert depth_of(replace(options, camera=files / "calib.txt", depth_kind="relative")).kind == "relative"
    with pytest.raises(BadInput, match="--baseline-m makes disparity metric"):
        depth_of(replace(options, baseline_m=0.5, depth_kind="relative"))
    wide = depth_of(replace(options, depth_range=10.0))
    assert wide.z[0, 0] / wide.z[-1, 0] > 5 * 1.5


def test_metric_depth_from_a_guessed_focal_length_is_said(files: Path, caplog: pytest.LogCaptureFixture):
    depth_of(GeometryOptions(depth=files / "disparity.npy", depth_is="disparity", baseline_m=0.5))
    assert "The focal length of the stereo pair comes from exif: give --camera" in caplog.text


def test_distance_is_along_the_rays_of_the_given_camera(files: Path):
    options = GeometryOptions(camera=files / "camera.json", depth=files / "depth.npy")
    ratio = depth_of(options).z / depth_of(replace(options, depth_is="distance")).z
    assert ratio[30, 40] == pytest.approx(1, abs=1e-4)
    assert ratio[0, 0] == pytest.approx(math.sqrt(1 + 0.395**2 + 0.295**2), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (GeometryOptions(depth_is="disparity", depth_unit_m=0.1), "--depth-unit-m means nothing with --depth-is disparity"),
        (GeometryOptions(baseline_m=0.1), "--baseline-m means nothing with --depth-is depth"),
        (GeometryOptions(depth_is="distance", doffs_px=1.0), "--doffs-px means nothing with --depth-is distance"),
        (GeometryOptions(depth_range=4.0), "--depth-range means nothing with --depth-is depth"),
        (GeometryOptions(disparity_unit_px=0.5), "--disparity-unit-px means nothing"),
        (GeometryOptions(camera=Path("camera.json"), fov_deg=60.0), "are both given"),
        (GeometryOptions(fov_deg=0.0), "--fov-deg 0 is outside of 5…150 degrees"),
        (GeometryOptions(fov_deg=180.0), "--fov-deg 180 is outside"),
        (GeometryOptions(fov_deg=-20.0), "--fov-deg -20 is outside"),
        (GeometryOptions(fov_deg=math.nan), "--fov-deg nan is outside"),
    ],
)
def test_options_that_contradict_or_mean_nothing_are_refused(files: Path, monkeypatch, options: GeometryOptions, sentence: str):
    monkeypatch.chdir(files)
    with pytest.raises(BadInput, match=sentence):
        read_geometry(replace(options, depth=Path("depth.npy")), PHOTO)


def test_options_of_depth_without_a_depth_file_are_refused():
    with pytest.raises(BadInput, match="--depth-unit-m is given without --depth"):
        read_geometry(GeometryOptions(depth_unit_m=0.1), PHOTO)
    with pytest.raises(BadInput, match="--depth-is disparity is given without --depth"):
        read_geometry(GeometryOptions(depth_is="disparity"), PHOTO)


def scene() -> tuple[Segmentation, DepthMap]:
    masks = np.zeros((2, *HW), bool)
    masks[0, 20:50, 20:40], masks[1, 20:50, 40:60] = True, True
    z = ramp()
    z[masks[0]], z[masks[1]] = 1.5, 2.0
    return Segmentation((1, 2), ("cup", "box"), masks), DepthMap(z, np.ones(HW, bool), "metric", "file")


def test_an_order_that_the_depth_contradicts_is_kept_and_said(caplog: pytest.LogCaptureFixture):
    segmentation, depth = scene()
    check_order(("cup>box",), segmentation, depth, "depth")
    assert caplog.text == ""
    check_order(("box>cup",), segmentation, depth, "depth")
    assert '"box" is farther away than "cup", --order says that it is in front: the order counts' in caplog.text
    assert "If most things are the wrong way round, give --depth-is disparity." in caplog.text


def test_disparity_that_contradicts_the_order_says_how_to_turn_it(caplog: pytest.LogCaptureFixture):
    segmentation, depth = scene()
    turned = replace(depth, z=(1 / depth.z).astype(np.float32))
    check_order(("cup>box",), segmentation, turned, "disparity")
    assert "the order counts. If most things are the wrong way round, leave --depth-is disparity out." in caplog.text
    assert "looks turned around: what is low in the photo is farther away" in caplog.text
    assert "If so, leave --depth-is disparity out." in caplog.text


def test_a_bad_order_is_refused_before_any_work_starts():
    with pytest.raises(BadInput, match="Did you mean 'box'"):
        check_order(("cup>bok",), scene()[0], None, "depth")
