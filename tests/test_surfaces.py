"""Where the floor ends: drawn rooms whose line is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.stuff import FLOOR, STANDING
from paco_core.surfaces import find_floor_line

H, W = 150, 200


def room(foot: np.ndarray, seed: int = 0, floor=(150, 120, 90), wall=(120, 140, 170)) -> np.ndarray:
    """Floor below the row ``foot`` (W,) of every column, wall above it, with grain."""
    rows = np.arange(H)[:, None]
    rgb = np.where((rows >= foot)[..., None], np.array(floor), np.array(wall)).astype(float)
    return np.clip(rgb + np.random.default_rng(seed).normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)


def below_horizon(horizon: int = 30) -> np.ndarray:
    """Distance of the floor at every pixel, in camera heights."""
    rows = np.arange(H)[:, None] + 0.5
    return np.broadcast_to(np.where(rows > horizon, 180 / np.maximum(rows - horizon, 1e-6), np.inf), (H, W))


def needed(row: int = 110) -> np.ndarray:
    """An object in the middle that stands at ``row``."""
    out = np.zeros(W)
    out[90:110] = below_horizon()[row, 0]
    return out


NOTHING = np.zeros((H, W), bool)


@pytest.mark.parametrize("row", [55, 70, 95])
def test_a_level_foot_of_a_wall_is_found(row):
    line = find_floor_line(room(np.full(W, row)), NOTHING, below_horizon(), needed())
    assert line is not None and np.abs(line - row).max() < 2.5


def test_a_corner_of_a_room_is_found():
    foot = np.interp(np.arange(W), [0, 130, W - 1], [75, 62, 110])
    line = find_floor_line(room(foot), NOTHING, below_horizon(), needed())
    assert line is not None and np.abs(line - foot).mean() < 3.0


def test_a_floor_without_a_horizon_has_no_line():
    assert find_floor_line(room(np.zeros(W)), NOTHING, np.ones((H, W)), needed()) is None


def test_without_an_object_nothing_says_how_large_the_room_is():
    assert find_floor_line(room(np.full(W, 70)), NOTHING, below_horizon(), np.zeros(W)) is None


def test_where_nothing_is_to_be_seen_the_line_lies_behind_what_stands_there():
    line = find_floor_line(room(np.zeros(W)), NOTHING, below_horizon(), np.full(W, below_horizon()[80, 0]))
    assert line is not None and line.min() > 60 and line.max() < 83


def test_a_lawn_reaches_to_the_horizon():
    green = room(np.full(W, 100), floor=(150, 125, 80), wall=(70, 120, 50))
    line = find_floor_line(green, NOTHING, below_horizon(), needed(120))
    assert line is not None and np.median(line) < 45


def test_what_was_invented_behind_an_object_counts_less_than_what_is_seen():
    rgb, invented = room(np.full(W, 70)), NOTHING.copy()
    invented[60:110, 60:140] = True
    rgb[invented] = 255  # a bad fill
    line = find_floor_line(rgb, invented, below_horizon(), needed())
    assert line is not None and np.abs(line - 70).max() < 4


def test_what_masks_tell_counts_more_than_colours():
    stuff = np.full((H, W), STANDING, np.uint8)
    stuff[70:] = FLOOR
    line = find_floor_line(room(np.full(W, 95)), NOTHING, below_horizon(), needed(), stuff)
    assert line == pytest.approx(70, abs=1.5)
    stuff[:, 60:] = 0  # told on the left alone: the wall is level, and so goes on
    line = find_floor_line(room(np.full(W, 70)), NOTHING, below_horizon(), needed(), stuff)
    assert line == pytest.approx(70, abs=1.5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.floats(0, 1), st.sampled_from([1e-6, 1.0, 1e6]))
def test_any_picture_has_a_line_inside_it_or_none(height, width, seed, share, unit):
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    distance = np.where(rng.random((height, width)) < share, np.inf, unit * rng.random((height, width)))
    line = find_floor_line(rgb, rng.random((height, width)) < 0.3, distance, unit * rng.random(width))
    if line is not None:
        assert line.shape == (width,) and line.min() >= 0 and line.max() <= height
