"""The command line: quick to answer, a sentence for every bad input, and a run that goes on where it was stopped."""

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import viewers.commands.version
from paco_core.errors import BadInput, ObjectFailed
from scene3d.backends.relief import ReliefLifter
from scene3d.types import LiftInput
from tests.tinypacks import write_tiny_pack
from viewers.cli import COMMANDS, gathered, main
from viewers.progressline import ProgressLine

PACO = [sys.executable, "-m", "viewers.cli"]
ROOT = Path(__file__).parents[1]
HW = (96, 128)


def paco(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run([*PACO, *map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with a small photo of two boxes on a floor, and their masks."""
    rng = np.random.default_rng(0)
    photo = rng.integers(100, 140, (*HW, 3), dtype=np.uint8)
    labels = np.zeros(HW, np.uint8)
    for value, (rows, columns) in enumerate([(slice(30, 80), slice(20, 60)), (slice(40, 86), slice(50, 100))], start=1):
        photo[rows, columns, value] += 90
        labels[rows, columns] = value
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(labels).save(tmp_path / "masks.png")
    return tmp_path


def test_help_is_quick_and_imports_no_array_library():
    heavy = "[m for m in ('numpy', 'tyro', 'torch') if m in sys.modules]"
    code = f"import sys, viewers.cli; viewers.cli.main(['--help']); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    assert (
        capsys.readouterr().out
        == """\
usage: paco COMMAND [options]

One photo in, a 3D scene of separate, complete, movable objects out.

  demo         reconstruct the photos that come with the package
  reconstruct  one photo and its masks become a 3D scene in a run folder
  deocclude    complete the objects of a photo, and the background behind them
  lift         make a mesh of every complete object of a run folder
  place        bring the meshes of a run folder to their places
  export       write the files of a run folder that people and programs open
  redo         lift one object of a run folder once more, in another way
  clean        remove what a run folder needs for going on, or all that runs made
  edit         rearrange the scene of a run folder: move, rotate, copy, hide, re-order …
  view         look at the scene of a run folder in a window
  turntable    film the scene of a run folder: MP4, WebP or GIF
  scenes       render scenes whose truth is known, for training and measuring
  eval         measure the methods on scenes whose truth is known
  pack         put whole objects into one file that training reads
  train        train a network on packs of whole objects
  backends     list the methods that can be chosen, and what each needs
  doctor       say what this machine has, and what is missing for what
  version      print the version

`paco COMMAND --help` explains a command. Exit codes: 0 complete, 2 bad input, 3 finished with fallbacks.
"""
    )


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: paco {command}" in capsys.readouterr().out


def test_no_command_is_bad_input(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "usage: paco COMMAND" in capsys.readouterr().err


def test_a_misspelt_command_is_answered_by_the_nearest_one(capsys: pytest.CaptureFixture[str]):
    assert main(["recnstruct"]) == 2
    expected = "paco: There is no command 'recnstruct'. Did you mean 'reconstruct'? `paco --help` lists them.\n"
    assert capsys.readouterr().err == expected


def test_a_misspelt_option_is_refused_with_the_nearest_one(inputs: Path):
    done = paco("reconstruct", "photo.png", "--maskes", "masks.png", "--out", "run", cwd=inputs)
    assert done.returncode == 2
    assert "--masks" in done.stderr
    assert not (inputs / "run").exists()


def test_backends_are_listed_with_what_they_need(capsys: pytest.CaptureFixture[str]):
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "kind"
    assert any(line.startswith("lifter") and "relief" in line and line.endswith("yes") for line in lines)


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path):
    done = subprocess.run(f"{' '.join(PACO)} backends | true", shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


def test_doctor_names_what_the_main_job_needs(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("Python", "numpy", "embreex", "free disk", "HEIC", "EXR", "paco view", "The main job can run"):
        assert word in text


def test_doctor_finds_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("viewers.doctor._version", lambda name: None if name == "tyro" else "1.0")
    assert main(["doctor"]) == 2
    error = capsys.readouterr().err
    assert "The main job can't run here" in error
    assert "pip install tyro" in error


BAD = {
    "no photo": (["gone.png", "--masks", "masks.png", "--out", "run"], "gone.png"),
    "a photo that is none": (["notes.txt", "--masks", "masks.png", "--out", "run"], "notes.txt"),
    "no masks": (["photo.png", "--masks", "gone", "--out", "run"], "gone"),
    "masks of another size": (["photo.png", "--masks", "small.png", "--out", "run"], "small.png"),
    "masks without an object": (["photo.png", "--masks", "empty.png", "--out", "run"], "empty.png"),
    "a file for a folder": (["photo.png", "--masks", "masks.png", "--out", "notes.txt"], "Give a folder with --out"),
    "a folder of somebody else": (["photo.png", "--masks", "masks.png", "--out", "."], "holds files that no run of paco made"),
    "an unknown preset": (
        ["photo.png", "--masks", "masks.png", "--out", "run", "--preset", "losless"],
        "Did you mean 'lossless'?",
    ),
    "an order of nobody": (["photo.png", "--masks", "masks.png", "--out", "run", "--order", "cup>table"], "cup"),
    "depth of another size": (["photo.png", "--masks", "masks.png", "--out", "run", "--depth", "depth.npy"], "depth.npy"),
    "an impossible lens": (["photo.png", "--masks", "masks.png", "--out", "run", "--fov-deg", "190"], "190"),
}


@pytest.mark.parametrize(("words", "fragment"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence_and_exit_code_2(
    words: list[str], fragment: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (inputs / "notes.txt").write_text("no picture")
    Image.fromarray(np.ones((10, 10), np.uint8)).save(inputs / "small.png")
    Image.fromarray(np.zeros(HW, np.uint8)).save(inputs / "empty.png")
    np.save(inputs / "depth.npy", np.ones((10, 50)))
    before = {file: file.read_bytes() for file in inputs.iterdir()}
    monkeypatch.chdir(inputs)
    assert main(["reconstruct", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    sentence = said.err.splitlines()[-1]
    assert sentence.startswith("paco reconstruct: ")
    assert fragment in sentence
    assert "Traceback" not in said.err
    assert before == {file: file.read_bytes() for file in inputs.iterdir() if file.is_file()}


def test_an_interrupted_run_goes_on_from_its_finished_stages(inputs: Path):
    words = ["reconstruct", "photo.png", "--masks", "masks.png", "--out", "run"]
    process = subprocess.Popen(
        [*PACO, *words],
        cwd=inputs,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        # a test run that a script put into the background hands down an ignored Ctrl-C
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    finished = inputs / "run/stages/segmentation.npz"
    end = time.monotonic() + 60
    while not finished.exists():
        assert process.poll() is None and time.monotonic() < end, "the first stage never finished"
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"run the same command again to go on from there" in said
    assert b"Traceback" not in said
    assert not (inputs / "run/scene.glb").exists()
    written = finished.stat().st_mtime_ns

    again = paco(*words, cwd=inputs)
    assert again.returncode in (0, 3), again.stderr
    assert finished.stat().st_mtime_ns == written
    assert "segmentation: from the run folder" in (inputs / "run/log.txt").read_text()
    assert (inputs / "run/scene.glb").exists()
    assert "run/scene.glb" in again.stdout


def test_names_may_be_a_list_of_words_or_a_file(inputs: Path):
    from viewers.inputs import InputOptions, read_inputs

    options = InputOptions(inputs / "photo.png", inputs / "masks.png", names="red box, crate")
    assert read_inputs(options).segmentation.names == ("red box", "crate")
    (inputs / "names.json").write_text('{"1": "vase", "2": "cup"}')
    assert read_inputs(replace(options, names=str(inputs / "names.json"))).segmentation.names == ("vase", "cup")
    with pytest.raises(BadInput, match="gone.json"):
        read_inputs(replace(options, names="gone.json"))


def test_a_run_with_fallbacks_lists_them_and_says_so_by_its_exit_code(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def failing(self: ReliefLifter, obj: LiftInput, *, seed: int = 0) -> None:
        raise ObjectFailed("too odd a shape")

    monkeypatch.chdir(inputs)
    monkeypatch.setattr(ReliefLifter, "lift", failing)
    assert main(["reconstruct", "photo.png", "--masks", "masks.png", "--out", "run"]) == 3
    text = capsys.readouterr().out
    assert "at a fallback" in text and text.count("too odd a shape") == 2
    assert (inputs / "run/scene.glb").exists()


def test_a_mistake_of_the_program_is_a_sentence_and_a_log(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.chdir(inputs)
    monkeypatch.setattr("viewers.job.reconstruct_in", broken)
    assert main(["reconstruct", "photo.png", "--masks", "masks.png", "--out", "run"]) == 1
    error = capsys.readouterr().err
    assert error == (
        "paco reconstruct stopped by a mistake of its own (ZeroDivisionError: of all things). "
        "Please report it with run/log.txt.\n"
    )
    assert "Traceback" in (inputs / "run/log.txt").read_text()


def test_a_mistake_outside_of_a_run_has_a_log_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(viewers.commands.version, "run", broken)
    assert main(["version"]) == 1
    log = Path(capsys.readouterr().err.split("Please report it with ")[1].strip().removesuffix("."))
    assert "ZeroDivisionError" in log.read_text()
    log.unlink()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_tells_how_long_the_rest_will_take():
    stream, clock = io.StringIO(), Clock()
    progress = ProgressLine(stream, clock)
    clock.now += 1
    progress("lift", 1, 8, "plate: slab")
    clock.now += 5
    progress("lift", 2, 8, "cup: relief")
    assert stream.getvalue() == "  1.0 s  lift 1/8  plate: slab\n  6.0 s  lift 2/8  about 18 s left of it  cup: relief\n"


def test_in_a_file_progress_is_lines_and_not_too_many():
    stream, clock = io.StringIO(), Clock()
    progress = ProgressLine(stream, clock)
    for done in range(1, 101):
        clock.now += 0.1
        progress("lift", done, 100)
    assert len(stream.getvalue().splitlines()) <= 4
    assert stream.getvalue().splitlines()[-1] == " 10.0 s  lift 100/100"


def test_on_a_terminal_progress_is_one_line_and_sentences_stay_whole():
    stream = Terminal()
    progress = ProgressLine(stream, Clock())
    progress("depth", 1, 2)
    progress("depth", 2, 2)
    progress.say("warning: masks overlap")
    assert [part for part in stream.getvalue().split("\r\x1b[2K") if part] == [
        "  0.0 s  depth 1/2",
        "  0.0 s  depth 2/2",
        "warning: masks overlap\n",
    ]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("a --set x=1 --out o --set y=2 z=3", "a --set x=1 y=2 z=3 --out o"),
        ("--packs p q --set x=1 --packs r", "--packs p q r --set x=1"),
        ("--out o --out p --set x", "--out o --out p --set x"),
        ("", ""),
    ],
)
def test_an_option_with_many_values_may_be_given_many_times(given: str, meant: str):
    assert gathered(given.split(), {"--set", "--packs"}) == meant.split()


def test_every_set_of_a_training_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pack = str(write_tiny_pack(tmp_path / "tiny.pack"))
    words = ["train", "paco-stage-1", "--packs", pack, "--out", str(tmp_path / "o"), "--set", "nonsense=1", "--set", "mask=1"]
    assert main(words) == 2 and "nonsense" in capsys.readouterr().err
