"""The release gates on procedural rooms: few rooms always, twenty in the slow tests (`paco eval rooms`)."""

import numpy as np
import pytest

from scene3d.evaluation.rooms import evaluate_rooms, failed_gates, table
from scene3d.evaluation.scene_metrics import ObjectScore, SceneScore


def score(**changes) -> SceneScore:
    perfect = dict(
        id=1,
        name="box",
        height_error=0.0,
        width_error=0.0,
        centre_error_m=0.0,
        foot_gap_cm=0.0,
        iou=1.0,
        sticker_ratio=1.0,
        flat=False,
    )
    return SceneScore("room", changes.pop("tilt", 0.0), 0.0, (ObjectScore(**(perfect | changes)),))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tilt": 5.1}, "floor tilt"),
        ({"height_error": 0.11}, "height"),
        ({"width_error": np.inf}, "width"),
        ({"foot_gap_cm": 1.1}, "foot gap"),
        ({"iou": 0.84}, "IoU"),
        ({"sticker_ratio": 0.1}, "sticker"),
    ],
)
def test_every_gate_can_fail(changes, sentence):
    assert failed_gates([score()]) == ()
    (missed,) = failed_gates([score(**changes)])
    assert sentence in missed


def test_flat_things_may_be_flat():
    assert failed_gates([score(sticker_ratio=0.1, flat=True)]) == ()


@pytest.mark.slow
def test_two_rooms_meet_the_gates():
    scores = evaluate_rooms(range(2))
    assert failed_gates(scores) == ()
    assert all(np.isfinite(obj.height_error) for s in scores for obj in s.objects), "an object was lost"


@pytest.mark.slow
def test_twenty_rooms_meet_the_gates():
    scores = evaluate_rooms(range(20))
    assert failed_gates(scores) == (), table(scores, "20 rooms")
