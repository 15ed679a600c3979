"""Laws of the runner's parts, and what `paco train` and its twin without tyro say."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from paco_core.errors import BadInput
from paco_core.nets.weights import export_weights, load_weights
from paco_core.training.__main__ import parser
from paco_core.training.ema import WARM_UP, averaged, decay_at
from paco_core.training.guard import MAX_IN_A_ROW, MAX_RETURNS, Guard
from paco_core.training.log import append, forget_after, read
from paco_core.training.options import TrainOptions
from paco_core.training.results import WEIGHTS
from paco_core.training.schedule import LOWEST, Budget, rate_factor
from tests.tinytask import NAME, tiny_pack
from viewers.cli import main

ROOT = Path(__file__).parents[1]
OTHERS = "jaxtyping tyro scipy skimage cv2 networkx threadpoolctl trimesh embreex fast_simplification open3d hypothesis beartype"
"""What the project has and a training machine may lack (accelerate itself asks for PyYAML)."""

shares = st.floats(0, 1)


@given(shares, st.floats(0.01, 0.5))
def test_the_rate_stays_between_its_lowest_and_its_highest(share: float, warmup: float):
    assert LOWEST - 1e-9 <= rate_factor(share, warmup) <= 1 + 1e-9


@given(shares, shares, st.floats(0.01, 0.5))
def test_the_rate_rises_and_then_falls(one: float, other: float, warmup: float):
    low, high = sorted((one, other))
    first, second = rate_factor(low, warmup), rate_factor(high, warmup)
    if high <= warmup:
        assert first <= second + 1e-9
    if low >= warmup:
        assert first >= second - 1e-9


def test_the_rate_starts_low_peaks_after_the_warm_up_and_ends_low():
    assert rate_factor(0, 0.1) == rate_factor(1, 0.1) == pytest.approx(LOWEST)
    assert rate_factor(0.1, 0.1) == 1
    assert rate_factor(0.55, 0.1) == pytest.approx((1 + LOWEST) / 2)


@given(st.floats(0, 1e5), st.integers(0, 1000), st.floats(1, 1e4), st.integers(1, 500) | st.none())
def test_a_budget_is_spent_when_the_first_of_its_limits_is(seconds: float, steps: int, limit: float, most: int | None):
    spent = seconds >= limit or (most is not None and steps >= most)
    assert (Budget(limit, most).share(seconds, steps) == 1) == spent


def average_of(values: list[float], decay: float) -> float:
    """The averaged weight of a model whose only weight takes these values after a start of 1000."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1000.0)
        ema = averaged(model, decay)
        for value in values:
            model.weight.fill_(value)
            ema.update_parameters(model)
    return float(ema.module.weight)


numbers = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=40)


@given(numbers, st.floats(0.1, 0.999))
def test_an_average_lies_between_what_it_averages_and_never_holds_the_start(values: list[float], decay: float):
    assert min(values) - 1e-4 <= average_of(values, decay) <= max(values) + 1e-4


def test_the_average_of_the_first_weights_by_hand():
    ninth = 9 / 10  # the second value's weight: WARM_UP / (1 + WARM_UP)
    assert WARM_UP == 9
    assert average_of([4.0], 0.999) == 4.0
    assert average_of([4.0, 14.0], 0.999) == pytest.approx(4 + ninth * 10)
    assert average_of([0.0] * 50 + [1.0], 0.5) == pytest.approx(0.5)


@given(st.integers(0, 10**6), st.floats(0.1, 0.9999))
def test_the_average_grows_slower_up_to_its_decay(updates: int, decay: float):
    assert decay_at(updates, decay) <= decay_at(updates + 1, decay) <= decay


def test_an_average_takes_no_gradient_and_copies_buffers():
    model = nn.BatchNorm1d(2)
    ema = averaged(model, 0.9)
    model.running_mean.fill_(3.0)  # type: ignore[union-attr]
    ema.update_parameters(model)
    assert not any(weight.requires_grad for weight in ema.parameters())
    assert torch.equal(ema.module.running_mean, torch.full((2,), 3.0))


