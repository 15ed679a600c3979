"""Depth files in the kinds and units that people have."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from paco_core.camera import pixel_rays
from paco_core.depthfile import StereoRig, depth_from_disparity, load_depth, load_disparity, resize_depth
from paco_core.errors import BadInput
from paco_core.types import Camera, DepthMap

HW = (30, 40)
METRES = np.linspace(0.5, 6.0, 30 * 40, dtype=np.float32).reshape(HW)


def test_npy_and_npz_hold_metres(tmp_path: Path):
    np.save(tmp_path / "d.npy", METRES)
    np.savez(tmp_path / "d.npz", METRES)
    np.savez(tmp_path / "two.npz", depth=METRES, confidence=METRES * 0)
    for name in ("d.npy", "d.npz", "two.npz"):
        depth = load_depth(tmp_path / name, HW)
        assert np.array_equal(depth.z, METRES)
        assert depth.valid.all()
        assert (depth.kind, depth.source) == ("metric", "file")


def test_a_unit_and_a_kind_can_be_said(tmp_path: Path):
    np.save(tmp_path / "d.npy", (METRES * 100).astype(np.float64))
    depth = load_depth(tmp_path / "d.npy", HW, unit_m=0.01, kind="relative")
    assert np.allclose(depth.z, METRES, rtol=1e-6)
    assert depth.kind == "relative"


def test_a_sixteen_bit_png_holds_millimetres_and_its_ends_mean_nothing(tmp_path: Path):
    mm = np.round(METRES * 1000).astype(np.uint16)
    mm[0, 0], mm[0, 1] = 0, 65535
    Image.fromarray(mm).save(tmp_path / "d.png")
    depth = load_depth(tmp_path / "d.png", HW)
    assert np.abs(depth.z - METRES)[depth.valid].max() <= 0.0005 + 1e-6
    assert depth.valid.sum() == depth.valid.size - 2
    assert np.allclose(load_depth(tmp_path / "d.png", HW, unit_m=0.0002).z, depth.z / 5, rtol=1e-6)


def test_a_float_tiff_holds_metres(tmp_path: Path):
    Image.fromarray(METRES).save(tmp_path / "d.tiff")
    assert np.array_equal(load_depth(tmp_path / "d.tiff", HW).z, METRES)


def test_nan_infinity_zero_and_below_are_invalid(tmp_path: Path):
    values = METRES.astype(np.float64).copy()
    values[0, :6] = np.nan, np.inf, -np.inf, 0, -1, 1e300
    np.save(tmp_path / "d.npy", values)
    depth = load_depth(tmp_path / "d.npy", HW)
    assert not depth.valid[0, :6].any()
    assert depth.valid.sum() == depth.valid.size - 6
    assert np.isfinite(depth.z).all()


def test_disparity_and_a_rig_give_metres(tmp_path: Path):
    rig = StereoRig(focal_px=1000.0, baseline_m=0.2, doffs_px=30.0)
    disparity = rig.focal_px * rig.baseline_m / METRES.astype(np.float64) - rig.doffs_px
    disparity[3, 4], disparity[5, 6] = np.inf, -40.0
    np.save(tmp_path / "d.npy", disparity)
    depth = load_disparity(tmp_path / "d.npy", HW, rig=rig)
    assert np.allclose(depth.z[depth.valid], METRES[depth.valid], rtol=1e-5)
    assert list(zip(*np.nonzero(~depth.valid), strict=True)) == [(3, 4), (5, 6)]
    assert depth.kind == "metric"


@given(z=st.floats(0.2, 100.0), baseline=st.floats(0.01, 1.0), doffs=st.floats(-20.0, 100.0))
@settings(max_examples=50, deadline=None)
def test_depth_from_disparity_inverts_projection(z: float, baseline: float, doffs: float):
    disparity = np.full((1, 2), 700.0 * baseline / z - doffs)
    found = depth_from_disparity(disparity, StereoRig(700.0, baseline, doffs))
    assert found.z[0, 0] == pytest.approx(z, rel=1e-4)


def test_the_same_aspect_is_resized_and_another_one_is_refused(tmp_path: Path):
    np.save(tmp_path / "d.npy", METRES)
    assert np.array_equal(load_depth(tmp_path / "d.npy", (60, 80)).z[::2, ::2], METRES)
    with pytest.raises(BadInput, match="40×30 px, the photo 40×40 px"):
        load_depth(tmp_path / "d.npy", (40, 40))
    with pytest.raises(BadInput, match="turned by 90°"):
        load_depth(tmp_path / "d.npy", (40, 30))


@settings(max_examples=40, deadline=None)
@given(h=st.integers(1, 40), w=st.integers(1, 40), seed=st.integers(0, 99))
def test_resizing_invents_no_depth(h: int, w: int, seed: int):
    rng = np.random.default_rng(seed)
    z = rng.uniform(1, 5, (9, 12)).astype(np.float32)
    valid = rng.random((9, 12)) < 0.7
    resized = resize_depth(DepthMap(np.where(valid, z, np.float32(0)), valid, "metric", "test"), (h, w))
    assert resized.z.shape == resized.valid.shape == (h, w)
    assert np.isin(resized.z[resized.valid], z[valid]).all()
    assert (resized.z[~resized.valid] == 0).all()


def test_depth_that_is_nearly_all_invalid_is_refused(tmp_path: Path):
    values = np.full(HW, np.nan)
    values[0, :3] = 1.0
    np.save(tmp_path / "d.npy", values)
    with pytest.raises(BadInput, match=r"only 0\.25 % of the depth is valid"):
        load_depth(tmp_path / "d.npy", HW)


def test_an_impossible_unit_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    np.save(tmp_path / "d.npy", METRES * 1000)
    load_depth(tmp_path / "d.npy", HW)
    assert "Is the unit right?" in caplog.text


def test_files_that_hold_no_depth_are_refused(tmp_path: Path):
    Image.fromarray((METRES * 20).astype(np.uint8)).save(tmp_path / "eight.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*HW, 3), dtype=np.uint8)).save(tmp_path / "jet.png")
    Image.fromarray((METRES * 20).astype(np.uint8)).convert("P").save(tmp_path / "palette.png")
    np.save(tmp_path / "colour.npy", np.ones((*HW, 3)))
    np.save(tmp_path / "nothing.npy", np.ones((0, 40)))
    np.save(tmp_path / "bool.npy", np.ones(HW, bool))
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "many.npz", a=METRES, b=METRES)
    (tmp_path / "text.npy").write_text("depth")
    (tmp_path / "text.npz").write_text("PK depth")
    for name, sentence in {
        "eight.png": "too coarse for depth .* say --depth-is disparity",
        "jet.png": "a coloured picture of depth",
        "palette.png": "a coloured picture of depth",
        "colour.npy": "one number per pixel",
        "nothing.npy": "one number per pixel",
        "bool.npy": "one number per pixel",
        "pickle.npy": "not a NumPy file with numbers",
        "many.npz": "holds a, b; one array called depth",
        "text.npy": "not a NumPy file with numbers",
        "text.npz": "not a NumPy file with numbers",
        "missing.npy": "There is no file",
    }.items():
        with pytest.raises(BadInput, match=sentence):
            load_depth(tmp_path / name, HW)


def test_distance_along_the_rays_becomes_depth_along_the_axis(tmp_path: Path):
    camera = Camera(35.0, 30.0, 22.0, 14.0, HW[1], HW[0])
    np.save(tmp_path / "d.npy", np.linalg.norm(pixel_rays(camera) * METRES[..., None], axis=-1))
    depth = load_depth(tmp_path / "d.npy", HW, distance_from=camera)
    assert np.allclose(depth.z, METRES, rtol=1e-6)
    assert depth.valid.all()


def test_a_disparity_map_of_half_the_size_has_px_of_its_own(tmp_path: Path):
    rig = StereoRig(focal_px=1000.0, baseline_m=0.2, doffs_px=30.0)
    full = rig.focal_px * rig.baseline_m / METRES.astype(np.float64) - rig.doffs_px
    np.save(tmp_path / "half.npy", full[::2, ::2] / 2)
    depth = load_disparity(tmp_path / "half.npy", HW, rig=rig)
    assert np.allclose(depth.z[::2, ::2], METRES[::2, ::2], rtol=1e-5)


def test_a_sixteen_bit_disparity_png_holds_256ths_of_a_pixel_unless_said(tmp_path: Path):
    rig = StereoRig(focal_px=700.0, baseline_m=0.5)
    disparity = np.round(350 / METRES.astype(np.float64) / 4 * 256)
    disparity[0, :2] = 0, 65535
    Image.fromarray(disparity.astype(np.uint16)).save(tmp_path / "d.png")
    depth = load_disparity(tmp_path / "d.png", HW, rig=rig)
    assert np.allclose(depth.z[depth.valid], 4 * METRES[depth.valid], rtol=1e-2)
    assert np.argwhere(~depth.valid).tolist() == [[0, 0], [0, 1]]
    assert np.allclose(load_disparity(tmp_path / "d.png", HW, rig=rig, unit_px=4 / 256).z, depth.z / 4, rtol=1e-6)


def test_a_disparity_of_next_to_nothing_is_at_infinity(tmp_path: Path):
    disparity = np.ones(HW, np.float32)
    disparity[0, 0], disparity[0, 1] = 1e-40, 2.0
    np.save(tmp_path / "d.npy", disparity)
    depth = load_disparity(tmp_path / "d.npy", HW, rig=StereoRig(700.0, 0.1))
    assert np.argwhere(~depth.valid).tolist() == [[0, 0]]


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), far_near=st.floats(1.5, 100))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_relative_disparity_gives_the_same_depth_whatever_its_scale_and_offset(
    tmp_path: Path, scale: float, offset: float, far_near: float
):
    inverse = np.linspace(1.1, -0.1, 30 * 40).reshape(HW).clip(0, 1) * (1 - 1 / far_near) + 1 / far_near
    np.save(tmp_path / "d.npy", scale * inverse + offset)
    depth = load_disparity(tmp_path / "d.npy", HW, depth_range=far_near)
    assert depth.kind == "relative"
    assert depth.valid.all()
    assert np.allclose(depth.z * inverse, 1, atol=1e-5)


def test_relative_disparity_is_read_from_what_networks_write(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    inverse = (1 / METRES - 1 / METRES.max()) / (1 / METRES.min() - 1 / METRES.max())
    Image.fromarray((inverse * 65535).astype(np.uint16)).save(tmp_path / "sixteen.png")  # here 0 and 65535 are ends, not marks
    Image.fromarray((inverse * 255).astype(np.uint8)).save(tmp_path / "eight.png")
    Image.fromarray((inverse * 255).astype(np.uint8)).convert("RGB").save(tmp_path / "grey_rgb.png")
    for name in ("sixteen.png", "eight.png", "grey_rgb.png"):
        depth = load_disparity(tmp_path / name, HW)
        assert depth.valid.all()
        assert (np.diff(depth.z.ravel()) >= 0).all()
        assert depth.z.max() / depth.z.min() < 2 * 3.2
    assert "only 256 steps" in caplog.text


def test_what_is_not_a_number_in_relative_disparity_stays_unknown_and_below_zero_is_fine(tmp_path: Path):
    values = 1 / METRES.astype(np.float64) - 1.0
    values[0, :3] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "d.npy", values)
    depth = load_disparity(tmp_path / "d.npy", HW)
    assert np.argwhere(~depth.valid).tolist() == [[0, 0], [0, 1], [0, 2]]


@pytest.mark.parametrize("value", [1.0, 0.0, -3.0, np.nan, np.inf, 1e300])
def test_depth_that_is_the_same_everywhere_or_nowhere_valid_is_refused(tmp_path: Path, value: float):
    np.save(tmp_path / "d.npy", np.full(HW, value))
    for load in (load_depth, load_disparity):
        with pytest.raises(BadInput, match=r"everywhere, which says nothing|% of the depth is valid"):
            load(tmp_path / "d.npy", HW)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"unit_px": 0.0}, "--disparity-unit-px is 0; it must be a positive number"),
        ({"depth_range": 1.0}, "--depth-range 1:"),
        ({"depth_range": math.nan}, "--depth-range nan:"),
        ({"rig": StereoRig(700, 0.0)}, "--baseline-m is 0;"),
        ({"rig": StereoRig(700, -0.1)}, "--baseline-m is -0.1;"),
        ({"rig": StereoRig(math.nan, 0.1)}, "focal length of the stereo rig is nan"),
        ({"rig": StereoRig(700, 0.1, math.inf)}, "--doffs-px is inf"),
        ({"rig": StereoRig(700, 0.1), "depth_range": 3.0}, "--depth-range is for relative disparity"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], sentence: str):
    np.save(tmp_path / "d.npy", METRES)
    with pytest.raises(BadInput, match=re.escape(sentence)):
        load_disparity(tmp_path / "d.npy", HW, **options)


@pytest.mark.parametrize("unit", [0.0, -1.0, math.nan, math.inf])
def test_a_unit_must_be_a_positive_number(tmp_path: Path, unit: float):
    np.save(tmp_path / "d.npy", METRES)
    with pytest.raises(BadInput, match=r"--depth-unit-m is .*positive number"):
        load_depth(tmp_path / "d.npy", HW, unit_m=unit)
