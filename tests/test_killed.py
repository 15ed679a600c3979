"""kill -9 at any moment: no finished stage is lost, nothing half-written is read, the next run ends as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither fork nor SIGKILL")

ROOT = Path(__file__).parents[1]
HW = (96, 128)
PACO = [sys.executable, "-m", "viewers.cli"]
BOXES = {1: (slice(30, 80), slice(20, 60)), 2: (slice(40, 86), slice(50, 100)), 3: (slice(60, 80), slice(2, 18))}


def write_masks(path: Path, ids: tuple[int, ...]) -> None:
    labels = np.zeros(HW, np.uint8)
    for value in ids:
        labels[BOXES[value]] = value
    Image.fromarray(labels).save(path)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with a small photo of boxes, and masks of one, two and two others of them."""
    rng = np.random.default_rng(0)
    photo = rng.integers(100, 140, (*HW, 3), dtype=np.uint8)
    for value, place in BOXES.items():
        photo[(*place, value % 3)] += 90
    Image.fromarray(photo).save(tmp_path / "photo.png")
    for name, ids in {"one": (3,), "two": (1, 2), "others": (1, 3)}.items():
        write_masks(tmp_path / f"{name}.png", ids)
    return tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def killed(folder: Path, template: str, shares: str, masks: str) -> tuple[dict, list[dict]]:
    """What tests/killed.py tells of the undisturbed run and of the disturbed ones."""
    words = [sys.executable, "-m", "tests.killed", template, shares, "reconstruct", "photo.png", "--masks", masks]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *others = (json.loads(line) for line in done.stdout.splitlines())
    return first, others


def check(undisturbed: dict, disturbed: list[dict]) -> set[str]:
    """The laws, and which scenes readers saw."""
    assert undisturbed["status"] == 0 and disturbed
    for one in disturbed:
        assert one["killed"] == signal.SIGKILL, one
        assert one["scene"] in (undisturbed["before"], undisturbed["scene"]), f"neither the old nor the new scene: {one}"
        assert one["damaged"] == [] and one["status"] == 0, one
        assert one["digest"] == undisturbed["digest"], f"another result: {one}"
    return {one["scene"] for one in disturbed}


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_writes_the_scene_ends_as_if_nothing_had_been(inputs: Path):
    undisturbed, disturbed = killed(inputs, "none", "0.93", "one.png")
    check(undisturbed, disturbed)
    assert "does not exist" in undisturbed["before"]


@pytest.mark.slow
def test_whenever_a_run_is_killed_readers_see_the_old_or_the_new_scene(inputs: Path):
    words = [*PACO, "reconstruct", "photo.png", "--masks", "two.png", "--out", "template"]
    subprocess.run(words, cwd=inputs, env=environment(), check=True, capture_output=True)
    shares = ",".join(f"{share:.3f}" for share in (*np.arange(0, 0.8, 0.05), *np.arange(0.8, 1, 0.01)))
    undisturbed, disturbed = killed(inputs, "template", shares, "others.png")
    assert check(undisturbed, disturbed) == {undisturbed["before"], undisturbed["scene"]}


def test_stages_that_were_finished_when_the_run_was_killed_are_not_computed_again(inputs: Path):
    words = [*PACO, "reconstruct", "photo.png", "--masks", "one.png", "--out", "run"]
    process = subprocess.Popen(words, cwd=inputs, env=environment(), stderr=subprocess.PIPE)
    stages = inputs / "run/stages"
    end = time.monotonic() + 60
    while not (stages / "ground.npz").exists():
        assert process.poll() is None and time.monotonic() < end, "the stage never finished"
        time.sleep(0.001)
    process.kill()
    process.communicate(timeout=60)
    finished = {file: file.stat().st_mtime_ns for file in stages.rglob("*.npz")}
    assert subprocess.run(words, cwd=inputs, env=environment(), capture_output=True).returncode == 0
    assert finished == {file: file.stat().st_mtime_ns for file in finished}
    assert len(list(stages.rglob("*.npz"))) > len(finished)
    assert not list((inputs / "run").rglob("*-part"))
