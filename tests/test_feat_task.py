"""The task `paco-feat-1`: what it draws, what it learns from, and that it learns."""

from pathlib import Path

import pytest
import torch

from paco_core.data.bank import Bank, read_bank
from paco_core.errors import BadInput
from paco_core.training import log as runlog
from paco_core.training.distortions import CLEAN, KINDS, distort
from paco_core.training.feat import FeatTask, Partners, contrastive
from paco_core.training.options import TrainOptions
from paco_core.training.runner import train
from paco_core.training.task import Task, TaskInputs
from paco_core.training.trials import LADDERS, QUESTIONS, agreement, rising
from paco_core.training.views import Shelf, canvases, draw_views
from tests.tinypacks import write_tiny_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pack(tmp_path_factory.mktemp("packs") / "train.pack")


@pytest.fixture(scope="module")
def bank(pack: Path) -> Bank:
    return read_bank([pack], size=64)


def inputs(pack: Path, **given) -> TaskInputs:
    return TaskInputs(**{"packs": (pack,), "held_out": (), "device": torch.device("cpu"), "batch": 12, **given})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_task_is_one(pack: Path):
    assert isinstance(FeatTask(inputs(pack)), Task)


def test_a_batch_depends_on_its_generator_alone(pack: Path):
    task = FeatTask(inputs(pack))
    one, same, other = task.batch(seeded(), 0.0), task.batch(seeded(), 0.9), task.batch(seeded(1), 0.0)
    assert torch.equal(one.rgb, same.rgb) and torch.equal(one.flaws, same.flaws)
    assert not torch.equal(one.rgb, other.rgb)
    assert one.rgb.shape == (12, 3, 64, 64) and one.rgb.min() >= 0 and one.rgb.max() <= 1
    assert torch.equal(one.groups[:6], one.groups[6:])


def test_a_partner_is_another_view_of_the_same_object(bank: Bank):
    index = torch.arange(len(bank))
    partner = Partners(bank).draw(index, seeded())
    assert torch.equal(bank.groups[partner], bank.groups)
    assert (partner != index).all()


def test_an_object_with_one_view_is_its_own_partner(tmp_path: Path):
    bank = read_bank([write_tiny_pack(tmp_path / "one.pack", views=1)], size=64)
    index = torch.arange(len(bank))
    assert torch.equal(Partners(bank).draw(index, seeded()), index)


def test_a_view_shows_its_object_on_a_canvas_of_its_own(bank: Bank):
    shelf = Shelf.of(bank)
    views = draw_views(shelf, torch.zeros(40, dtype=torch.int64), 64, seeded())
    assert views.shape == (40, 3, 64, 64) and views.min() >= 0 and views.max() <= 1
    assert len({tuple(v[:, 0, 0].tolist()) for v in views}) > 10
    assert views.std(dim=(1, 2, 3)).min() > 0.01


def test_half_of_the_canvases_have_one_colour():
    flat = (canvases(400, 32, seeded()).std(dim=(2, 3)) < 1e-6).all(dim=1).float().mean()
    assert 0.4 < flat < 0.6


def test_clean_pictures_stay_and_every_kind_of_flaw_is_told(bank: Bank):
    rgb = draw_views(Shelf.of(bank), torch.randint(0, len(bank), (200,), generator=seeded()), 64, seeded())
    damaged, strengths = distort(rgb, seeded())
    changed = (damaged - rgb).abs().amax(dim=(1, 2, 3)) > 1e-6
    place = torch.arange(200) % (CLEAN + len(KINDS))
    assert not changed[place < CLEAN].any() and not strengths[place < CLEAN].any()
    assert changed[place >= CLEAN].float().mean() > 0.95
    assert (strengths[place >= CLEAN].argmax(dim=1) == place[place >= CLEAN] - CLEAN).all()
    assert {round(3 * s) for s in strengths.amax(dim=1).tolist()} == {0, 1, 2, 3}


def test_the_contrastive_loss_by_hand():
    angles = torch.tensor([0.0, 0.0, torch.pi / 2, torch.pi / 2])
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    matched = contrastive(vectors, torch.tensor([0, 0, 1, 1]))  # cosines over temperature: 10 for the partner, 0, 0
    assert float(matched) == pytest.approx(float(torch.log(1 + 2 * torch.exp(torch.tensor(-10.0)))), rel=1e-2)
    crossed = contrastive(vectors, torch.tensor([0, 1, 0, 1]))
    assert float(crossed) == pytest.approx(10.0, abs=1e-3)


def test_it_learns_to_tell_shapes_apart(pack: Path, tmp_path: Path):
    held_out = write_tiny_pack(tmp_path / "val.pack", objects=4, seed=1)
    options = TrainOptions(packs=(pack,), held_out=(held_out,), out=tmp_path / "run", device="cpu", steps=40, batch=12, lr=3e-3)
    result = train("paco-feat-1", options)
    first, last = (line for line in runlog.read(tmp_path / "run") if "loss" in line)
    assert last["loss"] < first["loss"] and last["category"] < first["category"]
    assert {"2AFC", "untrained 2AFC", "other view found", "rises with blur"} <= result.figures.keys()
    assert (tmp_path / "run" / "weights.safetensors").stat().st_size < 3e6
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 1


@pytest.mark.parametrize(
    ("given", "told"), [({"batch": 7}, "--batch 7: .* even number"), ({"options": {"x": "1"}}, "leave out --set x")]
)
def test_what_the_task_cannot_use_is_said(pack: Path, given: dict, told: str):
    with pytest.raises(BadInput, match=told):
        FeatTask(inputs(pack, **given))


def test_one_held_out_object_is_too_few(pack: Path, tmp_path: Path):
    lone = write_tiny_pack(tmp_path / "lone.pack", objects=1)
    with pytest.raises(BadInput, match=r"lone.pack holds one object"):
        FeatTask(inputs(pack, held_out=(lone,)))


def test_packs_for_measuring_are_not_trained_on(tmp_path: Path):
    measuring = write_tiny_pack(tmp_path / "eval.pack", use="eval")
    with pytest.raises(BadInput, match="for measuring only"):
        FeatTask(inputs(measuring))


def pixel_error(true: torch.Tensor):
    return lambda rgb: (rgb - true).square().mean(dim=(1, 2, 3))


def test_every_damage_of_a_ladder_is_more_than_the_one_before(bank: Bank):
    rgb = draw_views(Shelf.of(bank), torch.arange(len(bank)), 128, seeded())
    shares = rising(rgb, pixel_error(rgb), seed=0)
    assert shares.keys() == LADDERS.keys()
    assert min(shares.values()) > 0.8


def test_a_distance_that_is_always_wrong_agrees_with_nobody(bank: Bank):
    rgb = draw_views(Shelf.of(bank), torch.arange(len(bank)), 128, seeded())
    right = agreement(rgb, pixel_error(rgb), seed=0)
    wrong = agreement(rgb, lambda damaged: -pixel_error(rgb)(damaged), seed=0)
    assert right.keys() == QUESTIONS.keys()
    assert all(right[q] + wrong[q] == pytest.approx(1) for q in right)
