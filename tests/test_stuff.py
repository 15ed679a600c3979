"""Names of things and of stuff."""

import pytest

from paco_core.classes import TRAITS
from paco_core.stuff import is_stuff

STUFF = (
    "sky|Sky|blue sky|clouds|wall|Walls|wall 2|brick wall|wall_left|wall of the house|floor, flooring|wooden floor|road|"
    "grass|the sea|soccer field|background|"
    "wall-other-merged|sky-other-merged|grass-merged|table-merged|wall-brick|floor-wood|ceiling-tile|water-other|door-stuff|"
    "playingfield|gravel|river|snow|dirt track|earth, ground"
).split("|")
THINGS = (
    "cup|wall clock|wall-clock|floor lamp|sky blue car|water bottle|snowboard|street sign|sandwich|dirt bike|lamp on the wall|"
    "object 3|tree|table|dining table|person in grass|mother|merged cells|sea lion|"
).split("|")


@pytest.mark.parametrize("name", STUFF)
def test_stuff_is_known_by_its_name(name: str):
    assert is_stuff(name)


@pytest.mark.parametrize("name", THINGS)
def test_things_are_no_stuff_whatever_they_stand_on(name: str):
    assert not is_stuff(name)


def test_nothing_whose_shape_is_known_is_stuff():
    assert [name for name in TRAITS if is_stuff(name)] == []
