"""Completing hidden parts: the stage's laws, and the classical completer on shapes whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from paco_core.backends.base import Completer, Completion
from paco_core.backends.classical import ClassicalCompleter
from paco_core.complete import complete
from paco_core.completion_target import CompletionConfig, cut_sides
from paco_core.errors import ObjectFailed
from paco_core.fill import membrane
from paco_core.shape import best_mirrors, continue_outline, convex_hull, fit_ellipse
from paco_core.types import OcclusionGraph, Segmentation
from tests.occluded import H, W, X, Y, box, compose, disc, graph_of, iou, on_photo, photo_of


class Whole:
    """Claims everything; counts how it was asked."""

    name = "whole"

    def __init__(self):
        self.calls = []

    def complete_layer(self, targets, *, seed=0):
        self.calls.append(tuple(t.id for t in targets))
        return tuple(Completion(np.full_like(t.rgb, 7), np.ones_like(t.visible), "all", "seven") for t in targets)


class Looks(Whole):
    """Keeps what it was shown."""

    def complete_layer(self, targets, *, seed=0):
        self.targets = targets
        return super().complete_layer(targets, seed=seed)


class Raises(Whole):
    """Fails for the layer, and alone for one object."""

    def __init__(self, bad):
        super().__init__()
        self.bad = bad

    def complete_layer(self, targets, *, seed=0):
        if any(t.id == self.bad for t in targets):
            raise ValueError("out of ideas")
        return super().complete_layer(targets, seed=seed)


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize("angle", [0.0, 0.9, 2.5])
def test_a_half_hidden_disc_is_completed_to_a_disc(angle):
    truth = disc(60, 80, 30)
    front = (Y - 60) * np.sin(angle) + (X - 80) * np.cos(angle) > 2
    front &= disc(60, 80, 50)
    _, behind = complete(*compose(front, truth), ClassicalCompleter())
    assert iou(on_photo(behind, behind.amodal), truth) > 0.95
    assert behind.mask_method == "ellipse" and 0.3 < behind.hidden_fraction < 0.6


def test_a_rectangle_hidden_at_a_corner_gets_its_corner_back():
    truth, front = box(30, 40, 90, 120), disc(30, 120, 28)
    _, behind = complete(*compose(front, truth), ClassicalCompleter())
    amodal = on_photo(behind, behind.amodal)
    assert iou(amodal, truth) > 0.98
    assert iou(amodal & front, truth & front) > 0.9  # of the corner itself


def test_an_object_that_is_split_in_two_is_joined_behind_the_occluder():
    truth, front = box(50, 20, 66, 140), box(20, 70, 100, 90)
    _, behind = complete(*compose(front, truth), ClassicalCompleter())
    amodal = on_photo(behind, behind.amodal)
    assert ndimage.label(amodal)[1] == 1 and iou(amodal, truth) > 0.97


def test_a_symmetric_outline_comes_back_where_a_hull_would_cut_it():
    truth = box(55, 30, 65, 130) | box(30, 30, 90, 45) | box(30, 115, 90, 130)  # a dumbbell
    front = box(20, 100, 62, 150)  # hides the upper half of the right end
    _, behind = complete(*compose(front, truth), ClassicalCompleter())
    assert iou(on_photo(behind, behind.generated), truth & front) > 0.6


def test_a_thing_made_of_bars_gets_its_bars_back_and_no_web_between_them():
    truth = box(20, 30, 100, 36) | box(20, 124, 100, 130) | box(24, 30, 30, 130) | box(60, 30, 68, 130)  # a bench from the front
    front = box(50, 85, 110, 150)
    _, behind = complete(*compose(front, truth), ClassicalCompleter())
    assert iou(on_photo(behind, behind.generated), truth & front) > 0.8


def test_the_axis_of_a_tilted_shape_is_found():
    c, s = np.cos(0.4), np.sin(0.4)
    u, v = (X - 80) * c + (Y - 60) * s, -(X - 80) * s + (Y - 60) * c
    triangle = (v > -20) & (v < 25) & (np.abs(u) < 0.5 * (25 - v))
    mirror, _ = best_mirrors(triangle, np.zeros_like(triangle))
    assert iou(mirror.reflect(triangle), triangle) > 0.9
    assert abs(mirror.normal @ [s, c]) > 0.99
    assert np.allclose(mirror.image(mirror.image(np.argwhere(triangle).astype(float))), np.argwhere(triangle))


@given(st.floats(0, 3.1), st.floats(5, 50), st.floats(0.3, 1.0), st.floats(-100, 100), st.floats(-100, 100))
@settings(max_examples=50, deadline=None)
def test_points_of_an_arc_give_back_their_ellipse(turn, size, aspect, cy, cx):
    t = np.linspace(0, 3.5, 60)
    local = np.stack([aspect * np.sin(t), np.cos(t)], 1) * size
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = local @ rotation + [cy, cx]
    ellipse = fit_ellipse(points)
    assert ellipse is not None
    assert np.allclose(ellipse.centre, [cy, cx], atol=1e-3 * size)
    assert np.allclose(ellipse.radius(points), 1, atol=1e-4)


def test_points_on_a_line_or_a_parabola_are_no_ellipse():
    t = np.linspace(-5, 5, 40)
    assert fit_ellipse(np.stack([t, 2 * t], 1)) is None
    bowl = fit_ellipse(np.stack([t**2, t], 1))
    assert bowl is None or np.linalg.svd(bowl.unit_from_offset)[1][-1] < 1e-2  # endless


# ---------------------------------------------------------------- appearance


def test_stripes_go_on_behind_the_occluder_better_than_a_smooth_fill():
    wave = 128 + 80 * np.sin(2 * np.pi * X / 9)
    stripes = np.stack([wave, wave, 255 - wave], -1).astype(np.uint8).astype(float)
    truth, front = box(20, 20, 100, 140), disc(60, 85, 24)
    photo, segmentation, graph = compose(front, truth, colours=[(255, 0, 0), stripes])
    _, behind = complete(photo, segmentation, graph, ClassicalCompleter())
    hidden = ndimage.binary_erosion(on_photo(behind, behind.generated), iterations=2)
    x0, y0, x1, y1 = behind.box_xyxy
    painted = np.zeros((H, W, 3))
    painted[y0:y1, x0:x1] = behind.rgba[..., :3]
    known = segmentation.masks[1] & ~ndimage.binary_dilation(front, iterations=2)
    smooth = membrane(photo.rgb.astype(np.float32), known, truth)
    assert np.abs(painted - stripes)[hidden].mean() < 0.6 * np.abs(smooth - stripes)[hidden].mean()


def test_the_occluders_colour_does_not_leak_into_the_fill():
    photo, segmentation, graph = compose(disc(40, 60, 25), box(30, 40, 90, 120), colours=[(255, 0, 0), (20, 60, 200)])
    rgb = ndimage.gaussian_filter(photo.rgb.astype(float), (0.8, 0.8, 0))  # as in a photo: edges mix
    _, behind = complete(photo_of(rgb), segmentation, graph, ClassicalCompleter())
    inner = behind.amodal & ndimage.binary_erosion(behind.amodal, iterations=3)
    assert behind.rgba[inner & behind.generated][:, 0].max() < 60


# ---------------------------------------------------------------- laws of the stage


def test_what_nothing_hides_is_copied_exactly_and_nobody_is_asked():
    rng = np.random.default_rng(0)
    photo = photo_of(rng.integers(0, 256, (H, W, 3)))
    mask = disc(60, 80, 20)
    completer = Whole()
    (thing,) = complete(photo, Segmentation((7,), ("ball",), mask[None]), OcclusionGraph((7,), (), (), (0,)), completer)
    x0, y0, x1, y1 = thing.box_xyxy
    assert completer.calls == [] and thing.fallback is None and not thing.generated.any()
    assert np.array_equal(thing.rgba[..., :3][thing.visible], photo.rgb[y0:y1, x0:x1][mask[y0:y1, x0:x1]])
    assert np.array_equal(thing.rgba[..., 3] == 255, thing.visible) and thing.truncated == ()


def test_layers_are_asked_once_each_from_front_to_back():
    masks = [box(10, 10, 50, 60), box(40, 40, 80, 100), box(70, 80, 110, 150)]
    photo, segmentation, _ = compose(*masks)
    completer = Whole()
    notes = []
    things = complete(photo, segmentation, graph_of(3, [(0, 1), (0, 2)]), completer, progress=lambda *a: notes.append(a))
    assert completer.calls == [(2, 3)] and [t.layer for t in things] == [0, 1, 1]
    completer = Whole()
    complete(photo, segmentation, graph_of(3, [(0, 1), (1, 2)]), completer)
    assert completer.calls == [(2,), (3,)]
    assert [n[1:3] for n in notes] == [(1, 3), (2, 3), (3, 3)]
    assert isinstance(completer, Completer) and isinstance(ClassicalCompleter(), Completer)


def test_a_greedy_completer_gets_no_more_than_the_occluders_and_repaints_no_more_than_the_rim():
    front, truth = disc(40, 60, 25), box(30, 40, 90, 120)
    photo, segmentation, graph = compose(front, truth)
    thing = complete(photo, segmentation, graph, Whole())[1]
    near = ndimage.distance_transform_edt(~segmentation.masks[0])
    amodal = on_photo(thing, thing.amodal)
    assert not (amodal & ~truth & ~front & (near > 2)).any()
    x0, y0, x1, y1 = thing.box_xyxy
    changed = np.any(thing.rgba[..., :3] != photo.rgb[y0:y1, x0:x1], axis=2) & thing.visible
    assert changed.any() and near[y0:y1, x0:x1][changed].max() <= 2


def test_an_object_whose_completer_fails_keeps_its_visible_part_and_the_others_are_completed(caplog):
    masks = [box(10, 10, 50, 60), box(40, 40, 80, 100), box(40, 5, 80, 30)]
    photo, segmentation, _ = compose(*masks)
    completer = Raises(bad=2)
    front, lost, good = complete(photo, segmentation, graph_of(3, [(0, 1), (0, 2)]), completer)
    assert lost.fallback is not None and "out of ideas" in lost.fallback
    assert np.array_equal(on_photo(lost, lost.amodal), segmentation.masks[1])
    assert good.fallback is None and good.generated.any() and front.fallback is None
    assert "out of ideas" in caplog.text


@pytest.mark.parametrize("answer", ["few", "small"])
def test_an_answer_of_the_wrong_kind_counts_as_failure(answer):
    class Wrong(Whole):
        def complete_layer(self, targets, *, seed=0):
            right = super().complete_layer(targets, seed=seed)
            return right[1:] if answer == "few" else tuple(Completion(c.rgb[1:], c.amodal[1:], "m", "f") for c in right)

    photo, segmentation, graph = compose(disc(40, 60, 25), box(30, 40, 90, 120))
    thing = complete(photo, segmentation, graph, Wrong())[1]
    assert thing.fallback is not None and "whole failed" in thing.fallback


def test_a_failure_on_purpose_is_told_in_its_own_words():
    class Refuses(Whole):
        def complete_layer(self, targets, *, seed=0):
            raise ObjectFailed("the object is glass")

    photo, segmentation, graph = compose(disc(40, 60, 25), box(30, 40, 90, 120))
    assert "the object is glass" in (complete(photo, segmentation, graph, Refuses())[1].fallback or "")


@pytest.mark.parametrize("gap_px", [2, 4])
def test_masks_with_a_gap_give_nearly_what_exact_masks_give(gap_px: int):
    truth, front = disc(60, 80, 30), box(20, 84, 100, 150)
    photo, segmentation, graph = compose(front, truth)
    exact = complete(photo, segmentation, graph, ClassicalCompleter())[1]
    loose_masks = segmentation.masks.copy()
    loose_masks[1] &= ~ndimage.binary_dilation(front, iterations=gap_px)
    loose = complete(photo, Segmentation((1, 2), ("a", "b"), loose_masks), graph, ClassicalCompleter())[1]
    assert iou(on_photo(loose, loose.amodal), on_photo(exact, exact.amodal)) > 0.97


@pytest.mark.parametrize("gap_px", [1, 3])
def test_a_completer_is_told_which_of_the_hidden_pixels_are_gaps(gap_px: int):
    truth, front = box(30, 40, 90, 110), box(20, 80, 100, 150)
    photo, segmentation, graph = compose(front, truth)
    masks = segmentation.masks.copy()
    masks[1] &= ~ndimage.binary_dilation(front, iterations=gap_px)
    looks = Looks()
    complete(photo, Segmentation((1, 2), ("a", "b"), masks), graph, looks)
    (target,) = looks.targets
    x, y = target.origin_xy
    high, wide = target.gaps.shape
    slit, owned = (mask[y : y + high, x : x + wide] for mask in (truth & ~front & ~masks[1], front | masks[1]))
    assert target.gaps[slit].all() and not target.gaps[owned].any()
    assert (target.gaps | owned)[target.occluder].all() and target.occluder[target.gaps].all()


def test_a_completer_sees_a_square_round_a_long_object_as_far_as_the_photo_goes():
    photo, segmentation, graph = compose(box(50, 60, 70, 90), box(55, 10, 65, 150))
    looks = Looks()
    complete(photo, segmentation, graph, looks)
    (target,) = looks.targets
    assert target.visible.shape[0] == H and target.visible.shape[1] > 140
    x, y = target.origin_xy
    assert np.array_equal(target.rgb, photo.rgb[y : y + H, x : x + target.rgb.shape[1]])


def test_a_plate_that_the_photos_border_cuts_goes_on_beyond_it():
    cut = (Y - 60) ** 2 / 30**2 + (X - 12) ** 2 / 40**2 <= 1
    assert cut_sides(cut) == ("left",) and cut_sides(disc(60, 80, 10)) == ()
    photo, segmentation, graph = compose(cut)
    (thing,) = complete(photo, segmentation, graph, ClassicalCompleter())
    assert thing.truncated == ("left",) and thing.box_xyxy[0] < 0 and thing.generated.any()
    assert not on_photo(thing, thing.generated).any()  # nothing in front of it in the photo


def test_a_mask_that_ends_just_before_the_photos_border_goes_on_without_a_slit():
    photo, segmentation, graph = compose(((Y - 60) ** 2 / 30**2 + (X - 12) ** 2 / 40**2 <= 1) & (X > 1))
    (thing,) = complete(photo, segmentation, graph, ClassicalCompleter())
    assert thing.truncated == ("left",) and thing.box_xyxy[0] < 0
    assert on_photo(thing, thing.generated)[60, :1].all()


def test_nothing_is_invented_beyond_the_border_without_evidence():
    ragged = box(70, 60, 119.5, 100) & ~box(70, 60, 90, 75) | box(95, 100, 105, 130)
    photo, segmentation, graph = compose(ragged)
    (thing,) = complete(photo, segmentation, graph, ClassicalCompleter())
    assert thing.truncated == ("bottom",) and not thing.generated.any()


def test_the_canvas_grows_by_the_configured_share_on_the_cut_side_only():
    mask = box(40, 0, 80, 40)
    photo, segmentation, graph = compose(mask)
    thing = complete(photo, segmentation, graph, Whole(), CompletionConfig(pad=0.5))[0]
    assert on_photo(thing, thing.amodal).sum() == mask.sum()
    assert thing.box_xyxy[0] == -20 and thing.box_xyxy[1] >= 0


def test_alpha_is_full_where_visible_and_soft_only_on_invented_edges():
    photo, segmentation, graph = compose(box(20, 84, 100, 150), disc(60, 80, 30))
    thing = complete(photo, segmentation, graph, ClassicalCompleter())[1]
    alpha = thing.rgba[..., 3]
    assert (alpha[thing.visible] == 255).all()
    soft = (alpha > 0) & (alpha < 255)
    depth = ndimage.distance_transform_edt(np.pad(thing.amodal, 1))[1:-1, 1:-1]
    assert soft.any() and depth[soft].max() <= 2


def test_one_seed_gives_one_answer():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (H, W, 3)).astype(float)
    photo, segmentation, graph = compose(disc(40, 60, 25), box(30, 40, 90, 120), colours=[(255, 0, 0), noise])
    a, b = (complete(photo, segmentation, graph, ClassicalCompleter(), seed=5)[1] for _ in range(2))
    assert np.array_equal(a.rgba, b.rgba) and a.box_xyxy == b.box_xyxy


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 50), st.integers(12, 50), st.floats(0.5, 6.0))
def test_any_masks_keep_their_visible_pixels_and_claim_only_what_is_hidden(seed, h, w, blur):
    rng = np.random.default_rng(seed)
    label = np.argmax([ndimage.gaussian_filter(rng.normal(size=(h, w)), blur) for _ in range(4)], axis=0)
    label[0, :4] = [0, 1, 2, 3]
    masks = np.array([label == i for i in range(3)])
    photo = photo_of(rng.integers(0, 256, (h, w, 3)))
    graph = graph_of(3, [(0, 1), (1, 2)])
    things = complete(photo, Segmentation((1, 2, 3), ("a", "b", "c"), masks), graph, ClassicalCompleter(), seed=seed)
    for i, thing in enumerate(things):
        x0, y0, x1, y1 = thing.box_xyxy
        assert thing.rgba.shape[:2] == (y1 - y0, x1 - x0) and thing.fallback is None
        assert thing.visible.sum() == masks[i].sum() and (thing.amodal | ~thing.visible).all()
        inside = np.zeros((h + 2 * 99, w + 2 * 99), bool)
        inside[99 + y0 : 99 + y1, 99 + x0 : 99 + x1] = thing.generated
        claimed = inside[99:-99, 99:-99]
        front = masks[:i].any(0)
        nobodys = ~masks.any(0)
        assert not (claimed & ~front & ~nobodys).any()


def test_a_short_edge_beside_a_corner_still_tells_where_a_hidden_corner_is():
    """A laptop under a smaller one: of its right edge only 14 px are in view, below them the outline turns."""
    laptop, smaller = np.zeros((320, 480), bool), np.zeros((320, 480), bool)
    laptop[20:300, 20:450], smaller[10:286, 110:470] = True, True
    added = continue_outline(laptop & ~smaller, smaller)
    hidden = laptop & smaller
    whole = added | convex_hull(laptop & ~smaller) & smaller
    assert (whole & hidden).sum() / (whole | hidden).sum() > 0.95
