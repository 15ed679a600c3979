"""Held-out targets: scenes hold together, masks and crops are where they should be, and the command measures targets alone."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paco_core.errors import BadInput
from paco_core.evaluation.amodal import score_mask
from paco_core.evaluation.cutout_drawing import WHOLE, Placed, Window, drawn, over
from paco_core.evaluation.deocclusion import by_masks, evaluate, of_object, true_order_of
from paco_core.evaluation.fill_methods import METHODS, fill_hidden
from paco_core.evaluation.loose import grown, loosened, parted, shrunk
from paco_core.evaluation.mask_methods import raw
from paco_core.evaluation.targets import HeldOut, arranged, crop_of, read_held_out, target_scenes
from tests.hidden import two_boxes
from tests.tinypacks import write_tiny_pack
from viewers.cli import main

FILLING = Placed(0, 0.5, 0.5, 16 / 20, 0.0, mirrored=False)
"""A picture of 20 px, 2 of them margin on each side, over all of a canvas."""


def picture() -> np.ndarray:
    """Opaque noise with a margin."""
    out = np.zeros((20, 20, 4), np.uint8)
    out[2:18, 2:18, :3] = np.random.default_rng(1).integers(0, 256, (16, 16, 3))
    out[2:18, 2:18, 3] = 255
    return out


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    return read_held_out([write_tiny_pack(tmp_path_factory.mktemp("packs") / "a.pack", use="eval")], [])


def lines_pack(path: Path, empty: int = 0) -> Path:
    """Two objects of which nothing is left where they are drawn smaller, and some pictures without anything."""
    entries = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
        for number in range(2 + empty):
            rgba = np.zeros((124, 1, 4), np.uint8)
            rgba[..., 3] = 255 if number < 2 else 0
            file = io.BytesIO()
            Image.fromarray(rgba).save(file, "WEBP", lossless=True, exact=True)
            pack.writestr(f"{number}.webp", file.getvalue())
            told = {"file": f"{number}.webp", "name": "line", "category": "line", "style": "drawn", "group": str(number)}
            entries.append(json.dumps(told))
        pack.writestr("pack.json", json.dumps({"version": 1, "use": "train"}))
        pack.writestr("items.jsonl", "\n".join(entries))
    return path


def test_a_picture_at_its_own_size_is_drawn_as_it_is_and_mirrored():
    expected = picture().astype(np.float32) / 255
    np.testing.assert_allclose(drawn(picture(), FILLING, WHOLE, 20), expected, atol=1e-6)
    np.testing.assert_allclose(drawn(picture(), replace(FILLING, mirrored=True), WHOLE, 20), expected[:, ::-1], atol=1e-6)


def test_a_window_shows_its_part_and_a_shifted_object_lies_beside():
    expected = picture().astype(np.float32) / 255
    right = drawn(picture(), FILLING, Window(0.5, 0.25, 0.5), 10)
    np.testing.assert_allclose(right, expected[5:15, 10:], atol=1e-6)
    lower = drawn(picture(), replace(FILLING, y=0.75), WHOLE, 20)
    np.testing.assert_allclose(lower[5:], expected[:15], atol=1e-6)


def test_a_quarter_turn_turns_the_picture_clockwise():
    turned = drawn(picture(), replace(FILLING, tilt_rad=np.pi / 2), WHOLE, 20)
    np.testing.assert_allclose(turned, np.rot90(picture(), -1) / np.float32(255), atol=0.02)


@given(st.floats(0.2, 0.9), st.floats(-0.2, 0.2), st.integers(32, 128))
def test_an_object_covers_the_same_share_of_a_canvas_at_any_size(longest: float, tilt_rad: float, side_px: int):
    solid = np.zeros((128, 128, 4), np.uint8)
    solid[2:126, 2:126] = 255
    layer = drawn(solid, Placed(0, 0.5, 0.5, longest, tilt_rad, mirrored=False), WHOLE, side_px)
    assert layer[..., 3].mean() == pytest.approx(longest**2, rel=0.05)


def test_what_is_over_hides_what_is_behind_by_its_alpha():
    front, behind = np.array([[[0.25, 0, 0, 0.25]]], np.float32), np.array([[[0, 1, 0, 1]]], np.float32)
    assert over(front, behind).tolist() == [[[0.25, 0.75, 0, 1]]]


@given(st.integers(0, 2**32))
def test_scenes_have_two_to_five_tilted_objects_of_all_sizes(stock: HeldOut, seed: int):
    placed = arranged(stock, np.random.default_rng(seed))
    assert 2 <= len(placed) <= 5
    assert all(0.22 <= one.longest <= 0.62 and abs(one.tilt_rad) <= np.radians(8) for one in placed)
    assert all(0 <= one.picture < len(stock.names) for one in placed)


def test_a_crop_holds_the_visible_part_and_what_is_in_front_nearby():
    seen, front = np.zeros((2, 64, 64), bool)
    seen[20:28, 20:28], front[20:28, 28:60] = True, True
    found = crop_of(seen, front)  # 6 px = .75 x 8 round the visible part: columns 20 to 34, so a side of 1.06 x 14 + 1
    assert (found.x0 * 64, found.y0 * 64, found.side * 64) == pytest.approx((27 - 7.92, 24 - 7.92, 15.84))


def test_targets_are_partly_hidden_by_what_is_in_front_and_show_their_own_colours(stock: HeldOut):
    for scene in target_scenes(stock, 12):
        (seen, hiding), (whole, front) = scene.segmentation.masks, scene.amodal
        assert scene.photo.rgb.shape == (128, 128, 3)
        assert 0.1 < score_mask(seen, whole, seen).hidden_share <= 0.8
        assert (seen == whole & ~front).all() and (hiding == front).all()
        assert scene.order.tolist() == [[0, -1], [1, 0]]
        assert scene.alone is not None
        for k, mask in enumerate((seen & (scene.alone[1, ..., 3] == 0), front)):
            sure = mask & (scene.alone[k, ..., 3] == 255)
            assert sure.any()
            assert np.abs(scene.photo.rgb[sure].astype(int) - scene.alone[k, sure, :3]).max() <= 1
        nothing = (scene.alone[..., 3] == 0).all(axis=0)
        assert (scene.photo.rgb[nothing] >= 254).all()


def test_the_first_targets_are_the_same_for_every_count_and_differ_by_seed(stock: HeldOut):
    few, many = list(target_scenes(stock, 2)), list(target_scenes(stock, 4))
    others = list(target_scenes(stock, 2, seed=1))
    assert [s.photo.sha256 for s in few] == [s.photo.sha256 for s in many[:2]]
    assert {s.photo.sha256 for s in few}.isdisjoint(s.photo.sha256 for s in others)


def test_every_object_is_drawn_as_often_whatever_its_number_of_views():
    stock = HeldOut(np.zeros((9, 8, 8, 4), np.uint8), ("x",) * 9, ((0,), tuple(range(1, 9))))
    rng = np.random.default_rng(0)
    drawn_ids = [one.picture for _ in range(400) for one in arranged(stock, rng)]
    assert np.mean(np.array(drawn_ids) == 0) == pytest.approx(0.5, abs=0.06)


def test_loose_masks_are_too_big_too_small_or_apart():
    masks = np.zeros((2, 40, 40), bool)
    masks[0, 10:20, 10:20], masks[1, 10:20, 20:30] = True, True
    big, small, apart = grown(masks), shrunk(masks), parted(masks)
    assert [int(m.sum()) for m in big] == [14 * 14, 10 * 8]
    assert not big.all(axis=0).any()
    assert [int(m.sum()) for m in small] == [6 * 6, 10 * 10]
    assert [int(m.sum()) for m in apart] == [6 * 6, 6 * 6]
    assert not apart[:, :, 18:22].any()
    thin = np.zeros((2, 40, 40), bool)
    thin[:, 5:8, 5:30] = True
    assert (shrunk(thin) == thin).all()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_loose_masks_leave_the_truth_alone(stock: HeldOut, number: int):
    (scene,) = target_scenes(stock, 1)
    loose = loosened(scene, number)
    assert (loose.segmentation.masks != scene.segmentation.masks).any()
    assert (loose.seen == scene.segmentation.masks).all()
    assert (loose.amodal == scene.amodal).all()


def test_the_smooth_fill_goes_on_from_the_object_s_own_pixels():
    rgb = np.zeros((12, 30, 3), np.uint8)
    rgb[:, 20:] = 190
    rgb[:, 9:20] = 77
    visible, whole = np.ones((12, 30), bool), np.ones((12, 30), bool)
    visible[:, 10:20] = False
    filled = fill_hidden(METHODS["Laplace"], rgb, visible, whole)  # known: 0 at column 8, 190 at column 21
    ramp = 190 * np.arange(2, 12) / 13
    assert np.abs(filled[:, 10:20, 0] - ramp).max() <= 1
    assert (filled[visible] == rgb[visible]).all()


def test_the_true_visible_part_decides_what_counts_as_hidden():
    scene = two_boxes()
    small = replace(scene.segmentation, masks=shrunk(scene.segmentation.masks[[1, 0, 2]])[[1, 0, 2]])
    loose = replace(scene, segmentation=small, visible=scene.segmentation.masks)
    methods = {"visible": by_masks(raw, true_order_of)}
    (exact,), (rough,) = (evaluate([s], methods) for s in (scene, loose))
    pairs = zip(exact.scenes[0], rough.scenes[0], strict=True)
    assert all(a.mask.hidden_share == b.mask.hidden_share for a, b in pairs)
    assert rough.scenes[0][1].mask.iou < exact.scenes[0][1].mask.iou


def test_the_command_measures_targets_of_packs_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    packs = [str(write_tiny_pack(tmp_path / f"{k}.pack", objects=3, seed=k, use=use)) for k, use in enumerate(("eval", "train"))]
    assert main(["eval", "deocclusion", *packs, "--count", "2", "--loose", "--quick", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert all(
        part in printed for part in ("0.pack", "1.pack", "masks are loose", "10% to 30%", "classical, by how much is hidden")
    )
    assert f"{packs[0]} {packs[1]}" in (tmp_path / "out/report.html").read_text()
    rows = list(csv.DictReader((tmp_path / "out/objects.csv").open()))
    assert {row["id"] for row in rows} == {"1"}
    assert [row["scene"] for row in rows if row["method"] == "visible"] == ["target0000-big", "target0001-small"]
    assert not any("convexity" in row["method"] for row in rows)
    assert {row["method"] for row in rows if "true masks" in row["method"]} == {"Laplace, true masks"}
    assert all(0.1 <= float(row["hidden_share"]) <= 0.8 for row in rows)


def test_small_masks_lose_what_is_visible_and_big_ones_add_to_it(stock: HeldOut):
    methods = {"visible": by_masks(raw, true_order_of)}
    exact, loose = (of_object(evaluate(target_scenes(stock, 6, loose=way), methods)[0], 1) for way in (False, True))
    pairs = [(a.mask, b.mask) for (a,), (b,) in zip(exact.scenes, loose.scenes, strict=True)]
    assert all(a.hidden_share == b.hidden_share for a, b in pairs)
    assert all(b.iou < a.iou for way in (pairs[1::3], pairs[2::3]) for a, b in way)
    assert all(b.hidden_either > a.hidden_either for a, b in pairs[::3])


def test_packs_without_targets_are_refused_and_empty_pictures_are_listed(tmp_path: Path):
    skipped: list[str] = []
    lines = read_held_out([lines_pack(tmp_path / "lines.pack", empty=2)], skipped)
    assert len(lines.names) == 2
    assert [sentence.split("picture ")[1] for sentence in skipped] == ["2.webp shows nothing.", "3.webp shows nothing."]
    with pytest.raises(BadInput, match="take other packs"):
        next(target_scenes(lines, 1))
    with pytest.raises(BadInput, match="at least two objects"):
        read_held_out([write_tiny_pack(tmp_path / "one.pack", objects=1)], [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rooms", "--loose"], "for packs"),
        (["rooms", "b.pack"], "for packs"),
        (["missing.pack"], "missing.pack"),
        (["missing.pack", "--count", "0"], "nothing to evaluate"),
    ],
)
def test_what_makes_no_targets_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "deocclusion", *words, "--quick"]) == 2
    assert sentence in capsys.readouterr().err
