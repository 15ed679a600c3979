"""Consistency without truth: a method that changes with the photo scores 1, one that does not is caught."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paco_core.evaluation.changes import Change, changes_of, cut, flip, half
from paco_core.evaluation.consistency import COLUMNS, Agreement, Answer, agreement_rows, compare, consistency_rows
from paco_core.evaluation.order import order_of_edges
from paco_core.types import Camera, DepthMap, Photo, Segmentation
from scene3d.evaluation.scene_consistency import CENTRE, LOST, centre_errors, compare_scenes, scene_rows
from tests.hidden import two_boxes
from viewers.cli import main

HW = (60, 80)
CAMERA = Camera(70.0, 71.0, 39.0, 31.0, 80, 60)


def equivariant(photo: Photo, seen: Segmentation, camera: Camera) -> Answer:
    """Masks as they are, a lower number in front, brightness as depth: none of it knows where left is."""
    depth = DepthMap(1 + photo.rgb[..., 0].astype(np.float32), np.ones(photo.hw, bool), "relative", "test")
    edges = [(a, b) for a in seen.ids for b in seen.ids if a < b]
    return Answer(seen.masks, order_of_edges(seen.ids, edges), depth)


def leaning(photo: Photo, seen: Segmentation, camera: Camera) -> Answer:
    """Everything goes on to the right, the left one is in front, and what is on the right is farther away."""
    masks = seen.masks | np.roll(seen.masks, 4, axis=2)
    middles = {i: np.nonzero(mask)[1].mean() for i, mask in zip(seen.ids, seen.masks, strict=True)}
    edges = [(a, b) for a in seen.ids for b in seen.ids if middles[a] < middles[b]]
    depth = np.broadcast_to(np.linspace(1, 2, photo.hw[1], dtype=np.float32), photo.hw)
    return Answer(masks, order_of_edges(seen.ids, edges), DepthMap(depth, np.ones(photo.hw, bool), "relative", "test"))


def broken(photo: Photo, seen: Segmentation, camera: Camera) -> Answer:
    raise ValueError("no idea")


def broken_when_small(photo: Photo, seen: Segmentation, camera: Camera) -> Answer:
    return broken(photo, seen, camera) if photo.hw[0] < 50 else equivariant(photo, seen, camera)


def scene() -> tuple[Photo, Segmentation]:
    """Two boxes side by side, well inside; brightness grows in blocks that half the size keeps."""
    left, right = np.zeros((2, *HW), bool)
    left[20:40, 20:36], right[24:44, 40:60] = True, True
    rgb = np.repeat(np.repeat(np.arange(30 * 40).reshape(30, 40) % 200, 2, axis=0), 2, axis=1)
    photo = Photo(np.stack([rgb.astype(np.uint8)] * 3, axis=-1), "p", "0")
    return photo, Segmentation((3, 8), ("a", "b"), np.stack([left, right]))


def test_a_method_that_changes_with_the_photo_agrees_with_itself():
    for found in compare(*scene(), equivariant):
        assert found.ious == (1.0, 1.0)
        assert found.invented_ious == ()
        assert (found.edges_kept, found.edges) == (1, 1)
        if found.change != "half size":  # the nearest pixel of a mean is another one
            assert found.depth_abs_rel == pytest.approx(0, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_perfectly_equivariant_method_scores_one_on_any_masks(seed: int, count: int):
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, count + 1, (6, 8)).repeat(10, axis=0).repeat(10, axis=1)
    ids = tuple(int(i) for i in np.unique(blocks) if i)
    seen = Segmentation(ids, ("x",) * len(ids), np.array([blocks == i for i in ids]).reshape(len(ids), *HW))
    photo = Photo(np.full((*HW, 3), 7, np.uint8), "p", "0")
    for found in compare(photo, seen, equivariant):
        assert set(found.ious) <= {1.0}
        assert found.edges_kept == found.edges
        assert found.depth_abs_rel == pytest.approx(0, abs=1e-6)
        assert not found.failure


def test_a_method_that_leans_to_one_side_is_caught_by_the_flip():
    found = {a.change: a for a in compare(*scene(), leaning)}
    # 16 + 4 and 20 + 4 columns, mirrored: 16 of 24 and 20 of 28 are in both; what was invented never is
    assert found["flip"].ious == pytest.approx((16 / 24, 20 / 28))
    assert found["flip"].invented_ious == (0.0, 0.0)
    assert (found["flip"].edges_kept, found["flip"].edges) == (0, 1)
    assert found["flip"].depth_abs_rel > 0.1
    assert found["cut"].ious == (1.0, 1.0)
    assert found["cut"].invented_ious == (1.0, 1.0)
    assert found["cut"].edges_kept == 1


def test_what_fails_agrees_with_nothing():
    for found in compare(*scene(), broken):
        assert (found.ious, found.edges_kept, found.edges, found.depth_abs_rel) == ((0.0, 0.0), 0, 1, 1.0)
        assert found.failure == "ValueError: no idea"
    found = {a.change: a for a in compare(*scene(), broken_when_small)}
    assert found["half size"].ious == (0.0, 0.0)
    assert found["flip"].ious == (1.0, 1.0)
    row = consistency_rows(list(found.values()))[1]
    assert (row.method, row.facts["failed"], row.figures["masks: IoU"].value) == ("half size", "1", 0.0)


def test_a_cut_asks_for_objects_that_stay_whole_alone():
    photo, seen = scene()
    edge = np.zeros(HW, bool)
    edge[2:20, 10:30] = True
    seen = replace(seen, ids=(3, 8, 9), names=("a", "b", "c"), masks=np.concatenate([seen.masks, edge[None]]))
    found = {a.change: a for a in compare(photo, seen, equivariant)}
    assert [len(found[name].ious) for name in ("flip", "half size", "cut")] == [3, 3, 2]


@pytest.mark.parametrize("change", changes_of(HW), ids=lambda c: c.name)
def test_photo_masks_depth_and_camera_are_changed_alike(change: Change):
    mask = np.zeros((1, *HW), bool)
    mask[0, 20:40, 30:50] = True
    photo = Photo(np.where(mask[0][..., None], np.uint8(200), np.zeros((*HW, 3), np.uint8)), "p", "0")
    depth = DepthMap(np.where(mask[0], 2, 1).astype(np.float32), np.ones(HW, bool), "relative", "test")
    changed, camera = change.masks(mask)[0], change.camera(CAMERA)
    assert ((change.photo(photo).rgb[..., 0] > 100) == changed).all()
    assert ((change.depth(depth).z > 1.5) == changed).all()
    assert (camera.height, camera.width) == changed.shape
    # the middle of the box lies in the same direction, but for the mirror
    rows, columns = np.nonzero(changed)
    x = (columns.mean() + 0.5 - camera.cx) / camera.fx
    assert x * (-1 if change.mirrors else 1) == pytest.approx((40 - CAMERA.cx) / CAMERA.fx)
    assert (rows.mean() + 0.5 - camera.cy) / camera.fy == pytest.approx((30 - CAMERA.cy) / CAMERA.fy)


def test_flipping_twice_changes_nothing_and_sizes_are_known():
    mask = np.random.default_rng(0).random((3, *HW)) > 0.5
    assert (flip().masks(flip().masks(mask)) == mask).all()
    assert half((61, 81)).masks(np.ones((1, 61, 81), bool)).shape == (1, 30, 40)
    assert cut(HW, 0.1).masks(mask).shape == (3, 48, 64)


def test_edges_are_pooled_and_objects_count_the_same():
    found = [Agreement("a", "flip", (1.0, 0.5), (0.5,), 3, 4, 0.1), Agreement("b", "flip", (0.0,), (), 0, 0, 0.3)]
    (row,) = consistency_rows(found)
    assert [row.figures[name].value for name in COLUMNS] == pytest.approx([0.5, 0.5, 0.75, 0.2])
    assert row.facts["objects (with invented parts)"] == "3 (1)"
    assert [r["invented_iou"] for r in agreement_rows(found)] == [0.5, ""]


def test_centres_are_compared_after_the_mirror_and_one_factor():
    first = {1: np.array([1.0, 0.0, 4.0]), 2: np.array([-2.0, 1.0, 8.0]), 3: np.array([0.0, 0.0, 5.0])}
    mirrored = {i: 3 * c * np.array([-1.0, 1.0, 1.0]) for i, c in first.items()}
    assert centre_errors(first, mirrored, [1, 2, 3], flip()) == pytest.approx((0, 0, 0))
    assert centre_errors(first, mirrored, [1, 2, 3], cut(HW))[1] > 0.4
    mirrored[3] = 3 * np.array([0.0, 0.0, 6.0])
    assert centre_errors(first, mirrored, [1, 2, 3], flip()) == pytest.approx((0, 0, 1 / 5))
    assert centre_errors(first, {1: first[1]}, [1, 2], cut(HW)) == (0.0, LOST)
    assert centre_errors(first, {}, [1, 2], cut(HW)) == (LOST, LOST)


def test_scenes_that_fail_count_as_lost():
    def nowhere(photo: Photo, seen: Segmentation, camera: Camera) -> dict[int, np.ndarray]:
        raise ValueError("no idea")

    def facing(photo: Photo, seen: Segmentation, camera: Camera) -> dict[int, np.ndarray]:
        """Along the ray through the middle of each mask: changes as the photo does."""
        middles = {i: np.argwhere(mask).mean(axis=0) + 0.5 for i, mask in zip(seen.ids, seen.masks, strict=True)}
        return {i: np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0]) for i, (v, u) in middles.items()}

    for found in compare_scenes(*scene(), facing):
        assert found.errors == pytest.approx((0.0, 0.0), abs=1e-9)
    lost = compare_scenes(*scene(), nowhere)
    assert {found.errors for found in lost} == {(LOST, LOST)}
    (row, *_) = scene_rows(lost)
    assert (row.method, row.figures[CENTRE].value) == ("flip, scene", 100.0)
    assert row.facts == {"photos": "1", "objects (lost)": "2 (2)", "failed": "1"}


def write_scene(folder: Path) -> None:
    boxes = two_boxes()
    folder.mkdir()
    Image.fromarray(boxes.photo.rgb).save(folder / "photo.png")
    labels = np.zeros(boxes.photo.hw, np.uint8)
    for i, mask in zip(boxes.segmentation.ids, boxes.segmentation.masks, strict=True):
        labels[mask] = i
    Image.fromarray(labels).save(folder / "seg.png")


def test_the_command_measures_the_program_s_own_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_scene(tmp_path / "boxes")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/photo.png").write_bytes(b"no picture")
    (tmp_path / "bad/seg.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert main(["eval", "consistency", str(tmp_path), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| flip | 1 | 2 (1) |" in printed
    assert "1 skipped: " in printed
    assert json.loads((out / "figures.json").read_text())["figures"]["flip"]["masks: IoU"] > 0.9
    assert "boxes,half size,2," in (out / "photos.csv").read_text()


def test_folders_without_scenes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "consistency", str(tmp_path / "nowhere")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert main(["eval", "consistency", str(tmp_path)]) == 2
    assert "has no scene" in capsys.readouterr().err
