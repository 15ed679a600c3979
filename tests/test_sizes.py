"""Scale from everyday knowledge."""

import pytest

from scene3d.sizes import EYE_HEIGHT_M, guess_scale


def test_a_named_object_gives_the_scale_by_its_typical_size():
    scale, source = guess_scale((("coffee cup", 0.3, 0.25),), 2.0)
    assert scale == pytest.approx(0.09 / 0.3)
    assert "coffee cup" in source


def test_the_median_survives_one_toy_chair():
    sizes = (("chair", 0.85, 0.4), ("person", 1.7, 0.5), ("chair", 0.085, 0.04))
    assert guess_scale(sizes, 1.5)[0] == pytest.approx(1.0, rel=0.05)


def test_unknown_names_leave_the_camera_at_eye_height():
    scale, source = guess_scale((("thing", 0.3, 0.3),), 3.0)
    assert scale * 3.0 == EYE_HEIGHT_M
    assert "assumed" in source


def test_an_implausible_camera_is_not_believed():
    assert guess_scale((("person", 1e-5, 1e-5),), 1.0)[0] == EYE_HEIGHT_M


def test_a_bus_is_as_tall_as_buses_are_and_a_vase_has_no_say_beside_it():
    assert guess_scale((("bus", 1.5, 1.4), ("vase", 2.0, 1.0)), 1.0)[0] == pytest.approx(2.0)


def test_of_two_sizes_that_contradict_each_other_the_one_that_suits_an_eye_is_believed():
    """The head of a lying giraffe is no giraffe."""
    assert guess_scale((("giraffe", 0.34, 0.9), ("giraffe", 2.7, 1.8)), 1.0)[0] == pytest.approx(4.3 / 2.7, rel=0.05)
