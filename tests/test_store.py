"""The run folder: what changed is computed again, and a stop at any moment loses nothing."""

import importlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paco_core.errors import BadInput
from paco_core.store import Rescue, RunFolder, StageResult, source_fingerprint


@dataclass(frozen=True)
class Settings:
    blur: float = 1.0
    count: int = 3


@dataclass
class ToyGraph:
    """photo -> depth(blur) -> order; photo -> fill(count): a pipeline of three stages that counts its work."""

    folder: Path
    computed: list[str] = field(default_factory=list)

    def run(self, settings: Settings) -> dict[str, StageResult[Any]]:
        self.computed.clear()
        run = RunFolder(self.folder)
        depth = run.stage("depth", {"photo": "abc", "blur": settings.blur}, self.work("depth", settings.blur), float)
        order = run.stage("order", {"depth": depth}, self.work("order", depth.value + 1), float)
        fill = run.stage("objects/001_cup/fill", {"n": settings.count}, self.work("fill", settings.count), int)
        return {"depth": depth, "order": order, "fill": fill}

    def work(self, name: str, value: Any) -> Callable[[], Any]:
        def compute() -> Any:
            self.computed.append(name)
            return value

        return compute


@pytest.fixture
def toy(tmp_path: Path) -> ToyGraph:
    graph = ToyGraph(tmp_path / "run")
    graph.run(Settings())
    assert graph.computed == ["depth", "order", "fill"]
    return graph


def test_a_second_run_computes_nothing_and_reports_the_first_ones_seconds(toy: ToyGraph):
    first, second = toy.run(Settings()), toy.run(Settings())
    assert toy.computed == []
    assert all(result.cached for result in second.values())
    assert {k: (r.value, r.seconds) for k, r in second.items()} == {k: (r.value, r.seconds) for k, r in first.items()}


def test_a_changed_setting_recomputes_what_depends_on_it_and_nothing_else(toy: ToyGraph):
    toy.run(Settings(blur=2.0))
    assert toy.computed == ["depth", "order"]
    toy.run(Settings(blur=2.0, count=4))
    assert toy.computed == ["fill"]


def test_results_of_other_code_are_not_read(toy: ToyGraph, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("paco_core.store.source_fingerprint", lambda packages: "other code")
    toy.run(Settings())
    assert toy.computed == ["depth", "order", "fill"]


@pytest.mark.parametrize("name", ["code.py", "weights/net.safetensors"])
def test_other_code_and_other_weights_are_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    seen = []
    for number, content in enumerate((b"one", b"one", b"two")):
        package = tmp_path / str(number) / "toy_package"
        (package / "weights").mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / name).write_bytes(content)
        (package / "notes.txt").write_text(str(number))
        monkeypatch.syspath_prepend(package.parent)
        importlib.invalidate_caches()
        seen.append(source_fingerprint.__wrapped__(("toy_package",)))
        monkeypatch.undo()
    assert seen[0] == seen[1] != seen[2]


