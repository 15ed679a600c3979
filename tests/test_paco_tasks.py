"""The tasks `paco-stage-1` and `paco-stage-2`: what they are given, what learns and what does not, and what comes out of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from paco_core.errors import BadInput
from paco_core.nets.features import FeatureNet
from paco_core.nets.paco import CONFIG_KEY, Paco, config_of, load_paco
from paco_core.nets.paco_config import PACO_TINY
from paco_core.nets.parallel_vae import ParallelVae
from paco_core.nets.weights import export_weights, load_weights
from paco_core.training import log as runlog
from paco_core.training import paco_figures, paco_scenes, paco_stage2
from paco_core.training.options import TrainOptions
from paco_core.training.paco_losses import (
    PatchDiscriminator,
    adaptive_weight,
    colour_loss,
    discriminator_loss,
    generator_loss,
    mask_loss,
    perceptual_loss,
)
from paco_core.training.paco_options import StageOptions, read_options
from paco_core.training.paco_scenes import PacoScenes, draw_scenes, exact_scenes, pick
from paco_core.training.paco_stage1 import MOST, Stage1Task
from paco_core.training.paco_stage2 import Stage2Task, map_of
from paco_core.training.runner import train
from paco_core.training.task import Task, TaskInputs
from tests.ensembles import shapes_bank
from tests.paconets import changed, stir
from tests.tinypacks import write_tiny_pack

TINY = {"scale": "paco-tiny", "side": "32", "small_side": "16"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pack(tmp_path_factory.mktemp("packs") / "train.pack", objects=6, views=1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a first stage."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("stage1") / "weights.safetensors"
    export_weights(stir(ParallelVae(PACO_TINY)), path, about={CONFIG_KEY: PACO_TINY.to_json()})
    return path


@pytest.fixture(scope="module")
def scenes() -> PacoScenes:
    return exact_scenes(shapes_bank(size=64), seeded(), 16, 64, 5)


@pytest.fixture(autouse=True)
def small_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paco_figures, "MEASURED", 8)
    monkeypatch.setattr(paco_stage2, "STATISTICS", 64)


def inputs(pack: Path, options: dict[str, str], batch: int = 4) -> TaskInputs:
    return TaskInputs((pack,), (), torch.device("cpu"), batch, TINY | options)


def test_scenes_are_what_the_networks_read(scenes: PacoScenes):
    assert scenes.whole.abs().amax() <= 1 + 1e-5
    outside = scenes.amodal[:, :, None].expand_as(scenes.whole) == 0
    assert scenes.whole[outside & scenes.present[..., None, None, None]].quantile(0.02) > 0.5, "white, but for soft edges"
    assert not (scenes.visible * scenes.occluder).any(), "nothing hides what is seen"
    hidden = scenes.amodal * (1 - scenes.visible)
    assert torch.equal(hidden, hidden * scenes.occluder), "with exact masks, all that is hidden lies under what hides it"
    assert not (scenes.sampled & ~scenes.present).any() and scenes.sampled.any(1).all()


def test_the_visible_parts_of_the_sampled_objects_are_one_picture(scenes: PacoScenes):
    partial = scenes.partial()[:, 0]
    seen = (scenes.visible * scenes.sampled[..., None, None]).sum(1, keepdim=True)
    assert torch.equal(partial * seen, scenes.composite * seen) and (partial[(seen == 0).expand_as(partial)] == 1).all()


def test_objects_that_are_sampled_and_hidden_are_decoded_before_others(scenes: PacoScenes):
    slots = scenes.wanted(seeded(), of_sampled=True)
    for row, sampled, hidden in zip(slots, scenes.sampled, scenes.hidden, strict=True):
        assert sampled[row].sum() == min(len(row), sampled.sum())
        if (hidden[sampled] > 0.05).any():
            assert hidden[row[0]] > 0.05


def test_picking_takes_slots():
    values = torch.arange(12).view(2, 3, 2)
    assert pick(values, torch.tensor([[2, 0], [1, 1]])).tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]


def test_names_are_those_of_the_sampled_objects(scenes: PacoScenes):
    bank = shapes_bank(size=64)
    for names, ids, sampled in zip(scenes.names(bank), scenes.ids, scenes.sampled, strict=True):
        assert names == [f"shape {i}" for i in ids[sampled].tolist()]


def test_colours_count_less_where_the_object_is_not():
    amodal = torch.zeros(1, 1, 4, 4)
    amodal[..., :2] = 1
    colours = torch.zeros(1, 1, 3, 4, 4)
    colours[..., 0] = 1.0  # wrong by 1 in a quarter of the pixels, within
    assert colour_loss(colours, torch.zeros_like(colours), amodal) == pytest.approx(0.25 * 2)
    assert colour_loss(colours.flip(-1), torch.zeros_like(colours), amodal) == pytest.approx(0.25 * 0.25 * 2)


def test_a_sure_and_right_mask_costs_nothing_and_a_wrong_one_much():
    amodal = torch.zeros(1, 1, 8, 8)
    amodal[..., :4] = 1
    sure = 40 * (amodal - 0.5)
    assert mask_loss(sure, amodal) < 1e-3 and mask_loss(-sure, amodal) > 15


def test_the_perceptual_loss_is_zero_for_the_same_object_and_sees_nothing_beside_it():
    net, truth, amodal = FeatureNet(), torch.rand(1, 2, 3, 32, 32) * 2 - 1, torch.ones(1, 2, 32, 32)
    amodal[..., :8] = 0
    elsewhere = torch.where(amodal[:, :, None] > 0, truth, torch.rand_like(truth))
    assert perceptual_loss(net, elsewhere, truth, amodal) == 0
    assert perceptual_loss(net, truth.flip(-1), truth, amodal) > 0


def test_whoever_makes_pictures_does_not_change_the_adversary_and_the_other_way_round():
    net, made = PatchDiscriminator(4), torch.rand(2, 3, 32, 32, requires_grad=True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    generator_loss(net, made).backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items()), "its running means, too"
    made.grad = None
    discriminator_loss(net, torch.rand(2, 3, 32, 32), made).backward()
    assert made.grad is None and all(weight.grad is not None for weight in net.parameters())


def test_the_adversary_pulls_as_much_as_the_other_losses():
    last = torch.tensor([1.0, 2.0], requires_grad=True)
    one, other = (3 * last).sum(), (0.5 * last).sum()
    assert adaptive_weight(one, other, last) * 0.5 == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sidee": "3"}, "has no option 'sidee'.*side"),
        ({"side": "many"}, "side=many: give a whole number"),
        ({"large_from": "-1"}, "number from 0"),
        ({"scale": "paco-smal"}, "paco-small"),
        ({"scale": "paco-sd"}, "base=FOLDER"),
        ({"base": "somewhere"}, "leave base out"),
        ({"side": "100"}, "multiples of 8"),
    ],
)
def test_options_that_make_no_sense_are_named(options: dict[str, str], sentence: str):
    with pytest.raises(BadInput, match=sentence):
        _ = read_options(options, StageOptions, "paco-stage-1").config


def test_scenes_grow_in_objects_and_in_size(pack: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    monkeypatch.setattr(
        "paco_core.training.paco_stage1.draw_scenes", lambda *given: (seen.append(given[4]), draw_scenes(*given))[1]
    )
    task = Stage1Task(inputs(pack, {}))
    sides = [task.batch(seeded(), share).scenes.whole.shape[-1] for share in (0.0, 0.2, 0.5, 0.65, 0.9)]
    assert isinstance(task, Task)
    assert seen == [1, 2, 3, 5, 5] and MOST[-1] == (1.0, 5)
    Stage1Task(inputs(pack, {"curriculum": "0"})).batch(seeded(), 0.0)
    assert seen[-1] == 5
    assert sides == [16, 16, 16, 16, 32]


@pytest.mark.parametrize("name", ["paco-stage-1", pytest.param("paco-stage-2", marks=pytest.mark.slow)])
def test_a_stage_learns_and_goes_on_to_the_same_bits(name: str, pack: Path, first: Path, tmp_path: Path):
    given = tuple(f"{key}={value}" for key, value in TINY.items())
    given += (f"stage1={first}", "pixels=0.5") if name.endswith("2") else ("gan=0.5", "gan_from=0.5")
    held_out = write_tiny_pack(tmp_path / "val.pack", objects=4, views=1, seed=1)

    def run(out: Path, **more: float) -> None:
        options = {"steps": 20, "batch": 2, "lr": 4e-3, "device": "cpu"} | more
        train(name, TrainOptions(packs=(pack,), held_out=(held_out,), out=out, set=given, **options))  # pyright: ignore[reportArgumentType]

    run(tmp_path / "whole")
    whole = load_file(tmp_path / "whole" / "weights.safetensors")
    run(tmp_path / "parts", pause_after_minutes=1e-9)
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    while not (tmp_path / "parts" / "weights.safetensors").exists():
        run(tmp_path / "parts", pause_after_minutes=0.01)
    parts = load_file(tmp_path / "parts" / "weights.safetensors")
    assert whole.keys() == parts.keys() and all(torch.equal(value, parts[name]) for name, value in whole.items())
    lines = [line for line in runlog.read(tmp_path / "whole") if "loss" in line]
    assert lines and {"colour", "mask"} <= lines[0].keys()
    figures = list(runlog.read(tmp_path / "whole"))[-1]["figures"]
    assert any(key.endswith("hidden IoU") for key in figures)


@pytest.mark.slow
def test_the_first_stage_learns_masks_of_shapes(pack: Path):
    task = Stage1Task(inputs(pack, {"mask": "1", "side": "16"}, batch=4))
    torch.manual_seed(0)
    model = task.build()
    losses = _descend(model, lambda step: task.loss(model, task.batch(seeded(step), 0.0)), 80)
    assert losses[-1]["mask"] < 0.75 * losses[0]["mask"] and losses[-1]["colour"] < 0.8 * losses[0]["colour"]


def test_only_the_generator_learns_in_the_second_stage(pack: Path, first: Path):
    task = Stage2Task(inputs(pack, {"stage1": str(first), "pixels": "1"}))
    assert isinstance(task, Task)
    model = task.build()
    names = set(changed(model, lambda: _descend(model, lambda step: task.loss(model, task.batch(seeded(step), 0.0)), 3)))
    assert names and all(name.startswith("generator.") for name in names)


def test_the_decoder_goes_on_learning_where_that_is_asked_for_and_the_encoder_never(pack: Path, first: Path):
    task = Stage2Task(inputs(pack, {"stage1": str(first), "pixels": "1", "decoder": "1"}))
    model = task.build()
    names = set(changed(model, lambda: _descend(model, lambda step: task.loss(model, task.batch(seeded(step), 0.0)), 3)))
    learned = {name for name in names if name.startswith("vae.")}
    assert {"vae.vae.decoder", "vae.vae.post_quant_conv", "vae.query"} == {
        name[: name.index(".", 9)] if ".vae." in name else "vae.query" for name in learned
    }
    with pytest.raises(BadInput, match="give pixels=1, too"):
        Stage2Task(inputs(pack, {"stage1": str(first), "decoder": "1"}))


def test_maps_of_the_second_stage_have_mean_0_and_deviation_1(pack: Path, first: Path):
    task = Stage2Task(inputs(pack, {"stage1": str(first), "side": "32"}))
    drawn = draw_scenes(task.bank, seeded(7), 64, 32, paco_scenes.SLOTS)
    maps = map_of(task.vae, drawn.whole, drawn.sampled)
    assert maps.mean((0, 2, 3)).abs().max() < 0.2 and (maps.std((0, 2, 3)) - 1).abs().max() < 0.2


def test_a_whole_paco_goes_on_with_the_first_stage_it_has(pack: Path, first: Path, tmp_path: Path):
    task = Stage2Task(inputs(pack, {"stage1": str(first)}))
    model = stir(task.build())
    path = tmp_path / "paco.safetensors"
    export_weights(task.shipped(model), path, about=task.about(model))
    whole = load_paco(path)
    assert config_of(path).latent_std != PACO_TINY.latent_std
    again = Stage2Task(inputs(pack, {"stage1": str(path)}))
    on = again.build()
    load_weights(again.shipped(on), path)
    for part in (on, whole):
        assert all(torch.equal(value, whole.state_dict()[name]) for name, value in part.state_dict().items())
    assert torch.allclose(whole.vae.std, model.vae.std, rtol=1e-3)


@pytest.mark.parametrize(
    ("stage1", "sentence"),
    [("", "give --set stage1=FILE"), ("nowhere.safetensors", "no file of weights"), ("other", "belongs to paco-other")],
)
def test_a_second_stage_without_its_first_is_refused(pack: Path, tmp_path: Path, stage1: str, sentence: str):
    if stage1 == "other":
        config = replace(PACO_TINY, name="paco-other")
        export_weights(ParallelVae(config), tmp_path / "other", about={CONFIG_KEY: config.to_json()})
        stage1 = str(tmp_path / "other")
    with pytest.raises(BadInput, match=sentence):
        Stage2Task(inputs(pack, {"stage1": stage1}))


def test_names_are_kept_back_in_some_scenes(pack: Path, first: Path):
    task = Stage2Task(inputs(pack, {"stage1": str(first)}, batch=64))
    batch = task.batch(seeded(), 0.0)
    assert 0.03 < batch.nameless.float().mean() < 0.35
    model = stir(task.build())
    assert isinstance(model, Paco)
    condition = task.condition(model, batch.scenes, batch.scenes.names(task.bank)).without_names(batch.nameless)
    same = (condition.text == condition.no_text).flatten(1).all(1)
    assert same[batch.nameless].all() and not same[~batch.nameless].any()


def _descend(
    model: nn.Module, loss: Callable[[int], tuple[torch.Tensor, dict[str, torch.Tensor]]], steps: int
) -> list[dict[str, float]]:
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], 4e-3)
    found = []
    for step in range(steps):
        total, parts = loss(step)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append({name: float(part) for name, part in parts.items()})
    return found
