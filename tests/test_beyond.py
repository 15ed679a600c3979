"""Beyond the photo's border: what continues an outline, and what does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from paco_core.beyond import SPREAD, TURNS, within_outline
from paco_core.types import Side

PAD = 30
"""Rows of canvas above the photo."""


def canvas(high: int = 100, wide: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Nothing visible, and what lies above the photo."""
    beyond = np.zeros((high, wide), bool)
    beyond[:PAD] = True
    return np.zeros_like(beyond), beyond


def test_an_upright_bar_goes_straight_on_as_far_as_is_claimed_in_the_mean():
    visible, beyond = canvas()
    visible[PAD:80, 20:40] = True
    claimed = np.zeros_like(visible)
    claimed[10:PAD, 20:30] = True  # 20 rows of one half: 10 in the mean
    out = within_outline(visible, beyond, claimed, ("top",))
    expected = claimed.copy()
    expected[20:PAD, 20:40] = True
    assert np.array_equal(out, expected)


def test_a_balloon_keeps_no_more_than_the_outline_may_turn_outwards():
    visible, beyond = canvas()
    visible[PAD:80, 30:50] = True
    out = within_outline(visible, beyond, beyond, ("top",))
    columns = np.nonzero(out)[1]
    assert columns.min() >= 30 - SPREAD * PAD - 1 and columns.max() <= 50 + SPREAD * PAD + 1
    assert out[:, 30:50][:PAD].all()


def test_an_outline_that_narrows_towards_the_border_narrows_on_beyond_it():
    visible, beyond = canvas()
    rows, columns = np.indices(visible.shape)
    visible |= (rows >= PAD) & (np.abs(columns - 39.5) < 5 + 0.5 * (rows - PAD))
    claimed = beyond & (np.abs(columns - 39.5) < 30)
    out = within_outline(visible, beyond, claimed, ("top",))
    assert 0 < out[PAD - 10].sum() <= 10 - 2 * (0.5 - SPREAD) * 10 + 2, "10 px wide at the border"


def test_what_only_touches_the_border_with_a_bowed_edge_claims_next_to_nothing():
    visible, beyond = canvas(wide=160)
    rows, columns = np.indices(visible.shape)
    visible |= (rows >= PAD) & (rows >= PAD + (columns - 79.5) ** 2 / 400) & (np.abs(columns - 79.5) < 70)
    out = within_outline(visible, beyond, beyond & (np.abs(columns - 79.5) < 70), ("top",))
    assert out.sum() < 0.1 * 140 * PAD


def test_where_nothing_is_claimed_or_no_side_cuts_nothing_is_added():
    visible, beyond = canvas()
    visible[PAD:80, 20:40] = True
    assert not within_outline(visible, beyond, np.zeros_like(visible), ("top",)).any()
    assert not within_outline(visible, beyond, beyond, ()).any()
    assert not within_outline(np.roll(visible, 10, 0), beyond, beyond, ("top",)).any()


def odd_shape(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    _, beyond = canvas(60 + PAD, 70)
    blobs = ndimage.gaussian_filter(rng.standard_normal((2, *beyond.shape)), (0, 5, 5)) > 0
    return blobs[0] & ~beyond, beyond, blobs[1] & beyond


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_only_canvas_beyond_the_photo_is_claimed_and_never_farther_out_than_the_claim(seed: int):
    visible, beyond, claimed = odd_shape(seed)
    out = within_outline(visible, beyond, claimed, ("top",))
    assert not (out & ~beyond).any()
    if out.any():
        assert claimed.any() and np.argmax(out.any(axis=1)) >= np.argmax(claimed.any(axis=1)) - 1


@pytest.mark.parametrize("side", TURNS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_sides_are_treated_alike(side: Side, seed: int):
    masks = odd_shape(seed)
    expected = within_outline(*masks, ("top",))
    visible, beyond, claimed = (np.rot90(mask, -TURNS[side]) for mask in masks)
    assert np.array_equal(within_outline(visible, beyond, claimed, (side,)), np.rot90(expected, -TURNS[side]))
