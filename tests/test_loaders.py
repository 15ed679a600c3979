"""Folders of other people's data: ADE20K, RGB-D, COCOA. What can't be used is skipped and listed."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paco_core.errors import BadInput
from paco_core.evaluation.ade20k import is_ade20k, read_ade20k
from paco_core.evaluation.cocoa import read_cocoa
from paco_core.evaluation.rgbd import read_rgbd
from paco_core.evaluation.usable import inside, skipped_text, usable
from viewers.cli import main

H, W = 40, 60


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def photo(path: Path) -> None:
    save(path, np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8))


def coded(*segments: tuple[slice, slice, int, int]) -> np.ndarray:
    """A picture as ADE20K writes it: (rows, columns, class, instance)."""
    out = np.zeros((H, W, 3), np.uint8)
    for rows, columns, number, instance in segments:
        out[rows, columns] = (number // 256 * 10, number % 256, instance)
    return out


TWO_CHAIRS = coded(
    (slice(0, 20), slice(0, W), 2978, 40),
    (slice(10, 30), slice(5, 20), 471, 90),
    (slice(10, 30), slice(30, 45), 471, 200),
    (slice(35, 37), slice(0, 3), 300, 255),  # a speck
)


def test_things_of_the_full_data_set_are_instances_with_names_by_class(tmp_path: Path):
    photo(tmp_path / "a/ADE_1.jpg")
    save(tmp_path / "a/ADE_1_seg.png", TWO_CHAIRS)
    save(tmp_path / "a/ADE_1_parts_1.png", TWO_CHAIRS)
    objects = [{"id": 0, "name_ndx": 2978, "name": "wall"}, {"id": 1, "name_ndx": 471, "name": "chair, seat"}]
    (tmp_path / "a/ADE_1.json").write_text(json.dumps({"annotation": {"object": objects}}))
    assert is_ade20k(tmp_path)
    count, found = read_ade20k(tmp_path, [])
    ((picture, seen),) = found
    assert (count, picture.name, seen.names) == (1, "ADE_1", ("chair", "chair"))
    assert seen.masks.sum(axis=(1, 2)).tolist() == [20 * 15] * 2
    assert seen.stuff is not None and seen.stuff.any()  # the wall


def test_names_of_the_first_release_go_by_instance(tmp_path: Path):
    photo(tmp_path / "ADE_1.jpg")
    save(tmp_path / "ADE_1_seg.png", TWO_CHAIRS)
    lines = ['001 # 0 # 0 # wall # wall # ""', '002 # 0 # 1 # chair # chairs # ""', '003 # 0 # 0 # stool # stool # ""']
    (tmp_path / "ADE_1_atr.txt").write_text("\n".join([*lines, '001 # 1 # 0 # leg # leg # ""', "nonsense"]))
    ((_, seen),) = read_ade20k(tmp_path, [])[1]
    assert seen.names == ("chair", "stool")


def test_class_images_with_a_list_of_names(tmp_path: Path):
    labels = np.zeros((H, W), np.uint8)
    labels[:10], labels[20:35, 10:30], labels[20:35, 40:50] = 1, 20, 20
    photo(tmp_path / "images/training/x.jpg")
    save(tmp_path / "annotations/training/x.png", labels)
    lines = ["Idx\tRatio\tTrain\tVal\tStuff\tName", "1\t0.1\t1\t1\t1\twall", "20\t0.1\t1\t1\t0\tchair;armchair"]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(lines))
    ((_, seen),) = read_ade20k(tmp_path, [])[1]
    assert seen.names == ("chair",)
    assert seen.masks.sum() == 15 * 30


def test_flawed_pictures_are_skipped_with_a_list(tmp_path: Path):
    photo(tmp_path / "good.jpg")
    save(tmp_path / "good_seg.png", TWO_CHAIRS)
    save(tmp_path / "alone_seg.png", TWO_CHAIRS)
    photo(tmp_path / "small.jpg")
    save(tmp_path / "small_seg.png", TWO_CHAIRS[:20])
    photo(tmp_path / "broken.jpg")
    (tmp_path / "broken_seg.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    photo(tmp_path / "sky.jpg")
    save(tmp_path / "sky_seg.png", coded())
    skipped: list[str] = []
    assert len(list(read_ade20k(tmp_path, skipped)[1])) == 1
    assert [any(word in sentence for sentence in skipped) for word in ("alone", "small", "broken", "sky")] == [True] * 4
    assert skipped_text(skipped).startswith("4 skipped: ")


def test_a_folder_that_is_no_ade20k_is_refused(tmp_path: Path):
    assert not is_ade20k(tmp_path)
    with pytest.raises(BadInput, match="it is no ADE20K"):
        read_ade20k(tmp_path, [])


DEPTH = np.linspace(500, 4000, H * W).reshape(H, W).astype(np.uint16)


def write_rgbd(folder: Path, *lines: Any) -> None:
    photo(folder / "a.jpg")
    holes = DEPTH.copy()
    holes[0, 0], holes[0, 1] = 0, 65535
    save(folder / "a_depth.png", holes)
    if lines:
        (folder / "index.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


A = {"image": "a.jpg", "depth": "a_depth.png"}


def test_depth_is_millimetres_and_0_and_65535_mean_nothing(tmp_path: Path):
    write_rgbd(tmp_path, {**A, "intrinsics": {"fx": 50, "fy": 51, "x_offset": 29.5, "cy": 20}})
    count, found = read_rgbd(tmp_path, [])
    (scene,) = found
    assert count == 1
    assert scene.depth.valid.ravel()[:3].tolist() == [False, False, True]
    assert scene.depth.z[-1, -1] == pytest.approx(4.0)
    assert (scene.camera.fx, scene.camera.fy, scene.camera.cx, scene.camera.cy) == (50, 51, 29.5, 20)
    assert scene.segmentation.ids == ()


def test_without_an_index_names_pair_and_masks_are_used(tmp_path: Path):
    write_rgbd(tmp_path / "deep")
    labels = np.zeros((H, W), np.uint8)
    labels[5:20, 5:20] = 3
    save(tmp_path / "deep/a_masks.png", labels)
    (scene,) = read_rgbd(tmp_path, [])[1]
    assert scene.segmentation.ids == (3,)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"image": "gone.jpg", "depth": "a_depth.png"}, "gone.jpg"),
        ({"image": "../../etc/passwd", "depth": "a_depth.png"}, "outside"),
        ({"image": "a\0.jpg", "depth": "a_depth.png"}, "no path"),
        ({"image": "a.jpg"}, "without image and depth"),
        ([1, 2], "without image and depth"),
        ({**A, "intrinsics": {"fx": -5, "fy": 4}}, "intrinsics"),
        ({**A, "intrinsics": {"fx": 5, "fy": 4, "cx": "x"}}, "principal point"),
        ({**A, "depth_unit_m": "mm"}, "depth_unit_m"),
        ({**A, "depth": "a.jpg"}, "a.jpg"),
    ],
)
def test_flawed_lines_are_skipped_and_named(tmp_path: Path, line: Any, sentence: str):
    write_rgbd(tmp_path, A, line)
    skipped: list[str] = []
    assert len(list(read_rgbd(tmp_path, skipped)[1])) == 1
    (found,) = skipped
    assert sentence in found
    write_rgbd(tmp_path, line)
    with pytest.raises(BadInput) as error:
        list(read_rgbd(tmp_path, [])[1])
    assert sentence in str(error.value)


def test_an_index_that_is_none_and_an_empty_folder_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="neither index.jsonl nor photos"):
        read_rgbd(tmp_path, [])
    (tmp_path / "index.jsonl").write_text("{")
    with pytest.raises(BadInput, match="one JSON object per line"):
        read_rgbd(tmp_path, [])
    with pytest.raises(BadInput, match="There is no folder"):
        read_rgbd(tmp_path / "nowhere", [])


def test_cocoa_photos_that_lack_something_are_skipped(tmp_path: Path):
    region = {"segmentation": [5, 5, 20, 5, 20, 20, 5, 20], "name": "box"}
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"regions": [region]}))
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg")
    (tmp_path / "b.json").write_text("{")
    skipped: list[str] = []
    assert [scene.photo.name for scene in read_cocoa(tmp_path, skipped=skipped)] == ["a"]
    assert len(skipped) == 2
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(BadInput, match="And 2 more"):
        list(read_cocoa(tmp_path))
    hostile = {"images": [{"id": [1], "file_name": "a.jpg"}], "annotations": [{"image_id": [1], "regions": [region]}]}
    (tmp_path / "all.json").write_text(json.dumps(hostile))
    with pytest.raises(BadInput, match="The photo a of"):
        list(read_cocoa(tmp_path / "all.json"))


def test_nothing_at_all_is_said():
    with pytest.raises(BadInput, match="nothing to measure on"):
        list(usable([], str, []))
    assert skipped_text([]) == ""
    assert skipped_text(["x."] * 12).endswith("and 2 more.")
    assert inside(Path("/a"), "b/../c.png") == Path("/a/b/../c.png")


def test_the_command_measures_depth_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_rgbd(tmp_path, A, {"image": "gone.jpg", "depth": "a_depth.png"})
    assert main(["eval", "depth", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "| geometric, scale | 1 | 0 | " in printed
    assert "1 of them have no masks" in printed
    assert "1 skipped: " in printed
    assert (tmp_path / "out/report.html").is_file()


def test_the_rgbd_photos_at_hand_are_read():
    if "PACO_DATA" not in os.environ:
        pytest.skip("needs the data folder: set PACO_DATA")
    count, found = read_rgbd(Path(os.environ["PACO_DATA"]) / "photos/rgbd", [])
    assert count == 81
    assert next(found).depth.kind == "metric"
