"""Objects without masks: cut out by boxes and points, or guessed. Truth by construction: coloured shapes on a textured ground."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage as ndi

from paco_core.backends.colour import ColourSegmenter
from paco_core.backends.cutout import enlarge
from paco_core.errors import BadInput
from paco_core.objects import find_objects
from paco_core.prompts import Prompt
from paco_core.types import DepthMap, Photo, Segmentation
from viewers.cli import main

HW = (120, 160)
COLOURS = ((200, 60, 50), (60, 80, 200), (230, 200, 40))


def ground(hw: tuple[int, int]) -> np.ndarray:
    """Grey-green, with a grain of a few pixels."""
    grain = ndi.gaussian_filter(np.random.default_rng(0).normal(size=(*hw, 3)), (1.5, 1.5, 0)) * 25
    return np.array([110.0, 120.0, 105.0]) + grain


def disc(x: float, y: float, radius: float, hw: tuple[int, int] = HW) -> np.ndarray:
    rows, columns = np.indices(hw) + 0.5
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    found = np.zeros(HW, bool)
    found[y0:y1, x0:x1] = True
    return found


SHAPES = (disc(40, 50, 22), rectangle(90, 20, 130, 60), disc(110, 92, 18))
BOXES = ((18.0, 28.0, 62.0, 72.0), (90.0, 20.0, 130.0, 60.0), (92.0, 74.0, 128.0, 110.0))


def photo_of(*shapes: np.ndarray, hw: tuple[int, int] = HW) -> Photo:
    rgb = ground(hw)
    noise = np.random.default_rng(1).normal(scale=4, size=rgb.shape)
    for shape, colour in zip(shapes, COLOURS, strict=False):
        rgb[shape] = colour
    return Photo(np.clip(rgb + noise, 0, 255).astype(np.uint8), "shapes", "0" * 64)


THREE = photo_of(*SHAPES)
NONE = Segmentation((), (), np.zeros((0, *HW), bool))
segmenter = ColourSegmenter()


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("k", range(3))
def test_a_box_around_a_shape_gives_the_shape(k: int):
    assert iou(segmenter.cut(THREE, (Prompt("", BOXES[k]),))[0], SHAPES[k]) > 0.95


def test_a_loose_box_gives_the_shape_too():
    assert iou(segmenter.cut(THREE, (Prompt("", (10.0, 20.0, 70.0, 82.0)),))[0], SHAPES[0]) > 0.95


@pytest.mark.parametrize(("k", "point"), [(0, (40.0, 50.0)), (1, (110.0, 40.0)), (2, (110.0, 92.0))])
def test_a_point_in_a_shape_gives_the_shape(k: int, point: tuple[float, float]):
    assert iou(segmenter.cut(THREE, (Prompt("", None, (point,)),))[0], SHAPES[k]) > 0.95


def test_two_boxes_give_two_shapes():
    masks = segmenter.cut(THREE, (Prompt("a", BOXES[0]), Prompt("b", BOXES[1])))
    assert [iou(mask, shape) > 0.95 for mask, shape in zip(masks, SHAPES[:2], strict=True)] == [True, True]


def test_a_point_that_is_not_the_object_takes_its_part_away():
    """A red and a blue half in one box."""
    left, right = rectangle(40, 30, 80, 90), rectangle(80, 30, 120, 90)
    photo = photo_of(left, right)
    box = (40.0, 30.0, 120.0, 90.0)
    both = segmenter.cut(photo, (Prompt("", box),))[0]
    one = segmenter.cut(photo, (Prompt("", box, ((60.0, 60.0),), ((100.0, 60.0), (115.0, 40.0), (115.0, 80.0))),))[0]
    assert iou(both, left | right) > 0.9
    assert iou(one, left) > 0.9


def test_the_same_photo_gives_the_same_masks():
    prompts = (Prompt("", BOXES[0]), Prompt("", None, ((110.0, 40.0), (120.0, 50.0))))
    assert np.array_equal(segmenter.cut(THREE, prompts), ColourSegmenter().cut(THREE, prompts))
    assert np.array_equal(segmenter.find(THREE, None), ColourSegmenter().find(THREE, None))


def test_edges_of_large_photos_are_found_at_their_own_size():
    """The cut is made at a quarter of this size; its steps would be 4 px high."""
    hw = (1000, 1300)
    shape = disc(600, 500, 350, hw)
    mask = segmenter.cut(photo_of(shape, hw=hw), (Prompt("", (250.0, 150.0, 950.0, 850.0)),))[0]
    assert (mask ^ shape).sum() < 0.7 * 2 * np.pi * 350  # less than 0.7 px along the outline


def test_enlarged_masks_keep_what_is_certain():
    small = np.zeros((20, 30), bool)
    small[5:15, 8:22] = True
    large = enlarge(small, np.full((80, 120, 3), 128, np.uint8))
    assert large[24:56, 36:84].all()
    assert large.sum() == pytest.approx(16 * small.sum(), rel=0.05)


points = st.tuples(st.floats(0, HW[1] - 0.01), st.floats(0, HW[0] - 0.01))


@settings(max_examples=40, deadline=None)
@given(points, points, st.lists(points, max_size=3))
def test_any_prompt_gives_a_mask_that_keeps_its_word(
    a: tuple[float, float], b: tuple[float, float], more: list[tuple[float, float]]
):
    x0, x1 = sorted((a[0], b[0]))
    y0, y1 = sorted((a[1], b[1]))
    box = (x0, y0, max(x1, min(x0 + 1, HW[1])), max(y1, min(y0 + 1, HW[0])))
    if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
        mask = segmenter.cut(THREE, (Prompt("", box),))[0]
        rows, columns = np.nonzero(mask)
        assert len(rows)
        assert columns.min() + 0.5 >= box[0] - 1 and columns.max() + 0.5 <= box[2] + 1
        assert rows.min() + 0.5 >= box[1] - 1 and rows.max() + 0.5 <= box[3] + 1
    outside = tuple(p for p in more if (int(p[0]), int(p[1])) not in ((int(a[0]), int(a[1])), (int(b[0]), int(b[1]))))
    mask = segmenter.cut(THREE, (Prompt("", None, (a, b), outside),))[0]
    assert mask[int(a[1]), int(a[0])] and mask[int(b[1]), int(b[0])]
    assert not any(mask[int(y), int(x)] for x, y in outside)


def test_three_shapes_are_found_without_any_hint():
    found = segmenter.find(THREE, None)
    assert len(found) == 3
    assert all(max(iou(mask, shape) for mask in found) > 0.9 for shape in SHAPES)


@pytest.mark.parametrize("kind", ["even", "grain", "slope", "noise"])
def test_where_nothing_stands_out_a_sentence_says_how_to_point(kind: str):
    rows = np.indices(HW)[0][..., None]
    rng = np.random.default_rng(3)
    rgb = {
        "even": np.full((*HW, 3), 128.0),
        "grain": ground(HW),
        "slope": np.broadcast_to(60 + rows * 1.2, (*HW, 3)),
        "noise": np.clip(rng.normal(128, 20, (*HW, 3)), 0, 255),
    }[kind]
    photo = Photo(rgb.astype(np.uint8), "plain", "0" * 64)
    with pytest.raises(BadInput, match="(?s)stands out .* --masks.*--box.*--point"):
        find_objects(photo, NONE, (), segmenter)


def test_depth_tells_a_patch_on_the_floor_from_a_thing_on_it():
    """Two discs of the same kind: one lies in the floor's plane, one stands in front of it."""
    photo = photo_of(disc(40, 60, 20), disc(115, 60, 20))
    z = np.broadcast_to(1 / np.linspace(0.25, 1.0, HW[0])[:, None], HW).astype(np.float32).copy()
    z[disc(115, 60, 20)] = 0.8
    found = segmenter.find(photo, DepthMap(z, np.ones(HW, bool), "metric", "file"))
    assert len(segmenter.find(photo, None)) == 2
    assert len(found) == 1
    assert iou(found[0], disc(115, 60, 20)) > 0.9


