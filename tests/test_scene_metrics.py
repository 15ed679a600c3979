"""A perfect scene has no error, and an error that we put in comes out as the number that it is."""

from dataclasses import replace

import numpy as np
import pytest

from scene3d.evaluation.oracle import true_scene
from scene3d.evaluation.scene_metrics import HEADER, SceneScore, score_scene, table_row
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene
from scene3d.types import PlacedObject, Scene

SEED = 3
"""A table with things on it, and things on the floor."""


@pytest.fixture(scope="module")
def room() -> TrueScene:
    return make_room(SEED, hw=(192, 256))


@pytest.fixture(scope="module")
def perfect(room: TrueScene) -> Scene:
    return true_scene(room)


def with_object(scene: Scene, changed: PlacedObject) -> Scene:
    return replace(scene, objects=tuple(changed if obj.id == changed.id else obj for obj in scene.objects))


def scaled(obj: PlacedObject, x: float, y: float, z: float) -> PlacedObject:
    return replace(obj, mesh=replace(obj.mesh, vertices=obj.mesh.vertices * [x, y, z]))


def lifted(obj: PlacedObject, by: float) -> PlacedObject:
    pose = obj.world_from_object
    return replace(obj, world_from_object=replace(pose, translation=pose.translation + np.array([0, by, 0])))


def of(score: SceneScore, object_id: int):
    return next(obj for obj in score.objects if obj.id == object_id)


def on_floor(scene: Scene) -> PlacedObject:
    return next(obj for obj in scene.objects if obj.support == "floor" and obj.name != "table")


def test_the_truth_has_no_error(room: TrueScene, perfect: Scene):
    score = score_scene(perfect, room)
    assert score.floor_tilt_deg == pytest.approx(0, abs=1e-6) and score.camera_height_error == 0
    for obj in score.objects:
        assert max(obj.height_error, obj.width_error, obj.centre_error_m) < 1e-9
        assert obj.iou > 0.995
        assert obj.foot_gap_cm < 0.3, "only the 2 % quantile of a ball lies above its lowest point"
        assert obj.sticker_ratio > 0.3


def test_an_object_made_ten_percent_taller_is_ten_percent_too_tall(room: TrueScene, perfect: Scene):
    obj = on_floor(perfect)
    score = of(score_scene(with_object(perfect, scaled(obj, 1, 1.1, 1)), room), obj.id)
    assert score.height_error == pytest.approx(0.1)
    assert score.width_error < 1e-9
    assert score.centre_error_m == pytest.approx(0.05 * obj.size_m[1])
    assert score.iou < 0.99


def test_the_width_is_measured_across_the_sight_line_whatever_the_object_s_yaw(room: TrueScene, perfect: Scene):
    obj = on_floor(perfect)
    score = of(score_scene(with_object(perfect, scaled(obj, 0.8, 1, 0.8)), room), obj.id)
    assert score.width_error == pytest.approx(0.2)
    assert score.height_error < 1e-9


def test_an_object_that_floats_three_centimetres_has_a_gap_of_three(room: TrueScene, perfect: Scene):
    for obj in perfect.objects:
        if any(other.support_id == obj.id for other in perfect.objects):
            continue
        before = of(score_scene(perfect, room), obj.id).foot_gap_cm
        after = of(score_scene(with_object(perfect, lifted(obj, 0.03)), room), obj.id).foot_gap_cm
        assert after - before == pytest.approx(3, abs=1e-6)


def test_a_table_that_sinks_leaves_what_it_carries_in_the_air(room: TrueScene, perfect: Scene):
    carried = next(obj for obj in perfect.objects if obj.support_id is not None)
    table = next(obj for obj in perfect.objects if obj.id == carried.support_id)
    score = score_scene(with_object(perfect, lifted(table, -0.05)), room)
    assert of(score, carried.id).foot_gap_cm == pytest.approx(5, abs=0.3)


def test_a_cardboard_cut_out_is_called_a_sticker(room: TrueScene, perfect: Scene):
    obj = on_floor(perfect)
    eye = room.world_from_camera[[0, 2], 3]
    away = obj.world_from_object.translation[[0, 2]] - eye
    yaw = np.arctan2(-away[0], -away[1])  # its front looks at the camera
    facing = replace(obj.world_from_object, wxyz=np.array([np.cos(yaw / 2), 0, np.sin(yaw / 2), 0]))
    flat = scaled(replace(obj, world_from_object=facing), 1, 1, 0.02)
    assert of(score_scene(with_object(perfect, flat), room), obj.id).sticker_ratio < 0.05


def test_a_floor_that_leans_four_degrees_is_four_degrees_wrong(room: TrueScene, perfect: Scene):
    angle = np.deg2rad(4)
    lean = np.eye(4)
    lean[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    score = score_scene(replace(perfect, world_from_camera=lean @ perfect.world_from_camera), room)
    assert score.floor_tilt_deg == pytest.approx(4)


def test_a_missing_object_stays_in_the_table_as_failed(room: TrueScene, perfect: Scene):
    gone = on_floor(perfect)
    score = score_scene(replace(perfect, objects=tuple(o for o in perfect.objects if o.id != gone.id)), room)
    missing = of(score, gone.id)
    assert missing.iou == 0 and np.isinf([missing.height_error, missing.centre_error_m, missing.foot_gap_cm]).all()
    row = table_row("truth", [score])
    assert row.count("|") == HEADER.splitlines()[0].count("|") == HEADER.splitlines()[1].count("|")
    assert row.startswith(f"| truth | {len(room.objects)} | 1 |")
    assert "nan" not in row
