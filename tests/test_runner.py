"""The runner: stopped and gone on with is the same as never stopped; what is not a number costs steps, not weights."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from paco_core.errors import BadInput
from paco_core.lock import FolderLock
from paco_core.training import guard
from paco_core.training import log as runlog
from paco_core.training.checkpoint import CHECKPOINT, read_checkpoint
from paco_core.training.results import FIGURES, SAMPLES, WEIGHTS
from paco_core.training.runner import TrainingFailed, train
from paco_core.training.tasks import TASKS
from tests.tinytask import NAME, tiny_options, tiny_pack

ROOT = Path(__file__).parents[1]


def ticking(seconds: float = 1.0) -> Iterator[float]:
    """A clock for ``next``: every look at it takes that long."""
    now = 0.0
    while True:
        yield now
        now += seconds


def go(out: Path, **options):
    clock = ticking(options.pop("tick_s", 1.0))
    return train(NAME, tiny_options(out, **options), clock=lambda: next(clock))


def state_of(out: Path) -> dict:
    state = read_checkpoint(out)
    assert state is not None
    return state["trainer"]


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def assert_same_run(one: Path, other: Path) -> None:
    """Everything but the seconds."""
    first, second = ({key: value for key, value in state_of(out).items() if key != "seconds"} for out in (one, other))
    assert same(first, second)
    assert same(load_file(one / WEIGHTS), load_file(other / WEIGHTS))
    assert [line["step"] for line in runlog.read(one) if "loss" in line] == [20, 40, 60]


def test_a_run_in_pieces_ends_as_one_in_one_go(tmp_path: Path):
    go(tmp_path / "whole")
    pieces = [go(tmp_path / "pieces", pause_after_minutes=0.4, every_minutes=0.05) for _ in range(3)]
    assert [piece.finished for piece in pieces] == [False, False, True]
    assert 0 < pieces[0].steps < pieces[1].steps < 60
    assert_same_run(tmp_path / "whole", tmp_path / "pieces")


def tiny_command(out: Path, *words: str) -> list[str]:
    pack = str(tiny_pack(out.parent))
    command = [sys.executable, "-m", "tests.tinytask", NAME, "--packs", pack, "--out", str(out), "--device", "cpu"]
    return [*command, "--steps", "60", "--set", "sleep_s=0.02", *words]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_a_signal_ends_goes_on_as_if_nothing_had_been(tmp_path: Path, number: signal.Signals):
    out, options = tmp_path / "stopped", {"every_minutes": 0.002, "set": ("sleep_s=0.02",)}
    process = subprocess.Popen(tiny_command(out, "--every-minutes", "0.002"), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (out / SAMPLES).exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert not (out / FIGURES).exists()
    assert 0 < state_of(out)["steps"] < 60
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "The same command goes on" in said
    train(NAME, tiny_options(out, **options))
    go(tmp_path / "whole", set=("sleep_s=0.02",), tick_s=0.001)
    assert_same_run(out, tmp_path / "whole")


def test_ctrl_c_ends_after_the_step_in_hand_and_gives_the_signal_back(tmp_path: Path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "run", set=("interrupt_at=12",))
    assert state_of(tmp_path / "run")["steps"] == 12
    assert signal.getsignal(signal.SIGINT) is before


def test_a_time_budget_is_kept_within_a_step(tmp_path: Path):
    result = go(tmp_path / "run", steps=None, max_minutes=2.0, tick_s=7.0)
    assert result.finished
    assert 120 <= result.seconds < 120 + 7
    rates = [line["rate"] for line in runlog.read(tmp_path / "run") if "rate" in line]
    assert result.steps == 18
    assert not rates, "fewer steps than a line of the log"


def test_a_time_budget_holds_over_all_pieces(tmp_path: Path):
    pieces = [go(tmp_path / "run", steps=None, max_minutes=2.0, pause_after_minutes=0.8) for _ in range(3)]
    assert [piece.finished for piece in pieces] == [False, False, True]
    assert 120 <= pieces[-1].seconds < 122
    assert pieces[-1].steps == pytest.approx(120, abs=3)


def test_a_time_budget_ends_annealed(tmp_path: Path):
    result = go(tmp_path / "run", steps=None, max_minutes=2.0, tick_s=1.0)
    last = [line["rate"] for line in runlog.read(tmp_path / "run") if "rate" in line][-1]
    assert result.steps == 120
    assert last < 0.02 * 0.05


def test_a_finished_run_is_not_trained_again(tmp_path: Path):
    first = go(tmp_path / "run")
    before = (tmp_path / "run" / CHECKPOINT).stat().st_mtime_ns
    assert go(tmp_path / "run") == first
    assert (tmp_path / "run" / CHECKPOINT).stat().st_mtime_ns == before


def test_log_figures_samples_and_weights_are_there_to_read(tmp_path: Path):
    out = tmp_path / "run"
    result = go(out, every_minutes=0.2)
    told = json.loads((out / FIGURES).read_text())
    assert told["figures"] == result.figures and set(result.figures) == {"error"}
    assert told["steps"] == 60 and told["settings"]["lr"] == 0.05 and told["packs"] == ["tiny.pack"]
    lines = list(runlog.read(out))
    assert all({"step", "seconds", "steps_per_s", "skipped"} <= line.keys() for line in lines)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 3 and losses[-1] < losses[0] and "figures" in lines[-1]
    sizes = {Image.open(path).size for path in (out / SAMPLES).iterdir()}
    assert len(list((out / SAMPLES).iterdir())) > 2 and sizes == {(6, 4)}
    weights = load_file(out / WEIGHTS)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    average = state_of(out)["ema"]
    assert torch.equal(weights["weight"], average["module.0.weight"].half())


def test_progress_counts_to_the_end(tmp_path: Path):
    told: list[tuple] = []
    train(NAME, tiny_options(tmp_path / "run"), progress=lambda *what: told.append(what))
    assert [(stage, done, total) for stage, done, total, _ in told] == [("train", done, 60) for done in (20, 40, 60)]


def test_a_step_that_is_not_a_number_is_skipped_and_counted(tmp_path: Path):
    result = go(tmp_path / "run", set=("nan_at=5:7",))
    assert result.skipped == 3
    state = state_of(tmp_path / "run")
    assert state["guard"] == {"skipped": 3, "in_a_row": 0, "returns": 0}
    assert all(value.isfinite().all() for value in state["model"].values())
    assert state["ema"]["n_averaged"] == 57


def test_many_in_a_row_lead_back_to_the_last_checkpoint_with_half_the_rate(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    last = 29 + guard.MAX_IN_A_ROW
    result = go(tmp_path / "run", every_minutes=0.15, set=(f"nan_at=30:{last}",))
    assert result.skipped == guard.MAX_IN_A_ROW and result.steps == 60
    assert state_of(tmp_path / "run")["guard"]["returns"] == 1
    assert "back to step" in caplog.text
    step = int(caplog.text.split("back to step ")[1].split(",")[0])
    assert 15 <= step <= 30
    rates = [line["rate"] for line in runlog.read(tmp_path / "run") if "rate" in line]
    assert rates[-1] < 0.51 * 0.05 * 0.011


def test_a_loss_that_is_never_a_number_ends_with_a_sentence(tmp_path: Path):
    with pytest.raises(TrainingFailed, match=r"not a number, also after 3 returns .* lower --lr"):
        go(tmp_path / "run", set=("nan_at=all",))
    assert state_of(tmp_path / "run")["steps"] == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lr": 0.1}, r"lr was 0.05, now 0.1"),
        ({"seed": 3}, "seed was 0, now 3"),
        ({"steps": 61}, "steps was 60, now 61"),
        ({"set": ("wide=5",)}, "options was without, now wide=5"),
        ({"batch": 4}, "samples was 8, now 4"),
    ],
)
def test_changed_settings_are_refused(tmp_path: Path, changed: dict, told: str):
    go(tmp_path / "run", pause_after_minutes=0.1)
    with pytest.raises(BadInput, match=told):
        go(tmp_path / "run", **changed)


def test_other_packs_and_other_tasks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    go(tmp_path / "run", pause_after_minutes=0.1)
    monkeypatch.setitem(TASKS, "other", "tests.tinytask:TinyTask")
    with pytest.raises(BadInput, match="task was tiny, now other"):
        train("other", tiny_options(tmp_path / "run"))
    (tmp_path / "tiny.pack").write_bytes(b"other")
    with pytest.raises(BadInput, match="packs was"):
        go(tmp_path / "run")


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half of it", b"cos\nsystem\n(S'true'\ntR."])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: bytes):
    go(tmp_path / "run", pause_after_minutes=0.1)
    (tmp_path / "run" / CHECKPOINT).write_bytes(damage)
    with pytest.raises(BadInput, match="no checkpoint that can be read"):
        go(tmp_path / "run")


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path):
    (tmp_path / "run").mkdir()
    torch.save({"version": 1, "settings": Path("x")}, tmp_path / "run" / CHECKPOINT)
    with pytest.raises(BadInput, match="no checkpoint that can be read"):
        go(tmp_path / "run")


def test_a_run_goes_on_in_smaller_batches_of_as_many_samples_and_without_what_can_be_computed_again(tmp_path: Path):
    half = go(tmp_path / "run", pause_after_minutes=0.1)
    done = go(tmp_path / "run", batch=4, accumulate=2, set=("checkpointing=1",))
    assert done.finished and half.steps < done.steps == 60


def without(state: dict, key: str) -> dict:
    return {name: value for name, value in state.items() if name != key}


DAMAGES = {
    "another shape": lambda s: s | {"model": {name: torch.zeros(3, 3) for name in s["model"]}},
    "other names": lambda s: s | {"model": {f"{name}_old": value for name, value in s["model"].items()}},
    "no counters": lambda s: without(s, "guard"),
    "odd counters": lambda s: s | {"guard": {"luck": 1}},
    "steps in words": lambda s: s | {"steps": "many"},
    "no generators": lambda s: s | {"random": {"batches": torch.zeros(3), "cpu": torch.zeros(3)}},
    "no optimiser": lambda s: s | {"optimizer": {"state": {}, "param_groups": []}},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_checkpoint_of_another_network_is_refused_and_left_as_it_is(tmp_path: Path, damage):
    path = tmp_path / "run" / CHECKPOINT
    go(tmp_path / "run", pause_after_minutes=0.1)
    state = torch.load(path, weights_only=True)
    torch.save(state | {"trainer": damage(state["trainer"])}, path)
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"does not fit the network of this task .* left as it is: choose another --out"):
        go(tmp_path / "run")
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", [{"settings": [1]}, {"settings": {}}, {"settings": {"options": 5}}, {"trainer": 5}])
def test_a_checkpoint_without_settings_or_state_is_refused(tmp_path: Path, change: dict):
    go(tmp_path / "run", pause_after_minutes=0.1)
    path = tmp_path / "run" / CHECKPOINT
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(BadInput, match=r"no checkpoint of a training|a run with other settings"):
        go(tmp_path / "run")


def test_a_folder_takes_one_run_at_a_time(tmp_path: Path):
    go(tmp_path / "run", pause_after_minutes=0.1)
    lock = FolderLock(tmp_path / "run")
    lock.acquire()
    with pytest.raises(BadInput, match="Another run works in"):
        go(tmp_path / "run")
    lock.release()
    assert go(tmp_path / "run").finished


def test_an_output_that_is_a_file_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match=r"tiny.pack can't be made a folder"):
        go(tiny_pack(tmp_path))


def test_a_warm_start_begins_with_the_weights_of_another_run(tmp_path: Path):
    go(tmp_path / "first")
    warm = tmp_path / "first" / WEIGHTS
    go(tmp_path / "second", warm_start=warm, steps=1, lr=1e-30)
    assert torch.equal(state_of(tmp_path / "second")["model"]["0.weight"], load_file(warm)["weight"].float())
    assert torch.equal(state_of(tmp_path / "second")["ema"]["module.0.weight"], load_file(warm)["weight"].float())
    with pytest.raises(BadInput, match=r"weights of another network: .*size mismatch"):
        go(tmp_path / "third", warm_start=warm, set=("wide=5",))
    with pytest.raises(BadInput, match="no safetensors file"):
        go(tmp_path / "fourth", warm_start=tiny_pack(tmp_path))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_minutes": 0.0}, "--max-minutes 0.0 makes no sense"),
        ({"max_minutes": float("nan")}, "--max-minutes nan makes no sense"),
        ({"steps": 0}, "--steps 0"),
        ({"lr": -1.0}, "--lr -1.0"),
        ({"batch": 0}, "--batch 0"),
        ({"precision": "fp16"}, "needs a GPU"),
        ({"set": ("wide",)}, "'wide' is no name=value"),
        ({"packs": (Path("nowhere.pack"),)}, "nowhere.pack can't be read"),
        ({"device": "mps"}, "--device mps: torch finds none here"),
    ],
)
def test_options_that_cannot_be_are_answered_by_a_sentence(tmp_path: Path, options: dict, told: str):
    if options.get("device") == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(BadInput, match=told):
        go(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_bf16_trains_too(tmp_path: Path):
    go(tmp_path / "run", precision="bf16")
    lines = [line["loss"] for line in runlog.read(tmp_path / "run") if "loss" in line]
    assert lines[-1] < lines[0]
