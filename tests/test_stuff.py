"""Names of things and of stuff."""

import numpy as np
import pytest

from paco_core.classes import TRAITS
from paco_core.stuff import FLOOR, SKY, STANDING, is_stuff, stuff_kind, stuff_map

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


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, FLOOR)
            for name in "grass|floor-wood|wooden floor|pavement-merged|rug-merged|the sea|dirt track|playingfield".split("|")
        ),
        *(
            (name, STANDING)
            for name in "wall-brick|brick wall|wall of the house|tree-merged|ceiling-tile|window-blind|house".split("|")
        ),
        *((name, SKY) for name in "sky-other-merged|blue sky|clouds".split("|")),
        *((name, 0) for name in "table-merged|background|void|food-other-merged|".split("|")),
    ],
)
def test_stuff_stands_or_is_stood_on(name: str, kind: int):
    assert stuff_kind(name) == kind


def test_masks_of_stuff_become_a_map_that_is_silent_where_they_disagree():
    masks = np.zeros((4, 6, 8), bool)
    masks[0, 3:], masks[1, :4], masks[2, :, 0], masks[3, 5] = True, True, True, True
    kinds = stuff_map(["grass", "brick wall", "shadow", "road"], masks)
    assert kinds is not None
    assert kinds[0, 5] == STANDING
    assert (kinds[4:] == FLOOR).all()
    assert (kinds[3] == 0).all()
    assert stuff_map(["shadow"], masks[2:3]) is None
