"""Outlines that are off all round are moved to the photo's edges; others stay."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.base import Completion
from paco_core.complete import complete
from paco_core.completion_target import CompletionConfig
from paco_core.masks import dilate, erode
from paco_core.outlines import snapped
from paco_core.types import Segmentation
from tests.occluded import H, W, X, Y, box, compose, disc, graph_of, iou, on_photo, photo_of

DISC, BLOCK = disc(70, 95, 28), box(35, 25, 95, 85)


def busy(seed: int):
    """A disc in front of a block, both textured, on clutter."""
    rng = np.random.default_rng(seed)
    photo, segmentation, graph = compose(DISC, BLOCK)
    clutter = 30.0 * (np.sin(X / 3.1) + np.sin(Y / 4.3))[..., None] + rng.normal(0, 12, (H, W, 3))
    return photo_of(np.clip(photo.rgb + clutter, 0, 255)), segmentation, graph


def off_by(segmentation: Segmentation, shifts: tuple[int, ...]) -> Segmentation:
    """Masks grown or shrunk all round; what is grown takes from the other."""
    first, second = (
        dilate(mask, by) if by > 0 else erode(mask, -by) if by else mask
        for mask, by in zip(segmentation.masks, shifts, strict=True)
    )
    return replace(segmentation, masks=np.stack([first, second & ~first]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99))
def test_exact_masks_stay(seed: int):
    photo, segmentation, _ = busy(seed)
    assert snapped(photo, segmentation) is segmentation


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.sampled_from([-3, -2, 0, 2, 3]), st.sampled_from([-3, -2, 0]))
def test_what_is_off_all_round_comes_back(seed: int, front: int, behind: int):
    photo, exact, _ = busy(seed)
    loose = off_by(exact, (front, behind))
    moved = snapped(photo, loose)
    assert moved.ids == exact.ids and not (moved.masks[0] & moved.masks[1]).any()
    for before, after, truth in zip(loose.masks, moved.masks, exact.masks, strict=True):
        assert iou(after, truth) >= min(iou(before, truth), 0.97)
    assert iou(moved.masks[0], exact.masks[0]) > 0.96


def test_where_the_photo_says_nothing_masks_stay():
    _, segmentation, _ = busy(0)
    loose = off_by(segmentation, (-2, -2))
    for rgb in (np.full((H, W, 3), 90), np.random.default_rng(0).integers(0, 255, (H, W, 3))):
        assert snapped(photo_of(rgb), loose) is loose


def test_a_mask_of_a_thing_that_ends_at_the_border_of_the_photo_keeps_that_border():
    wall = box(20, -1, 100, 40)
    photo, segmentation, _ = compose(wall)
    loose = replace(segmentation, masks=erode(np.pad(segmentation.masks[0], 5, mode="edge"), 2)[None, 5:-5, 5:-5])
    moved = snapped(photo, loose)
    assert iou(moved.masks[0], wall) > 0.97 and moved.masks[0][40:80, 0].all()


@pytest.mark.parametrize("shape", [box(10, 10, 13, 90), disc(30, 30, 3)])
def test_small_and_thin_masks_are_not_lost(shape: np.ndarray):
    photo, segmentation, _ = compose(shape)
    for by in (0, 2):
        loose = replace(segmentation, masks=dilate(shape, by)[None] if by else segmentation.masks)
        assert snapped(photo, loose).masks[0].sum() >= 0.4 * loose.masks[0].sum()


class Everything:
    """Claims all that it may, and paints it."""

    name = "everything"

    def complete_layer(self, targets, *, seed=0):
        return tuple(Completion(np.full_like(t.rgb, 7), np.ones_like(t.visible), "all", "seven") for t in targets)


def test_what_hides_an_object_is_claimed_up_to_its_true_outline_and_nothing_else_is():
    third = box(80, 100, 110, 130)
    photo, exact, _ = compose(DISC, BLOCK, third)
    graph = graph_of(3, [(0, 1), (0, 2)])
    loose = replace(exact, masks=np.stack([erode(mask, 2) for mask in exact.masks]))
    for snap in (True, False):
        things = complete(photo, loose, graph, Everything(), CompletionConfig(snap=snap))
        block = things[1]
        claimed, shown = on_photo(block, block.rgba[..., 3] > 127), on_photo(block, block.visible)
        assert np.array_equal(shown, loose.masks[1]), "what was drawn stays"
        assert not (claimed & loose.masks[2]).any(), "nothing of what is beside it"
        rim = DISC & ~loose.masks[0] & ~dilate(BLOCK | third, 8)
        assert rim.any() and (claimed & rim).sum() >= 0.9 * rim.sum() if snap else not (claimed & rim).any()


def test_colours_of_a_mask_that_is_too_big_are_not_those_of_what_is_in_front():
    photo, exact, graph = compose(DISC, BLOCK)
    grown = dilate(exact.masks[1], 3)
    loose = replace(exact, masks=np.stack([exact.masks[0] & ~grown, grown]))
    block = complete(photo, loose, graph, Everything())[1]
    front = on_photo(block, (block.rgba[..., :3] == photo.rgb[70, 95]).all(-1) & (block.rgba[..., 3] > 127))
    assert not (front & erode(DISC, 1)).any()