@given(st.lists(st.booleans(), max_size=200))
def test_the_guard_gives_up_only_after_its_returns(steps: list[bool]):
    guard = Guard()
    verdicts = [guard.judge(finite=finite) for finite in steps]
    assert guard.skipped == steps.count(False)
    assert verdicts.count("return") + verdicts.count("give up") == guard.returns
    assert ("give up" in verdicts) == (guard.returns > MAX_RETURNS)
    assert guard.in_a_row < MAX_IN_A_ROW
    assert guard.rate == 0.5**guard.returns


def test_a_log_that_was_cut_off_is_read_up_to_there_and_forgotten_after_a_step(tmp_path: Path):
    assert list(read(tmp_path)) == []
    for step in (1, 2, 3):
        append(tmp_path, {"step": step, "loss": 0.5})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    forget_after(tmp_path, 2)
    assert [line["step"] for line in read(tmp_path)] == [1, 2]


def test_exported_weights_come_back_in_half_precision(tmp_path: Path):
    torch.manual_seed(0)
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    export_weights(one, tmp_path / "w.safetensors", about={"task": "x"})
    load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(other.weight, one.weight.half().float())


def test_weights_that_half_precision_cannot_hold_are_not_exported(tmp_path: Path):
    model = nn.Linear(1, 1)
    nn.init.constant_(model.bias, 1e6)
    with pytest.raises(BadInput, match="bias holds values that half precision does not"):
        export_weights(model, tmp_path / "w.safetensors", about={})
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_nearly_right_is_answered_by_the_right_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pack = str(tiny_pack(tmp_path))
    assert main(["train", "paco-feat-2", "--packs", pack, "--out", str(tmp_path / "run")]) == 2
    assert "There is no task 'paco-feat-2'. Did you mean 'paco-feat-1'?" in capsys.readouterr().err


def test_paco_train_trains_pauses_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["train", NAME, "--packs", str(tiny_pack(tmp_path)), "--out", str(tmp_path / "run"), "--steps", "20"]
    words += ["--device", "cpu"]
    assert main([*words, "--pause-after-minutes", "1e-9"]) == 130
    assert "paused: the same command goes on" in capsys.readouterr().out
    assert main(words) == 0
    assert "20 steps" in capsys.readouterr().out
    assert load_file(tmp_path / "run" / WEIGHTS)


def test_the_twin_without_tyro_has_the_same_options():
    actions = {action.dest: action for action in parser()._actions if action.dest not in ("help", "name")}
    fields = {field.name: field for field in dataclasses.fields(TrainOptions)}
    assert actions.keys() == fields.keys()
    for name, action in actions.items():
        assert action.required == (fields[name].default is dataclasses.MISSING)
        assert action.required or action.default == fields[name].default


def test_the_twin_without_tyro_reads_every_kind_of_option():
    words = "x --packs a b --out o --max-minutes 2.5 --steps 7 --device cpu --compile --set k=v l=w --warm-start w".split()
    given = parser().parse_args(words)
    assert given.packs == (Path("a"), Path("b")) and given.out == Path("o") and given.warm_start == Path("w")
    assert (given.max_minutes, given.steps, given.device, given.compile) == (2.5, 7, "cpu", True)
    assert given.set == ("k=v", "l=w") and given.held_out == ()
    assert parser().parse_args([*words, "--set", "m=x", "--packs", "c"]).set == ("k=v", "l=w", "m=x")


def test_training_needs_torch_accelerate_safetensors_and_pillow_alone(tmp_path: Path):
    code = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({OTHERS.split()!r}))  # importing what is None fails
import importlib, pkgutil, paco_core.training, paco_core.nets
for package in (paco_core.training, paco_core.nets):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
import tests.tinytask
sys.argv = ["train", "{NAME}", "--packs", {str(tiny_pack(tmp_path))!r}, "--out", {str(tmp_path / "run")!r}, "--steps", "3"]
runpy.run_module("paco_core.training", run_name="__main__")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert "3 steps" in done.stdout