def test_new_objects_follow_the_given_ones(caplog: pytest.LogCaptureFixture):
    given_masks = Segmentation((4,), ("vase",), SHAPES[1][None])
    found = find_objects(THREE, given_masks, (Prompt("ball", BOXES[0]), Prompt("", BOXES[2])), segmenter)
    assert (found.ids, found.names) == ((4, 5, 6), ("vase", "ball", "object 6"))
    assert np.array_equal(found.masks[0], SHAPES[1])
    assert not caplog.records
    assert find_objects(THREE, NONE, (), segmenter).names == ("object 1", "object 2", "object 3")
    assert "3 objects, guessed by colour alone" in caplog.text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(THREE.rgb).save("shapes.png")
    return tmp_path


@pytest.mark.slow
def test_the_whole_command_works_without_masks(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["reconstruct", "shapes.png", "--out", "run"]) in (0, 3)
    said = capsys.readouterr()
    assert "run: 3 objects" in said.out
    assert "guessed by colour alone" in said.err
    assert "guessed by colour alone" in (folder / "run/report.html").read_text()


def test_the_first_half_works_with_boxes_and_points(folder: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--box", "ball=18,28,62,72", "--box", "book=90,20,130,60", "--point", "sun=110,92"]
    assert main(["deocclude", "shapes.png", *words, "--out", "run"]) in (0, 3)
    said = capsys.readouterr()
    assert [name in said.out for name in ("ball", "book", "sun")] == [True] * 3
    assert "guessed" not in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["shapes.png", "--box", "cup=500,10,600,90"], "outside of the photo"),
        (["shapes.png", "--names", "cup"], "--names names the objects of --masks"),
        ([".", "--box", "cup=5,10,60,90"], "--box is for one photo"),
        ([".", "--point", "cup=5,10"], "--point is for one photo"),
    ],
)
def test_prompts_that_can_not_be_used_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
):
    assert main(["reconstruct", *words, "--out", "run"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_a_photo_of_a_folder_without_masks_is_guessed_and_its_row_says_so(folder: Path):
    photos = folder / "photos"
    photos.mkdir()
    Image.fromarray(THREE.rgb).save(photos / "shapes.png")
    Image.fromarray(np.full((*HW, 3), 90, np.uint8)).save(photos / "plain.png")
    assert main(["reconstruct", "photos", "--out", "runs"]) == 3
    summary = (folder / "runs/summary.csv").read_text()
    assert "guessed by colour alone" in summary
    assert "Nothing in this photo stands out" in summary
