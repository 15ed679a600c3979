"""One run folder being edited: saving, autosave and recovery, locks, and folders that are not as they should be."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.errors import BadInput
from scene3d.scene import load_scene
from tests.roomrun import CHAIR, CUP, TABLE, make_room_run
from viewers.editfile import AUTOSAVE_FILE, EDITS_FILE
from viewers.editor import Editor
from viewers.operations import Delete, Draw, Duplicate, Flip, Lift, Move, Rename, Reorder, Scale


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_room_run(tmp_path_factory.mktemp("room") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def change(run: Path, **values) -> None:
    """Edit ``edits.json`` by hand."""
    document = json.loads((run / EDITS_FILE).read_text())
    (run / EDITS_FILE).write_text(json.dumps({**document, **values}))


def saved(run: Path) -> Path:
    with Editor(run) as editor:
        editor.do(Move((TABLE,), (0.3, 0.0, -0.2)))
        editor.do(Duplicate((CUP,)))
        return editor.save()


def test_saved_edits_are_there_in_the_next_editor(run: Path):
    saved(run)
    with Editor(run) as editor:
        assert editor.state.thing(TABLE).position_m == (0.3, 0.0, -3.2) and 4 in editor.state.ids()
        assert not editor.unsaved and not editor.can_undo and editor.notes == ()
    assert not (run / AUTOSAVE_FILE).exists()


def test_undone_to_the_start_all_files_have_the_bytes_that_they_had_before(run: Path):
    with Editor(run) as editor:
        before = written(editor)
        editor.do(Scale((TABLE,), 1.7), Flip((CHAIR,)))
        for operation in (Draw(CUP, (9.0, 9.0)), Delete((CHAIR,)), Reorder((CUP,), "back")):
            editor.do(operation)
        changed = written(editor)
        assert all(a != b for a, b in zip(before, changed, strict=True))
        while editor.can_undo:
            editor.undo()
        assert written(editor) == before


def written(editor: Editor) -> list[bytes]:
    """All files that an editor writes."""
    return [path.read_bytes() for path in (editor.save(), editor.export_glb(), editor.export_picture())]


def test_an_unedited_scene_exports_as_the_run_did(run: Path):
    from scene3d.glb import scene_glb

    with Editor(run) as editor:
        assert editor.export_glb().read_bytes() == scene_glb(load_scene(run))


def test_the_unedited_picture_is_the_photo(run: Path):
    """All layers over the background, as the room's photo shows them."""
    from tests.roomrun import room_deocclusion, room_scene

    with Editor(run) as editor:
        picture = np.asarray(Image.open(editor.export_picture()))
    assert np.array_equal(picture, room_deocclusion(room_scene()).photo.rgb)


def test_edits_of_a_killed_editor_are_there_again(run: Path):
    saved(run)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from viewers.editor import Editor; from viewers.operations import Lift\n"
        "with Editor(Path(sys.argv[1])) as e: e.do(Lift((2,), 0.5)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run)], check=False).returncode == -signal.SIGKILL
    with Editor(run) as editor:
        assert editor.notes == ("unsaved edits of an editor that was closed or stopped are here again",)
        assert editor.unsaved and editor.state.thing(CUP).position_m[1] == pytest.approx(1.2)
        editor.undo()
        assert editor.state.thing(CUP).position_m[1] == pytest.approx(0.7) and not editor.unsaved
    assert not (run / AUTOSAVE_FILE).exists()


def test_a_drag_is_one_step_whatever_was_shown_on_the_way(run: Path):
    with Editor(run) as editor:
        for share in np.linspace(0, 1, 20):
            editor.preview(Move((CHAIR,), (float(share), 0.0, 0.0)))
        assert not editor.can_undo
        editor.do(Move((CHAIR,), (1.0, 0.0, 0.0)))
        assert editor.undo().thing(CHAIR) == editor.original.start.thing(CHAIR) and not editor.can_undo


def test_a_refused_edit_changes_nothing_also_when_it_is_the_second_of_two(run: Path):
    with Editor(run) as editor:
        with pytest.raises(BadInput):
            editor.do(Move((CHAIR,), (1.0, 0.0, 0.0)), Rename(99, "nobody"))
        assert editor.state == editor.original.start and not editor.can_undo


