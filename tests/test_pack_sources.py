"""Where packs come from: rendered models, and COCO's photos."""

import contextlib
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from paco_core.data.bank import read_bank
from paco_core.data.coco import find_coco, is_whole
from paco_core.data.pack import PackItem
from paco_core.data.packfile import read_header
from paco_core.errors import BadInput
from scene3d.synthetic.models import find_models
from scene3d.synthetic.views import View, ViewedModel, library_items, views_of
from scene3d.types import TexturedMesh
from tests.maskfiles import mask_json
from tests.test_models import glb
from viewers.cli import main


def box(size: tuple[float, float, float], colour: tuple[int, int, int]) -> TexturedMesh:
    """Standing on the origin, of one colour."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (0, 1) for z in (-0.5, 0.5)]) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))])
    texture = np.full((2, 2, 3), colour, np.uint8)
    return TexturedMesh(corners, faces, np.full((8, 2), 0.5), texture)


def view(azimuth: float = 0.0, elevation: float = 0.0, sun: tuple[float, float, float] = (0, 0, 1)) -> View:
    return View(azimuth, elevation, 30.0, np.array(sun, float), 0.6, 1.0)


def test_a_model_stands_upright_and_fills_the_picture():
    alpha = ViewedModel(box((0.4, 1.0, 0.4), (200, 50, 50))).picture(view(), 64)[..., 3] / 255
    rows, columns = alpha.sum(axis=0).max(), alpha.sum(axis=1).max()
    assert rows == pytest.approx(60, abs=1)
    assert columns == pytest.approx(60 * 0.4, abs=1.5)
    assert np.abs(4 * alpha - np.round(4 * alpha)).max() < 0.02, "alpha counts four rays a pixel"


def test_the_top_is_seen_from_above_and_the_side_turns_with_the_azimuth():
    model = ViewedModel(box((1.0, 0.3, 0.1), (200, 50, 50)))
    wide, narrow = (model.picture(view(azimuth), 64)[..., 3] > 127 for azimuth in (0, 90))
    assert wide.any(axis=0).sum() > 55
    assert narrow.any(axis=0).sum() < 25
    plate = ViewedModel(box((1.0, 0.1, 1.0), (200, 50, 50)))
    flat, above = (plate.picture(view(0, elevation), 64)[..., 3] > 127 for elevation in (0, 45))
    assert above.any(axis=1).sum() > 2 * flat.any(axis=1).sum()


def test_what_the_sun_does_not_reach_is_darker_but_not_black():
    model = ViewedModel(box((1, 1, 1), (230, 230, 230)))
    lit, unlit = (model.picture(view(sun=sun), 32)[16, 16, :3].mean() for sun in ((0, 0, 1), (0, 0, -1)))
    assert 50 < unlit < 0.8 * lit


def test_a_dark_model_is_shown_brighter():
    dark = ViewedModel(box((1, 1, 1), (40, 40, 40))).picture(view(), 32)[16, 16, 0]
    assert dark > 55


def test_no_face_of_a_box_is_seen_through():
    for azimuth in range(0, 360, 30):
        alpha = ViewedModel(box((1, 1, 1), (90, 90, 90))).picture(view(azimuth, 30), 48)[..., 3]
        assert alpha[20:28, 20:28].min() == 255


def model_folder(tmp_path: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    for name in names:
        (tmp_path / f"{name}.glb").write_bytes(glb(textured=name != "a"))
    lines = [{"file": f"{name}.glb", "split": "train", "use": "train", "licence": "CC0", "repo": name} for name in names]
    (tmp_path / "index.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path


def test_the_same_seed_makes_the_same_views_and_models_differ(tmp_path: Path):
    entries = find_models(model_folder(tmp_path)).entries
    once, again, other = (views_of(entries[0], 3, 32, seed) for seed in (0, 0, 1))
    assert isinstance(once, list) and isinstance(again, list) and isinstance(other, list)
    assert all(np.array_equal(a.rgba, b.rgba) for a, b in zip(once, again, strict=True))
    assert not all(np.array_equal(a.rgba, b.rgba) for a, b in zip(once, other, strict=True))
    assert [item.rank for item in once] == [0, 1, 2]
    assert once[0].licence == "CC0"


def test_broken_models_are_skipped_and_named(tmp_path: Path):
    folder = model_folder(tmp_path, ("a", "b", "c"))
    (folder / "b.glb").write_bytes(b"no model")
    found = list(library_items(find_models(folder), views=2, size=32, seed=0, processes=1))
    flaws = [item for item in found if isinstance(item, str)]
    assert len(found) == 3
    assert len(flaws) == 1 and "b.glb is left out" in flaws[0]


def test_two_processes_make_what_one_makes(tmp_path: Path):
    library = find_models(model_folder(tmp_path))
    one, two = (list(library_items(library, views=2, size=32, seed=3, processes=n)) for n in (1, 2))
    for a, b in zip([i for found in one for i in found], [i for found in two for i in found], strict=True):
        assert isinstance(a, PackItem) and isinstance(b, PackItem)
        assert a.group == b.group
        assert np.array_equal(a.rgba, b.rgba)


def test_models_become_a_pack_on_the_command_line(tmp_path: Path):
    folder, out = model_folder(tmp_path), tmp_path / "x.pack"
    command = ["pack", "models", str(folder), "--views", "2", "--size", "48", "--processes", "1", "--out", str(out)]
    assert main(command) == 0
    header = read_header(out)
    assert header["source"] == {"a": 2, "b": 2}
    assert header["made_by"] == "paco pack models FOLDER --split train --size 48 --max-mb 24 --seed 0 --views 2"
    assert len(read_bank([out], size=48)) == 4


def star(centre: tuple[float, float], radius: float) -> list[float]:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = radius * (0.8 + 0.2 * np.cos(5 * angle))
    return np.stack([centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)], axis=1).ravel().tolist()


def rectangle(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


HW = (300, 400)
LEFT, RIGHT = rectangle(40, 150, 120, 250), rectangle(120, 150, 200, 250)
"""Two neighbours between which only depth can tell."""


def coco_folder(tmp_path: Path, polygons: list[list[float]], **changes: Any) -> tuple[Path, Path]:
    """A small instances file and its one photo."""
    images = tmp_path / "images"
    if not images.exists():
        images.mkdir()
        noise = np.random.default_rng(0).integers(0, 256, (*HW, 3), np.uint8)
        Image.fromarray(noise).save(images / "a.png", compress_level=0)
    annotations = [
        {"id": k, "image_id": 7, "category_id": 1, "segmentation": [polygon], "iscrowd": 0} for k, polygon in enumerate(polygons)
    ]
    whole = {
        "images": [{"id": 7, "file_name": "a.png", "height": HW[0], "width": HW[1], "license": 4}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "star"}],
        "licenses": [{"id": 4, "name": "Attribution License"}],
        **changes,
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(whole))
    return path, images


def chosen(path: Path, images: Path, depth: Path | None = None) -> list[PackItem]:
    (found,) = find_coco(path, images, depth)[0].items(64)
    assert not isinstance(found, str), found
    return list(found)


def test_whole_objects_of_coco_are_taken_and_others_are_not(tmp_path: Path):
    whole = star((320, 80), 50)
    small, at_the_border = star((250, 40), 15), rectangle(0, 10, 90, 90)
    thin = rectangle(210, 270, 390, 280)
    (item,) = chosen(*coco_folder(tmp_path, [whole, small, at_the_border, thin]))
    assert (item.name, item.licence, item.group) == ("star", "Attribution License", "coco/a/1")
    assert max(item.rgba.shape[:2]) == 60


def test_of_two_neighbours_the_nearer_one_is_whole(tmp_path: Path):
    path, images = coco_folder(tmp_path, [LEFT, RIGHT])
    depth = tmp_path / "depth"
    depth.mkdir()
    columns = np.indices(HW)[1]
    for nearer, expected in (("left", "coco/a/1"), ("right", "coco/a/2")):
        metres = np.where((columns < 120) == (nearer == "left"), 1.0, 2.0).astype(np.float32)
        np.save(depth / "a.npy", metres)
        assert [item.group for item in chosen(path, images, depth)] == [expected]


def test_without_depth_what_bites_into_its_neighbour_is_in_front(tmp_path: Path):
    angle = np.linspace(-np.pi, np.pi, 60, endpoint=False)
    disc = np.stack([190 + 45 * np.cos(angle), 150 + 45 * np.sin(angle)], axis=1)
    left = np.roll(disc, 30, axis=0)
    rim = left[left[:, 0] < 180]  # the part of the circle that reaches into the square, from above to below
    square = [[60, 90], [180, 90], *rim[np.argsort(rim[:, 1])].tolist(), [180, 210], [60, 210]]
    polygons = [np.array(square, float).ravel().tolist(), disc.ravel().tolist()]
    assert [item.group for item in chosen(*coco_folder(tmp_path, polygons))] == ["coco/a/2"]


def test_crowds_are_no_objects(tmp_path: Path):
    counts = [0, HW[0] * HW[1]]
    crowd = {"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 1, "segmentation": {"size": list(HW), "counts": counts}}
    assert chosen(*coco_folder(tmp_path, [], annotations=[crowd])) == []


@pytest.mark.parametrize(
    ("mask", "whole"),
    [
        (np.pad(np.ones((60, 60), bool), 20), True),
        (np.pad(np.ones((60, 60), bool), ((2, 20), (20, 20))), False),
        (np.pad(np.ones((40, 40), bool), 20), False),
        (np.pad(np.concatenate([np.ones((60, 60), bool), np.zeros((60, 9), bool), np.ones((60, 60), bool)], 1), 20), False),
        (np.pad(np.eye(300, dtype=bool) | np.eye(300, k=1, dtype=bool) | (np.indices((300, 300))[0] < 9), 20), False),
    ],
    ids=["square", "at the border", "small", "two parts", "tangle"],
)
def test_a_mask_tells_whether_its_object_is_whole(mask: np.ndarray, whole: bool):
    assert is_whole(mask) == whole


def test_a_photo_of_another_size_is_skipped_with_its_name(tmp_path: Path):
    path, images = coco_folder(tmp_path, [LEFT])
    Image.new("RGB", (50, 50)).save(images / "a.png")
    (sentence,) = find_coco(path, images)[0].items(64)
    assert isinstance(sentence, str) and sentence.startswith("a.png is left out")


def test_photos_that_are_not_there_are_listed_and_none_at_all_is_refused(tmp_path: Path):
    both = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "../b.png"}]
    path, images = coco_folder(tmp_path, [LEFT], images=both)
    assert find_coco(path, images)[1] == ("b.png is left out: it is not in images.",)
    (images / "a.png").unlink()
    with pytest.raises(BadInput, match="2 are not there"):
        find_coco(path, images)


@pytest.mark.parametrize("content", ["[]", "{}", "no json", '{"images": [1], "annotations": []}', '{"images": 3}'])
def test_what_is_no_instances_file_is_refused(tmp_path: Path, content: str):
    path, images = coco_folder(tmp_path, [LEFT])
    path.write_text(content)
    with pytest.raises(BadInput, match="instances"):
        find_coco(path, images)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=mask_json())
def test_a_coco_file_of_any_content_is_read_or_refused_with_a_sentence(tmp_path: Path, content: Any):
    path, images = coco_folder(tmp_path, [LEFT])
    listed = content.get("annotations") if isinstance(content, dict) else content
    if isinstance(listed, list):  # of the photo that is there
        listed = [{**entry, "image_id": 7} if isinstance(entry, dict) else entry for entry in listed]
    path.write_text(json.dumps({**json.loads(path.read_text()), "annotations": listed}))
    with contextlib.suppress(BadInput):
        for found in find_coco(path, images)[0].items(64):
            assert isinstance(found, str | list)


def test_coco_becomes_a_pack_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, images = coco_folder(tmp_path, [star((320, 80), 50)])
    out = tmp_path / "coco.pack"
    assert main(["pack", "coco", str(path), str(images), "--out", str(out), "--measuring"]) == 0
    assert "1 pictures of 1 objects" in capsys.readouterr().out
    assert read_header(out)["use"] == "eval"
    assert zipfile.ZipFile(out).testzip() is None


def test_nothing_whole_is_an_error_not_an_empty_pack(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path, images = coco_folder(tmp_path, [rectangle(0, 0, 90, 90)])
    with caplog.at_level(logging.ERROR):
        assert main(["pack", "coco", str(path), str(images), "--out", str(tmp_path / "x.pack")]) == 2
    assert not (tmp_path / "x.pack").exists()
