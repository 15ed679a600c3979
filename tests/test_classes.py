"""What names say."""

import pytest

from paco_core.classes import CARRIER, FURNITURE, LIVING, TABLE_TOP, TRAITS, is_a, traits_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("coffee cup", "container"),
        ("Coffee Cups", "container"),
        ("red_plastic-bin 2", "container"),
        ("box with lid", "box"),
        ("rug, flatwoven", "flat"),
        ("saucer", "round flat"),
        ("knives", "flat"),
        ("picture of a horse", "box"),
        ("thingamajig", "body"),
        ("", "body"),
    ],
)
def test_the_last_known_words_decide(name, family):
    assert traits_of(name).family == family


def test_a_coffee_table_is_furniture_and_a_coffee_cup_is_tableware():
    assert is_a("coffee table", FURNITURE) and is_a("coffee table", CARRIER) and not is_a("coffee table", TABLE_TOP)
    assert is_a("coffee cup", TABLE_TOP) and not is_a("coffee cup", FURNITURE)


def test_plurals_and_irregular_words_are_folded():
    assert is_a("people", LIVING) and is_a("shelves", FURNITURE) and is_a("glasses", TABLE_TOP)


def test_words_after_a_preposition_describe_something_else():
    assert not is_a("bottle on the table", FURNITURE)


def test_every_typical_size_is_that_of_a_thing_that_fits_a_photo():
    assert all(0.01 < t.size_m < 10 for t in TRAITS.values() if t.size_m is not None)


def test_flat_things_have_a_thickness():
    assert all(t.thickness > 0 for t in TRAITS.values() if t.flat)