def damage_by_cutting(data: bytes) -> bytes:
    return data[: len(data) // 2]


def damage_by_editing(data: bytes) -> bytes:
    return data.replace(b"value", b"salue")


def damage_by_emptying(data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [damage_by_cutting, damage_by_editing, damage_by_emptying])
def test_a_damaged_file_is_computed_again_with_a_warning(
    toy: ToyGraph, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
):
    file = toy.folder / "stages/order.npz"
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert toy.run(Settings())["order"].value == 2.0
    assert toy.computed == ["order"]
    assert "order.npz can't be used and is computed again" in caplog.text


def test_a_stop_in_the_middle_of_writing_leaves_the_old_file(toy: ToyGraph, monkeypatch: pytest.MonkeyPatch):
    file = toy.folder / "stages/order.npz"
    before = file.read_bytes()

    def stop_half_way(out: io.BytesIO, header: Any, value: Any) -> None:
        out.write(before[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("paco_core.store.write_value", stop_half_way)
        with pytest.raises(KeyboardInterrupt):
            toy.run(Settings(blur=3.0))
    assert file.read_bytes() == before
    assert not list(toy.folder.rglob("*-part"))
    toy.run(Settings())
    assert toy.computed == []


def test_stages_that_are_computed_together_are_stored_one_by_one_and_asked_for_where_they_are_missing(tmp_path: Path):
    run, asked = RunFolder(tmp_path), []

    def numbers(names):
        asked.append(names)
        for name in names:
            if name == "c":
                raise KeyboardInterrupt
            yield ord(name)

    with pytest.raises(KeyboardInterrupt):
        run.stages({"a": {}, "b": {"blur": 1}, "c": {}}, numbers, int)
    results = run.stages({"b": {"blur": 2}, "d": {}, "a": {}}, numbers, int)
    assert asked == [("a", "b", "c"), ("b", "d")]
    assert [(r.value, r.cached) for r in results] == [(98, False), (100, False), (97, True)]
    assert run.stage("d", {}, lambda: 0, int).value == 100
    assert run.stages({"d": {}}, numbers, int)[0].cached and len(asked) == 2
    with pytest.raises(ValueError, match="shorter"):
        run.stages({"e": {}}, lambda names: [], int)


def test_stages_finished_before_a_stop_are_kept(tmp_path: Path):
    run = RunFolder(tmp_path)
    run.stage("first", {}, lambda: 1, int)
    with pytest.raises(KeyboardInterrupt):
        run.stage("second", {}, interrupted, int)
    assert RunFolder(tmp_path).stage("first", {}, interrupted, int).cached


def interrupted() -> int:
    raise KeyboardInterrupt


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = RunFolder(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("paco_core.files.os.fsync", full)
    with pytest.raises(BadInput, match="No space left on device.*make room"):
        run.stage("first", {}, lambda: 1, int)
    assert not list(tmp_path.rglob("*-part"))


HOLDER = (
    "import sys; from paco_core.store import RunFolder\nwith RunFolder(sys.argv[1]): print('in', flush=True); sys.stdin.read()"
)


def test_a_folder_takes_one_run_at_a_time_and_a_killed_one_does_not_count(tmp_path: Path):
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    assert holder.stdout is not None and holder.stdout.readline() == b"in\n"
    with pytest.raises(BadInput, match=rf"Another run works in .*\(process {holder.pid} on .* since .*\)\. Wait until"):
        RunFolder(tmp_path).__enter__()
    holder.kill()
    holder.communicate()
    with RunFolder(tmp_path) as run, pytest.raises(BadInput, match=f"process {os.getpid()} on"):
        RunFolder(run.path).__enter__()
    with RunFolder(tmp_path):
        pass


def test_what_a_killed_run_left_half_written_is_swept(tmp_path: Path):
    run = RunFolder(tmp_path)
    (tmp_path / "objects/001_cup").mkdir(parents=True)
    for place in ("objects/001_cup/.mesh.glb.77.paco-part", ".scene.json.78.paco-part"):
        (tmp_path / place).write_text("half")
    (tmp_path / "objects/.mine.part").write_text("not ours")
    with run:
        assert sorted(f.name for f in tmp_path.rglob("*") if f.is_file()) == [".lock", ".mine.part", "run.json"]


def test_a_folder_that_was_left_before_it_was_marked_is_begun_anew(tmp_path: Path):
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".run.json.77.paco-part").write_text("{")
    with RunFolder(tmp_path):
        assert sorted(f.name for f in tmp_path.iterdir()) == [".lock", "run.json"]


def test_a_folder_that_is_removed_during_a_run_is_not_half_begun_anew(tmp_path: Path):
    with pytest.raises(BadInput, match="was removed or moved while the run was at work"), RunFolder(tmp_path / "run") as run:
        run.stage("first", {}, lambda: shutil.rmtree(run.path) or 1, int)
    assert not run.path.exists()


class Mistake(Exception):
    pass


def test_a_stage_that_fails_gives_its_rescue_and_says_so_from_then_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def broken() -> int:
        raise Mistake("of all things")

    sentence = "floor failed (Mistake: of all things): the camera is taken to be level"
    rescue = Rescue(lambda: 7, "the camera is taken to be level")
    for cached in (False, True):
        result = RunFolder(tmp_path).stage("floor", {}, broken, int, rescue=rescue)
        assert (result.value, result.fallback, result.cached) == (7, sentence, cached)
    assert sentence in caplog.text
    with pytest.raises(Mistake):
        RunFolder(tmp_path).stage("floor", {"other": 1}, broken, int)


def test_no_rescue_hides_what_the_user_can_mend(tmp_path: Path):
    def refused() -> int:
        raise BadInput("the photo is empty")

    with pytest.raises(BadInput, match="the photo is empty"):
        RunFolder(tmp_path).stage("floor", {}, refused, int, rescue=Rescue(lambda: 7, ""))


def test_a_file_is_no_run_folder(tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(BadInput, match="is a file. Give a folder with --out"):
        RunFolder(tmp_path / "photo.jpg")
    with pytest.raises(BadInput, match="Choose another --out"):
        RunFolder(tmp_path / "photo.jpg" / "run")


def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(BadInput, match="holds files that no run of paco made .thesis.txt"):
        RunFolder(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"format": "paco run folder", "version": 99})])
def test_a_folder_of_another_version_is_refused(tmp_path: Path, content: str):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(BadInput, match="not the one of a run of this version"):
        RunFolder(tmp_path)


def test_a_stage_cannot_leave_the_folder(tmp_path: Path):
    for name in ("../evil", "/etc/evil", "a//b", "", "a/../b"):
        with pytest.raises(ValueError, match="can't be the name of a stage"):
            RunFolder(tmp_path).stage(name, {}, lambda: 1, int)
