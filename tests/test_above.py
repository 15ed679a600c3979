"""Nothing goes through the floor: where a measured floor ends the claims of hidden parts."""

from dataclasses import replace

import numpy as np
import pytest

from paco_core.types import Camera, CompleteObject, DepthMap
from scene3d.above import above_floor
from scene3d.types import Ground

CAMERA = Camera(100.0, 100.0, 60.0, 60.0, 120, 160)
FLOOR = Ground(np.array([0.0, -1.0, 0.0]), 1.0, "plane", 1.0)
"""A level camera one metre above the floor: that is 2 m away in row 60 + 100 / 2 = 110, and nearer further down."""


def thing(claimed_rows: int) -> tuple[CompleteObject, DepthMap]:
    """20 px wide, 2 m away, seen from row 40 to row 90, claimed from there on."""
    rgba = np.zeros((160, 40, 4), np.uint8)
    rgba[40 : 90 + claimed_rows, 10:30] = 200, 100, 50, 255
    visible = np.zeros((160, 40), bool)
    visible[40:90, 10:30] = True
    depth = DepthMap(np.full((160, 120), 2.0, np.float32), np.ones((160, 120), bool), "metric", "file")
    return CompleteObject(1, "vase", rgba, visible, (30, 0, 70, 160), 1, (), "pcnet", "base"), depth


def test_a_claim_ends_where_the_floor_is_as_near_as_the_object():
    done = above_floor(*thing(claimed_rows=50), CAMERA, FLOOR)
    assert done.box_xyxy[:3] == (40, 40, 60) and done.box_xyxy[3] == pytest.approx(110, abs=1)
    assert done.rgba.shape[:2] == done.visible.shape == (done.box_xyxy[3] - 40, 20)
    assert done.visible.sum() == 50 * 20 and done.amodal.all()


def test_a_claim_that_ends_above_the_floor_is_not_touched():
    obj, depth = thing(claimed_rows=15)
    assert above_floor(obj, depth, CAMERA, FLOOR) is obj


def test_what_is_seen_stays_even_where_a_floor_would_be_nearer():
    obj, depth = thing(claimed_rows=50)
    seen = replace(obj, visible=obj.amodal)
    assert above_floor(seen, depth, CAMERA, FLOOR) is seen


@pytest.mark.parametrize("source", ["guess", "prior"])
def test_a_guessed_floor_cuts_nothing(source: str):
    obj, depth = thing(claimed_rows=50)
    assert above_floor(obj, depth, CAMERA, replace(FLOOR, source=source)) is obj


def test_an_object_whose_depth_is_not_known_is_not_touched():
    obj, depth = thing(claimed_rows=50)
    assert above_floor(obj, replace(depth, valid=depth.valid & False), CAMERA, FLOOR) is obj


def test_what_hung_on_the_part_below_the_floor_goes_with_it():
    obj, depth = thing(claimed_rows=50)
    obj.rgba[100:140, 32:36] = 200, 100, 50, 255
    obj.rgba[130:140, 30:32] = 200, 100, 50, 255
    done = above_floor(obj, depth, CAMERA, FLOOR)
    assert done.box_xyxy[2] == 60 and not (done.generated[:, 21:]).any()
