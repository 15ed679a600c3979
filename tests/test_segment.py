"""Masks as people bring them, and the stage that makes them disjoint."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from paco_core.errors import BadInput
from paco_core.masknames import split_names
from paco_core.segment import SegmentationConfig, load_masks, resize_masks, segment
from paco_core.types import Photo, Segmentation

HW = (60, 80)


def photo(hw: tuple[int, int] = HW) -> Photo:
    return Photo(np.zeros((*hw, 3), np.uint8), "p", "0" * 64)


def box(x0: int, y0: int, x1: int, y1: int, hw: tuple[int, int] = HW) -> np.ndarray:
    mask = np.zeros(hw, bool)
    mask[y0:y1, x0:x1] = True
    return mask


CUP, SAUCER = box(30, 10, 50, 30), box(10, 30, 70, 50)


def save(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


def labels(cup: int = 1, saucer: int = 2, dtype: type = np.uint8) -> np.ndarray:
    return (cup * CUP + saucer * SAUCER).astype(dtype)


def check(found: Segmentation, ids: tuple[int, ...], names: tuple[str, ...]) -> None:
    assert found.ids == ids
    assert found.names == names
    assert np.array_equal(found.masks, np.stack([CUP, SAUCER]))


def test_a_label_png_gives_its_ids_and_numbered_names(tmp_path: Path):
    check(load_masks(save(tmp_path / "m.png", labels(3, 7)), HW), (3, 7), ("object 3", "object 7"))


def test_a_sixteen_bit_label_png_keeps_large_ids(tmp_path: Path):
    check(load_masks(save(tmp_path / "m.png", labels(300, 4000, np.uint16)), HW), (300, 4000), ("object 300", "object 4000"))


def test_an_indexed_png_is_read_by_index_and_not_by_colour(tmp_path: Path):
    image = Image.fromarray(labels()).convert("P")
    image = Image.frombytes("P", image.size, labels().tobytes())
    image.putpalette([200, 200, 200, 200, 200, 200, 7, 7, 7])
    image.save(tmp_path / "m.png")
    check(load_masks(tmp_path / "m.png", HW), (1, 2), ("object 1", "object 2"))


def test_one_colour_per_object_is_numbered_from_the_top(tmp_path: Path):
    colours = np.zeros((*HW, 3), np.uint8)
    colours[CUP], colours[SAUCER] = (250, 200, 10), (3, 40, 90)
    check(load_masks(save(tmp_path / "m.png", colours), HW), (1, 2), ("object 1", "object 2"))


def test_grey_labels_saved_as_colour_keep_their_numbers(tmp_path: Path):
    check(load_masks(save(tmp_path / "m.png", labels(4, 9), "RGB"), HW), (4, 9), ("object 4", "object 9"))


def test_a_black_and_white_mask_is_object_1(tmp_path: Path):
    found = load_masks(save(tmp_path / "m.png", (CUP * 255).astype(np.uint8)), HW)
    assert found.ids == (1,)
    assert np.array_equal(found.masks[0], CUP)


def test_a_photo_in_place_of_labels_is_refused(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (*HW, 3), dtype=np.uint8)
    for array in (noise, noise[..., 0]):
        with pytest.raises(BadInput, match="looks like a photo"):
            load_masks(save(tmp_path / "m.png", array), HW)


def test_a_soft_mask_in_place_of_labels_is_refused_with_the_way_out(tmp_path: Path):
    soft = (CUP * 255).astype(np.uint8)
    soft[9, 30:50], soft[30, 30:50] = 90, 180
    with pytest.raises(BadInput, match="folder"):
        load_masks(save(tmp_path / "m.png", soft), HW)


@pytest.mark.parametrize(("hw", "advice"), [((80, 60), "turned by 90°"), ((30, 40), "nearest"), ((60, 70), "without cropping")])
def test_another_size_is_refused_with_both_sizes_and_advice(tmp_path: Path, hw: tuple[int, int], advice: str):
    path = save(tmp_path / "m.png", np.ones(hw, np.uint8))
    with pytest.raises(BadInput, match=f"{hw[1]}×{hw[0]} px, the photo 80×60 px.*{advice}"):
        load_masks(path, HW)


def test_masks_without_any_object_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="no object"):
        load_masks(save(tmp_path / "m.png", np.zeros(HW, np.uint8)), HW)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="has no masks"):
        load_masks(tmp_path / "empty", HW)
    with pytest.raises(BadInput, match="no file or folder"):
        load_masks(tmp_path / "nowhere", HW)


def folder_of_masks(tmp_path: Path) -> Path:
    """Every kind of file that people put there; natural order differs from alphabetical order."""
    folder = tmp_path / "masks"
    folder.mkdir()
    save(folder / "10_saucer.png", (SAUCER * 255).astype(np.uint8))
    rgba = np.full((*HW, 4), 255, np.uint8)
    rgba[..., 3] = (CUP | box(30, 25, 50, 35)) * 255
    save(folder / "2_left_cup.png", rgba)
    save(folder / "3.png", box(0, 0, 8, 8).astype(np.uint8))  # 0 and 1, as NumPy writes a mask
    (folder / "notes.txt").write_text("not a mask")
    return folder


def test_a_folder_gives_one_object_per_file_in_natural_order_and_may_overlap(tmp_path: Path):
    found = load_masks(folder_of_masks(tmp_path), HW)
    assert found.ids == (1, 2, 3)
    assert found.names == ("left cup", "object 2", "saucer")
    assert np.array_equal(found.masks[2], SAUCER)
    assert np.array_equal(found.masks[1], box(0, 0, 8, 8))
    assert (found.masks[0] & found.masks[2]).any()


def test_an_empty_mask_in_a_folder_is_named(tmp_path: Path):
    folder = folder_of_masks(tmp_path)
    save(folder / "4_lamp.png", np.zeros(HW, np.uint8))
    with pytest.raises(BadInput, match=r"4_lamp\.png is an empty mask"):
        load_masks(folder, HW)


@pytest.mark.parametrize("content", [{"1": "cup", "2": "saucer"}, ["cup", "saucer"]])
@pytest.mark.parametrize("beside", ["m.json", "masks.json"])
def test_names_beside_the_masks_are_found(tmp_path: Path, content: object, beside: str):
    (tmp_path / beside).write_text(json.dumps(content))
    check(load_masks(save(tmp_path / "m.png", labels()), HW), (1, 2), ("cup", "saucer"))


def test_names_come_from_a_given_file_or_list(tmp_path: Path):
    path = save(tmp_path / "m.png", labels())
    (tmp_path / "masks.json").write_text('["wrong", "file"]')
    (tmp_path / "n.txt").write_text("cup\nsaucer\n")
    (tmp_path / "n.json").write_text('{"2": "saucer"}')
    check(load_masks(path, HW, names_path=tmp_path / "n.txt"), (1, 2), ("cup", "saucer"))
    check(load_masks(path, HW, names_path=tmp_path / "n.json"), (1, 2), ("object 1", "saucer"))
    check(load_masks(path, HW, names=split_names("cup, saucer")), (1, 2), ("cup", "saucer"))
    with pytest.raises(BadInput, match="twice"):
        load_masks(path, HW, names_path=tmp_path / "n.txt", names=("cup", "saucer"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"21": "cup"}', r"names object 21, but the masks have ids 11, 12\. Did you mean 1[12]\?"),
        ('["cup"]', "has 1 names, the masks have 2 objects"),
        ('{"11": " "}', "empty name"),
        ('{"11": 3}', "must hold"),
        ("cup, saucer", "does not read as names"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, content: str, sentence: str):
    (tmp_path / "n.json").write_text(content)
    with pytest.raises(BadInput, match=sentence):
        load_masks(save(tmp_path / "m.png", labels(11, 12)), HW, names_path=tmp_path / "n.json")


def test_overlaps_go_to_the_smaller_object_and_are_said():
    notes: list[str] = []
    raw = Segmentation((5, 2), ("table", "cup"), np.stack([box(0, 0, 80, 60), CUP]))
    found = segment(photo(), raw, note=notes.append)
    assert found.ids == (5, 2)
    assert np.array_equal(found.mask(2), CUP)
    assert np.array_equal(found.mask(5), ~CUP)
    assert notes == ["400 px belong to more than one mask; they go to the smallest of these objects."]


def test_small_objects_and_specks_are_dropped_and_said(caplog: pytest.LogCaptureFixture):
    cup_with_speck = CUP | box(70, 2, 73, 5)
    raw = Segmentation((1, 2, 3), ("cup", "crumb", "saucer"), np.stack([cup_with_speck, box(0, 0, 3, 5), SAUCER]))
    with caplog.at_level(logging.WARNING):
        found = segment(photo(), raw)
    check(found, (1, 3), ("cup", "saucer"))
    assert "crumb (id 2) is left out" in caplog.text


def test_the_smallest_object_grows_with_the_photo():
    hw = (1000, 1000)
    raw = Segmentation((1, 2), ("nut", "box"), np.stack([box(0, 0, 9, 9, hw), box(100, 100, 900, 900, hw)]))
    assert segment(photo(hw), raw).ids == (2,)
    assert segment(photo(hw), raw, SegmentationConfig(min_object_fraction=1e-5)).ids == (1, 2)


def test_an_object_under_smaller_ones_only_is_dropped_and_the_others_stay():
    raw = Segmentation((1, 2, 3), ("both", "cup", "saucer"), np.stack([CUP | SAUCER, CUP, SAUCER]))
    assert segment(photo(), raw, note=lambda _: None).ids == (2, 3)


def test_of_masks_that_are_the_same_the_first_stays_and_it_is_said():
    notes: list[str] = []
    raw = Segmentation((3, 1, 2, 4), ("cup", "saucer", "mug", "dish"), np.stack([CUP, SAUCER, CUP, SAUCER | box(70, 30, 71, 50)]))
    found = segment(photo(), raw, note=notes.append)
    check(found, (3, 1), ("cup", "saucer"))
    assert notes == [
        "mug (id 2) is left out: its mask is that of cup (id 3).",
        "dish (id 4) is left out: its mask is that of saucer (id 1).",
    ]


def test_a_mask_of_the_whole_photo_is_background():
    hw, notes = (200, 200), list[str]()
    raw = Segmentation((1, 2), ("all", "nut"), np.stack([np.ones(hw, bool), box(5, 5, 10, 10, hw)]))
    assert segment(photo(hw), raw, note=notes.append).names == ("nut",)
    assert notes[-1] == "all (id 1) is left out: its mask is the whole photo, so it is taken as background."


def test_two_hundred_masks_are_taken_and_single_pixels_are_not(tmp_path: Path):
    cells = np.arange(200).reshape(10, 20) + 1
    labels = np.kron(cells, np.ones((6, 6))).astype(np.uint16)
    labels[::6, ::6] += 300  # one pixel of its own in every cell
    with pytest.raises(BadInput, match="looks like a photo"):
        load_masks(save(tmp_path / "m.png", labels), labels.shape)
    labels[labels > 300] = 0
    assert len(segment(photo(labels.shape), load_masks(save(tmp_path / "m.png", labels), labels.shape)).ids) == 200
    pixels = np.zeros(HW, np.uint8)
    pixels[3, 5:9] = (1, 2, 3, 200)
    with pytest.raises(BadInput, match="every mask is empty, tiny"):
        segment(photo(), load_masks(save(tmp_path / "m.png", pixels), HW))


def test_huge_and_negative_label_numbers(tmp_path: Path):
    image = Image.fromarray((2_000_000_000 * SAUCER.astype(np.int64)).astype(np.int32))
    image.save(tmp_path / "m.tif")
    assert load_masks(tmp_path / "m.tif", HW).ids == (2_000_000_000,)
    Image.fromarray(-SAUCER.astype(np.int32)).save(tmp_path / "m.tif")
    with pytest.raises(BadInput, match="label -1. Labels must be positive"):
        load_masks(tmp_path / "m.tif", HW)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (Segmentation((1,), ("a",), np.ones((1, 60, 70), bool)), "70×60 px, the photo 80×60 px"),
        (Segmentation((1, 1), ("a", "b"), np.ones((2, 60, 80), bool)), "different from each other"),
        (Segmentation((0,), ("a",), np.ones((1, 60, 80), bool)), "positive"),
        (Segmentation((1, 2), ("a",), np.ones((2, 60, 80), bool)), "1 names"),
        (Segmentation((1,), ("a",), np.zeros((1, 60, 80), bool)), "No object is left"),
        (Segmentation((1, 2), ("a", "b"), np.ones((2, 60, 80), bool)), "tiny or the whole photo"),
        (Segmentation((), (), np.zeros((0, 60, 80), bool)), "No object is left"),
    ],
)
def test_what_is_no_segmentation_of_the_photo_is_refused(raw: Segmentation, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        segment(photo(), raw)


@settings(max_examples=60, deadline=None)
@given(masks=arrays(bool, (4, 12, 15)), min_px=st.integers(1, 5))
def test_masks_are_disjoint_not_empty_and_lose_only_what_is_small(masks: np.ndarray, min_px: int):
    raw = Segmentation((4, 9, 2, 7), ("a", "b", "c", "d"), masks)
    config = SegmentationConfig(min_object_px=min_px, min_speck_px=min_px)
    try:
        found = segment(photo((12, 15)), raw, config, note=lambda _: None)
    except BadInput:
        return
    assert (found.masks.sum(axis=0) <= 1).all()
    assert (found.masks.sum(axis=(1, 2)) >= min_px).all()
    assert [i for i in raw.ids if i in found.ids] == list(found.ids)
    assert all((found.mask(i) <= raw.mask(i)).all() for i in found.ids)
    if min_px == 1:
        assert np.array_equal(found.masks.any(axis=0), masks.any(axis=0))


@settings(max_examples=30, deadline=None)
@given(owner=arrays(np.uint8, (12, 15), elements=st.integers(0, 3)), h=st.integers(2, 24), w=st.integers(2, 30))
def test_resized_masks_stay_disjoint(owner: np.ndarray, h: int, w: int):
    masks = np.stack([owner == i for i in (1, 2, 3)])
    resized = resize_masks(Segmentation((1, 2, 3), ("a", "b", "c"), masks), (h, w)).masks
    assert resized.shape == (3, h, w)
    assert (resized.sum(axis=0) <= 1).all()


def test_resizing_to_half_and_back_keeps_even_boxes():
    raw = Segmentation((1, 2), ("cup", "saucer"), np.stack([CUP, SAUCER]))
    assert np.array_equal(resize_masks(resize_masks(raw, (30, 40)), HW).masks, raw.masks)
