"""Masks as JSON files of annotation tools hold them."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from paco_core.errors import BadInput
from paco_core.maskfile import load_masks
from paco_core.polygons import fill_polygons, polygon_points
from paco_core.rle import decode_rle
from paco_core.segment import resize_masks
from paco_core.stuff import SKY
from tests.maskfiles import coco_string, runs_of

HW = (60, 80)
PLATE = [[10, 10, 50, 10, 50, 40, 10, 40]]
"""As COCO writes a box from (10, 10) to (50, 40)."""


def box(x0: int, y0: int, x1: int, y1: int, hw: tuple[int, int] = HW) -> np.ndarray:
    mask = np.zeros(hw, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def save(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def coco(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A COCO file of one image of 80×60 px with these annotations."""
    listed = [{"id": 900 + n, "image_id": 7, "category_id": 1, "iscrowd": 0} | a for n, a in enumerate(annotations)]
    images = [{"id": 7, "file_name": "desk.jpg", "height": 60, "width": 80}]
    kinds = [{"id": 1, "name": "plate"}, {"id": 2, "name": "cup"}, {"id": 3, "name": "wall-brick"}]
    return {"images": images, "annotations": listed, "categories": kinds} | more


# --- run lengths ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(mask=arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_run_lengths_say_the_mask_whether_listed_or_compressed(mask: np.ndarray):
    runs = runs_of(mask)
    assert np.array_equal(decode_rle({"size": list(mask.shape), "counts": runs}, mask.shape), mask)
    assert np.array_equal(decode_rle({"size": list(mask.shape), "counts": coco_string(runs)}, mask.shape), mask)


@settings(max_examples=40, deadline=None)
@given(mask=arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_the_compressed_string_is_that_of_the_coco_api(mask: np.ndarray):
    api = pytest.importorskip("pycocotools.mask")
    theirs = api.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert np.array_equal(decode_rle({"size": theirs["size"], "counts": theirs["counts"].decode()}, mask.shape), mask)
    assert theirs["counts"].decode() == coco_string(runs_of(mask))


@pytest.mark.parametrize(
    ("rle", "sentence"),
    [
        ({"size": [60, 81], "counts": [4860]}, r"81×60 px, the photo 80×60 px"),
        ({"size": "large", "counts": [4800]}, "size large"),
        ({"size": [60, 80], "counts": [4799]}, "does not fill 80×60 px"),
        ({"size": [60, 80], "counts": [4801, -1]}, "does not fill"),
        ({"size": [60, 80], "counts": [2**63 - 1, 2**63 - 1, 4802]}, "does not fill"),
        ({"size": [60, 80], "counts": [2**70]}, "list of whole numbers"),
        ({"size": [60, 80], "counts": [[1], 2]}, "list of whole numbers"),
        ({"size": [60, 80], "counts": [4800.0]}, "list of whole numbers"),
        ({"size": [60, 80], "counts": {}}, "list of whole numbers"),
        ({"size": [60, 80], "counts": ""}, "damaged or cut short"),
        ({"size": [60, 80], "counts": "ooo"}, "damaged or cut short"),
        ({"size": [60, 80], "counts": "o" * 9 + "0"}, "damaged or cut short"),
        ({"size": [60, 80], "counts": "é"}, "damaged or cut short"),
        ({"size": [60, 80], "counts": "1 2"}, "damaged or cut short"),
        ({"size": [60, 80], "counts": "0" * 10_000_001}, "too many runs"),
        ({"counts_": [1]}, "must hold"),
        (None, "must hold"),
    ],
)
def test_run_lengths_that_do_not_fit_are_refused(rle: object, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        decode_rle(rle, HW)


# --- polygons ------------------------------------------------------------------------------------------------------------


def filled(*polygons: object, hw: tuple[int, int] = HW) -> np.ndarray:
    return fill_polygons([polygon_points(p) for p in polygons], hw)


def test_a_box_fills_exactly_its_pixels():
    assert np.array_equal(filled(PLATE[0]), box(10, 10, 50, 40))
    assert np.array_equal(filled([[10, 10], [50, 10], [50, 40], [10, 40]]), box(10, 10, 50, 40))


def test_polygons_are_cut_at_the_border_of_the_photo():
    assert np.array_equal(filled([-900, -900, 50, -900, 50, 40, -900, 40]), box(0, 0, 50, 40))
    assert np.array_equal(filled([70, 50, 1e6, 50, 1e6, 1e6, 70, 1e6]), box(70, 50, 80, 60))
    assert not filled([100, 100, 200, 100, 200, 200]).any()


def test_where_a_polygon_crosses_itself_twice_is_outside_and_pieces_are_united():
    bow_tie = filled([10, 10, 50, 50, 50, 10, 10, 50])
    assert bow_tie[30, 12]
    assert bow_tie[30, 48]
    assert not bow_tie[12, 30]
    assert np.array_equal(filled([10, 10, 50, 50, 50, 10, 10, 50], PLATE[0]), bow_tie | box(10, 10, 50, 40))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 100), st.integers(-20, 80)), min_size=3, max_size=9), st.integers(0, 8))
