"""Object Ensemble scenes obey their laws exactly, whatever the seed."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paco_core.data.arrange import EnsembleSettings
from paco_core.data.augment import Roughness, rough_masks, shadowed
from paco_core.data.ensemble import PARTLY, EnsembleBatch, compose
from paco_core.data.subset import choose_subset
from tests.ensembles import shapes_bank

BANK = shapes_bank()
SMALL = EnsembleSettings(size=48, slots=6, count=(2, 6))
EPS = 1e-5
SEEDS = settings(max_examples=12, deadline=None)


def scenes(seed: int, batch: int = 6, changed: EnsembleSettings = SMALL) -> EnsembleBatch:
    return compose(BANK, torch.Generator().manual_seed(seed), changed, batch)


def seen(batch: EnsembleBatch) -> torch.Tensor:
    """How much of every pixel is each object's own: its alpha times what the ones in front let through."""
    through = torch.cumprod(1 - batch.alpha, 1)
    return batch.alpha * torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)


@SEEDS
@given(st.integers(0, 2**31))
def test_the_picture_is_the_object_wherever_the_object_is_seen(seed: int):
    batch = scenes(seed)
    difference = (batch.composite[:, None] - batch.objects).abs().amax(2)
    assert (difference <= 1 - seen(batch) + EPS)[batch.frame[:, None].expand_as(difference)].all()
    fully = (seen(batch) > 1 - EPS) & batch.visible
    assert fully.any()
    assert difference[fully].max() <= 2 * EPS


@SEEDS
@given(st.integers(0, 2**31))
def test_whole_masks_hold_the_visible_ones_and_visible_ones_share_no_pixel(seed: int):
    batch = scenes(seed)
    assert not (batch.visible & ~batch.amodal).any()
    assert batch.visible.sum(1).max() <= 1
    assert not (batch.visible & ~batch.frame[:, None]).any()
    assert torch.equal(batch.labels > 0, (batch.amodal.any(1)) & batch.frame)
    for slot in range(SMALL.slots):
        assert torch.equal(batch.labels == slot + 1, batch.visible[:, slot])


@SEEDS
@given(st.integers(0, 2**31))
def test_layers_are_a_topological_order_of_who_hides_whom(seed: int):
    batch = scenes(seed)
    assert torch.equal(batch.order, -batch.order.transpose(1, 2))
    front, behind = (batch.order > 0).nonzero()[:, 1:].T
    scene = (batch.order > 0).nonzero()[:, 0]
    assert (batch.layers[scene, front] < batch.layers[scene, behind]).all()
    assert torch.equal(batch.layers >= 0, batch.present)
    unhidden = batch.present & ~(batch.order > 0).any(1)
    assert torch.equal(batch.layers == 0, unhidden)
    deeper = (batch.layers[:, :, None] + 1 == batch.layers[:, None]) & (batch.order > 0)
    assert torch.equal(deeper.any(1), batch.layers > 0)


@SEEDS
@given(st.integers(0, 2**31))
def test_who_hides_whom_is_seen_in_the_masks(seed: int):
    batch = scenes(seed)
    within = batch.amodal & batch.frame[:, None]
    overlap = torch.einsum("bihw,bjhw->bij", within.float(), within.float()) > 0
    different = ~torch.eye(SMALL.slots, dtype=torch.bool)
    assert torch.equal(batch.order != 0, overlap & different)
    for scene, i, j in (batch.order > 0).nonzero().tolist():
        assert not (batch.visible[scene, j] & batch.amodal[scene, i]).any()


@SEEDS
@given(st.integers(0, 2**31))
def test_every_object_shows_enough_and_every_scene_has_one_that_is_partly_hidden(seed: int):
    batch = scenes(seed)
    shown, whole = batch.visible.sum((2, 3)), (batch.amodal & batch.frame[:, None]).sum((2, 3))
    share = shown / whole.clamp(min=1)
    assert (1 - batch.hidden)[batch.present].min() >= SMALL.least_visible
    assert shown[batch.present].min() >= SMALL.least_area * SMALL.size**2
    assert (batch.present & (share >= PARTLY[0]) & (share <= PARTLY[1])).any(1).all()
    assert batch.present.sum(1).min() >= SMALL.count[0]


