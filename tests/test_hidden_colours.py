"""Colours of hidden parts: laws, and truth by construction."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends import hidden_colours
from paco_core.backends.hidden_colours import invent
from paco_core.evaluation.colour import score_colours
from paco_core.fill import membrane
from paco_core.shape import Mirror

H, W = 96, 96
Y, X = np.mgrid[:H, :W]
OBJECT = (np.abs(Y - 48) < 40) & (np.abs(X - 48) < 40)
RIGHT = OBJECT & (X >= 60)


def pictured(truth, hidden):
    """The truth with something garish in front of what is hidden."""
    return np.where(hidden[..., None], (255, 0, 255), truth).astype(np.uint8)


def stripes(period=6.0):
    wave = 128 + 50 * np.sin(2 * np.pi * Y / period)
    return np.stack([wave, wave, 255 - wave], -1).astype(np.uint8)


def grain(seed=0, strength=25):
    return np.clip(128 + strength * np.random.default_rng(seed).standard_normal((H, W, 1)).repeat(3, 2), 0, 255).astype(np.uint8)


def sharpness(made, truth):
    score = score_colours(made, truth, OBJECT, OBJECT & ~RIGHT)
    assert score is not None
    return score.sharpness


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 150), st.integers(5, 60), st.floats(0.05, 0.95), st.booleans())
def test_trusted_pixels_stay_and_a_seed_gives_one_answer(seed, h, w, share, network):
    rng = np.random.default_rng(seed)
    rgb, amodal = rng.integers(0, 256, (h, w, 3), np.uint8), rng.random((h, w)) < 0.8
    trusted = amodal & (rng.random((h, w)) < share if seed % 2 else np.indices((h, w))[1] < share * w)
    answers = [invent(rgb, amodal, trusted, rgb[::-1].copy() if network else None, (), seed) for _ in range(2)]
    assert np.array_equal(answers[0][0], answers[1][0]) and answers[0][1] == answers[1][1]
    assert np.array_equal(answers[0][0][trusted], rgb[trusted])


def test_where_nothing_is_hidden_or_nothing_seen_the_picture_comes_back():
    nothing = np.zeros_like(OBJECT)
    for amodal, trusted in ((OBJECT, OBJECT), (OBJECT, nothing), (nothing, nothing)):
        rgb, method = invent(stripes(), amodal, trusted, None, (), 0)
        assert np.array_equal(rgb, stripes()) and method == "photo"


def test_one_colour_stays_one_colour_whatever_the_network_says():
    truth = np.full((H, W, 3), (200, 60, 30), np.uint8)
    dirty = np.random.default_rng(1).integers(0, 256, (H, W, 3), np.uint8)
    for network in (None, dirty):
        made, _ = invent(pictured(truth, RIGHT), OBJECT, OBJECT & ~RIGHT, network, (), 0)
        assert np.abs(made.astype(int) - truth)[RIGHT].max() <= 1


def test_what_hides_the_object_leaves_no_trace():
    pictures = [
        np.where((~OBJECT | RIGHT)[..., None], colour, stripes()).astype(np.uint8) for colour in ((255, 0, 255), (0, 255, 0))
    ]
    first, other = (invent(picture, OBJECT, OBJECT & ~RIGHT, None, (), 0)[0] for picture in pictures)
    assert np.array_equal(first, other)


def test_stripes_go_on_about_as_strong_as_they_are_and_meet_the_true_ones():
    truth = stripes()
    made, method = invent(pictured(truth, RIGHT), OBJECT, OBJECT & ~RIGHT, None, (), 0)
    smooth = membrane(truth.astype(np.float32), ~RIGHT)
    assert method == "own detail" and 0.3 < sharpness(made, truth) < 1.3
    assert np.abs(made.astype(float) - truth)[RIGHT].mean() < 0.6 * np.abs(smooth - truth)[RIGHT].mean()


@pytest.mark.parametrize("strength", [6, 12, 25])
def test_grain_is_as_strong_as_what_is_seen_and_strong_grain_weaker(strength):
    truth = grain(strength=strength)
    made, _ = invent(pictured(truth, RIGHT), OBJECT, OBJECT & ~RIGHT, None, (), 0)
    assert 0.25 < sharpness(made, truth) < 1.4


def test_strong_edges_are_taken_over_more_weakly_than_faint_ones():
    faint, strong = (
        sharpness(invent(pictured(t, RIGHT), OBJECT, OBJECT & ~RIGHT, None, (), 0)[0], t)
        for t in (grain(strength=5), grain(strength=50))
    )
    assert strong < 0.7 * faint


def test_a_flat_thing_keeps_its_own_colours_instead_of_their_mixtures():
    truth = np.where(Y[..., None] < 48, (220, 40, 40), (40, 40, 220)).astype(np.uint8)
    made, _ = invent(pictured(truth, RIGHT), OBJECT, OBJECT & ~RIGHT, None, (), 0)
    far = RIGHT & (np.abs(Y - 48) > 4)
    smooth = membrane(truth.astype(np.float32), ~RIGHT)
    assert np.abs(made.astype(float) - truth)[far].mean() < 0.5 * np.abs(smooth - truth)[far].mean()


def test_a_symmetric_object_gets_its_mirror_image():
    half = grain(3)[:, :48]
    truth = np.concatenate([half, half[:, ::-1]], 1)
    rgb, method = invent(
        pictured(truth, RIGHT), OBJECT, OBJECT & ~RIGHT, None, (Mirror(np.array([48.0, 48.0]), np.array([0.0, 1.0])),), 0
    )
    mirrored = RIGHT & OBJECT[:, ::-1]
    assert method.startswith("symmetry") and np.abs(rgb.astype(int) - truth)[mirrored].mean() < 3


def test_the_networks_colours_count_far_from_what_is_seen(monkeypatch):
    monkeypatch.setattr(hidden_colours, "NETWORK_SHARE", 0.5)
    truth = np.clip(100 + X[..., None] + np.zeros(3), 0, 255).astype(np.uint8)
    told = np.full((H, W, 3), 150, np.uint8)
    alone, with_it = (invent(pictured(truth, RIGHT), OBJECT, OBJECT & ~RIGHT, n, (), 0) for n in (None, told))
    assert "network" in with_it[1] and "network" not in alone[1]
    change = np.abs(with_it[0].astype(int) - alone[0]).mean(2)
    assert change[RIGHT & (X < 62)].mean() < change[RIGHT & (X > 80)].mean()


def test_beyond_a_mask_that_claims_too_little_the_smooth_colours_go_on():
    truth = np.full((H, W, 3), (90, 160, 60), np.uint8)
    made, _ = invent(pictured(truth, RIGHT), OBJECT & (X < 70), OBJECT & ~RIGHT, None, (), 0)
    assert np.abs(made.astype(int) - truth)[RIGHT].max() <= 1


def test_a_large_picture_takes_no_more_than_a_fraction_of_a_second_and_stays_sharp():
    amodal, trusted = (np.kron(m, np.ones((3, 3), bool)) for m in (OBJECT, OBJECT & ~RIGHT))
    truth = np.repeat(np.repeat(stripes(8.0), 3, 0), 3, 1)
    start = time.process_time()
    made, _ = invent(truth, amodal, trusted, None, (), 0)
    assert time.process_time() - start < 2
    score = score_colours(made, truth, amodal, trusted)
    assert score is not None and score.sharpness > 0.2
