"""``paco eval photos`` on a small folder whose scenes are known: rooms saved as photo and label image."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.errors import BadInput
from scene3d.evaluation.photo_scenes import choose, find_scenes, load_scene
from scene3d.evaluation.photos import PhotoObject, PhotoScore, failed_gates, table
from scene3d.synthetic.rooms import make_room
from viewers.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room whose last object is said to be a wall, a photo without masks, and one whose label image is of another size."""
    folder = tmp_path_factory.mktemp("photos")
    room = make_room(1)
    labels = np.zeros(room.photo.hw, np.uint8)
    for object_id in room.segmentation.ids:
        labels[room.segmentation.mask(object_id)] = object_id
    for name in ("a_room", "b_bare", "c_broken"):
        (folder / name).mkdir()
        Image.fromarray(room.photo.rgb).save(folder / name / "image.jpg", quality=95)
    Image.fromarray(labels).save(folder / "a_room" / "seg.png")
    Image.fromarray(labels[:-8]).save(folder / "c_broken" / "seg.png")
    names = dict(zip(room.segmentation.ids, room.segmentation.names, strict=True))
    last = max(names)
    segments = [{"id": i, "category": names[i], "isthing": int(i != last)} for i in names]
    (folder / "index.jsonl").write_text(json.dumps({"name": "a_room", "segments": segments}) + "\n\n")
    return folder


def test_scenes_are_subfolders_with_a_photo_and_masks(folder: Path):
    assert [scene.name for scene in find_scenes(folder)] == ["a_room", "c_broken"]


def test_stuff_is_background_and_things_have_the_names_of_the_index(folder: Path):
    room = make_room(1)
    _, segmentation = load_scene(find_scenes(folder)[0])
    assert segmentation.ids == room.segmentation.ids[:-1]
    assert segmentation.names == room.segmentation.names[:-1]


def test_single_masks_are_objects_too(folder: Path, tmp_path: Path):
    scene = tmp_path / "one"
    scene.mkdir()
    (scene / "image.jpg").write_bytes((folder / "a_room/image.jpg").read_bytes())
    h, w = np.asarray(Image.open(scene / "image.jpg")).shape[:2]
    for k in (1, 2):
        mask = np.zeros((h, w), np.uint8)
        mask[10 * k : 10 * k + 8, 5:60] = 255
        Image.fromarray(mask).save(scene / f"mask_{k:03d}.png")
    _, segmentation = load_scene(find_scenes(tmp_path)[0])
    assert segmentation.ids == (1, 2)
    assert [int(m.sum()) for m in segmentation.masks] == [8 * 55, 8 * 55]


def test_a_list_chooses_scenes_and_an_unknown_name_is_said(folder: Path, tmp_path: Path):
    scenes = find_scenes(folder)
    only = tmp_path / "only.txt"
    only.write_text("# the broken one\nc_broken  # yes\n")
    assert [s.name for s in choose(scenes, only)] == ["c_broken"]
    only.write_text("a_rom\n")
    with pytest.raises(BadInput, match="'a_rom'"):
        choose(scenes, only)


@pytest.mark.parametrize("content", ["{", "[1, 2"])
def test_a_broken_index_is_refused(tmp_path: Path, content: str):
    (tmp_path / "index.jsonl").write_text(content)
    with pytest.raises(BadInput, match="index.jsonl"):
        find_scenes(tmp_path)


def test_a_folder_without_scenes_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="no scene"):
        find_scenes(tmp_path)
    with pytest.raises(BadInput, match="no folder"):
        find_scenes(tmp_path / "gone")


def test_the_command_measures_good_photos_and_lists_bad_ones(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "photos", str(folder), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "| a_room |" in said and "| c_broken | 0 |" in said
    assert "Missed: c_broken:" in said and "Missed: a_room" not in said
    rows = list(csv.DictReader((tmp_path / "photos.csv").open()))
    assert len(rows) == len(make_room(1).segmentation.ids) - 1
    assert all(row["scene"] == "a_room" and float(row["iou"]) > 0.5 for row in rows)
    assert (tmp_path / "table.md").read_text().strip() in said
    assert Image.open(tmp_path / "sheet_01.jpg").width > 1000
    assert (tmp_path / "a_room/scene.glb").exists()


def scored(iou: float = 0.9, fallback: str = "", **changes) -> PhotoScore:
    item = PhotoObject("s", 1, "cup", 900, 0.1, iou, "floor", 1.0, 1.0, 1.0, "relief", fallback)
    return PhotoScore("s", (item,), 1.0, **changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"iou": 0.8}, "re-projection IoU"),
        ({"fallback": "the lifter failed"}, "fallback"),
        ({"lost": ("2 cup",)}, "lost 2 cup"),
        ({"file_problems": ("ACCESSOR at 1",)}, "ACCESSOR"),
        ({"failure": "crash: KeyError: 1"}, "crash"),
    ],
)
def test_every_gate_can_fail(changes, sentence):
    assert failed_gates((scored(),)) == ()
    (missed,) = failed_gates((scored(**changes),))
    assert sentence in missed
    assert "| s | 1 |" in table((scored(**changes),))