def test_absent_slots_are_empty():
    batch = scenes(3)
    gone = ~batch.present
    assert gone.any()
    assert not batch.alpha[gone].any()
    assert (batch.ids[gone] == -1).all()
    assert (batch.ids[batch.present] >= 0).all()
    canvas = batch.canvas_rgb[:, None, :, None, None].expand_as(batch.objects)
    assert torch.equal(batch.objects[gone], canvas[gone])


def test_the_same_seed_makes_the_same_scenes_and_another_one_others():
    one, again, other = scenes(5), scenes(5), scenes(6)
    assert all(torch.equal(getattr(one, f.name), getattr(again, f.name)) for f in fields(one))
    assert not torch.equal(one.composite, other.composite)


def test_objects_lie_wholly_on_the_canvas_and_the_frame_cuts_some():
    batch = scenes(7, batch=64, changed=replace(SMALL, border=1.0))
    rim = torch.ones(SMALL.size, SMALL.size, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    assert not (batch.amodal & rim).any()
    cut = (batch.amodal & ~batch.frame[:, None]).any((1, 2, 3))
    assert cut.float().mean() > 0.8
    assert (batch.frame.float().mean((1, 2)) >= 1 - SMALL.deepest_cut - 1 / SMALL.size).all()
    assert scenes(7, batch=64, changed=replace(SMALL, border=0.0)).frame.all()


def test_areas_are_between_the_smallest_and_the_largest():
    wide = replace(SMALL, size=96, scale=(0.2, 0.4), tilt_deg=0.0, border=0.0)
    batch = scenes(8, batch=32, changed=wide)
    root = batch.alpha.mean((2, 3)).sqrt()[batch.present]
    assert root.min() > 0.19
    assert root.max() < 0.41
    assert root.max() - root.min() > 0.1


def test_colours_are_those_of_the_bank_when_nothing_is_jittered():
    plain = replace(SMALL, jitter=0.0, border=0.0, canvases=(1.0, 0.0, 0.0), scale=(0.3, 0.5))
    batch = scenes(9, changed=plain)
    for scene, slot in (batch.present & ((batch.alpha > 0.999).any((2, 3)))).nonzero().tolist():
        own = batch.alpha[scene, slot] > 0.999
        known = BANK.rgba[batch.ids[scene, slot], :3, 0, 0].float() / 255
        torch.testing.assert_close(batch.objects[scene, slot][:, own].mean(1), known, atol=0.01, rtol=0)
    assert torch.equal(batch.canvas, torch.ones_like(batch.canvas))


def test_photos_become_backgrounds():
    photos = torch.full((2, 3, 20, 30), 51, dtype=torch.uint8)
    always = replace(SMALL, canvases=(0.0, 0.0, 1.0))
    batch = compose(BANK, torch.Generator().manual_seed(1), always, 4, photos)
    torch.testing.assert_close(batch.canvas, torch.full_like(batch.canvas, 0.2))


def test_a_bank_that_can_not_hide_anything_still_makes_scenes():
    lone = replace(SMALL, count=(1, 1))
    assert scenes(1, changed=lone).present.sum(1).tolist() == [1] * 6


@pytest.mark.parametrize("changed", [replace(SMALL, count=(2, 9)), replace(SMALL, count=(0, 3))])
def test_settings_that_do_not_fit_are_refused(changed: EnsembleSettings):
    with pytest.raises(ValueError, match="slots"):
        scenes(0, changed=changed)


@SEEDS
@given(st.integers(0, 2**31))
def test_what_hides_a_sampled_object_is_its_occluder(seed: int):
    batch = scenes(seed)
    chosen = choose_subset(batch, torch.Generator().manual_seed(seed))
    assert chosen.sampled.any(1).all()
    assert not (chosen.sampled & ~batch.present).any()
    unseen = batch.amodal & ~batch.visible & chosen.sampled[..., None, None]
    assert not (unseen & ~chosen.occluder[:, None]).any()
    assert not (batch.labels == 0)[chosen.occluder & batch.frame].any()


def test_a_layer_holds_no_two_objects_of_which_one_hides_the_other():
    batch = scenes(11, batch=32)
    chosen = choose_subset(batch, torch.Generator().manual_seed(1), layerlike=1.0)
    pairs = chosen.sampled[:, :, None] & chosen.sampled[:, None]
    assert not batch.order[pairs].any()
    assert (batch.layers[chosen.sampled] > 0).all()


ALWAYS = Roughness(share=1.0, holes=1.0, shadows=1.0)
EXACT = Roughness(share=0.0, holes=0.0, shadows=0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
@example(1200)
def test_rough_masks_stay_disjoint_and_none_is_lost_that_was_there(seed: int):
    batch = scenes(seed)
    rough = rough_masks(batch.visible, torch.Generator().manual_seed(seed), ALWAYS)
    assert rough.sum(1).max() <= 1
    assert torch.equal(rough.any((2, 3)), batch.visible.any((2, 3)))


def test_augmentation_leaves_the_batch_as_it_is():
    batch, untouched = scenes(13), scenes(13)
    rough = rough_masks(batch.visible, torch.Generator().manual_seed(0), ALWAYS)
    dark = shadowed(batch.composite, torch.Generator().manual_seed(0), ALWAYS)
    assert not torch.equal(rough, batch.visible)
    assert not torch.equal(dark, batch.composite)
    assert all(torch.equal(getattr(batch, f.name), getattr(untouched, f.name)) for f in fields(batch))


def test_no_roughness_changes_nothing():
    batch, generator = scenes(14), torch.Generator().manual_seed(0)
    assert torch.equal(rough_masks(batch.visible, generator, EXACT), batch.visible)
    assert torch.equal(shadowed(batch.composite, generator, EXACT), batch.composite)


def square(size: int = 128, side: int = 40) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size, dtype=torch.bool)
    mask[..., 30 : 30 + side, 30 : 30 + side] = True
    return mask.expand(64, 1, size, size)


def test_who_draws_one_outline_too_small_draws_all_too_small():
    alike = Roughness(share=1.0, shift_px=3.0, rough_px=0.0, alike=1.0, gap_px=1, holes=0.0)
    apart = torch.cat([square(), square().roll(50, 3)], 1)
    for roughness, same in ((alike, True), (replace(alike, alike=0.0), False)):
        rough = rough_masks(apart, torch.Generator().manual_seed(0), roughness)
        assert torch.equal(*rough.sum((2, 3)).unbind(1)) == same


def test_outlines_move_by_as_much_as_is_said_in_both_directions():
    only_moved = Roughness(share=1.0, shift_px=2.5, rough_px=0.0, holes=0.0)
    area = rough_masks(square(), torch.Generator().manual_seed(0), only_moved).sum((1, 2, 3)).float()
    side = area.sqrt()
    assert 43 < side.max() <= 45
    assert 35 <= side.min() < 37


def test_neighbours_get_a_gap_of_at_most_twice_what_is_said():
    halves = torch.zeros(64, 2, 128, 128, dtype=torch.bool)
    halves[:, 0, 20:100, 20:60], halves[:, 1, 20:100, 60:100] = True, True
    only_gaps = Roughness(share=1.0, shift_px=0.0, rough_px=0.0, gap_px=3, holes=0.0)
    gap = (~rough_masks(halves, torch.Generator().manual_seed(0), only_gaps).any(1))[:, 60, 20:100].sum(1)
    assert set(gap.tolist()) == {0, 1, 2, 3, 4, 6}


def test_shadows_only_darken_and_leave_as_much_light_as_is_said():
    light = torch.ones(64, 3, 64, 64)
    dark = shadowed(light, torch.Generator().manual_seed(0), ALWAYS)
    assert dark.max() <= 1
    assert ALWAYS.darkest <= dark.min() < ALWAYS.darkest + 0.1
    assert (dark.amax((1, 2, 3)) - dark.amin((1, 2, 3)) > 0.05).float().mean() > 0.7


def test_a_subset_takes_other_masks_where_they_are_given():
    batch = scenes(15)
    rough = rough_masks(batch.visible, torch.Generator().manual_seed(0), ALWAYS)
    exact, other = (choose_subset(batch, torch.Generator().manual_seed(2), visible=masks) for masks in (None, rough))
    assert torch.equal(exact.sampled, other.sampled)
    assert torch.equal(other.visible, rough & exact.sampled[..., None, None])