def test_two_editors_on_one_run_are_refused_and_the_first_goes_on(run: Path):
    with Editor(run) as editor:
        with pytest.raises(BadInput, match=r"Another editor has .* open \(process \d+ on .*\)\. Close it first"), Editor(run):
            pass
        editor.do(Lift((CUP,), 0.1))
        editor.save()
    with Editor(run) as editor:
        assert editor.state.thing(CUP).position_m[1] == pytest.approx(0.8)


def test_a_run_that_is_removed_while_it_is_edited_loses_no_edit(run: Path):
    with Editor(run) as editor:
        editor.do(Move((CHAIR,), (1.0, 0.0, 0.0)))
        shutil.rmtree(run)
        editor.do(Rename(CHAIR, "stool"))
        with pytest.raises(BadInput, match=r"can't be written .* Your edits are kept in .*\.json\.") as refused:
            editor.save()
        assert not run.exists()
        kept = Path(str(refused.value).rsplit("kept in ", 1)[1].removesuffix("."))
        make_room_run(run)
        editor.load(kept)
        assert editor.state.thing(CHAIR).name == "stool"
        editor.save()
    with Editor(run) as editor:
        assert editor.state.thing(CHAIR).position_m[0] == pytest.approx(0.65)


def test_a_scene_that_was_made_anew_keeps_the_edits_that_fit(run: Path):
    saved(run)
    document = json.loads((run / "scene.json").read_text())
    document["objects"][2]["name"] = "stool"
    document["objects"][0]["translation"] = [0.0, 0.0, -9.0]
    (run / "scene.json").write_text(json.dumps(document))
    with Editor(run) as editor:
        assert editor.notes == ("3 chair is not in this scene (any more): its edits are left out",)
        names = [(t.id, t.name) for t in editor.state.things]
        assert sorted(names) == [(1, "table"), (2, "cup"), (3, "stool"), (4, "cup 2")]
        assert editor.state.thing(TABLE).position_m == (0.3, 0.0, -3.2)


def test_edits_name_what_they_change_and_nothing_else(run: Path):
    with Editor(run) as editor:
        editor.do(Rename(CHAIR, "stool"))
        editor.do(Delete((CUP,)))
        document = json.loads(editor.save().read_text())
    assert document["objects"] == [
        {"id": 1, "of": {"id": 1, "name": "table"}},
        {"id": 3, "of": {"id": 3, "name": "chair"}, "name": "stool"},
    ]
    assert document["deleted"] == [{"id": 2, "name": "cup"}]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"version": 2}, "has version 2, this program reads 1"),
        ({"format": "paco-scene"}, 'holds no edits \\(its "format" is not "paco-edits"\\)'),
        ({"objects": 3}, "objects is 3, but must be a list"),
        ({"objects": [{"id": 1, "of": {"id": 1, "name": "table"}, "scale": "big"}]}, r"objects\[0\].scale is 'big'"),
        ({"objects": [{"id": 1, "of": {"id": 1, "name": "table"}, "scale": -1}]}, "times as large as it was"),
        ({"objects": [{"id": 1, "of": {"id": 1, "name": "table"}, "position_m": [1e9, 0, 0]}]}, "m away"),
        ({"objects": [{"id": 1, "of": {"id": 1, "name": "table"}, "support": "object"}]}, "stands on object None"),
        ({"objects": [{"id": 4, "of": {"id": 1, "name": "table"}}] * 2}, "two objects have the same id"),
        ({"objects": [{"id": 1, "of": {"id": 1, "name": "table"}, "colour": "red"}]}, "'objects.0..colour' is no setting"),
    ],
)
def test_edits_changed_into_nonsense_by_hand_are_refused_and_stay_as_they_are(run: Path, values: dict, sentence: str):
    saved(run)
    change(run, **values)
    text = (run / EDITS_FILE).read_text()
    with pytest.raises(BadInput, match=sentence), Editor(run):
        pass
    assert (run / EDITS_FILE).read_text() == text
    (run / EDITS_FILE).unlink()
    with Editor(run):  # the lock was let go
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN", b'{"format": "paco-edits", "version": 1}'])
def test_damaged_files_are_refused_with_a_sentence(run: Path, content: bytes):
    (run / EDITS_FILE).write_bytes(content)
    with pytest.raises(BadInput, match=r"edits\.json"), Editor(run):
        pass


