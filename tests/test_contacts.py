"""Feet and carriers from masks alone."""

import numpy as np

from paco_core.contacts import find_carriers, find_enclosed, find_feet
from paco_core.types import Segmentation


def scene(*named_boxes: tuple[str, int, int, int, int]) -> Segmentation:
    """Later boxes (name, x0, y0, x1, y1) are in front of earlier ones; 100×120 px."""
    masks = np.zeros((len(named_boxes), 100, 120), bool)
    for k, (_, x0, y0, x1, y1) in enumerate(named_boxes):
        masks[:, y0:y1, x0:x1] = False
        masks[k, y0:y1, x0:x1] = True
    return Segmentation(tuple(range(1, len(named_boxes) + 1)), tuple(b[0] for b in named_boxes), masks)


def carriers(segmentation: Segmentation) -> dict[int, int]:
    return find_carriers(segmentation, find_feet(segmentation))


def test_a_foot_is_the_lowest_row_and_stands_over_the_floor():
    foot = find_feet(scene(("box", 20, 30, 40, 70)))[1]
    assert (foot.u, foot.v, foot.below) == (30.0, 70.0, 0)


def test_a_cup_inside_a_saucer_rests_on_it():
    assert carriers(scene(("saucer", 20, 40, 100, 90), ("cup", 45, 20, 75, 70))) == {2: 1}


def test_a_two_pixel_gap_between_the_masks_changes_nothing():
    segmentation = scene(("saucer", 20, 40, 100, 90), ("cup", 45, 20, 75, 70))
    segmentation.masks[0, 68:70, 43:77] = False
    segmentation.masks[1, 68:, :] = False
    assert carriers(segmentation) == {2: 1}


def test_a_chair_behind_a_table_does_not_stand_on_it():
    assert carriers(scene(("chair", 40, 10, 70, 60), ("table", 10, 50, 110, 90))) == {}


def test_a_person_behind_a_table_does_not_stand_on_it():
    assert carriers(scene(("person", 40, 10, 70, 60), ("dining table", 10, 50, 110, 90))) == {}


def test_a_vase_behind_a_box_that_it_overhangs_is_hidden_not_carried():
    assert carriers(scene(("vase", 20, 10, 70, 60), ("box", 40, 50, 110, 90))) == {}


def test_two_trays_never_carry_each_other_in_a_circle():
    segmentation = scene(("tray", 10, 20, 60, 60), ("tray", 10, 60, 60, 90))
    found = carriers(segmentation)
    assert all(found.get(found.get(i, 0)) != i for i in segmentation.ids)


def test_an_object_cut_by_the_lower_border_stands_on_nothing_seen():
    assert find_feet(scene(("box", 20, 30, 40, 100)))[1].below == -1


def test_who_sits_on_an_elephant_is_carried_and_who_stands_behind_a_table_is_not():
    assert carriers(scene(("elephant", 20, 40, 100, 90), ("person", 45, 10, 65, 50))) == {2: 1}


def test_an_egg_in_a_bowl_is_enclosed_and_a_cup_that_rises_over_a_saucer_is_not():
    assert find_enclosed(scene(("bowl", 20, 20, 100, 90), ("egg", 45, 40, 65, 60))) == {2: 1}
    assert find_enclosed(scene(("saucer", 20, 60, 100, 90), ("cup", 45, 10, 75, 75))) == {}
