"""Recipes, accumulated batches, rates by part, and what is said when memory is full or a loss has a bad name."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from paco_core.errors import BadInput
from paco_core.presets import load_preset, preset_names
from paco_core.training.groups import parameter_groups, read_rates
from paco_core.training.memory import MemoryFull, room_for
from paco_core.training.options import Settings, TrainOptions, settle, task_options
from paco_core.training.paco_options import SCALES, read_options
from paco_core.training.paco_stage1 import Stage1Options
from paco_core.training.paco_stage2 import Stage2Options
from paco_core.training.recipe import GROUP, Recipe, with_recipe
from paco_core.training.runner import train
from paco_core.training.task import Defaults
from paco_core.training.tasks import TASKS
from paco_core.training.team import Team
from paco_core.training.trainer import BETAS, Trainer
from tests.tinytask import NAME, TinyTask, tiny_options


def settings(tmp_path: Path, **options) -> Settings:
    return settle(NAME, with_recipe(tiny_options(tmp_path / "run", **options)), TinyTask.defaults, "cpu")


def recipe(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return str(file)


def test_a_recipe_speaks_where_the_command_is_silent(tmp_path: Path):
    file = recipe(
        tmp_path, "{batch: 3, lr: 1e-3, ema: 0.5, precision: bf16, steps: 7, set: [wide=5, sleep_s=0], rates: [0.=0.1]}"
    )
    made = settings(tmp_path, config=file, lr=0.02, steps=None, set=("wide=6",))
    assert (made.batch, made.lr, made.ema, made.precision, made.steps) == (3, 0.02, 0.5, "bf16", 7)
    assert made.options == ("sleep_s=0", "wide=6") and made.rates == ("0.=0.1",) and made.clip == TinyTask.defaults.clip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batches: 3", r"mine.yaml: 'batches' is no setting. Did you mean 'batch'\?"),
        ("packs: [a.pack]", "'packs' is no setting"),
        ("lr: fast", "lr is 'fast', but must be a number"),
        ("lr: .nan", "--lr nan makes no sense"),
        ("warmup: 1.5", "--warmup 1.5 makes no sense"),
        ("ema: -1", "--ema -1.0 makes no sense"),
        ("accumulate: 0", "--accumulate 0 makes no sense"),
        ("set: [wide]", "'wide' is no name=value"),
        ("[", "is no YAML"),
    ],
)
def test_a_recipe_that_cannot_be_is_answered_by_a_sentence(tmp_path: Path, text: str, told: str):
    with pytest.raises(BadInput, match=told):
        settings(tmp_path, config=recipe(tmp_path, text))


def test_an_unknown_recipe_is_answered_by_the_known_ones(tmp_path: Path):
    with pytest.raises(BadInput, match=r"no preset 'paco-sd-stage3'. Did you mean 'paco-sd-stage\d'\?"):
        settings(tmp_path, config="paco-sd-stage3")


def test_every_option_of_a_recipe_is_one_of_the_command():
    ours, theirs = ({field.name: field for field in dataclasses.fields(kind)} for kind in (Recipe, TrainOptions))
    assert all(theirs[name].type == field.type and theirs[name].default == field.default for name, field in ours.items())


@pytest.mark.parametrize("name", preset_names(GROUP))
def test_the_recipes_of_the_package_fit_their_tasks(name: str, tmp_path: Path):
    told = task_options(load_preset(name, Recipe, group=GROUP).set)
    kind, needed = (Stage1Options, {}) if "stage1" in name else (Stage2Options, {"stage1": "w"})
    made = read_options(needed | told | ({"base": "folder"} if "-sd-" in name else {}), kind, name)
    assert made.config == SCALES[made.scale] and made.scale == name.rpartition("-")[0]
    settings(tmp_path, config=name)


def test_recipes_are_no_presets_of_the_main_job():
    assert preset_names() == ("lossless",) and "paco-sd-stage1" in preset_names(GROUP)


class Fixed(TinyTask):
    """Learns from one number after another: the squared distance of a weight from it."""

    defaults = Defaults(batch=1, lr=0.5, minutes=1.0, weight_decay=0.0, warmup=0.0)

    def __init__(self, numbers: list[float]) -> None:
        self.numbers = numbers

    def build(self) -> nn.Module:
        return nn.Linear(1, 1, bias=False)

    def batch(self, generator: torch.Generator, share: float) -> torch.Tensor:
        return torch.tensor(self.numbers.pop(0))

    def loss(self, model: nn.Module, batch: torch.Tensor):
        error = (model.weight - batch).square().mean()  # type: ignore[operator]
        return error, {"far": error.detach()}


def trained(tmp_path: Path, numbers: list[float], **options) -> tuple[Trainer, dict[str, torch.Tensor]]:
    chosen = settle(NAME, tiny_options(tmp_path / "run", **options), Fixed.defaults, "cpu")
    trainer = Trainer(Fixed(numbers), chosen, Team(precision="fp32", device="cpu"))
    nn.init.zeros_(trainer.model.weight)  # type: ignore[arg-type]
    return trainer, trainer.step(0.0).values


def test_accumulated_batches_are_one_larger_batch(tmp_path: Path):
    trainer, values = trained(tmp_path, [1.0, 3.0, 5.0], accumulate=3)
    assert values["loss"] == values["far"] == pytest.approx((1 + 9 + 25) / 3)
    assert values["gradient"] == pytest.approx(2 * (1 + 3 + 5) / 3)
    assert trainer.steps == 1 and trainer.model.weight.item() == pytest.approx(0.5)  # type: ignore[union-attr]
    state = trainer.optimizer.state_dict()["state"][0]
    assert state["exp_avg"].item() == pytest.approx(-(1 - BETAS[0])), "of a gradient that was clipped once, to -1"


def test_a_part_learns_at_its_share_of_the_rate(tmp_path: Path):
    chosen = settings(tmp_path, rates=("0.=0.5", "0.weight=0.1"))
    groups = parameter_groups(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1)), chosen)
    found = [(group["lr"], group["weight_decay"], *weight.shape) for group in groups for weight in group["params"]]
    assert found == [(0.05, 0.02, 1, 8), (0.05, 0.0, 1), (0.025, 0.0, 8), (pytest.approx(0.005), 0.02, 8, 4)]


def test_rates_rise_and_fall_together(tmp_path: Path):
    trainer, _ = trained(tmp_path, [1.0, 1.0], rates=("weight=0.25",), warmup=0.5)
    trainer.step(0.5)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.25 * 0.5)


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        (("unet.=0.5",), "no weight that learns begins with 'unet.'. Weights are called 0.weight"),
        (("0.",), "'0.' is no beginning=share"),
        (("0.=-1",), "'0.=-1' makes no sense"),
        (("=1",), "'=1' makes no sense"),
        (("0.=nan",), "'0.=nan' makes no sense"),
    ],
)
def test_rates_that_cannot_be_are_answered_by_a_sentence(tmp_path: Path, rates: tuple[str, ...], told: str):
    with pytest.raises(BadInput, match=told):
        train(NAME, tiny_options(tmp_path / "run", rates=rates))


def test_the_longest_beginning_counts():
    assert list(read_rates(("a=1", "a.b=2", "a.b.c=3"))) == ["a.b.c", "a.b", "a"]


class Greedy(TinyTask):
    """Asks for more memory than there is, in its third step, where a batch has more than 4 samples."""

    def batch(self, generator: torch.Generator, share: float) -> torch.Tensor:
        if self.drawn == 2 and self.inputs.batch > 4:
            torch.empty(1 << 52)
        return super().batch(generator, share)


class Named(TinyTask):
    """Calls a part of its loss as the log calls the gradient's norm."""

    def loss(self, model: nn.Module, batch: torch.Tensor):
        total, parts = super().loss(model, batch)
        return total, {**parts, "gradient": total.detach()}


