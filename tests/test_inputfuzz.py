"""Whatever photo, depth, camera and order are, reading them gives what was promised or a sentence, soon."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings

from paco_core.camerafile import load_camera
from paco_core.depthfile import StereoRig, load_depth, load_disparity
from paco_core.errors import BadInput
from paco_core.occlusion import parse_order
from paco_core.photo import load_photo
from paco_core.types import DepthMap, Segmentation
from tests.inputfiles import HW, broken_depths, broken_photos, camera_files, orders, whole_depths, whole_photos

T = TypeVar("T")
SOON = settings(deadline=5_000)


def read(file: tuple[str, bytes], reader: Callable[[Path], T]) -> T | None:
    """What the reader makes of it; None for ``BadInput``; anything else fails the test."""
    name, data = file
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return reader(path)
        except BadInput as sentence:
            assert 10 < len(str(sentence)) < 2000
            return None


@pytest.mark.parametrize("name", sorted(whole_photos()))
def test_the_whole_photos_are_read(name: str):
    photo = read((name, whole_photos()[name]), load_photo)
    assert photo is not None
    assert sorted(photo.hw) == sorted(HW)


@pytest.mark.parametrize("name", sorted(whole_depths()))
def test_the_whole_depth_files_are_read(name: str):
    assert isinstance(read((name, whole_depths()[name]), lambda path: load_disparity(path, HW)), DepthMap)


@settings(SOON, max_examples=200)
@given(broken_photos())
def test_a_damaged_photo_is_read_or_refused(file: tuple[str, bytes]):
    photo = read(file, load_photo)
    if photo is not None:
        assert photo.rgb.dtype == np.uint8
        assert photo.rgb.shape[2:] == (3,)
        assert photo.focal_35mm is None or 5 <= photo.focal_35mm <= 1200


@settings(SOON, max_examples=150)
@given(broken_depths())
def test_a_damaged_depth_file_is_read_or_refused(file: tuple[str, bytes]):
    for reader in (load_depth, load_disparity, lambda path, hw: load_disparity(path, hw, rig=StereoRig(40.0, 0.1))):
        depth = read(file, lambda path, load=reader: load(path, HW))
        if depth is not None:
            assert depth.z.shape == depth.valid.shape == HW
            assert np.isfinite(depth.z).all()
            assert (depth.z[depth.valid] > 0).all()


@settings(SOON, max_examples=150)
@given(camera_files())
def test_a_camera_file_is_read_or_refused(file: tuple[str, bytes]):
    found = read(file, lambda path: load_camera(path, HW))
    if found is not None:
        camera = found.camera
        assert (camera.height, camera.width) == HW
        assert np.isfinite(camera.K).all()
        assert min(camera.fx, camera.fy) > 0


@settings(SOON, max_examples=100)
@given(orders(("cup", "saucer", "cup")))
def test_an_order_is_understood_or_refused(words: tuple[str, ...]):
    segmentation = Segmentation((1, 2, 3), ("cup", "saucer", "cup"), np.ones((3, 1, 1), bool))
    try:
        pairs = parse_order(words, segmentation)
    except BadInput as sentence:
        assert "--order" in str(sentence)
        return
    assert len(set(pairs)) == len(pairs)
    assert all(front != behind for front, behind in pairs)
