"""Depth errors, against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.camera import estimate_camera
from paco_core.evaluation.depth import (
    ALIGNMENTS,
    DepthScene,
    by_estimator,
    constant,
    depth_scene,
    empty_floor,
    evaluate_depth,
    score_depth,
)
from paco_core.registry import BACKENDS
from paco_core.types import DepthMap, Photo, Segmentation
from scene3d.evaluation.room_scenes import room_scenes


def depth_map(z: list[list[float]], valid: list[list[bool]] | None = None) -> DepthMap:
    array = np.array(z, np.float32)
    return DepthMap(array, np.ones(array.shape, bool) if valid is None else np.array(valid), "relative", "test")


TRUE = depth_map([[1.0, 2.0, 4.0]])


def test_one_picture_is_scored_by_hand():
    score = score_depth(depth_map([[0.5, 1.0, 1.0]]), TRUE, "scale")  # medians 1 and 2: doubled to 1, 2, 2
    assert score.abs_rel == pytest.approx(0.5 / 3)
    assert score.delta == pytest.approx(2 / 3)
    assert score.rmse_log == pytest.approx(math.log(2) / math.sqrt(3))


def test_pixels_that_either_does_not_know_do_not_count():
    holey = depth_map([[0.5, 1.0, 77.0]], [[True, True, False]])
    assert score_depth(holey, TRUE, "scale").abs_rel == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="no pixel"):
        score_depth(holey, TRUE, "scale", np.array([[False, False, True]]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 20), min_size=4, max_size=30, unique=True), st.floats(0.01, 100), st.floats(0, 0.5))
def test_alignment_takes_away_what_it_says(values: list[float], factor: float, offset: float):
    z = np.array([values], np.float32)
    truth = DepthMap(z, np.ones(z.shape, bool), "metric", "test")
    for how in ALIGNMENTS:
        scaled = DepthMap(np.float32(factor) * z, truth.valid, "relative", "test")
        assert score_depth(scaled, truth, how).abs_rel == pytest.approx(0, abs=2e-3)
    shifted = DepthMap((1 / (factor * (1 / z + offset))).astype(np.float32), truth.valid, "relative", "test")
    assert score_depth(shifted, truth, "scale and shift").abs_rel == pytest.approx(0, abs=5e-3)


def test_geometry_knows_the_objects_better_than_a_constant_does():
    scenes = [depth_scene(scene) for scene in room_scenes(range(3))]
    methods = {
        "constant": constant,
        "empty floor": empty_floor,
        "geometric": by_estimator(BACKENDS.create("depth", "geometric")),
        "truth": lambda scene: scene.depth,
    }
    rows = {row.method: row.figures for row in evaluate_depth(scenes, methods, total=3)}
    assert len(rows) == 4 * len(ALIGNMENTS)
    for how in ALIGNMENTS:
        truth, ours, wall = (rows[f"{name}, {how}"]["objects: AbsRel"].value for name in ("truth", "geometric", "constant"))
        assert truth == pytest.approx(0, abs=1e-4)
        assert ours < 0.7 * wall
    assert str(rows["truth, scale"]["δ < 1.25"]) == "1.000 (1.000–1.000)"


def broken(scene: DepthScene) -> DepthMap:
    raise ValueError("no idea")


def test_a_failure_counts_as_a_wall_and_photos_without_masks_have_no_objects():
    photo = Photo(np.zeros((4, 6, 3), np.uint8), "p", "0")
    truth = DepthMap(np.linspace(1, 3, 24, dtype=np.float32).reshape(4, 6), np.ones((4, 6), bool), "metric", "test")
    scene = DepthScene(photo, truth, Segmentation((), (), np.zeros((0, 4, 6), bool)), estimate_camera(photo))
    rows = {row.method: row for row in evaluate_depth([scene], {"constant": constant, "broken": broken})}
    for how in ALIGNMENTS:
        assert rows[f"broken, {how}"].figures["AbsRel"] == rows[f"constant, {how}"].figures["AbsRel"]
    assert rows["broken, scale"].facts == {"photos": "1", "failed": "1"}
    assert str(rows["constant, scale"].figures["objects: AbsRel"]) == "–"
