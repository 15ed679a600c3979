"""The task `pcnet`: what its network is given, what it starts from, what it is measured by, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk
from skimage.morphology import convex_hull_image

from paco_core.data.arrange import EnsembleSettings
from paco_core.data.crops import Crops, crop, draw_crops, windows
from paco_core.data.ensemble import EnsembleBatch, compose
from paco_core.errors import BadInput
from paco_core.nets.direct import DirectNet
from paco_core.nets.direct_plan import MULTIPLE
from paco_core.nets.priors import close_gaps, diffused, grown, known_colours, mirrored
from paco_core.training import direct_crops
from paco_core.training import log as runlog
from paco_core.training.direct import DirectTask, colour_loss, dice_loss, gradient_loss
from paco_core.training.direct_crops import CLUTTER, loosened, make_clutter, make_crops, make_scenes
from paco_core.training.direct_figures import completed, hulls, judged
from paco_core.training.options import TrainOptions
from paco_core.training.runner import train
from paco_core.training.task import Task, TaskInputs
from tests.ensembles import shapes_bank
from tests.tinypacks import write_tiny_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pack(tmp_path_factory.mktemp("packs") / "train.pack")


@pytest.fixture(scope="module")
def scenes() -> EnsembleBatch:
    return compose(shapes_bank(size=96), seeded(), EnsembleSettings(size=96, slots=5, count=(2, 5), scale=(0.2, 0.6)), 24)


def inputs(pack: Path, **given) -> TaskInputs:
    return TaskInputs(**{"packs": (pack,), "held_out": (), "device": torch.device("cpu"), "batch": 6, **given})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def box(side: int, rows: tuple[int, int], columns: tuple[int, int]) -> torch.Tensor:
    """(1, 1, side, side) float: a box of ones."""
    mask = torch.zeros(1, 1, side, side)
    mask[..., rows[0] : rows[1], columns[0] : columns[1]] = 1
    return mask


def test_a_window_holds_the_visible_part_and_what_hides_it_nearby():
    visible, near, far = box(100, (40, 50), (20, 28)), box(100, (30, 60), (28, 90)), box(100, (90, 99), (20, 28))
    x, y, side = windows(visible[0] > 0, (near + far)[0] > 0)[0].tolist()
    # the longer side is 10: within 7.5 px round it, the occluder goes on to column 35 (35.5 and on lie outside) in rows 33 to 57
    assert (x, y) == ((20 + 35) / 2, (33 + 57) / 2)
    assert side == pytest.approx(1.06 * 24)


def test_a_window_of_nothing_is_the_whole_picture():
    nothing = torch.zeros(1, 30, 40, dtype=torch.bool)
    assert windows(nothing, nothing)[0].tolist() == pytest.approx([20, 15, 1.06 * 40])


@given(x=st.integers(-8, 24), y=st.integers(-8, 24))
@settings(deadline=None, max_examples=25)
def test_a_crop_at_its_own_size_is_a_cut(x: int, y: int):
    picture = torch.rand(1, 3, 32, 32, generator=seeded())
    padded = torch.nn.functional.pad(picture, (16, 16, 16, 16))
    cut = crop(picture, torch.tensor([[x + 8.0, y + 8.0, 16.0]]), 16)
    assert torch.allclose(cut, padded[..., y + 16 : y + 32, x + 16 : x + 32], atol=1e-4)


def test_crops_of_exact_masks_tell_the_truth(scenes: EnsembleBatch):
    crops = draw_crops(scenes, seeded(), count=40, side_px=96)
    assert crops.rgb.shape == (40, 3, 96, 96) and crops.rgb.min() >= 0 and crops.rgb.max() <= 1
    assert not (crops.visible * crops.occluder).any()
    assert torch.equal(crops.shown, crops.visible * crops.amodal)
    hidden = crops.amodal * (1 - crops.shown)
    assert (hidden * crops.occluder).sum() / hidden.sum() > 0.97, "all but resampled borders lies under what hides it"
    inside = known_colours(known_colours(crops.shown))
    differences = (crops.rgb - crops.truth).abs().amax(1, keepdim=True)[inside > 0]
    assert (differences < 0.02).float().mean() > 0.95, "what is seen of an object has its colours, but for soft edges"
    assert ((crops.hidden > 0.05) & (crops.hidden < 0.9)).all()


def test_loose_masks_are_given_and_the_truth_stays(scenes: EnsembleBatch):
    exact = draw_crops(scenes, seeded(1), count=200, side_px=64)
    loose = loosened(exact, seeded())
    assert not (loose.visible * loose.occluder).any()
    changed = [name for name, value in vars(loose).items() if not torch.equal(value, vars(exact)[name])]
    assert changed == ["visible", "occluder"]
    differ = (loose.visible != exact.visible).flatten(1).any(1).float().mean()
    assert 0.5 < differ < 1, "most are moved or parted, some are exact"


def test_every_object_comes_twice_once_mirrored_in_other_colours_with_other_masks():
    crops = make_crops(shapes_bank(size=128), seeded(), 8, 64)
    first, second = crops.pick(slice(4)), crops.pick(slice(4, 8)).mirrored()
    assert torch.equal(first.amodal, second.amodal) and torch.equal(first.shown, second.shown)
    assert not torch.equal(first.rgb, second.rgb) and not torch.equal(first.visible, second.visible)
    inside = known_colours(known_colours(first.shown))
    for copy in (first, second):
        away = (copy.rgb - copy.truth).abs().amax(1, keepdim=True)[inside > 0]
        assert (away < 0.02).float().mean() > 0.95, "picture and truth change alike"


@given(by_px=st.integers(0, 9), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_growing_is_a_maximum_over_squares(by_px: int, seed: int):
    mask = (torch.rand(2, 1, 24, 32, generator=seeded(seed)) > 0.9).float()
    assert torch.equal(grown(mask, by_px), torch.nn.functional.max_pool2d(mask, 2 * by_px + 1, stride=1, padding=by_px))


def test_some_crops_have_other_objects_for_a_background():
    bank = shapes_bank(size=128)
    clutter = make_clutter(bank)
    assert clutter.shape == (CLUTTER, 3, 128, 128) and torch.equal(clutter, make_clutter(bank))
    plain, cluttered = (make_scenes(bank, seeded(), 64, 64, photos).canvas for photos in (None, clutter))
    edges = (cluttered.diff(dim=3).abs() > 0.05).any(1).flatten(1).any(1)
    assert 0.25 < edges.float().mean() < 0.75
    assert torch.equal(plain[~edges], cluttered[~edges])


def test_where_few_objects_are_hidden_they_are_drawn_again(scenes: EnsembleBatch):
    one = EnsembleBatch(*(value[:1] for value in vars(scenes).values()))
    crops = draw_crops(one, seeded(), count=20, side_px=64)
    assert len(crops) == 20
    assert set(crops.hidden.tolist()) <= set(one.hidden[0].tolist())
    assert ((crops.hidden > 0.05) & (crops.hidden < 0.9)).all()


@pytest.mark.parametrize("gap_px", [0, 2, 4, 6])
def test_a_gap_is_closed(gap_px: int):
    visible, occluder = box(128, (30, 90), (20, 60)), box(128, (30, 90), (60 + gap_px, 110))
    closed = close_gaps(visible, occluder)
    assert closed[..., 35:85, 60:110].all() and not (closed * visible).any()


def test_a_wide_gap_and_the_far_side_stay_as_they_are():
    visible, occluder = box(128, (30, 90), (20, 60)), box(128, (30, 90), (70, 110))
    assert torch.equal(close_gaps(visible, occluder), occluder)


def test_diffused_colours_keep_what_is_known_and_go_on_smoothly():
    rgb, known = torch.rand(2, 3, 64, 64, generator=seeded()), torch.cat([box(64, (10, 20), (10, 30)), box(64, (0, 64), (0, 64))])
    filled = diffused(rgb, known)
    assert torch.allclose(filled * known, rgb * known, atol=1e-5)
    low, high = (rgb * known)[0][known[0].expand(3, -1, -1) > 0].aminmax()
    assert filled[0].min() >= low - 1e-5 and filled[0].max() <= high + 1e-5
    assert torch.equal(diffused(rgb, torch.zeros_like(known)), torch.zeros_like(rgb))


@given(colour=st.tuples(*[st.floats(0, 1)] * 3), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_one_colour_goes_on_as_that_colour(colour: tuple[float, float, float], seed: int):
    known = (torch.rand(1, 1, 32, 32, generator=seeded(seed)) > 0.95).float()
    known[..., 3, 3] = 1
    rgb = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert torch.allclose(diffused(rgb, known), rgb, atol=1e-4)


@pytest.mark.parametrize("side", [64, 128])
def test_the_hidden_end_of_a_symmetric_object_is_its_other_end_mirrored(side: int):
    rows, columns = disk(((side - 1) / 2, (side - 1) / 2), side / 4, shape=(side, side))
    whole = torch.zeros(1, 1, side, side)
    whole[0, 0, rows, columns] = 1
    left = box(side, (0, side), (0, 11 * side // 16))
    hidden = whole * (1 - left)
    rgb = torch.rand(1, 3, side, side, generator=seeded())
    mirror = mirrored(rgb, whole * left, 1 - left)
    assert torch.equal(mirror[:, 3:] * (1 - left), hidden)
    assert torch.equal(mirror[:, :3] * hidden, rgb.flip(3) * hidden)


def perturbed() -> DirectNet:
    """A network whose zeros are none."""
    torch.manual_seed(0)
    net = DirectNet()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    return net.eval()


def test_an_untrained_network_answers_with_diffused_colours_and_no_opinion(scenes: EnsembleBatch):
    crops = draw_crops(scenes, seeded(), count=4, side_px=64)
    colours, logit, place = DirectNet()(crops.rgb, crops.visible, crops.occluder)
    assert torch.equal(colours, diffused(crops.rgb, known_colours(crops.visible)))
    assert not logit.any()
    assert torch.equal(place, close_gaps(crops.visible, crops.occluder))


def test_a_crop_s_answer_knows_nothing_of_other_crops_and_sees_what_is_beside_its_object(scenes: EnsembleBatch):
    crops = draw_crops(scenes, seeded(), count=4, side_px=64)
    net = perturbed()
    with torch.no_grad():
        together = net(crops.rgb, crops.visible, crops.occluder)[1]
        alone = net(crops.rgb[:1], crops.visible[:1], crops.occluder[:1])[1]
        place = close_gaps(crops.visible, crops.occluder)
        elsewhere = torch.where(torch.maximum(place, crops.visible) > 0, crops.rgb, torch.rand_like(crops.rgb))
        other = net(elsewhere, crops.visible, crops.occluder)[1]
    assert together.std() > 1e-3
    assert torch.allclose(together[:1], alone, atol=1e-4)
    assert (together - other).abs().max() > 1e-3


def test_the_network_has_one_to_two_million_weights_and_takes_sides_of_its_multiple():
    assert 1e6 < sum(weight.numel() for weight in DirectNet().parameters()) < 2e6
    empty = torch.zeros(1, 1, 3 * MULTIPLE, 3 * MULTIPLE)
    colours, logit, _ = DirectNet()(empty.expand(1, 3, -1, -1), empty, empty)
    assert colours.shape == (1, 3, 96, 96) and logit.shape == empty.shape and colours.isfinite().all()


def test_losses_by_hand():
    hidden = box(8, (0, 4), (0, 4))
    assert float(dice_loss(hidden, hidden)) == pytest.approx(0)
    assert float(dice_loss(torch.zeros_like(hidden), hidden)) == pytest.approx(1 - 1 / 17)
    error = 0.5 * torch.ones(1, 3, 8, 8)
    assert float(colour_loss(error, hidden)) == pytest.approx(0.5 + 2 * 0.25)
    assert float(gradient_loss(error, hidden)) == 0
    slope = torch.arange(8.0).expand(1, 3, 8, 8) / 8
    # across: 1/8 a pixel; of 2 px means, 2/8; one mean of 4 px has no neighbour; nothing downwards
    assert float(gradient_loss(slope, hidden)) == pytest.approx(1 / 8 + 2 / 8)


def test_nothing_hidden_gives_a_finite_loss(pack: Path):
    task = DirectTask(inputs(pack))
    batch = task.batch(seeded(), 0.0)
    none = torch.zeros_like(batch.visible)
    loss, _ = task.loss(task.build(), Crops(batch.rgb, none, none, batch.truth, none, none, batch.hidden))
    assert loss.isfinite()


def drawn_crops() -> Crops:
    """A box whose right half is hidden, with a ramp of colours."""
    whole, occluder = box(32, (8, 24), (8, 24)), box(32, (0, 32), (16, 32))
    rgb = (torch.arange(32.0) / 32).expand(1, 3, 32, 32)
    shown = whole * (1 - occluder)
    return Crops(rgb * (1 - occluder), shown, occluder, rgb, whole, shown, torch.tensor([0.5]))


def test_figures_by_hand():
    crops = drawn_crops()
    perfect = judged(crops.amodal, crops.truth, crops)
    assert perfect == pytest.approx({"hidden IoU": 1, "amodal IoU": 1, "hidden PSNR": 50, "gradient energy": 1})
    nothing = judged(crops.visible, crops.truth + 0.1, crops)
    assert nothing == pytest.approx({"hidden IoU": 0, "amodal IoU": 0.5, "hidden PSNR": 20, "gradient energy": 1}, rel=1e-3)
    half = judged(crops.amodal * box(32, (8, 16), (0, 32)) + crops.visible * box(32, (16, 24), (0, 32)), crops.truth / 2, crops)
    assert half["hidden IoU"] == 0.5 and half["amodal IoU"] == 0.75 and half["gradient energy"] == pytest.approx(0.25)


def test_what_is_given_stays_and_nothing_is_added_outside_of_the_occluder(scenes: EnsembleBatch):
    crops = draw_crops(scenes, seeded(), count=4, side_px=64)
    masks, pictures = completed(perturbed(), crops)
    assert not (crops.visible * (1 - masks)).any()
    assert not (masks * (1 - torch.maximum(crops.visible, close_gaps(crops.visible, crops.occluder)))).any()
    assert torch.equal(pictures * crops.visible, crops.rgb * crops.visible)


def test_hulls_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 1, 48, 48), bool)
    for mask in masks[:5]:
        mask[0, rng.integers(4, 44, 12), rng.integers(4, 44, 12)] = True
    ours = hulls(torch.from_numpy(masks).float()).numpy() > 0
    for mine, mask in zip(ours[:5, 0], masks[:5, 0], strict=True):
        theirs = convex_hull_image(mask, offset_coordinates=False)
        assert not (theirs & ~mine).any() and mine.sum() < 1.05 * theirs.sum()
    assert not ours[5].any()


def test_the_task_is_one_and_its_batches_depend_on_their_generator_alone(pack: Path):
    task = DirectTask(inputs(pack))
    assert isinstance(task, Task)
    one, same, other, large = (task.batch(seeded(seed), share) for seed, share in ((0, 0.0), (0, 0.4), (1, 0.0), (0, 0.8)))
    assert torch.equal(one.rgb, same.rgb) and torch.equal(one.visible, same.visible)
    assert not torch.equal(one.rgb, other.rgb)
    assert one.rgb.shape == (6, 3, 64, 64) and large.rgb.shape == (3, 3, 128, 128)


def test_it_learns_where_hidden_parts_are(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(direct_crops, "MEASURED", 12)
    held_out = write_tiny_pack(tmp_path / "val.pack", objects=4, seed=1)
    options = TrainOptions(packs=(pack,), held_out=(held_out,), out=tmp_path / "run", device="cpu", steps=40, batch=4, lr=4e-3)
    result = train("pcnet", options)
    lines = [line for line in runlog.read(tmp_path / "run") if "loss" in line]
    assert {"mask", "dice", "colour", "detail", "gradient"} <= lines[0].keys(), "no part hides behind another's name"
    assert lines[-1]["mask"] < lines[0]["mask"] and lines[-1]["colour"] < lines[0]["colour"]
    assert result.figures["val, exact: hidden IoU"] > 0.2, "0 untrained"
    assert {"val, loose: amodal IoU", "val, exact: hidden IoU, hull & occluder"} <= result.figures.keys()
    assert (tmp_path / "run" / "weights.safetensors").stat().st_size < 4.1e6
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 1


def test_weights_of_losses_are_options(pack: Path):
    task = DirectTask(inputs(pack, options={"dice": "0", "detail": "1.5"}))
    assert task.weights == {"dice": 0.0, "colour": 2.0, "detail": 1.5}
    loss, parts = task.loss(task.build(), task.batch(seeded(), 0.0))
    assert float(loss.detach()) == pytest.approx(float(parts["mask"] + 2 * parts["colour"] + 1.5 * parts["detail"]), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"color": "1"}, "no option 'color': --set takes dice, colour, detail"),
        ({"dice": "much"}, "--set dice=much: give a number from 0"),
        ({"dice": "-1"}, "--set dice=-1: give a number"),
        ({"dice": "nan"}, "--set dice=nan: give a number"),
        ({"dice": "inf"}, "--set dice=inf: give a number"),
    ],
)
def test_options_that_cannot_be_are_answered_by_a_sentence(pack: Path, options: dict, told: str):
    with pytest.raises(BadInput, match=told):
        DirectTask(inputs(pack, options=options))
