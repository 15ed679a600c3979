"""``paco edit``: steps from the command line, in their order, kept where the editors find them."""

import json
import shutil
from pathlib import Path

import pytest

from tests.roomrun import CHAIR, CUP, TABLE, make_room_run
from viewers.cli import main
from viewers.commands.edit import EDITS, parse
from viewers.editor import Editor
from viewers.operations import OPERATIONS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_room_run(tmp_path_factory.mktemp("room") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_the_issues_own_line_moves_the_chair_for_every_editor(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["edit", str(run), "--move", "chair", "0.3", "0", "-0.2"]) == 0
    assert f"saved {run / 'edits.json'}" in capsys.readouterr().out
    with Editor(run) as editor:
        assert editor.state.thing(CHAIR).position_m == pytest.approx((-0.05, 0.0, -2.4))
        assert editor.state.thing(CHAIR).size < 1  # in the picture, too


def test_steps_are_done_in_the_order_in_which_they_are_given(run: Path):
    moved = ["--duplicate", "cup", "--move", "cup 2", "-0.1", "0", "0.3", "--rename", "cup 2", "mug"]
    assert main(["edit", str(run), *moved, "--lift", "mug", "0.5", "--drop", "mug", "--lock", "mug"]) == 0
    with Editor(run) as editor:
        mug = editor.state.find("mug")
        assert mug.locked and mug.support_id == TABLE and mug.position_m[1] == pytest.approx(0.7)


def test_without_a_step_the_objects_are_listed_and_nothing_is_written(run: Path, capsys: pytest.CaptureFixture[str]):
    before = sorted(path.name for path in run.rglob("*"))
    assert main(["edit", str(run)]) == 0
    out = capsys.readouterr().out
    assert "1   table   0.00, 0.00, -3.00" in out and "2   cup" in out and "table" in out.splitlines()[3]
    assert sorted(path.name for path in run.rglob("*")) == sorted([*before, ".edits.lock"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--move", "cahir", "1", "0", "0"), "--move cahir 1 0 0: There is no object 'cahir'. Did you mean 'chair'?"),
        (("--move", "chair", "1", "0", "up"), "--move chair 1 0 up: 'up' is no number."),
        (("--order", "chair", "up"), "'up' must be one of front, back, forward, backward."),
        (("--tilt", "chair", "y", "3"), "'y' must be one of x, z."),
        (("--lock", "chair", "--flip", "chair"), "--flip chair: chair is locked. Unlock first. Nothing was changed."),
    ],
)
def test_a_step_that_can_not_be_done_undoes_those_before_it(run: Path, capsys, words: tuple[str, ...], sentence: str):
    assert main(["edit", str(run), "--flip", "cup", *words]) == 2
    assert sentence in capsys.readouterr().err
    with Editor(run) as editor:
        assert editor.state == editor.original.start and editor.notes == ()


def test_numbers_may_be_written_in_any_way():
    assert parse(["run", "--move", "cup", "-1e-2", "+3", "-.5"]).steps == (("move", ("cup", "-0.010000000000", "+3", "-.5")),)


def test_every_operation_of_editors_has_its_flag(run: Path):
    """Select is for eyes alone; draw and place have several."""
    named = {"shift", "turn", "opacity", "put", "show", "unlock", "tilt", "order"}
    assert set(OPERATIONS) - set(EDITS) == {"select", "place", "draw", "reorder"}
    assert set(EDITS) - set(OPERATIONS) == named


def test_the_edited_scene_and_picture_are_written_where_they_are_asked_for(run: Path, tmp_path: Path):
    outputs = ["--glb", str(tmp_path / "out.glb"), "--picture", str(tmp_path / "out.png")]
    assert main(["edit", str(run), "--delete", "chair", *outputs]) == 0
    data = (tmp_path / "out.glb").read_bytes()
    header = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert [n["name"] for n in header["nodes"] if n["name"].startswith("obj_")] == ["obj_001_table", "obj_002_cup"]
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_edits_of_one_file_are_taken_into_the_scene_and_all_can_be_reset(run: Path, tmp_path: Path):
    assert main(["edit", str(run), "--flip", "chair"]) == 0
    kept = Path(shutil.copy(run / "edits.json", tmp_path / "mine.json"))
    assert main(["edit", str(run), "--reset-all"]) == 0
    with Editor(run) as editor:
        assert editor.state == editor.original.start
    assert main(["edit", str(run), "--load", str(kept), "--hide", "cup"]) == 0
    with Editor(run) as editor:
        assert editor.state.thing(CHAIR).flipped and editor.state.thing(CUP).hidden


def test_alone_what_stands_on_a_thing_stays(run: Path):
    assert main(["edit", str(run), "--alone", "--move", "table", "0.1", "0", "0"]) == 0
    with Editor(run) as editor:
        assert editor.state.thing(CUP).position_m == editor.original.start.thing(CUP).position_m