def test_polygons_do_not_depend_on_where_they_begin_and_which_way_they_turn(points: list[tuple[int, int]], k: int):
    mask = filled([list(p) for p in points])
    k %= len(points)
    assert np.array_equal(filled([list(p) for p in points[k:] + points[:k]]), mask)
    assert np.array_equal(filled([list(p) for p in reversed(points)]), mask)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(3, 57), min_size=5, max_size=12))
def test_polygons_agree_with_the_coco_api_but_for_their_edge(radii: list[float]):
    api = pytest.importorskip("pycocotools.mask")
    angle = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    points = np.stack([60 + radii * np.cos(angle), 60 + radii * np.sin(angle)], axis=1)
    theirs = api.decode(api.frPyObjects([points.ravel().tolist()], 120, 120))[..., 0].astype(bool)
    length = np.hypot(*(points - np.roll(points, 1, axis=0)).T).sum()
    assert (filled(points.tolist(), hw=(120, 120)) ^ theirs).sum() <= length


@pytest.mark.parametrize(
    ("polygon", "sentence"),
    [
        ([], "at least 3 points; this one has 0"),
        ([1, 2, 3, 4], "at least 3 points; this one has 2"),
        ([1, 2, 3, 4, 5, 6, 7], "pairs"),
        ([[1, 2, 3], [4, 5, 6]], "pairs"),
        ([[1, 2], [4]], "must be numbers"),
        (["1", "2"], "must be numbers"),
        ([1, 2, 3, None, 5, 6], "must be numbers"),
        ([True, False, True, True, False, True], "must be numbers"),
        ([2**80, 2, 3, 4, 5, 6], "must be numbers"),
        ([1, 2, float("nan"), 4, 5, 6], "not finite"),
        ([1, 2, float("inf"), 4, 5, 6], "not finite"),
        ([1, 2, 1e300, 4, 5, 6], "not finite"),
        ([0, 0, 1, 60] * 50_000, "Simplify"),
    ],
)
def test_what_is_no_polygon_is_refused(polygon: object, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        filled(polygon)


# --- COCO ----------------------------------------------------------------------------------------------------------------


def test_coco_polygons_and_run_lengths_become_named_objects(tmp_path: Path):
    rle = {"size": [60, 80], "counts": runs_of(box(0, 0, 5, 7))}
    file = coco({"segmentation": PLATE}, {"category_id": 2, "segmentation": rle, "iscrowd": 1})
    found = load_masks(save(tmp_path / "m.json", file), HW)
    assert (found.ids, found.names) == ((1, 2), ("plate", "cup"))
    assert np.array_equal(found.masks, np.stack([box(10, 10, 50, 40), box(0, 0, 5, 7)]))


def test_of_several_images_the_one_that_is_called_as_the_photo_is_taken(tmp_path: Path):
    images = [{"id": n, "file_name": f"photos/{name}.jpg"} for n, name in enumerate(["a", "Desk", "c"])]
    shapes = [[[0, 0, 9, 0, 9, n, 0, n]] for n in (11, 12, 13)]
    file = save(tmp_path / "m.txt", coco(*({"segmentation": s, "image_id": n} for n, s in enumerate(shapes)), images=images))
    assert np.array_equal(load_masks(file, HW, photo_name="desk").masks, box(0, 0, 9, 12)[None])
    with pytest.raises(BadInput, match=r"about 3 images, and none is called 'lamp' as the photo is: a\.jpg, Desk\.jpg, c\.jpg"):
        load_masks(file, HW, photo_name="lamp")


def test_a_list_of_results_leaves_out_what_the_detector_doubts(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    found = [{"image_id": 7, "segmentation": PLATE, "score": 0.9}, {"image_id": 7, "segmentation": PLATE, "score": 0.2}]
    assert load_masks(save(tmp_path / "m.json", found), HW).names == ("object 1",)
    assert "1 masks with a score below 0.5 are left out" in caplog.text


def test_things_are_objects_and_stuff_is_background_by_mark_or_name(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = coco({"segmentation": PLATE}, {"segmentation": PLATE, "category_id": 3})
    assert load_masks(save(tmp_path / "m.json", file), HW).names == ("plate",)
    assert "m.json: wall-brick (2): background, not objects" in caplog.text
    assert load_masks(tmp_path / "m.json", HW, stuff="objects").names == ("plate", "wall-brick")
    marked = coco(
        *file["annotations"], categories=[{"id": 1, "name": "plate", "isthing": 0}, {"id": 3, "name": "wall", "isthing": 1}]
    )
    assert load_masks(save(tmp_path / "m.json", marked), HW).names == ("wall",)
    with pytest.raises(BadInput, match=r"no object: wall-brick \(1\) is background.*--stuff objects"):
        load_masks(save(tmp_path / "m.json", coco({"segmentation": PLATE, "category_id": 3})), HW)


def test_stuff_among_labels_and_in_a_folder_is_left_out_by_name(tmp_path: Path):
    labels = (box(0, 0, 80, 20) + 2 * box(30, 30, 50, 50)).astype(np.uint8)
    Image.fromarray(labels).save(tmp_path / "m.png")
    found = load_masks(tmp_path / "m.png", HW, names=("sky", "cup"))
    assert (found.ids, found.names) == ((2,), ("cup",))
    folder = tmp_path / "masks"
    folder.mkdir()
    for name, label in (("blue_sky", 1), ("cup", 2)):
        Image.fromarray((labels == label).astype(np.uint8) * 255).save(folder / f"{name}.png")
    assert load_masks(folder, HW).names == ("cup",)
    assert found.stuff is not None
    assert np.array_equal(found.stuff == SKY, labels == 1)
    assert load_masks(tmp_path / "m.png", HW, names=("sky", "cup"), stuff="objects").stuff is None
    small = resize_masks(found, (HW[0] // 2, HW[1] // 2))
    assert small.stuff is not None
    assert np.array_equal(small.stuff == SKY, labels[1::2, 1::2] == 1)


def panoptic(folder: Path) -> Path:
    ids = np.zeros((*HW, 3), np.uint8)
    ids[box(10, 10, 50, 40)] = (3, 2, 1)
    ids[box(0, 50, 80, 60)] = (9, 0, 0)
    Image.fromarray(ids).save(folder / "000007.png")
    segments = [{"id": 3 + 512 + 65536, "category_id": 1}, {"id": 9, "category_id": 2}]
    file = coco({"segments_info": segments, "file_name": "000007.png"})
    file["categories"] = [{"id": 1, "name": "plate", "isthing": 1}, {"id": 2, "name": "counter", "isthing": 0}]
    return save(folder / "m.json", file)


def test_panoptic_segments_come_from_the_picture_beside_the_file(tmp_path: Path):
    path = panoptic(tmp_path)
    found = load_masks(path, HW)
    assert found.names == ("plate",)
    assert np.array_equal(found.masks, box(10, 10, 50, 40)[None])
    (tmp_path / "000007.png").unlink()
    with pytest.raises(BadInput, match=r"segments are in the picture '000007\.png'"):
        load_masks(path, HW)


def test_cocoa_gives_what_is_visible_of_every_region(tmp_path: Path):
    regions = [
        {"name": "table ", "segmentation": [0, 20, 80, 20, 80, 60, 0, 60], "order": 3, "isStuff": 0},
        {"name": "cup", "segmentation": [10, 10, 30, 10, 30, 30, 10, 30], "order": 2,
         "visible_mask": {"size": [60, 80], "counts": coco_string(runs_of(box(10, 10, 20, 30)))}},
        {"name": "spoon", "segmentation": [20, 10, 40, 10, 40, 30, 20, 30], "order": 1},
        {"name": "shade", "segmentation": [50, 0, 60, 0, 60, 9, 50, 9], "order": 4, "isStuff": 1},
    ]  # fmt: skip
    single = load_masks(save(tmp_path / "m.json", {"regions": regions, "size": 4, "image_id": 7}), HW)
    assert single.names == ("table", "cup", "spoon")
    assert np.array_equal(single.masks[1], box(10, 10, 20, 30))
    assert np.array_equal(single.masks[0], box(0, 20, 80, 60) & ~box(10, 10, 40, 30))
    whole = load_masks(save(tmp_path / "m.json", coco({"regions": regions})), HW, photo_name="desk")
    assert np.array_equal(whole.masks, single.masks)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (coco(), "no mask for this photo"),
        (coco({"segmentation": []}), "no mask for this photo"),
        (coco({"segmentation": [[1, 2, 3]]}), r"m\.json, annotation 900 \(plate\): a polygon must list pairs"),
        (coco({"segmentation": {"size": [9, 9], "counts": [81]}}), r"annotation 900 \(plate\): its run-length mask has 9×9 px"),
        (coco({"segmentation": "abc"}), "must hold"),
        (coco(*[{"segmentation": PLATE}] * 300), "300 masks; at most 256"),
        (coco({"segmentation": PLATE}, images=[{"id": 7, "height": 30, "width": 40}]), "40×30 px, the photo 80×60 px.*nearest"),
        (coco({"segmentation": PLATE}, images=[5]), "'images' must be a list of JSON objects"),
        (coco({"segments_info": [{"id": 1}], "file_name": "../../secret.png"}), "picture 'secret.png', which is not beside"),
        (coco({"segments_info": [{"id": 1}], "file_name": "é" * 300}), "which is not beside"),
        ([{"image_id": 1, "segmentation": PLATE}, {"image_id": 2, "segmentation": PLATE}], "masks of 2 images and no names"),
        ({"regions": [{"name": "cup", "segmentation": None}]}, r"region 1 \(cup\): a run-length mask must hold"),
        ({"1": "cup"}, "a file of names is given with --names"),
        ("[" * 100_000, "not valid JSON"),
        ('{"annotations": ', "not valid JSON"),
        ([], "no mask for this photo"),
    ],
)
def test_json_that_can_not_be_used_is_refused_with_its_place(tmp_path: Path, content: object, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        load_masks(save(tmp_path / "m.json", content), HW)


# --- LabelMe -------------------------------------------------------------------------------------------------------------


def labelme(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"version": "5", "imageHeight": 60, "imageWidth": 80, "imageData": None, "shapes": list(shapes)}


def test_labelme_shapes_of_one_group_are_one_object(tmp_path: Path):
    png = io.BytesIO()
    Image.fromarray(np.ones((4, 6), bool)).save(png, "PNG")
    file = labelme(
        {"label": "chair", "points": [[0, 0], [9, 0], [9, 9], [0, 9]], "group_id": 1, "shape_type": "polygon"},
        {"label": "lamp", "points": [[30.0, 50.0], [20.0, 40.0]], "shape_type": "rectangle"},
        {"label": "chair", "points": [[0, 20], [9, 20], [9, 29], [0, 29]], "group_id": 1, "shape_type": "polygon"},
        {"label": "ball", "points": [[60, 30], [60, 40]], "group_id": None, "shape_type": "circle"},
        {"label": "key", "points": [[76, 1], [81, 4]], "shape_type": "mask", "mask": base64.b64encode(png.getvalue()).decode()},
        {"label": "crack", "points": [[1, 2], [3, 4]], "shape_type": "line"},
    )
    found = load_masks(save(tmp_path / "desk.json", file), HW)
    assert found.names == ("chair", "lamp", "ball", "key")
    assert np.array_equal(found.masks[0], box(0, 0, 9, 9) | box(0, 20, 9, 29))
    assert np.array_equal(found.masks[1], box(20, 40, 30, 50))
    assert abs(found.masks[2].sum() / (np.pi * 100) - 1) < 0.03
    assert np.array_equal(found.masks[3], box(76, 1, 80, 5))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (labelme(), "no shape that encloses an object"),
        (labelme() | {"imageHeight": 80, "imageWidth": 60}, "turned by 90°"),
        (labelme({"label": "cup", "points": [[1, 2]]}), r"shape 1 \(cup\): a polygon needs at least 3 points; this one has 1"),
        (labelme({"label": "cup", "shape_type": "circle", "points": [[1, 2]]}), "a circle needs 2 points"),
        (labelme({"label": "cup", "shape_type": "mask", "points": [[1, 2], [3, 4]], "mask": "????"}), "no PNG in base64"),
        (labelme({"label": "cup", "shape_type": "point", "points": [[1, 2]]}), "no shape that encloses"),
        ({"shapes": [3]}, "shape 1 is no object"),
    ],
)
def test_labelme_files_that_can_not_be_used_are_refused(tmp_path: Path, content: object, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        load_masks(save(tmp_path / "m.json", content), HW)


def test_names_are_one_printable_line_that_can_be_written_anywhere(tmp_path: Path):
    file = coco({"segmentation": PLATE}, categories=[{"id": 1, "name": "cup\n\ud800of  \x00tea" + "x" * 500}])
    (name,) = load_masks(save(tmp_path / "m.json", file), HW).names
    assert name.startswith("cup of teax")
    assert len(name.encode()) == 80
