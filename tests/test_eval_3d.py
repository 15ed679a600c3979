"""Scenes in 3D: truth scores best at every alignment, what is aligned away does not count, failures do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from paco_core.evaluation.figures import figure_table
from scene3d.evaluation.oracle import true_scene
from scene3d.evaluation.scene_inputs import LEVELS
from scene3d.evaluation.scene_pairs import KnownObject, true_objects
from scene3d.evaluation.scenes3d import SceneResult, evaluate_scenes, score_scene_3d
from scene3d.evaluation.scenes3d_table import bins_table, fit_rows, object_lines, pose_rows, visible_bin
from scene3d.pipeline import Config
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene
from scene3d.transforms import similarity
from scene3d.types import Pose, Scene
from viewers.cli import main
from viewers.commands import eval_scene

POINTS = 1000


@pytest.fixture(scope="module")
def room() -> TrueScene:
    return make_room(1, hw=(144, 192))


@pytest.fixture(scope="module")
def true(room: TrueScene) -> dict[int, KnownObject]:
    return true_objects(room, POINTS)


def moved(scene: Scene, world_from_world: np.ndarray) -> Scene:
    """All objects under a similarity."""
    scale = np.cbrt(np.linalg.det(world_from_world[:3, :3]))
    turn = world_from_world[:3, :3] / scale
    objects = []
    for obj in scene.objects:
        matrix = obj.world_from_object.matrix
        quaternion = trimesh.transformations.quaternion_from_matrix(similarity(turn @ matrix[:3, :3], np.zeros(3)))
        pose = Pose((world_from_world @ matrix[:, 3])[:3], np.asarray(quaternion))
        objects.append(replace(obj, mesh=replace(obj.mesh, vertices=obj.mesh.vertices * scale), world_from_object=pose))
    return replace(scene, objects=tuple(objects))


def figures(result: SceneResult) -> dict[str, dict[str, float]]:
    rows = fit_rows([result])
    return {row.method.split(": ")[1]: {name: f.value for name, f in row.figures.items()} for row in rows}


def test_the_true_scene_is_perfect_at_every_alignment(room: TrueScene, true: dict[int, KnownObject]):
    result = score_scene_3d(true_scene(room), room, true, "truth")
    for found in figures(result).values():
        assert (found["F-S"], found["ADD-S@.1"]) == (1, 1)
        assert found["F-O"] > 0.97, "only sampling keeps points apart"
        assert found["IoU-B"] == pytest.approx(1, abs=1e-3)
        assert found["IoU upright"] == pytest.approx(1, abs=0.02)
        assert found["scale err"] == pytest.approx(0, abs=1e-3)
        assert found["centre err"] == pytest.approx(0, abs=1e-3)
    assert all(result.order) and result.order
    assert (result.stuck_pairs, result.stuck_volume) == (0, pytest.approx(0, abs=1e-3))
    (row,) = pose_rows([result])
    assert row.figures["foot < 1 cm"].value == 1
    assert row.figures["turn °"].value < 3


def test_one_scale_too_many_is_wrong_unaligned_and_forgiven_from_a1_on(room: TrueScene, true: dict[int, KnownObject]):
    eye = similarity(np.eye(3), room.world_from_camera[:3, 3])
    larger = moved(true_scene(room), eye @ similarity(np.eye(3), np.zeros(3), 1.3) @ np.linalg.inv(eye))
    found = figures(score_scene_3d(larger, room, true, "larger"))
    assert found["A0"]["scale err"] == pytest.approx(0.3, abs=1e-3)
    assert found["A0"]["centre err"] == pytest.approx(0.3, abs=1e-2)
    assert found["A0"]["IoU-B"] < 0.2
    for name in ("A1", "A2", "A3"):
        assert found[name]["IoU-B"] == pytest.approx(1, abs=0.02)
        assert found[name]["scale err"] == pytest.approx(0, abs=5e-3)


def test_a_similarity_is_forgiven_from_a2_on(room: TrueScene, true: dict[int, KnownObject]):
    turn = trimesh.transformations.rotation_matrix(np.deg2rad(25), [0, 1, 0])[:3, :3]
    away = moved(true_scene(room), similarity(turn, np.array([1.0, 0.2, 0.5]), 0.8))
    found = figures(score_scene_3d(away, room, true, "away"))
    assert max(found["A0"]["IoU-B"], found["A1"]["IoU-B"]) < 0.5
    assert found["A2"]["IoU-B"] == pytest.approx(1, abs=1e-3)
    assert found["A2"]["F-S"] == 1


def test_objects_that_the_scene_lacks_stay_in_every_figure(room: TrueScene, true: dict[int, KnownObject]):
    scene = true_scene(room)
    count = len(scene.objects)
    lost = scene.objects[0].id
    result = score_scene_3d(replace(scene, objects=scene.objects[1:]), room, true, "less")
    (a0,) = [o for o in result.objects if o.alignment == "A0" and o.id == lost]
    size = np.ptp(true[lost].truth.vertices, axis=0)
    assert (a0.f10, a0.iou_box, a0.iou_upright) == (0, 0, 0)
    assert a0.cd == pytest.approx(2 * np.linalg.norm(size) / size.max())
    assert np.isinf([a0.add_s, a0.centre_error_m, a0.scale_error]).all()
    assert figures(result)["A0"]["IoU-B"] == pytest.approx((count - 1) / count, abs=1e-3)
    assert fit_rows([result])[0].facts["failed"] == "1"
    nothing = score_scene_3d(None, room, true, "nothing", failure="it crashed")
    assert all(found["F-S"] == 0 == found["IoU-B"] for found in figures(nothing).values())
    assert not any(nothing.order)
    assert {p.failure for p in nothing.poses} == {"it crashed"}


def test_front_and_behind_are_told_by_depth(room: TrueScene, true: dict[int, KnownObject]):
    scene = true_scene(room)
    eye = room.world_from_camera[:3, 3]
    inside_out = []
    for obj in scene.objects:  # what is near goes far and the other way round, along its own sight line
        offset = obj.world_from_object.translation - eye
        factor = 9.0 / float(offset @ offset)
        pose = replace(obj.world_from_object, translation=eye + factor * offset)
        grown = replace(obj.mesh, vertices=obj.mesh.vertices * factor)
        inside_out.append(replace(obj, mesh=grown, world_from_object=pose))
    result = score_scene_3d(replace(scene, objects=tuple(inside_out)), room, true, "inside out")
    assert np.mean(result.order) < 0.5


def test_bins_and_lines_hold_every_object(room: TrueScene, true: dict[int, KnownObject]):
    result = score_scene_3d(true_scene(room), room, true, "truth")
    table = bins_table([result], "A0")
    assert sum(int(row[2]) for row in table.rows) == len(room.objects)
    assert [visible_bin(v) for v in (1.0, 0.95, 0.7, 0.4, 0.0)] == ["> .95", ".7 – .95", ".4 – .7", "< .4", "< .4"]
    lines = object_lines([result])
    assert len(lines) == 4 * len(room.objects)
    assert {"scene", "input", "alignment", "bin", "foot_gap_cm", "iou_upright"} <= set(lines[0])
    assert "truth: A3" in str(figure_table(fit_rows([result]), ("CD-S",)))


def small_room(seed: int) -> TrueScene:
    return make_room(seed, hw=(120, 160), n_objects=2)


def test_true_shapes_are_placed_better_than_ours_and_a_crash_loses_all():
    levels = [level for level in LEVELS if level.depth]
    ours, oracle = evaluate_scenes([small_room(4)], levels, Config(), points=300)
    assert not any(p.failure for p in (*ours.poses, *oracle.poses))
    found, placed = figures(ours)["A0"], figures(oracle)["A0"]
    assert max(placed["centre err"], placed["scale err"]) < 0.03
    assert placed["CD-O"] <= found["CD-O"]
    (crashed,) = evaluate_scenes([small_room(4)], levels[:1], Config(lifter="there is none"), points=300)
    assert all("there is none" in p.failure for p in crashed.poses)


@pytest.mark.slow
def test_the_command_prints_tables_and_writes_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(eval_scene, "make_room", small_room)
    scenes = tmp_path / "scene"
    words = ["eval", "scene", "--count", "1", "--points", "200", "--out", str(scenes)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert all(f"| {level}: {a} | 1 | " in printed for level in ("masks", "masks, K", "masks, K, depth") for a in ("A0", "A3"))
    assert "true shapes" not in printed
    assert {"table.md", "figures.json", "objects.csv", "report.html", "best.jpg"} <= {path.name for path in scenes.iterdir()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["scene", "--count", "0"], "nothing to evaluate"),
        (["scene", "--against", "nowhere.json"], "nowhere.json"),
        (["scene", "nowhere"], "has no shards"),
    ],
)
def test_what_leaves_nothing_to_measure_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", *words]) == 2
    assert sentence in capsys.readouterr().err
