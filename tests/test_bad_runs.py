"""Run folders that were damaged, edited by hand, filled up or taken away: a sentence, or computed again; never a traceback."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paco_core.codec import read_header
from paco_core.store import RunFolder
from scene3d.pipeline import Config, ObjectChoice, write_config
from viewers.cli import main
from viewers.remember import existing_run, recall_config

ROOT = Path(__file__).parents[1]
HW = (64, 80)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small photo of one box, its masks and its run folder."""
    folder = tmp_path_factory.mktemp("desk")
    photo = np.random.default_rng(0).integers(100, 140, (*HW, 3), dtype=np.uint8)
    photo[20:50, 20:50, 1] += 90
    labels = np.zeros(HW, np.uint8)
    labels[20:50, 20:50] = 1
    Image.fromarray(photo).save(folder / "photo.png")
    Image.fromarray(labels).save(folder / "masks.png")
    assert main(["reconstruct", *words_of(folder), "--out", str(folder / "run")]) == 0
    return folder


def words_of(folder: Path) -> list[str]:
    return [str(folder / "photo.png"), "--masks", str(folder / "masks.png")]


@pytest.fixture
def run(desk: Path, tmp_path: Path) -> Path:
    shutil.copytree(desk / "run", tmp_path / "run")
    return tmp_path / "run"


def refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command is refused."""
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == "" and "Traceback" not in said.err
    return said.err.splitlines()[-1]


# edited by hand


def edit(file: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


CONFIGS = {
    "'liftr' is no setting. Did you mean 'lifter'?": lambda c: c.update(liftr="relief"),
    "place.raster_px is 'much', but must be a whole number": lambda c: c["place"].update(raster_px="much"),
    "threads must be 1 or more": lambda c: c.update(threads=0),
    "objects[0]: seed must be 0 or more": lambda c: c.update(objects=[{"id": 1, "name": "cup", "seed": -1}]),
    "There is no lifter backend 'magic'": lambda c: c.update(lifter="magic"),
}


@pytest.mark.parametrize("sentence", CONFIGS)
def test_settings_that_were_edited_wrongly_are_refused(sentence: str, run: Path, capsys: pytest.CaptureFixture[str]):
    edit(run / "config.json", CONFIGS[sentence])
    assert sentence in refused(["export", str(run)], capsys)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[1, 2]", "\x00", '{"place": 3}'])
def test_settings_that_are_none_are_refused_and_say_what_to_do(content: str, run: Path, capsys: pytest.CaptureFixture[str]):
    (run / "config.json").write_text(content)
    sentence = refused(["export", str(run)], capsys)
    assert "config.json" in sentence and ("delete it" in sentence or "but must be settings by name" in sentence)


def test_without_settings_the_usual_ones_are_taken(run: Path):
    (run / "config.json").unlink()
    with existing_run(run) as folder:
        assert recall_config(folder) == Config()


def test_settings_survive_the_file(tmp_path: Path):
    config = Config(seed=3, threads=2, objects=(ObjectChoice(2, "Café", None, 4), ObjectChoice(3, "cup", "billboard")))
    with RunFolder(tmp_path) as folder:
        write_config(folder, config)
        assert recall_config(folder) == config


def rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the JSON of a stage file; its arrays and check sums are right."""
    with file.open("rb") as handle, np.load(handle) as archive:
        arrays = {name: archive[name] for name in archive.files if name.startswith("a")}
        handle.seek(0)
        header = read_header(handle)
    change(header)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("value.json", json.dumps(header))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)


def test_a_stage_that_was_edited_by_hand_is_computed_again(run: Path, caplog: pytest.LogCaptureFixture):
    before = (run / "scene.json").read_bytes()
    rewrite(run / "stages/camera.npz", lambda header: header["value"]["fields"].update(fx=7.0))
    assert main(["export", str(run)]) == 0
    assert "camera.npz can't be used and is computed again: it is not what was stored" in caplog.text
    assert (run / "scene.json").read_bytes() == before


def test_inputs_that_were_edited_by_hand_are_asked_for_again(desk: Path, run: Path, capsys: pytest.CaptureFixture[str]):
    rewrite(run / "stages/inputs.npz", lambda header: header["value"]["fields"].update(fov_deg=70.0))
    assert "no longer has its photo and masks" in refused(["export", str(run)], capsys)
    assert main(["reconstruct", *words_of(desk), "--out", str(run)]) == 0
    assert main(["export", str(run)]) == 0


def test_a_scene_of_another_version_is_written_anew(run: Path, capsys: pytest.CaptureFixture[str]):
    before = (run / "scene.json").read_bytes()
    edit(run / "scene.json", lambda scene: scene.update(version=99))
    assert "has version 99" in refused(["turntable", str(run)], capsys)
    assert main(["export", str(run)]) == 0
    assert (run / "scene.json").read_bytes() == before


# in the way, full, read-only, gone


IN_THE_WAY = ("stages", "objects", "meshes", "layers", "scene.json", "scene.glb", "config.json", "log.txt", ".lock")


@pytest.mark.parametrize(
    "name", ["stages", "objects", "meshes", "layers", "scene.json", "scene.glb", "config.json", "log.txt", ".lock"]
)
def test_what_stands_in_the_way_is_named(name: str, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with RunFolder(tmp_path / "run"):
        pass
    place = tmp_path / "run" / name
    place.unlink(missing_ok=True)
    place.write_text("a file") if "." not in name else place.mkdir()
    if "." in name:
        (place / "thesis.txt").write_text("important")
    sentence = refused(["reconstruct", *words_of(desk), "--out", str(tmp_path / "run")], capsys)
    assert name in sentence
    assert place.read_text() == "a file" if "." not in name else (place / "thesis.txt").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_a_folder_that_takes_no_files_is_a_sentence(desk: Path, capsys: pytest.CaptureFixture[str]):
    assert "Can't use /proc/runs as the run folder" in refused(["reconstruct", *words_of(desk), "--out", "/proc/runs"], capsys)


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from viewers.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on files")
@pytest.mark.parametrize("room", [3_000, *(pytest.param(room, marks=pytest.mark.slow) for room in (64, 200_000))])
def test_a_disk_that_is_full_is_a_sentence_and_nothing_is_lost(room: int, desk: Path, tmp_path: Path):
    """No file may become larger than ``room`` bytes: the system refuses the write as it does on a full disk."""
    run = tmp_path / "run"
    words = ["reconstruct", *words_of(desk), "--out", str(run)]
    done = subprocess.run([sys.executable, "-c", FULL, str(room), *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "can't be written (File too large)" in done.stderr.splitlines()[-1] and "make room" in done.stderr
    assert "Traceback" not in done.stderr and "Logging error" not in done.stderr
    assert not list(run.rglob("*-part"))
    assert main(words) == 0
    assert (run / "scene.json").read_bytes() == (desk / "run/scene.json").read_bytes()


def test_a_folder_that_is_taken_away_during_the_run_is_a_sentence(desk: Path, tmp_path: Path):
    run = tmp_path / "run"
    words = [sys.executable, "-m", "viewers.cli", "reconstruct", *words_of(desk), "--out", str(run)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (run / "stages/segmentation.npz").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.001)
    run.rename(tmp_path / "elsewhere")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "was removed or moved while the run was at work in it" in said.splitlines()[-1]
    assert not run.exists()


def test_a_run_of_another_version_has_its_sentence(run: Path, capsys: pytest.CaptureFixture[str]):
    edit(run / "run.json", lambda marker: marker.update(version=99))
    for command in (["export", str(run)], ["clean", str(run)]):
        assert "not the one of a run of this version of paco" in refused(command, capsys)