def test_a_damaged_autosave_is_put_aside_and_told(run: Path):
    (run / AUTOSAVE_FILE).write_bytes(b"{")
    with Editor(run) as editor:
        assert "could not be read and lie in edits.autosave.damaged.json" in editor.notes[0]
    assert (run / "edits.autosave.damaged.json").read_bytes() == b"{"


@pytest.mark.parametrize(
    ("remove", "sentence"),
    [
        (("scene.json", "layers/layers.json"), "has no results yet .* `paco export .*` finishes it"),
        (("meshes/001_table*/texture.png",), "is missing"),
        (("meshes/001_table*/mesh.npz",), "is missing"),
    ],
)
def test_a_run_that_is_not_whole_is_refused_with_the_way_out(run: Path, remove: tuple[str, ...], sentence: str):
    for pattern in remove:
        for file in run.glob(pattern):
            file.unlink()
    with pytest.raises(BadInput, match=sentence):
        Editor(run)


def test_a_folder_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="is no folder"):
        Editor(tmp_path / "nowhere")


def test_a_picture_that_is_missing_is_told_when_it_is_needed(run: Path):
    next(run.glob("objects/002_cup/rgba.png")).unlink()
    with Editor(run) as editor:
        with pytest.raises(BadInput, match=r"The picture of 2 cup is missing .* `paco export .*` writes it anew"):
            editor.export_picture()
        editor.do(Delete((CUP,)))
        editor.export_picture()


@pytest.mark.parametrize("crop", ["../../../etc/passwd", "/etc/passwd", "objects/../../secret.png", "\0"])
def test_layers_that_point_out_of_the_run_are_refused(run: Path, crop: str):
    path = run / "layers" / "layers.json"
    document = json.loads(path.read_text())
    document["layers"][1]["crop"] = crop
    path.write_text(json.dumps(document))
    with pytest.raises(BadInput, match="lies outside the run folder"):
        Editor(run)


def test_a_run_without_a_scene_is_edited_in_the_picture_alone(run: Path):
    (run / "scene.json").unlink()
    with Editor(run) as editor:
        editor.do(Draw(CHAIR, (20.0, 0.0)), Flip((CUP,)), Duplicate((CHAIR,)))
        assert editor.state.thing(CHAIR).shift_px == (20.0, 0.0)
        assert editor.state.thing(4).shift_px[0] > 60
        editor.export_picture()
        editor.save()
        with pytest.raises(BadInput, match="chair has no mesh, it is in the picture alone"):
            editor.do(Move((CHAIR,), (1.0, 0.0, 0.0)))
        with pytest.raises(BadInput, match="has no 3D scene yet"):
            editor.export_glb()


def test_a_scene_without_objects_opens_and_exports(tmp_path: Path):
    from dataclasses import replace

    from scene3d.scene import save_scene
    from tests.roomrun import room_scene

    save_scene(replace(room_scene(), objects=(), occlusion_edges=()), tmp_path)
    with Editor(tmp_path) as editor:
        assert editor.state.things == ()
        editor.export_glb()
        editor.save()


def test_an_edited_picture_shows_what_was_done(run: Path):
    """The red cup is found where it was dragged to, twice as large, and its old place shows the table."""
    with Editor(run) as editor:
        before = np.asarray(Image.open(editor.export_picture())).astype(int)
        editor.do(Draw(CUP, shift_px=(-60.0, -30.0), size=2.0))
        after = np.asarray(Image.open(editor.export_picture())).astype(int)
    reds = [np.argwhere((p[..., 0] > 120) & (p[..., 1] < 60) & (p[..., 2] < 60)) for p in (before, after)]
    assert np.allclose(reds[1].mean(axis=0) - reds[0].mean(axis=0), (-30, -60), atol=2)
    assert len(reds[1]) == pytest.approx(4 * len(reds[0]), rel=0.1)
