"""The photo without its objects."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.exemplar import ExemplarBackground
from paco_core.background import BackgroundConfig, cast_shadows, fill_background, islands
from paco_core.fill import membrane
from paco_core.types import CompleteObject, Photo, Segmentation


class Smooth:
    """A filler that is easy to predict."""

    name = "smooth"

    def fill(self, rgb, hole):
        return np.clip(membrane(rgb.astype(np.float32), ~hole), 0, 255).astype(np.uint8)


class Broken:
    name = "broken"

    def fill(self, rgb, hole):
        raise ValueError("no memory")


class Careless:
    name = "careless"

    def fill(self, rgb, hole):
        return np.zeros_like(rgb)


def wood(h=90, w=120):
    y, x = np.mgrid[:h, :w]
    return (np.stack([150 + 25 * np.sin((x + y) / 4), 110 + 0 * x, 70 + 0 * y], -1)).astype(np.uint8)


def scene(rgb, mask, amodal=None):
    h, w = mask.shape
    amodal = mask if amodal is None else amodal
    rgba = np.dstack([rgb, np.where(amodal, 255, 0).astype(np.uint8)])
    thing = CompleteObject(1, "thing", rgba, mask, (0, 0, w, h), 0, (), "visible", "photo")
    return Photo(rgb, "x", "0"), (thing,), Segmentation((1,), ("thing",), mask[None])


def box(h, w, top, left, bottom, right):
    mask = np.zeros((h, w), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_an_object_disappears_with_its_edge_and_the_rest_stays_exactly():
    truth = wood()
    photo_rgb = truth.copy()
    photo_rgb[box(90, 120, 29, 39, 61, 81)] = (20, 220, 20)
    photo, objects, segmentation = scene(photo_rgb, box(90, 120, 30, 40, 60, 80))  # mask 1 px too small
    background = fill_background(photo, objects, segmentation, ExemplarBackground())
    assert np.array_equal(background.rgb[~background.generated], photo_rgb[~background.generated])
    assert background.generated[29:61, 39:81].all()
    greenish = background.rgb[..., 1].astype(int) - background.rgb[..., 0]
    assert greenish.max() < 0  # wood is red: no ghost
    assert background.method == "exemplar"


def test_the_hidden_part_of_an_object_is_removed_too_even_where_its_crop_leaves_the_photo():
    rgb = wood()
    mask = box(90, 120, 0, 0, 30, 20)
    amodal = np.zeros((60, 60), bool)
    amodal[5:55, 5:55] = True  # 10 px beyond the left and the upper side
    visible = np.zeros_like(amodal)
    visible[15:45, 15:35] = True
    thing = CompleteObject(1, "t", np.zeros((60, 60, 4), np.uint8), visible, (-15, -15, 45, 45), 0, ("left", "top"), "m", "f")
    thing.rgba[..., 3] = np.where(amodal, 255, 0)
    background = fill_background(Photo(rgb, "x", "0"), (thing,), Segmentation((1,), ("t",), mask[None]), Smooth())
    assert background.generated[:40, :40].all() and not background.generated[60:].any()


def test_a_shadow_at_the_foot_goes_and_a_dark_wall_above_stays():
    rgb = np.full((120, 160, 3), 180, np.uint8)
    mask = box(120, 160, 40, 60, 80, 100)
    foot = box(120, 160, 80, 65, 86, 110)
    rgb[foot] = 70
    rgb[:30] = 40
    photo, objects, segmentation = scene(rgb, mask)
    config = BackgroundConfig()
    background = fill_background(photo, objects, segmentation, Smooth(), config)
    assert background.generated[foot & (np.arange(160) < 108)].mean() > 0.95
    assert not background.generated[:30].any()
    assert np.abs(background.rgb[foot].astype(int) - 180).mean() < 25
    off = BackgroundConfig(shadow_diagonal=0)
    assert not cast_shadows(rgb, mask, off).any()


def test_small_pieces_that_objects_enclose_go_with_them_and_large_ones_stay():
    hole = box(50, 80, 10, 10, 40, 70)
    hole[20:22, 20:22] = False
    hole[15:35, 40:60] = False
    gone = islands(hole, 0.01)
    assert gone[20:22, 20:22].all() and gone.sum() == 4
    hole[10:40, 0:10] = True
    assert not islands(~box(50, 80, 0, 0, 2, 2), 0.01).any()  # touches the border: real background


def test_a_filler_that_fails_is_replaced_and_named():
    photo, objects, segmentation = scene(wood(), box(90, 120, 30, 40, 60, 80))
    background = fill_background(photo, objects, segmentation, Broken())
    assert "broken failed: no memory" in background.method
    assert np.array_equal(background.rgb, fill_background(photo, objects, segmentation, Smooth()).rgb) or (
        np.abs(background.rgb.astype(int) - fill_background(photo, objects, segmentation, Smooth()).rgb).max() <= 1
    )


def test_a_careless_filler_can_not_touch_the_rest():
    photo, objects, segmentation = scene(wood(), box(90, 120, 30, 40, 60, 80))
    background = fill_background(photo, objects, segmentation, Careless())
    assert np.array_equal(background.rgb[~background.generated], photo.rgb[~background.generated])
    assert not background.rgb[background.generated].any()


def test_objects_that_cover_the_photo_leave_a_flat_background():
    photo, objects, segmentation = scene(wood(), np.ones((90, 120), bool))
    background = fill_background(photo, objects, segmentation, ExemplarBackground())
    assert background.generated.all() and np.ptp(background.rgb.reshape(-1, 3), axis=0).max() == 0


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.001, 0.7))
def test_any_masks_give_a_background_that_differs_inside_the_generated_part_only(seed, share):
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (40, 50, 3), np.uint8)
    mask = rng.random((40, 50)) < share
    mask[0, 0] = True
    background = fill_background(*scene(rgb, mask), ExemplarBackground())
    assert background.generated[mask].all()
    assert np.array_equal(background.rgb[~background.generated], rgb[~background.generated])
