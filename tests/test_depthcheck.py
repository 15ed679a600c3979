"""Depth that contradicts what one sees or says is doubted, and sound depth is not."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.depthcheck import contradicted, looks_inverted
from paco_core.types import DepthMap, Segmentation
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene


@pytest.fixture(scope="module")
def room() -> TrueScene:
    return make_room(11, hw=(120, 160), n_objects=4)


def inverted(depth: DepthMap) -> DepthMap:
    return DepthMap(np.where(depth.valid, 1 / np.maximum(depth.z, 1e-6), 0).astype(np.float32), depth.valid, depth.kind, "t")


def test_true_depth_of_a_room_is_not_doubted_and_its_disparity_is(room: TrueScene):
    assert not looks_inverted(room.depth, room.segmentation)
    assert looks_inverted(inverted(room.depth), room.segmentation)


def test_true_order_is_not_doubted_and_the_wrong_one_is(room: TrueScene):
    one_way = tuple(pair for pair in room.order if pair[::-1] not in room.order)
    assert one_way
    assert contradicted(room.depth, room.segmentation, one_way) == ()
    wrong = tuple((behind, front) for front, behind in one_way)
    assert set(contradicted(room.depth, room.segmentation, wrong)) <= set(wrong)
    assert contradicted(inverted(room.depth), room.segmentation, one_way)


def test_a_wall_photographed_from_the_front_is_not_doubted():
    rng = np.random.default_rng(0)
    z = (2 + 0.02 * rng.normal(size=(60, 80))).astype(np.float32)
    nothing = Segmentation((1,), ("a",), np.zeros((1, 60, 80), bool))
    assert not looks_inverted(DepthMap(z, np.ones((60, 80), bool), "metric", "t"), nothing)
    flat = DepthMap(np.full((60, 80), 2, np.float32), np.ones((60, 80), bool), "metric", "t")
    assert not looks_inverted(flat, nothing)


def test_nothing_is_doubted_where_nothing_is_known():
    z, valid = np.linspace(1, 9, 60 * 80, dtype=np.float32).reshape(60, 80), np.zeros((60, 80), bool)
    valid[:3] = True
    masks = np.zeros((2, 60, 80), bool)
    masks[0, 10:20, 10:20], masks[1, 10:20, 20:30] = True, True
    segmentation = Segmentation((1, 2), ("a", "b"), masks)
    assert not looks_inverted(DepthMap(z, valid, "metric", "t"), segmentation)
    assert contradicted(DepthMap(z, valid, "metric", "t"), segmentation, ((1, 2), (2, 1))) == ()


def test_no_measured_depth_of_81_photos_is_doubted(paco_data: Path):
    folder = paco_data / "photos" / "rgbd"
    found = []
    for line in (folder / "index.jsonl").read_text().splitlines():
        mm = np.asarray(Image.open(folder / json.loads(line)["depth"]))
        valid = (mm > 0) & (mm < 65535)
        depth = DepthMap(np.where(valid, mm / 1000, 0).astype(np.float32), valid, "metric", "t")
        nothing = Segmentation((1,), ("a",), np.zeros((1, *mm.shape), bool))
        found.append((looks_inverted(depth, nothing), looks_inverted(inverted(depth), nothing)))
    doubted, found_out = np.mean(found, axis=0)
    assert doubted == 0
    assert found_out > 0.85