def test_full_memory_is_answered_by_what_to_lower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TASKS, "greedy", "tests.test_recipes:Greedy")
    with pytest.raises(MemoryFull, match=r"--batch of 8\. Give --batch 4 --accumulate 2 .* --set checkpointing=1"):
        train("greedy", tiny_options(tmp_path / "run"))
    assert (tmp_path / "run" / "state.pt").exists()
    assert train("greedy", tiny_options(tmp_path / "run", batch=4, accumulate=2)).finished, "it goes on as it was told to"


@pytest.mark.parametrize(
    ("batch", "told"),
    [(1, "of 1. Give --set checkpointing"), (9, "Give --batch 3 --accumulate 3 "), (7, "Give --batch 1 --accumulate 7 ")],
)
def test_a_smaller_batch_holds_as_many_samples_a_step(tmp_path: Path, batch: int, told: str):
    with pytest.raises(MemoryFull, match=re.escape(told)), room_for(settings(tmp_path, batch=batch)):
        raise MemoryError


def test_what_has_nothing_to_do_with_memory_stays_as_it_is(tmp_path: Path):
    with pytest.raises(RuntimeError, match="shapes differ"), room_for(settings(tmp_path)):
        raise RuntimeError("shapes differ")


def test_a_loss_may_not_use_the_log_s_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TASKS, "named", "tests.test_recipes:Named")
    with pytest.raises(ValueError, match="calls a part of its loss 'gradient'"):
        train("named", tiny_options(tmp_path / "run"))
