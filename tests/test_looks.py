"""Pictures of objects and how they look to an extractor."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.evaluation.crops import SIDE_PX, Square, cut, on_white, shares, square_of
from paco_core.evaluation.looks import look, look_at_truth
from paco_core.evaluation.perceptual import perceptual_distance
from tests.features import Pyramid
from tests.hidden import two_boxes

WHOLE = Square(0, 0, 8)


def test_the_square_is_a_tenth_larger_than_the_object_and_has_its_centre():
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:60] = True
    assert square_of(mask) == Square(18, -2, 44)


def test_what_lies_beyond_the_frame_is_filled():
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert cut(picture, Square(-1, -1, 3), 99).tolist() == [[99, 99, 99], [99, 0, 1], [99, 4, 5]]
    assert cut(picture, Square(9, 9, 2), 7).tolist() == [[7, 7], [7, 7]]


def test_an_object_stands_on_white_at_one_size():
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:40] = True
    crop = on_white(np.full((60, 80, 3), 10, np.uint8), mask, square_of(mask))
    assert crop.shape == (SIDE_PX, SIDE_PX, 3)
    assert crop[0, 0].tolist() == [255, 255, 255]
    assert crop[128, 128].tolist() == [10, 10, 10]


def test_a_cell_that_is_half_in_a_mask_counts_half():
    mask = np.zeros((8, 8), bool)
    mask[:, :3] = True
    assert shares(mask, WHOLE, (2, 4)).tolist() == [[1, 0.5, 0, 0]] * 2


def test_the_distance_of_one_stage_by_hand():
    a, b = np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.float32)
    a[0], b[0] = 3.0, 5.0  # the same direction: no distance, whatever the length
    everywhere = np.ones((8, 8), bool)
    assert perceptual_distance([a], [b], everywhere, WHOLE) == pytest.approx(0)
    b[:, 0, 0] = (0.0, 1.0)  # at a right angle in one of four cells: 1² + 1²
    assert perceptual_distance([a], [b], everywhere, WHOLE) == pytest.approx(2 / 4)
    assert perceptual_distance([a, a], [b, b], everywhere, WHOLE) == pytest.approx(2 * 2 / 4)
    assert perceptual_distance([a], [b], everywhere, WHOLE, [np.array([0.5, 0.1], np.float32)]) == pytest.approx(0.6 / 4)
    corner = np.zeros((8, 8), bool)
    corner[:4, :4] = True
    assert perceptual_distance([a], [b], corner, WHOLE) == pytest.approx(2)
    assert perceptual_distance([a], [b], ~corner, WHOLE) == pytest.approx(0)
    assert math.isnan(perceptual_distance([a], [b], np.zeros((8, 8), bool), WHOLE))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_distance_is_symmetric_and_nothing_is_nearer_than_the_same(seed: int):
    pictures = np.random.default_rng(seed).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    first, second = ([stage[k] for stage in Pyramid().maps(pictures)] for k in range(2))
    square, where = Square(0, 0, 32), np.ones((32, 32), bool)
    assert perceptual_distance(first, first, where, square) == 0
    assert perceptual_distance(first, second, where, square) == pytest.approx(perceptual_distance(second, first, where, square))
    assert perceptual_distance(first, second, where, square) > 0


def test_the_truth_has_no_distance_and_what_the_occluder_shows_has_one():
    scene, extractor = two_boxes(), Pyramid()
    assert scene.alone is not None
    subjects = look_at_truth(extractor, scene)
    assert [s.index for s in subjects] == [1, 2]  # the red box is in front of all
    best = look(extractor, scene, subjects, scene.amodal, np.ascontiguousarray(scene.alone[..., :3]))
    raw = look(extractor, scene, subjects, scene.segmentation.masks, np.stack([scene.photo.rgb] * 3))
    assert best[1].distance == 0
    assert raw[1].distance > 0.1
    assert best[1].made is not None and best[1].real is not None and raw[1].made is not None
    assert (best[1].made == best[1].real).all()
    assert (raw[1].made != raw[1].real).any()


def test_without_true_pictures_sets_are_compared_with_objects_that_nothing_hides():
    scene = replace(two_boxes(), alone=None)
    subjects = look_at_truth(Pyramid(), scene)
    looks = look(Pyramid(), scene, subjects, scene.amodal, np.stack([scene.photo.rgb] * 3))
    assert [(i, found.made is not None, found.real is not None) for i, found in looks.items()] == [
        (0, False, True),
        (1, True, False),
        (2, True, False),
    ]
    assert all(math.isnan(found.distance) for found in looks.values())
