"""Intrinsics as people have them: every form gives the same camera, every mistake its sentence."""

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paco_core.camerafile import load_camera
from paco_core.errors import BadInput
from paco_core.types import Camera

HW = (1080, 1920)
CAMERA = Camera(1200.0, 1210.0, 950.0, 545.0, 1920, 1080, "calibration")
K = [[1200.0, 0, 950.0], [0, 1210.0, 545.0], [0, 0, 1]]
PLAIN = {"fx": 1200, "fy": 1210, "cx": 950, "cy": 545, "width": 1920, "height": 1080}
MIDDLEBURY = """cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]
cam1=[994.978 0 342.279; 0 994.978 254.877; 0 0 1]
doffs=31.086
baseline=193.001
width=741
height=500
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("camera.json", json.dumps(PLAIN)),
        ("strings.json", json.dumps({key: str(value) for key, value in PLAIN.items()})),
        ("scene.json", json.dumps({"format": "paco-scene", "camera": asdict(CAMERA), "objects": []})),
        ("transforms.json", json.dumps({"fl_x": 1200, "fl_y": 1210, "cx": 950, "cy": 545, "w": 1920, "h": 1080, "k1": 0})),
        ("K.json", json.dumps(K)),
        ("named_K.json", json.dumps({"K": K, "width": 1920, "height": 1080})),
        ("flat_K.json", json.dumps({"K": [x for row in K for x in row]})),
        ("open3d.json", json.dumps({"intrinsic_matrix": [1200, 0, 0, 0, 1210, 0, 950, 545, 1], "width": 1920, "height": 1080})),
        ("opencv.json", json.dumps({"camera_matrix": {"rows": 3, "cols": 3, "data": [x for row in K for x in row]}})),
        ("moge.json", json.dumps({"intrinsics": [[1200 / 1920, 0, 950 / 1920], [0, 1210 / 1080, 545 / 1080], [0, 0, 1]]})),
        ("bom.json", "\ufeff" + json.dumps(PLAIN)),
        ("K.txt", "1200 0 950\n0 1210 545\n0 0 1\n"),
        ("K.csv", "1200,0,950\n0,1210,545\n0,0,1\n"),
        ("cameras.txt", "# Camera list with one line of data per camera:\n1 PINHOLE 1920 1080 1200 1210 950 545\n"),
        ("calib.txt", "cam0=[1200 0 950; 0 1210 545; 0 0 1]\nwidth=1920\nheight=1080\n"),
    ],
)
def test_every_form_gives_the_same_camera(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = load_camera(tmp_path / name, HW)
    assert np.allclose(found.camera.K, CAMERA.K, rtol=1e-12)
    assert (found.camera.width, found.camera.height, found.camera.source) == (1920, 1080, "calibration")
    assert found.rig is None


def test_a_matrix_may_be_a_numpy_file(tmp_path: Path):
    np.save(tmp_path / "K.npy", np.array(K))
    assert load_camera(tmp_path / "K.npy", HW).camera == CAMERA


@pytest.mark.parametrize(
    ("line", "fy", "said"),
    [
        ("7 SIMPLE_PINHOLE 1920 1080 1200 950 545", 1200, ""),
        ("7 SIMPLE_RADIAL 1920 1080 1200 950 545 0", 1200, ""),
        ("7 SIMPLE_RADIAL 1920 1080 1200 950 545 -0.05", 1200, "the lens distortion (-0.05) is not undone"),
        ("7 RADIAL 1920 1080 1200 950 545 0.01 0.02", 1200, "the lens distortion (0.01, 0.02) is not undone"),
        ("7 OPENCV 1920 1080 1200 1210 950 545 0.01 0 0 0.001", 1210, "is not undone"),
    ],
)
def test_colmaps_models_are_read_and_their_distortion_is_said(tmp_path: Path, caplog, line: str, fy: float, said: str):
    (tmp_path / "cameras.txt").write_text(f"# one camera\n{line}\n")
    camera = load_camera(tmp_path / "cameras.txt", HW).camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (1200, fy, 950, 545)
    assert said in caplog.text
    assert bool(caplog.records) == bool(said)


def test_middleburys_file_also_has_the_stereo_pair(tmp_path: Path):
    (tmp_path / "calib.txt").write_text(MIDDLEBURY)
    whole = load_camera(tmp_path / "calib.txt", (500, 741))
    assert whole.rig is not None
    assert (whole.rig.focal_px, whole.rig.baseline_m, whole.rig.doffs_px) == pytest.approx((994.978, 0.193001, 31.086))
    double = load_camera(tmp_path / "calib.txt", (1000, 1482))
    assert double.rig is not None
    assert (double.rig.focal_px, double.rig.baseline_m, double.rig.doffs_px) == pytest.approx((1989.956, 0.193001, 62.172))


@given(factor=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=5)
def test_a_resized_photo_has_scaled_intrinsics(tmp_path: Path, factor: float):
    (tmp_path / "camera.json").write_text(json.dumps(PLAIN))
    camera = load_camera(tmp_path / "camera.json", (int(1080 * factor), int(1920 * factor))).camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx([v * factor for v in (1200, 1210, 950, 545)])


def test_scaling_is_said_and_the_middle_is_the_principal_point_where_none_is_given(tmp_path: Path, caplog):
    (tmp_path / "camera.json").write_text('{"f": 1000, "width": 1000, "height": 500}')
    with caplog.at_level(logging.INFO):
        camera = load_camera(tmp_path / "camera.json", (1000, 2000)).camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (2000, 2000, 1000, 500)
    assert "scaled from 1000×500 px to the photo's 2000×1000 px" in caplog.text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fx": 0}, "the focal length fx is 0; it must be a positive number"),
        ({"fy": -5}, "the focal length fy is -5; it must be a positive number"),
        ({"fx": float("nan")}, "fx is 'nan', not a finite number"),
        ({"fy": float("inf")}, "fy is 'inf', not a finite number"),
        ({"fx": "wide"}, "fx is 'wide', not a finite number"),
        ({"fx": True}, "fx is 'True', not a finite number"),
        ({"fx": 10**400}, "not a finite number"),
        ({"fx": None, "fy": None}, "has no focal length. Write {"),
        ({"fx": 26, "fy": 26}, "It must be in pixels (not mm)"),
        ({"fx": 1e6, "fy": 1e6}, "a field of view of 0.11°"),
        ({"cx": 1921}, "the principal point (1921, 545) lies outside of the photo's 1920×1080 px"),
        ({"cy": -1}, "the principal point (950, -1) lies outside"),
        (
            {"width": 1080, "height": 1920, "cx": 500},
            "or the photo without cropping. It looks turned by 90°",
        ),
        ({"width": 1920, "height": 1200}, "is for 1920×1200 px, the photo has 1920×1080 px: another aspect"),
        ({"width": 0}, "width and height are 0.0 and 1080.0"),
        ({"height": -1080}, "both must be numbers of pixels"),
        ({"height": None}, "both must be numbers of pixels"),
        ({"width": 1e300, "height": 1e300}, "both must be numbers of pixels"),
    ],
)
def test_numbers_that_no_camera_has_are_refused(tmp_path: Path, change: dict[str, object], sentence: str):
    (tmp_path / "camera.json").write_text(json.dumps({**PLAIN, **change}))
    with pytest.raises(BadInput, match=re.escape(sentence)):
        load_camera(tmp_path / "camera.json", HW)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("c.json", "{", "is no JSON"),
        ("c.json", "[" * 100_000, "is no JSON|no 3×3 matrix"),
        ("c.json", "[1, 2]", "no 3×3 matrix of numbers"),
        ("c.json", '{"K": "eye"}', "no 3×3 matrix of numbers"),
        ("c.json", '{"K": [[1e999, 0, 1], [0, 1, 1], [0, 0, 1]]}', "no camera matrix"),
        ("c.json", "[[0, 0, 950], [0, 1210, 545], [0, 0, 1]]", "the focal length fx is 0"),
        ("c.json", "[[1, 0, 0], [0, 1, 0], [0, 0, 0]]", "no camera matrix"),
        ("c.txt", "1 2 3 4", "no 3×3 matrix of numbers"),
        ("c.txt", "hello world", "no 3×3 matrix of numbers"),
        ("c.txt", "# nothing", "no 3×3 matrix of numbers"),
        ("c.txt", "1 FISHEYE 1920 1080 1 1 1 1", "the camera model FISHEYE can't be used, only SIMPLE_PINHOLE"),
        ("c.txt", "1 PINHOLE 1920 1080 1200", "PINHOLE needs 6 numbers"),
        ("c.txt", "1 PINHOLE 1920 1080 a b c d", "fx is 'a', not a finite number"),
        ("c.txt", "1 PINHOLE 9 9 1 1 1 1\n2 PINHOLE 9 9 1 1 1 1\n", r"holds 2 cameras \(ids 1, 2\)"),
        ("calib.txt", "cam0=[1 2 3]\n", "no 3×3 matrix of numbers"),
        ("calib.txt", MIDDLEBURY.replace("193.001", "wide"), "baseline is 'wide'"),
        ("c.json", " " * 1_000_001, "has 1.0 MB"),
        ("c.json", "", "is empty"),
    ],
)
def test_files_that_hold_no_camera_are_refused(tmp_path: Path, name: str, text: str, sentence: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=sentence):
        load_camera(tmp_path / name, HW)


def test_colmaps_binary_file_is_refused_with_the_command_that_converts_it(tmp_path: Path):
    (tmp_path / "cameras.bin").write_bytes(b"\x01\0\0\0\0\0\0\0\xff\xfe\0\0")
    with pytest.raises(BadInput, match="colmap model_converter --output_type TXT"):
        load_camera(tmp_path / "cameras.bin", HW)
    np.save(tmp_path / "K.npy", np.array([{"K": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="not a NumPy file with numbers"):
        load_camera(tmp_path / "K.npy", HW)
    with pytest.raises(BadInput, match="There is no file"):
        load_camera(tmp_path / "gone.json", HW)
