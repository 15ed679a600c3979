"""Exemplar fill against truth that is known by construction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.base import BackgroundFiller
from paco_core.backends.exemplar import ExemplarBackground, fill_exemplar
from paco_core.backends.seams import seam_correction
from paco_core.fill import double, halve, membrane, nearest


def stripes(h=72, w=96, period=8.0, slope=0.5):
    """Slanted stripes under light that falls off to the right."""
    y, x = np.mgrid[:h, :w]
    wave = np.sin(2 * np.pi * (x + slope * y) / period)
    colour = np.stack([130 + 50 * wave, 110 + 40 * wave, 90 + 20 * wave], -1) * (1.1 - 0.3 * x / w)[..., None]
    return np.clip(colour, 0, 255).astype(np.uint8)


def square(h, w, top, left, size):
    hole = np.zeros((h, w), bool)
    hole[top : top + size, left : left + size] = True
    return hole


def error(picture, truth, where):
    return np.abs(picture.astype(float) - truth)[where].mean()


@pytest.mark.parametrize("slope", [0.0, 0.5, -1.0])
def test_stripes_go_on_through_the_hole_better_than_a_membrane(slope):
    truth = stripes(slope=slope)
    hole = square(72, 96, 22, 36, 26)
    filled = fill_exemplar(np.where(hole[..., None], 0, truth).astype(np.uint8), hole)
    smooth = membrane(truth.astype(np.float32), ~hole)
    assert error(filled, truth, hole) < 0.5 * error(smooth, truth, hole)


def test_what_lies_under_the_hole_does_not_matter():
    hole = square(72, 96, 22, 36, 26)
    clean, dirty = stripes(), stripes()
    dirty[hole] = (255, 0, 255)
    assert np.array_equal(fill_exemplar(clean, hole)[hole], fill_exemplar(dirty, hole)[hole])


def test_nothing_is_copied_from_outside_the_source():
    picture = np.full((60, 80, 3), 120, np.uint8) + np.random.default_rng(0).integers(0, 9, (60, 80, 3), np.uint8)
    hole = square(60, 80, 20, 30, 20)
    forbidden = square(60, 80, 14, 24, 32) & ~hole  # a red frame right around the hole
    picture[forbidden & (np.arange(80) < 27)] = (250, 0, 0)
    filled = fill_exemplar(picture, hole, ~hole & ~forbidden, flatten=0.0)
    assert filled[hole][:, 1].min() > 60  # the seam may shade, but no red pixel is pasted


def test_pixels_outside_the_hole_stay_and_a_seed_gives_one_answer():
    picture, hole = stripes(), square(72, 96, 30, 10, 30)
    first, again = (fill_exemplar(picture, hole, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(first[~hole], picture[~hole])


def test_a_large_photo_is_searched_small_and_filled_with_sharp_pixels():
    truth, hole = stripes(200, 280, 14.0), square(200, 280, 70, 100, 60)
    filled = fill_exemplar(truth, hole, work_px=140)
    step = np.abs(np.diff(filled.astype(float), axis=1))[:, :, 0][hole[:, 1:]].mean()
    true_step = np.abs(np.diff(truth.astype(float), axis=1))[:, :, 0][hole[:, 1:]].mean()
    assert 0.7 < step / true_step < 1.4
    assert np.array_equal(filled[~hole], truth[~hole])


def test_holes_at_the_border_and_holes_that_leave_a_few_pixels_are_filled():
    picture = stripes()
    corner = np.zeros(picture.shape[:2], bool)
    corner[:40, :50] = True
    filled = fill_exemplar(picture, corner)
    assert error(filled, picture, corner) < error(membrane(picture.astype(np.float32), ~corner), picture, corner)
    almost = np.ones(picture.shape[:2], bool)
    almost[5:8, 5:8] = False
    filled = fill_exemplar(picture, almost)
    assert np.array_equal(filled[~almost], picture[~almost])
    assert np.abs(filled.astype(float) - picture[~almost].mean(0)).max() < 60  # only colours like the known ones


def test_no_hole_and_nothing_known_come_back_as_they_are():
    picture = stripes(20, 20)
    assert np.array_equal(fill_exemplar(picture, np.zeros((20, 20), bool)), picture)
    assert np.array_equal(fill_exemplar(picture, np.ones((20, 20), bool)), picture)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(4, 40), st.floats(0.02, 0.98))
def test_any_hole_is_filled_and_leaves_the_rest_alone(seed, h, w, share):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (h, w, 3), np.uint8)
    hole = rng.random((h, w)) < share if seed % 2 else square(h, w, 0, seed % w, int(share * h) + 1)
    filled = fill_exemplar(picture, hole, rng.random((h, w)) < 0.7)
    assert np.array_equal(filled[~hole], picture[~hole])


def test_the_background_filler_is_one_and_shows_no_trace_of_a_bright_object_and_its_fringe():
    truth = stripes(120, 160)
    hole = square(120, 160, 40, 60, 40)
    photo = truth.copy()
    photo[square(120, 160, 39, 59, 42)] = (255, 255, 0)  # the mask is 1 px too small
    filler = ExemplarBackground()
    assert isinstance(filler, BackgroundFiller)
    filled = filler.fill(photo, hole)
    inner = square(120, 160, 46, 66, 28)
    assert error(filled, truth, inner) < 0.25 * error(photo, truth, inner)


# ---------------------------------------------------------------- membrane, seams, scales


def test_a_membrane_continues_a_plane_exactly():
    y, x = np.mgrid[:50, :70].astype(np.float32)
    plane = np.stack([x, y, x + 2 * y], -1)
    hole = square(50, 70, 10, 20, 30)
    assert np.abs(membrane(np.where(hole[..., None], 0, plane).astype(np.float32), ~hole) - plane).max() < 1.0


def test_a_membrane_stays_between_its_extremes_and_does_not_flow_through_the_edge_of_its_domain():
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 255, (40, 60, 1)).astype(np.float32)
    known = np.zeros((40, 60), bool)
    known[:, :10] = known[:, 50:] = True
    domain = np.ones((40, 60), bool)
    domain[:, 28:32] = False  # a wall between a left and a right half
    values[:, :10], values[:, 50:] = 10, 200
    out = membrane(values, known, domain)
    assert np.allclose(out[:, :28], 10, atol=1.5) and np.allclose(out[:, 32:], 200, atol=1.5)
    assert np.array_equal(out[:, 28:32], values[:, 28:32])


def test_copies_that_differ_by_a_constant_are_shifted_to_fit():
    picture = np.full((40, 40, 3), 100, np.float32)
    picture[:, 25:] = 140
    hole = square(40, 40, 15, 8, 8)
    at = np.arange(1600).reshape(40, 40)
    at[hole] += 22  # copied from the brighter side
    fitted = picture.reshape(-1, 3)[at] + seam_correction(picture, hole, at)
    assert np.abs(fitted[hole] - 100).max() < 4 < np.abs(picture.reshape(-1, 3)[at][hole] - 100).min()


def test_halving_weighs_only_what_counts_and_doubling_a_constant_keeps_it():
    values = np.zeros((5, 7, 2), np.float32)
    values[::2] = 8
    weight = np.zeros((5, 7), bool)
    weight[::2] = True
    small, share = halve(values, weight)
    assert small.shape == (3, 4, 2) and np.all(small[share > 0] == 8)
    assert np.all(double(small[share > 0][:1, None], (2, 3)) == 8)


def test_nearest_takes_the_closest_known_colour():
    rgb = np.zeros((3, 5, 3), np.uint8)
    rgb[:, 0], rgb[:, 4] = 50, 200
    known = np.zeros((3, 5), bool)
    known[:, [0, 4]] = True
    assert nearest(rgb, known)[1, :, 0].tolist()[:2] == [50, 50] and nearest(rgb, known)[1, 3, 0] == 200
