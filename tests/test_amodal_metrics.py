"""Measures of completed masks and of orders, against values worked out by hand."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paco_core.errors import BadInput
from paco_core.evaluation.amodal import (
    MaskScore,
    mean_hidden_iou,
    mean_iou,
    occluded,
    pixel_recall,
    pooled_hidden_iou,
    pooled_iou,
    score_mask,
)
from paco_core.evaluation.cocoa import read_cocoa
from paco_core.evaluation.mask_methods import METHODS, hull_clipped
from paco_core.evaluation.order import (
    PairScore,
    ancestors,
    compare_orders,
    order_by_area,
    order_by_convexity,
    order_by_depth,
    order_by_height,
    order_of_edges,
    touching,
    true_order,
)
from paco_core.evaluation.outlines import fill_with_outline, outlined_hull
from paco_core.evaluation.table import bootstrap
from paco_core.types import DepthMap


def mask(*rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows])


WHOLE, SEEN, FOUND = mask("####", "####"), mask("##..", "##.."), mask("###.", "##..")


def test_one_mask_is_counted_by_hand():
    score = score_mask(FOUND, WHOLE, SEEN)
    assert score == MaskScore(true=8, visible=4, both=5, either=8, hidden_both=1, hidden_either=4)
    assert (score.iou, score.hidden_iou, score.hidden_share) == (5 / 8, 1 / 4, 1 / 2)


def test_pooled_and_mean_differ_as_they_should():
    small = score_mask(mask("#..."), mask("##.."), mask("#..."))  # half of a small object
    scores = [score_mask(WHOLE, WHOLE, SEEN), small]
    assert pooled_iou(scores) == 9 / 10
    assert mean_iou(scores) == 3 / 4
    assert pooled_hidden_iou(scores) == 4 / 5
    assert mean_hidden_iou(scores) == 1 / 2
    assert pixel_recall(scores) == 9 / 10
    assert len(occluded(scores)) == 2


def test_what_is_not_hidden_is_no_part_of_the_hidden_measure():
    free, overdone = score_mask(SEEN, SEEN, SEEN), score_mask(WHOLE, SEEN, SEEN)
    assert math.isnan(free.hidden_iou)
    assert overdone.hidden_iou == 0
    assert math.isnan(mean_hidden_iou([free]))
    assert mean_hidden_iou([free, overdone]) == 0
    assert occluded([free, overdone]) == []


masks3 = st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=3, max_size=3).map(
    lambda rows: np.array(rows).reshape(3, 3, 4)
)


@settings(max_examples=60, deadline=None)
@given(masks3)
def test_the_visible_mask_has_no_hidden_part_and_the_truth_has_all(three: np.ndarray):
    amodal, seen, completed = three[0], three[0] & three[1], three[2]
    assert score_mask(seen, amodal, seen).hidden_both == 0
    best = score_mask(amodal, amodal, seen)
    assert best.iou == 1
    score = score_mask(completed, amodal, seen)
    assert 0 <= score.iou <= 1
    assert score.hidden_both <= score.hidden_either <= score.either


CUP = mask("......", ".##...", ".##...", "......")
SAUCER = mask("......", "...#..", "#..##.", "######")
FAR = mask(".....#", "......", "......", "......")
SAUCER_WHOLE = SAUCER | mask("......", "......", ".##...", "......")
VISIBLE, AMODAL = np.stack([CUP, SAUCER, FAR]), np.stack([CUP, SAUCER_WHOLE, FAR])


def test_who_shows_more_of_itself_where_the_other_one_is_lies_in_front():
    assert touching(VISIBLE) == [(0, 1)]
    truth = true_order(VISIBLE, AMODAL)
    assert truth.tolist() == [[0, 1, 0], [-1, 0, 0], [0, 0, 0]]
    assert (truth == order_of_edges((7, 8, 9), [(7, 8)])).all()
    assert not true_order(VISIBLE, VISIBLE).any()


def test_pairs_are_counted_once_and_far_pairs_are_easy():
    truth = true_order(VISIBLE, AMODAL)
    wrong = compare_orders(-truth, truth)
    assert wrong == PairScore(0, 1, 2, 3)
    assert (wrong.acc_occpair, wrong.acc_allpair) == (0, 2 / 3)
    both = wrong + compare_orders(truth, truth)
    assert (both.acc_occpair, both.acc_allpair) == (1 / 2, 5 / 6)
    assert compare_orders(np.zeros((1, 1), int), np.zeros((1, 1), int)).acc_occpair == 1


def test_the_simple_orders_do_what_they_say():
    assert order_by_area(VISIBLE)[0, 1] == 1  # 4 px against 10
    assert order_by_height(VISIBLE)[0, 1] == -1  # the saucer's middle is lower
    assert order_by_convexity(VISIBLE)[0, 1] == 1  # the cup fills what the saucer's hull lacks
    for order in (order_by_area, order_by_height, order_by_convexity):
        assert (order(VISIBLE) == -order(VISIBLE).T).all()
        assert order(VISIBLE)[2].tolist() == [0, 0, 0]


def test_the_nearer_one_beside_the_border_is_in_front():
    z = np.where(CUP, 2.0, 3.0).astype(np.float32)
    depth = DepthMap(z, np.ones(z.shape, bool), "metric", "test")
    assert order_by_depth(VISIBLE, depth)[:2, :2].tolist() == [[0, 1], [-1, 0]]
    assert order_by_depth(VISIBLE, replace(depth, z=np.float32(5) - z))[0, 1] == -1
    assert not order_by_depth(VISIBLE, replace(depth, valid=np.zeros(z.shape, bool))).any()


def test_occluders_are_found_through_any_number_of_steps_and_in_circles():
    chain = order_of_edges((1, 2, 3, 4), [(1, 2), (2, 3)])
    assert [ancestors(chain, k) for k in range(4)] == [[], [0], [0, 1], []]
    circle = order_of_edges((1, 2, 3), [(1, 2), (2, 3), (3, 1)])
    assert ancestors(circle, 0) == [1, 2]


def test_methods_without_training_keep_what_is_visible_and_clipping_only_takes_away():
    order = true_order(VISIBLE, AMODAL)
    for method in METHODS.values():
        assert (method(VISIBLE, order) >= VISIBLE).all()
    clipped = hull_clipped(VISIBLE, order)
    assert (clipped <= METHODS["hull"](VISIBLE, order)).all()
    assert (clipped[1] <= SAUCER | CUP).all()
    assert clipped[1, 2, 1]  # under the cup
    assert (clipped[0] == CUP).all()  # nobody is in front of it


def test_the_mirror_image_completes_under_occluders_alone():
    whole = np.zeros((40, 60), bool)
    whole[10:30, 10:50] = True
    front = np.zeros((40, 60), bool)
    front[5:35, 38:55] = True
    seen = np.stack([front, whole & ~front])
    order = order_of_edges((1, 2), [(1, 2)])
    mirrored = METHODS["symmetry clipped"](seen, order)
    assert (mirrored[0] == front).all()
    assert (mirrored[1] >= seen[1]).all()
    assert (mirrored[1] <= whole | front).all()
    both = METHODS["hull or symmetry, clipped"](seen, order)
    assert (both == (mirrored | METHODS["hull clipped"](seen, order))).all()


def test_outlines_belong_to_what_is_drawn():
    square = fill_with_outline(np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]]), (5, 6))
    assert square.sum() == 4 * 3
    for line in (mask("#..", ".#.", "..#"), mask("###"), mask(".#."), mask("...")):
        assert (outlined_hull(line) == line).all()
    assert outlined_hull(mask("#.#", "...", "#.#")).all()


def test_the_interval_holds_the_value_and_shrinks_with_more_scenes():
    rng = np.random.default_rng(0)
    few, many = ([[float(v)] for v in rng.normal(0.5, 0.1, n)] for n in (5, 200))
    a, b = (bootstrap(scenes, lambda items: float(np.mean(items))) for scenes in (few, many))
    for estimate in (a, b):
        assert estimate.low <= estimate.value <= estimate.high
    assert b.high - b.low == pytest.approx(4 * 0.1 / math.sqrt(200), rel=0.3)
    assert b.high - b.low < a.high - a.low
    assert bootstrap([[1.0], [1.0]], np.mean).low == 1.0


def write_cocoa(folder: Path, regions: list[dict], name: str = "p") -> Path:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(folder / f"{name}.jpg")
    (folder / f"{name}.json").write_text(json.dumps({"regions": regions}))
    return folder / f"{name}.json"


BOX = {"segmentation": [5, 5, 20, 5, 20, 20, 5, 20], "name": "box", "isStuff": 0}


def test_regions_are_whole_masks_with_their_visible_parts(tmp_path: Path):
    seen = {"size": [40, 60], "counts": [10 * 40, 40, 60 * 40 - 11 * 40]}  # column 10
    file = write_cocoa(tmp_path, [BOX, {**BOX, "visible_mask": seen, "name": "wall", "isStuff": 1}])
    (scene,) = read_cocoa(file)
    assert scene.segmentation.names == ("box", "wall")
    assert scene.amodal.sum(axis=(1, 2)).tolist() == [16 * 16] * 2
    assert scene.segmentation.masks.sum(axis=(1, 2)).tolist() == [16 * 16, 40]
    (things,) = read_cocoa(tmp_path, stuff=False)
    assert things.segmentation.names == ("box",)
    everything = {
        "images": [{"id": 3, "file_name": "p.jpg"}],
        "annotations": [{"image_id": 3, "regions": [BOX]}],
    }
    (tmp_path / "all").mkdir()
    whole = tmp_path / "all/val.json"
    whole.write_text(json.dumps(everything))
    assert [s.segmentation.names for s in read_cocoa(whole, tmp_path)] == [("box",)]


@pytest.mark.parametrize(
    ("regions", "sentence"),
    [
        ([], "has no region"),
        ([{"segmentation": [1, 2, 3]}], r"region 1 \(None\)"),
        ([{**BOX, "visible_mask": {"size": [4, 4], "counts": [16]}}], r"region 1 \(box\).*4"),
    ],
)
def test_damaged_regions_are_named(tmp_path: Path, regions: list[dict], sentence: str):
    with pytest.raises(BadInput, match=sentence):
        list(read_cocoa(write_cocoa(tmp_path, regions)))


def test_a_photo_that_is_missing_is_named(tmp_path: Path):
    file = write_cocoa(tmp_path, [BOX])
    (tmp_path / "p.jpg").unlink()
    with pytest.raises(BadInput, match=r"The photo p of .*p\.json is not in"):
        list(read_cocoa(file))


def test_the_three_cocoa_photos_give_what_independent_code_gave():
    """0.818, 0.870, 0.930 and 17 of 19: by SSSD's definitions, with a program that shares no code with this one."""
    if "PACO_DATA" not in os.environ:
        pytest.skip("needs the data folder: set PACO_DATA")
    scenes = list(read_cocoa(Path(os.environ["PACO_DATA"]) / "photos/amodal"))
    pooled = {}
    for name, method in METHODS.items():
        scores = []
        for scene in scenes:
            seen = scene.segmentation.masks
            completed = method(seen, order_by_convexity(seen))
            scores += [score_mask(*three) for three in zip(completed, scene.amodal, seen, strict=True)]
        pooled[name] = round(pooled_iou(scores), 3)
    assert (pooled["visible"], pooled["hull"], pooled["hull clipped"]) == (0.818, 0.870, 0.930)
    pairs = [compare_orders(order_by_convexity(s.segmentation.masks), s.order) for s in scenes]
    assert (sum(p.occluding_right for p in pairs), sum(p.occluding for p in pairs)) == (17, 19)
