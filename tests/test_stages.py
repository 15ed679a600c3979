"""Every stage as a command that reads and writes the run folder; one object redone; cleaning up."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.errors import BadInput
from paco_core.types import Segmentation
from scene3d.pipeline import Config, ObjectChoice
from scene3d.scene import load_scene
from viewers.cli import main
from viewers.commands.redo import Options, find_object, with_choice

HW = (64, 80)
BOXES = {"red box": (slice(16, 50), slice(8, 36)), "crate": (slice(28, 58), slice(40, 72))}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, its masks, and the run folder of the whole job (``whole``)."""
    folder = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    photo = rng.integers(100, 140, (*HW, 3), dtype=np.uint8)
    labels = np.zeros(HW, np.uint8)
    for k, place in enumerate(BOXES.values()):
        photo[(*place, k)] += 90
        labels[place] = k + 1
    Image.fromarray(photo).save(folder / "photo.png")
    Image.fromarray(labels).save(folder / "masks.png")
    assert main(["reconstruct", *words_of(folder), "--out", str(folder / "whole")]) == 0
    return folder


def words_of(folder: Path) -> list[str]:
    return [str(folder / "photo.png"), "--masks", str(folder / "masks.png"), "--names", "red box,crate"]


@pytest.fixture
def run(desk: Path, tmp_path: Path) -> Path:
    """A copy of the run folder."""
    shutil.copytree(desk / "whole", tmp_path / "run")
    return tmp_path / "run"


def opened(folder: Path) -> dict[str, bytes]:
    """The files that people and programs open, but for those that tell of seconds."""
    names = [f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()]
    kept = [n for n in names if not n.startswith("stages/") and n not in (".lock", "log.txt", "report.html", "report.png")]
    return {name: (folder / name).read_bytes() for name in kept}


