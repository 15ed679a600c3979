"""Two processes that train together: what each draws, what they agree on, and that going on is as never having stopped."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from paco_core.errors import BadInput
from paco_core.training import guard
from paco_core.training import log as runlog
from paco_core.training.checkpoint import read_checkpoint
from paco_core.training.results import FIGURES, WEIGHTS
from paco_core.training.runner import train
from paco_core.training.team import Team, processes
from tests.tinytask import NAME, tiny_options, tiny_pack

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def together(*words: str) -> str:
    """What two processes of torchrun say on stderr."""
    done = subprocess.run([*TORCHRUN, *words], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests/teamruns.py has left its runs."""
    folder = tmp_path_factory.mktemp("runs")
    tiny_pack(folder)
    (folder / "said").write_text(together("tests.teamruns", str(folder)))
    return folder


def told(runs: Path, name: str, rank: int) -> list[dict]:
    """What a process says of each of its starts."""
    return [json.loads(line) for line in (runs / f"{name}-{rank}.jsonl").read_text().splitlines()]


def state_of(run: Path) -> dict:
    state = read_checkpoint(run)
    assert state is not None
    return state["trainer"]


def test_every_process_draws_its_own_batches_for_the_same_weights(runs: Path):
    first, second = (told(runs, "whole", rank)[0] for rank in (0, 1))
    assert len(first["batches"]) == 60 and not set(first["batches"]) & set(second["batches"])
    assert first["weights"] == second["weights"] and len(set(first["weights"])) == 60


@pytest.mark.parametrize("name", ["pieces", "stopped"])
def test_two_processes_go_on_as_if_nothing_had_been(runs: Path, name: str):
    starts = [told(runs, name, rank) for rank in (0, 1)]
    assert [start["ended"] for start in starts[0]] == [start["ended"] for start in starts[1]]
    assert len(starts[0]) == 3 and starts[0][-1]["ended"] == "finished"
    for rank in (0, 1):
        assert [value for start in starts[rank] for value in start["batches"]] == told(runs, "whole", rank)[0]["batches"]
    assert all(map(torch.equal, *(load_file(runs / run / WEIGHTS).values() for run in (name, "whole"))))
    assert all(map(torch.equal, *(state_of(runs / run)["model"].values() for run in (name, "whole"))))


def test_what_is_not_a_number_in_one_process_is_skipped_by_both(runs: Path):
    state = state_of(runs / "not-numbers")
    assert state["guard"] == {"skipped": 3, "in_a_row": 0, "returns": 0} and state["ema"]["n_averaged"] == 57
    weights = [told(runs, "not-numbers", rank)[0]["weights"] for rank in (0, 1)]
    assert weights[0] == weights[1]
    assert weights[0][5] == weights[0][6] == weights[0][7] == weights[0][8] != weights[0][9]


def test_both_return_to_the_checkpoint_together(runs: Path):
    weights = [told(runs, "never", rank)[0]["weights"] for rank in (0, 1)]
    assert weights[0] == weights[1] and len(weights[0]) > 30
    state = state_of(runs / "never")
    assert state["guard"] == {"skipped": guard.MAX_IN_A_ROW, "in_a_row": 0, "returns": 1}
    assert (runs / "said").read_text().count("back to step") == 1, "the main process says it"


def test_the_main_process_alone_writes_figures_and_each_step_once(runs: Path):
    figures = json.loads((runs / "whole" / FIGURES).read_text())
    assert figures["settings"]["processes"] == 2 and figures["steps"] == 60
    assert [line["step"] for line in runlog.read(runs / "whole")] == [20, 40, 60, 60]


def test_another_number_of_processes_is_refused(runs: Path):
    with pytest.raises(BadInput, match="processes was 2, now 1"):
        train(NAME, tiny_options(runs / "whole"))


def test_a_signal_to_the_launcher_ends_both_with_a_checkpoint(runs: Path):
    out = runs / "signalled"
    words = f"tests.tinytask {NAME} --packs {runs / 'tiny.pack'} --out {out} --device cpu --steps 60 --set sleep_s=0.05".split()
    launcher = subprocess.Popen([*TORCHRUN, *words], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (out / runlog.LOG_FILE).exists() and launcher.poll() is None:
        time.sleep(0.1)
    launcher.terminate()
    _, said = launcher.communicate(timeout=60)
    assert launcher.returncode != 0 and said.count("The same command goes on from here") == 1
    assert 20 <= state_of(out)["steps"] < 60
    together(*words)
    assert all(map(torch.equal, load_file(out / WEIGHTS).values(), load_file(runs / "whole" / WEIGHTS).values()))


def test_the_command_works_in_two_processes_and_tells_once(runs: Path):
    words = f"tests.tinytask {NAME} --packs {runs / 'tiny.pack'} --out {runs / 'command'} --device cpu --steps 20"
    assert together(*words.split()).count("train 20/20") == 1


def test_alone_a_team_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert processes() == 1, "a batch system's variable alone starts no team"
    monkeypatch.delenv("WORLD_SIZE")
    team, value = Team(precision="fp32", device="cpu"), torch.tensor(3.0)
    assert team.main and team.size == 1 and team.main_says(0.1) == 0.1
    assert team.mean({"loss": value})["loss"] is value and team.collected("x") == ["x"]
    assert team.anybody(True) and not team.anybody(False)
