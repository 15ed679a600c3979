"""The camera's pitch and height from names and masks, against the geometry that made them."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from paco_core.camera import estimate_camera, project, up_of_pitch
from paco_core.contacts import find_enclosed, find_feet
from paco_core.heights import hangs, largest_side, standing_height
from paco_core.horizon import Prior, Standing, height_over_camera, likeliest_view, skew_of
from paco_core.pitch import guess_pitch, horizon_bounds
from paco_core.stuff import FLOOR, SKY
from paco_core.types import Photo, Segmentation
from scene3d.synthetic.rooms import make_room

HW = (480, 640)
CAMERA = estimate_camera(Photo(np.zeros((*HW, 3), np.uint8), "p", "0"))
VAGUE = Prior(15.0, 400.0, 1.5, 20.0)  # what is known beforehand must not outweigh two exact people


def seen(points_m: np.ndarray, pitch: float, height: float) -> np.ndarray:
    """Pixels (u, v) of points (right, above the floor, ahead), metres."""
    up = up_of_pitch(pitch)
    ahead = np.array([0, -math.sin(math.radians(pitch)), math.cos(math.radians(pitch))])
    right, above, forward = points_m.T
    return project(CAMERA, right[:, None] * [1.0, 0, 0] + (above[:, None] - height) * up + forward[:, None] * ahead)


def standing(pitch: float, height: float, tall: float, at: tuple[float, float]) -> Standing:
    foot, top = seen(np.array([[at[0], 0, at[1]], [at[0], tall, at[1]]]), pitch, height)
    return Standing((float(foot[0]), float(foot[1])), float(top[1]), tall, 0.12)


def laid(pitch: float, height: float, width: float, length: float, turn_deg: float, above: float = 0.0) -> np.ndarray:
    """Corners of a rectangle on the table, under the middle of the photo."""
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    flat = np.array([[-width, -length], [width, -length], [width, length], [-width, length]]) / 2 @ np.array([[c, s], [-s, c]])
    middle = height / math.tan(math.radians(pitch))
    return seen(np.column_stack([flat[:, 0], np.full(4, above), flat[:, 1] + middle]), pitch, height)


@given(st.floats(0, 30), st.floats(0.8, 3.0), st.floats(3, 6), st.floats(8, 16))
@settings(max_examples=30, deadline=None)
def test_people_at_two_distances_tell_pitch_and_height(pitch, height, near, far):
    people = tuple(standing(pitch, height, 1.7, at) for at in ((-0.5, near), (0.8, far)))
    view = likeliest_view(people, VAGUE, CAMERA)
    assert view.agreeing == 2
    assert view.pitch_deg == pytest.approx(pitch, abs=1.5)
    assert view.height_m == pytest.approx(height, rel=0.12)


@given(st.floats(-5, 60), st.floats(0.5, 5.0), st.floats(0.1, 3.0), st.floats(2, 15))
@settings(max_examples=50, deadline=None)
def test_the_height_of_a_thing_is_measured_exactly(pitch, height, tall, ahead):
    assume(pitch + math.degrees(math.atan2(tall - height, ahead)) < 85)  # what is beside or behind the lens has no picture
    thing = standing(pitch, height, tall, (0.3, ahead))
    measured = height_over_camera(thing, CAMERA, pitch)
    assert measured == pytest.approx(tall / height, rel=0.02)


def test_one_who_sits_among_many_does_not_tilt_the_camera():
    people = [standing(8, 1.6, 1.7, at) for at in ((-1, 4), (0, 7), (1, 10))] + [standing(8, 1.6, 1.0, (0.5, 5))]
    people[-1] = Standing(people[-1].foot_uv, people[-1].top_v, 1.7, 0.12)
    view = likeliest_view(tuple(people), Prior(10, 9, 1.5, 0.5), CAMERA)
    assert view.agreeing == 3
    assert view.pitch_deg == pytest.approx(8, abs=1.5)


@given(st.floats(30, 88), st.floats(-40, 40))
@settings(max_examples=30, deadline=None)
def test_a_rectangle_on_the_table_has_right_angles_at_the_true_pitch(pitch, turn):
    assert skew_of(laid(pitch, 0.6, 0.3, 0.2, turn), CAMERA, pitch) < 1e-6


def stack(pitch: float) -> Segmentation:
    """A laptop, a smaller one on it, and a phone on that."""
    sheets = [laid(pitch, 0.6, 0.38, 0.26, 3), laid(pitch, 0.6, 0.30, 0.20, 0, 0.02), laid(pitch, 0.6, 0.11, 0.06, -4, 0.04)]
    masks = np.array([polygon2mask(HW, uv[:, ::-1] - 0.5) for uv in sheets])
    for k in (0, 1):
        masks[k] &= ~masks[k + 1 :].any(axis=0)
    return Segmentation((1, 2, 3), ("laptop", "laptop", "cell phone"), masks)


@pytest.mark.parametrize("pitch", [60, 75, 88])
def test_stacked_laptops_seen_from_above_are_seen_from_above(pitch):
    scene = stack(pitch)
    guess = guess_pitch(scene, CAMERA, find_feet(scene), find_enclosed(scene))
    assert guess.pitch_deg == pytest.approx(pitch, abs=8)
    assert "corners" in guess.reason


def test_a_laptop_with_nothing_on_it_says_nothing():
    mask = polygon2mask(HW, np.array([[150, 200], [150, 440], [320, 440], [320, 200]]))
    scene = Segmentation((1,), ("laptop",), mask[None])
    assert guess_pitch(scene, CAMERA, find_feet(scene), {}).reason == "table-top names"


def test_who_sees_the_broccoli_in_a_bowl_looks_over_its_rim():
    masks = np.zeros((2, *HW), bool)
    masks[0, 150:420, 150:500], masks[1, 220:300, 280:360] = True, True
    masks[0] &= ~masks[1]
    scene = Segmentation((1, 2), ("bowl", "broccoli"), masks)
    guess = guess_pitch(scene, CAMERA, find_feet(scene), find_enclosed(scene))
    assert (guess.pitch_deg, guess.reason) == (50.0, "content seen in containers")


def test_a_frisbee_in_the_air_tells_no_pitch():
    mask = np.hypot(*(np.indices(HW) - [[[60]], [[300]]]) * np.array([[[2.0]], [[1.0]]])) < 60
    scene = Segmentation((1,), ("frisbee",), mask[None])
    assert "ellipse" not in guess_pitch(scene, CAMERA, find_feet(scene), {}).reason


def boxes(*named: tuple[str, int, int, int, int]) -> Segmentation:
    """Rectangles (name, top, left, bottom, right)."""
    masks = np.zeros((len(named), *HW), bool)
    for mask, (_, top, left, bottom, right) in zip(masks, named, strict=True):
        mask[top:bottom, left:right] = True
    return Segmentation(tuple(range(1, len(named) + 1)), tuple(n for n, *_ in named), masks)


def test_many_cups_in_a_kitchen_do_not_make_it_a_table_top():
    cups = [("cup", 200, 40 * k, 220, 40 * k + 18) for k in range(1, 8)]
    kitchen = boxes(*cups, ("refrigerator", 60, 400, 440, 560))
    table = boxes(*cups, ("dining table", 240, 20, 460, 620), ("candle", 100, 500, 190, 520))
    pitches = [guess_pitch(s, CAMERA, find_feet(s), {}).pitch_deg for s in (kitchen, table)]
    assert pitches[0] < 15 < 25 < pitches[1]


@pytest.mark.parametrize("pitch", [-8.0, 0.0, 12.0, 18.0])
def test_a_lawn_under_the_sky_tells_the_pitch(pitch):
    horizon = CAMERA.cy - CAMERA.fy * math.tan(math.radians(pitch))
    rows = np.broadcast_to(np.arange(HW[0])[:, None] + 0.5, HW)
    stuff = np.where(rows > horizon, FLOOR, SKY).astype(np.uint8)
    assert horizon_bounds(stuff, CAMERA) == pytest.approx((pitch, pitch), abs=0.15)
    dog = np.zeros(HW, bool)
    dog[int(horizon) + 60 : int(horizon) + 100, 100:200] = True
    scene = Segmentation((1,), ("dog",), dog[None], np.where(dog, 0, stuff).astype(np.uint8))
    assert guess_pitch(scene, CAMERA, find_feet(scene), {}).pitch_deg == pytest.approx(pitch, abs=1.0)


def test_a_floor_that_is_seen_lies_below_the_horizon():
    stuff = np.zeros(HW, np.uint8)
    stuff[60:], stuff[20] = FLOOR, 0
    least, most = horizon_bounds(stuff, CAMERA)
    assert least == pytest.approx(math.degrees(math.atan((CAMERA.cy - 60) / CAMERA.fy)))
    assert most == 90.0
    assert horizon_bounds(None, CAMERA) == (-90.0, 90.0)


@pytest.mark.slow
def test_rooms_without_depth_are_seen_about_as_they_were():
    errors = []
    for seed in range(12):
        room = make_room(seed)
        guess = guess_pitch(room.segmentation, room.camera, find_feet(room.segmentation), find_enclosed(room.segmentation))
        up = room.world_from_camera[1, :3]
        errors.append(abs(guess.pitch_deg - math.degrees(math.atan2(-up[2], -up[1]))))
    assert np.median(errors) < 9.0, errors
    assert max(errors) < 25.0, errors


@pytest.mark.parametrize(
    ("name", "stands", "side", "up_there"),
    [
        ("people", 1.7, 1.7, False),
        ("city buses", 3.0, 3.0, False),
        ("stop sign", None, 0.75, True),
        ("wall clock", None, 0.28, True),
        ("table lamp", None, 0.45, False),
        ("thing", None, None, False),
    ],
)
def test_names_tell_sizes_and_what_hangs(name, stands, side, up_there):
    tall = standing_height(name)
    assert (tall[0] if tall else None, largest_side(name), hangs(name)) == (stands, side, up_there)