def test_stage_by_stage_is_the_whole_job(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    assert main(["deocclude", *words_of(desk), "--out", str(out)]) == 0
    assert f"next      paco lift {out}" in capsys.readouterr().out
    assert (out / "objects/001_red_box/rgba.png").exists() and not (out / "scene.json").exists()
    for command, told in (("lift", "lifted by"), ("place", "stands on"), ("export", "scene.glb")):
        assert main([command, str(out)]) == 0
        said = capsys.readouterr().out
        assert told in said and (command == "export" or "red box" in said)
    assert opened(out) == opened(desk / "whole")


def test_a_command_does_what_is_missing_before_it(desk: Path, tmp_path: Path):
    assert main(["deocclude", *words_of(desk), "--out", str(tmp_path / "run")]) == 0
    assert main(["export", str(tmp_path / "run")]) == 0
    assert opened(tmp_path / "run") == opened(desk / "whole")


@pytest.mark.parametrize("command", [["lift"], ["place"], ["export"], ["redo", "crate"], ["clean"]])
def test_what_is_no_run_folder_is_left_alone(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.txt").write_text("important")
    for name in ("thesis", "nowhere"):
        assert main([command[0], str(tmp_path / name), *command[1:]]) == 2
        assert "is no run folder (it has no run.json). Make one: `paco reconstruct" in capsys.readouterr().err
    assert [f.name for f in tmp_path.rglob("*")] == ["thesis", "thesis.txt"]


def test_settings_are_remembered_and_changed_ones_too(run: Path, capsys: pytest.CaptureFixture[str]):
    jpeg = (run / "scene.glb").read_bytes()
    assert main(["export", str(run), "--texture", "png"]) == 0
    png = (run / "scene.glb").read_bytes()
    assert main(["export", str(run), "--threads", "2"]) == 0
    assert (run / "scene.glb").read_bytes() == png != jpeg
    assert main(["lift", str(run), "--lift", "billboard"]) == 0
    assert main(["place", str(run), "--preset", "lossless"]) == 0  # a preset begins with the usual settings
    config = json.loads((run / "config.json").read_text())
    assert (config["lifter"], config["glb"]["texture"], config["threads"]) == ("relief", "png", None)
    assert main(["lift", str(run), "--lift", "bilboard"]) == 2
    assert "Did you mean 'billboard'?" in capsys.readouterr().err


def shapes(folder: Path) -> dict[str, np.ndarray]:
    """Vertices, free of the scale, which is guessed from all objects together."""
    return {obj.name: obj.mesh.vertices / np.ptp(obj.mesh.vertices) for obj in load_scene(folder).objects}


def test_one_object_is_redone_and_stays_so_until_it_is_reset(desk: Path, run: Path, capsys: pytest.CaptureFixture[str]):
    before, files = shapes(run), opened(run)
    lifts = {name: (run / f"stages/objects/{name}/lift.npz").stat().st_mtime_ns for name in ("001_red_box", "002_crate")}
    assert main(["redo", str(run), "Crate", "--lift", "billboard"]) == 0
    assert "as `paco redo` was asked:\n    2 crate: billboard" in capsys.readouterr().out
    redone = shapes(run)
    assert np.allclose(redone["red box"], before["red box"]) and redone["crate"].shape != before["crate"].shape
    assert (run / "stages/objects/001_red_box/lift.npz").stat().st_mtime_ns == lifts["001_red_box"]
    changed = opened(run)
    for again in (["export", str(run)], ["reconstruct", *words_of(desk), "--out", str(run)]):
        assert main(again) == 0
        assert "2 crate: billboard" in capsys.readouterr().out
        assert opened(run) == changed
    assert main(["redo", str(run), "2", "--reset"]) == 0
    assert opened(run) == files


def test_a_choice_for_an_object_that_is_gone_is_said_and_left_out(desk: Path, run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["redo", str(run), "crate", "--seed", "5"]) == 0
    words = [*words_of(desk)[:-1], "red box,lamp"]
    assert main(["reconstruct", *words, "--out", str(run)]) == 0
    said = capsys.readouterr()
    assert "asks for 2 crate: seed 5; there is no such object any more" in said.err
    assert "paco redo" not in said.out.split(str(run))[-1]
    assert not (run / "stages/objects/002_crate").exists() and not (run / "objects/002_crate").exists()


THREE = Segmentation((1, 2, 9), ("cup", "cup", "saucer"), np.zeros((3, 1, 1), bool))


def test_an_object_is_found_by_its_name_or_its_number():
    assert find_object("Saucer", THREE) == (9, "saucer") and find_object("2", THREE) == (2, "cup")
    with pytest.raises(BadInput, match="2 objects are called 'cup': give the number. The objects are: 1 cup, 2 cup, 9 saucer"):
        find_object("cup", THREE)
    with pytest.raises(BadInput, match="There is no object 'saucr'. Did you mean 'saucer'"):
        find_object("saucr", THREE)


def test_without_a_method_or_a_seed_the_next_seed_is_taken():
    options = Options(run=Path("run"), object="cup")
    once = with_choice(Config(seed=3), 2, "cup", options)
    assert once.objects == (ObjectChoice(2, "cup", None, 4),)
    assert with_choice(once, 2, "cup", options).objects == (ObjectChoice(2, "cup", None, 5),)
    other = with_choice(once, 1, "cup", Options(run=Path("run"), object="1", lift="billboard"))
    assert other.objects == (ObjectChoice(1, "cup", "billboard", None), ObjectChoice(2, "cup", None, 4))
    assert with_choice(other, 2, "cup", Options(run=Path("run"), object="2", reset=True)).objects == other.objects[:1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["crate", "--lift", "magic"], "There is no lifter backend 'magic'"),
        (["lamp"], "There is no object 'lamp'"),
        (["crate", "--seed", "-3"], "--seed -3 is negative"),
        (["crate", "--reset", "--seed", "3"], "--reset undoes"),
    ],
)
def test_what_can_not_be_redone_is_a_sentence(words: list[str], sentence: str, run: Path, capsys: pytest.CaptureFixture[str]):
    before = opened(run)
    assert main(["redo", str(run), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert opened(run) == before


def test_clean_keeps_what_people_open(desk: Path, run: Path, capsys: pytest.CaptureFixture[str]):
    before = opened(run)
    (run / ".scene.json.77.paco-part").write_text("half")
    assert main(["clean", str(run)]) == 0
    assert "MB freed; the results stay" in capsys.readouterr().out
    assert opened(run) == before and not (run / "stages").exists()
    for command in (["export", str(run)], ["redo", str(run), "crate"]):
        assert main(command) == 2
        assert "no longer has its photo and masks" in capsys.readouterr().err.splitlines()[-1]
    assert main(["reconstruct", *words_of(desk), "--out", str(run)]) == 0
    assert opened(run) == before


def test_clean_all_removes_what_the_run_made_and_nothing_else(run: Path, capsys: pytest.CaptureFixture[str]):
    for place in ("notes.txt", "objects/001_red_box/notes.txt", "meshes/mine.txt", "stages/mine.txt", "layers/mine.png"):
        (run / place).write_text("mine")
    assert main(["clean", str(run), "--all"]) == 0
    assert "what no run made stays" in capsys.readouterr().out
    left = sorted(f.relative_to(run).as_posix() for f in run.rglob("*") if f.is_file())
    assert left == ["layers/mine.png", "meshes/mine.txt", "notes.txt", "objects/001_red_box/notes.txt", "stages/mine.txt"]


def test_clean_all_leaves_nothing_of_a_folder_that_holds_nothing_else(run: Path):
    assert main(["turntable", str(run), "--seconds", "0.2", "--size", "64"]) == 0
    assert main(["clean", str(run), "--all"]) == 0
    assert not run.exists()


def test_clean_without_a_folder_is_a_sentence(capsys: pytest.CaptureFixture[str]):
    assert main(["clean"]) == 2
    assert "Name the run folders" in capsys.readouterr().err
