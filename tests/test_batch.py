"""A folder of photos: bad ones cost nothing but themselves, and a table tells how each went."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import viewers.job
from paco_core.errors import BadInput
from scene3d.pipeline import Reconstruction
from viewers.batch import PhotoResult, _duration, _exit_code
from viewers.cli import main
from viewers.photos import find_photos

HW = (64, 80)


def make_photo(path: Path, *, masks: Path | None = None, size: tuple[int, int] = HW) -> None:
    rng = np.random.default_rng(len(path.name))
    photo = rng.integers(100, 140, (*HW, 3), dtype=np.uint8)
    photo[20:50, 20:50, 1] += 90
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(path)
    if masks is not None:
        labels = np.zeros(size, np.uint8)
        labels[20:50, 20:50] = 1
        masks.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(masks)


def masks_of(folder: Path, masks: Path | None = None) -> dict[str, str | None]:
    found = find_photos(folder, masks)
    return {photo.name: photo.masks and photo.masks.relative_to(folder.parent).as_posix() for photo in found}


@pytest.mark.parametrize("name", ["desk_masks.png", "desk_masks.tif", "desk_masks", "desk.png", "desk", "desk.json"])
def test_masks_are_found_beside_their_photo_by_its_name(tmp_path: Path, name: str):
    photos = tmp_path / "photos"
    make_photo(photos / "desk.jpg")
    (photos / name).mkdir() if "." not in name else shutil.copy(photos / "desk.jpg", photos / name)
    assert masks_of(photos) == {"desk": f"photos/{name}"}


def test_masks_are_found_in_a_folder_of_their_own(tmp_path: Path):
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    make_photo(photos / "a.png", masks=masks / "a.png")
    make_photo(photos / "b.jpg", masks=masks / "b_masks.png")
    make_photo(photos / "c.jpg")
    assert masks_of(photos, masks) == {"a": "masks/a.png", "b": "masks/b_masks.png", "c": None}


def test_a_label_image_is_no_photo_and_names_beside_it_are_no_masks(tmp_path: Path):
    make_photo(tmp_path / "p/desk.jpg", masks=tmp_path / "p/desk.png")
    make_photo(tmp_path / "p/lamp.png", masks=tmp_path / "p/lamp_masks.png")
    (tmp_path / "p/desk.json").write_text('{"1": "cup"}')
    (tmp_path / "p/.hidden.jpg").write_bytes(b"")
    assert masks_of(tmp_path / "p") == {"desk": "p/desk.png", "lamp": "p/lamp_masks.png"}


def test_one_coco_file_serves_all_photos(tmp_path: Path):
    make_photo(tmp_path / "p/a.jpg")
    make_photo(tmp_path / "p/b.jpg")
    (tmp_path / "coco.json").write_text("{}")
    assert masks_of(tmp_path / "p", tmp_path / "coco.json") == {"a": "coco.json", "b": "coco.json"}


def test_photos_of_one_stem_get_folders_of_their_own(tmp_path: Path):
    make_photo(tmp_path / "p/a.jpg")
    make_photo(tmp_path / "p/a.webp")
    assert set(masks_of(tmp_path / "p")) == {"a.jpg", "a.webp"}


def test_depth_is_found_by_the_name_of_the_photo(tmp_path: Path):
    make_photo(tmp_path / "p/a.jpg")
    make_photo(tmp_path / "p/b.jpg")
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/a.npy", np.ones(HW))
    assert [photo.depth for photo in find_photos(tmp_path / "p", None, tmp_path / "depth")] == [tmp_path / "depth/a.npy", None]


def test_what_can_not_serve_a_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_photo(tmp_path / "p/a.jpg", masks=tmp_path / "one.png")
    np.save(tmp_path / "depth.npy", np.ones(HW))
    (tmp_path / "empty").mkdir()
    for words, sentence in (
        (["p", "--masks", "one.png"], "can't be the masks of all photos"),
        (["p", "--depth", "depth.npy"], "can't be the depth of all photos"),
        (["p", "--order", "a>b"], "--order names objects of one photo"),
        (["empty"], "There is no photo in"),
    ):
        placed = [str(tmp_path / word) if (tmp_path / word).exists() else word for word in words]
        assert main(["reconstruct", *placed, "--out", str(tmp_path / "runs")]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def rows_of(out: Path) -> dict[str, dict]:
    with (out / "summary.csv").open(newline="") as file:
        rows = {Path(row["photo"]).name: row for row in csv.DictReader(file)}
    told = {Path(row["photo"]).name: row for row in json.loads((out / "summary.json").read_text())}
    assert {name: row["status"] for name, row in rows.items()} == {name: row["status"] for name, row in told.items()}
    return told


def test_bad_photos_cost_nothing_but_themselves(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    photos, out = tmp_path / "photos", tmp_path / "runs"
    make_photo(photos / "a good one.png", masks=photos / "a good one_masks.png")
    make_photo(photos / "broken.png", masks=photos / "broken_masks.png")
    (photos / "broken.png").write_bytes(b"no picture")
    make_photo(photos / "other masks.png", masks=photos / "other masks_masks.png", size=(10, 10))
    make_photo(photos / "strange.png", masks=photos / "strange_masks.png")
    original = viewers.job.reconstruct_in

    def reconstruct_in(run, *args, **kwargs) -> Reconstruction:
        if run.path.name == "strange":
            raise ZeroDivisionError("of all things")
        return original(run, *args, **kwargs)

    monkeypatch.setattr("viewers.job.reconstruct_in", reconstruct_in)
    assert main(["reconstruct", str(photos), "--out", str(out)]) == 3
    said = capsys.readouterr()
    rows = rows_of(out)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a good one.png": "complete",
        "broken.png": "refused",
        "other masks.png": "refused",
        "strange.png": "failed",
    }
    assert "ZeroDivisionError: of all things" in rows["strange.png"]["sentences"][0]
    assert str(out / "strange/log.txt") in rows["strange.png"]["sentences"][0]
    assert "10×10" in rows["other masks.png"]["sentences"][0].replace(" ", "")
    assert "1 of 4 photos reconstructed" in said.out and "a good one.png" in said.out and "Traceback" not in said.err
    assert "4/4 strange" in said.err or "2/4 broken" in said.err or "1/4 a good one: segment" in said.err
    assert (out / "a good one/scene.glb").exists()


def test_an_interrupt_stops_all_photos_and_keeps_what_is_told(tmp_path: Path, monkeypatch):
    photos, out = tmp_path / "photos", tmp_path / "runs"
    for name in "abc":
        make_photo(photos / f"{name}.png", masks=photos / f"{name}_masks.png")

    def reconstruct_in(run, *_, **__) -> Reconstruction:
        if run.path.name == "a":
            raise BadInput("Not this one.")
        raise KeyboardInterrupt

    monkeypatch.setattr("viewers.job.reconstruct_in", reconstruct_in)
    assert main(["reconstruct", str(photos), "--out", str(out)]) == 130
    assert list(rows_of(out)) == ["a.png"] and not (out / "c").exists()


def test_the_run_folder_of_one_photo_is_no_place_for_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_photo(tmp_path / "photos/a.png", masks=tmp_path / "photos/a_masks.png")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    assert main(["reconstruct", str(tmp_path / "photos"), "--out", str(tmp_path / "run")]) == 2
    assert "is the run folder of one photo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ("complete complete", 0),
        ("complete fallbacks", 3),
        ("complete refused", 3),
        ("fallbacks failed", 3),
        ("refused refused", 2),
        ("refused failed", 1),
    ],
)
def test_the_exit_code_tells_how_many_are_there(states: str, code: int):
    assert _exit_code([PhotoResult("p", "r", 1, 1.0, state) for state in states.split()]) == code  # pyright: ignore


def test_durations_read_well():
    assert [_duration(s) for s in (12.4, 300, 9000)] == ["12 s", "5 min", "2.5 h"]
