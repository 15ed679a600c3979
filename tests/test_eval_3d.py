"""The harness in 3D: truth scores best at every alignment, what is aligned away does not count, failures do."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from paco_core.errors import BadInput, ObjectFailed
from paco_core.evaluation.figures import figure_table
from scene3d.backends.ellipsoid import EllipsoidLifter
from scene3d.backends.extrusion import ExtrusionLifter
from scene3d.evaluation.lift_table import COLUMNS, lift_rows, score_lines, sheet
from scene3d.evaluation.lift_truth import LiftTruth, model_truths, photograph, procedural_truths
from scene3d.evaluation.lifting import LiftMethod, LiftRun, by_rank, evaluate_lifters
from scene3d.evaluation.oracle import true_scene
from scene3d.evaluation.scene_inputs import LEVELS
from scene3d.evaluation.scene_pairs import KnownObject, true_objects
from scene3d.evaluation.scenes3d import SceneResult, evaluate_scenes, score_scene_3d
from scene3d.evaluation.scenes3d_table import bins_table, fit_rows, object_lines, pose_rows, visible_bin
from scene3d.evaluation.unseen_views import look
from scene3d.pipeline import Config
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene
from scene3d.transforms import similarity
from scene3d.types import LiftedMesh, LiftInput, Pose, Scene
from tests.liftshapes import photograph as crop_of
from tests.liftshapes import reprojected, silhouette_iou, sphere
from tests.scenes import make_box
from viewers.cli import main
from viewers.commands import eval_lift, eval_scene

POINTS = 1000


@pytest.fixture(scope="module")
def chair() -> LiftTruth:
    return procedural_truths(2)[1]()


class Perfect:
    """Knows the answer; ``farther`` errs in the distance alone, as no crop can tell it."""

    name = "perfect"

    def __init__(self, truth: LiftTruth, farther: float = 1.0):
        self.truth, self.farther = truth, farther

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        shift = np.eye(4)
        shift[2, 3] = self.farther - 1
        return LiftedMesh(self.truth.mesh, shift @ self.truth.crop_from_lift, None, "truth", watertight=True)


class Broken:
    name = "broken"

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        raise ObjectFailed("no idea")


@pytest.fixture(scope="module")
def run(chair: LiftTruth) -> LiftRun:
    methods = {
        "perfect": LiftMethod(Perfect(chair)),
        "farther": LiftMethod(Perfect(chair, 1.1)),
        "broken": LiftMethod(Broken()),
    }
    return evaluate_lifters((lambda: chair,), methods, points=POINTS)


def test_a_photographed_model_lies_where_its_crop_shows_it(chair: LiftTruth):
    lifted = Perfect(chair).lift(chair.item)
    assert silhouette_iou(lifted, chair.item) > 0.96
    mask, z = reprojected(lifted, chair.item)
    assert chair.item.depth is not None
    both = mask & np.isfinite(chair.item.depth)
    assert np.median(np.abs(z * chair.metres_per_unit - chair.item.depth)[both]) < 0.005
    size = np.ptp(chair.mesh.vertices, axis=0)
    assert size.max() == pytest.approx(1)
    assert chair.mesh.vertices.max(axis=0) == pytest.approx(size / 2)
    assert chair.item.visible[chair.item.rgba[..., 3] > 127].mean() > 0.95


def test_the_truth_is_perfect_and_a_failed_object_counts_as_failed(run: LiftRun):
    (perfect,), (broken,) = run.scores["perfect"], run.scores["broken"]
    assert (perfect.view.f05, perfect.view.view_iou, perfect.box.view_iou, perfect.voxel_iou) == (1, 1, 1, 1)
    assert (perfect.psnr, perfect.ssim) == (50, pytest.approx(1))
    assert perfect.view.chamfer < 0.03, "two samples of one surface"
    assert (broken.view.f05, broken.box.f02, broken.view.view_iou, broken.voxel_iou) == (0, 0, 0, 0)
    assert broken.view.chamfer == pytest.approx(np.linalg.norm(np.ptp(run.makers[0]().mesh.vertices, axis=0)), abs=0.02)
    assert "no idea" in broken.failure
    assert broken.psnr < 20 and not broken.watertight
    rows = {row.method: row for row in lift_rows(run)}
    assert (rows["broken"].facts["failed"], rows["broken"].facts["objects"], rows["perfect"].facts["failed"]) == ("1", "1", "0")
    assert set(rows["broken"].figures) == set(COLUMNS)


def test_the_distance_that_no_crop_tells_does_not_count(run: LiftRun):
    (perfect,), (farther,) = run.scores["perfect"], run.scores["farther"]
    assert farther.box == perfect.box
    assert farther.view.chamfer < perfect.view.chamfer + 0.05
    assert farther.view.f05 > 0.9


def test_every_object_is_a_line_and_the_sheet_shows_failures_too(run: LiftRun):
    lines = score_lines(run)
    assert [line["method"] for line in lines] == ["perfect", "farther", "broken"]
    assert {"view_chamfer", "box_f05", "seconds", "failure"} <= set(lines[0])
    assert sheet(run, "broken", LiftMethod(Broken())).shape == sheet(run, "perfect", LiftMethod(Perfect(run.makers[0]()))).shape


def test_best_median_and_worst_are_different_objects(run: LiftRun):
    score = run.scores["perfect"][0]
    scores = [replace(score, view=replace(score.view, chamfer=c)) for c in (0.5, 0.1, 0.3, 0.2, 0.4)]
    scores.append(replace(scores[1], failure="lost"))
    assert list(by_rank(scores, 1)) == [("best", 1), ("median", 2), ("worst", 5)]
    assert len({k for _, k in by_rank(scores, 4)}) == len(list(by_rank(scores, 4)))
    assert list(by_rank(scores[:1], 4)) == [("best", 0)]


def test_extrusions_and_ellipsoids_are_closed_and_as_thick_as_they_say():
    item = crop_of(sphere(), "ball", 0.0)
    plate = ExtrusionLifter(0.1).lift(item)
    assert plate.watertight
    size = np.ptp(plate.mesh.vertices, axis=0)
    assert size[2] / size[0] == pytest.approx(0.2, abs=0.04)
    assert silhouette_iou(plate, item) > 0.93
    egg = EllipsoidLifter().lift(crop_of(sphere(), "ball", 20.0))
    assert egg.watertight
    assert np.ptp(egg.mesh.vertices, axis=0) == pytest.approx([1, 1, 1], abs=0.05)
    assert np.linalg.norm(egg.mesh.vertices, axis=1) == pytest.approx(0.5, abs=0.03)


def test_an_empty_mask_can_t_be_lifted():
    item = crop_of(sphere(), "ball", 0.0)
    empty = replace(item, rgba=np.zeros_like(item.rgba))
    for lifter in (ExtrusionLifter(), EllipsoidLifter()):
        with pytest.raises(ObjectFailed):
            lifter.lift(empty)


def test_views_go_round_as_they_say():
    box = make_box((1.0, 0.5, 0.25))
    box = replace(box, vertices=box.vertices - [0, 0.25, 0])
    widths = [int(look(box, yaw, 0.0).mask.any(axis=0).sum()) for yaw in (0.0, 90.0)]
    assert widths[1] / widths[0] == pytest.approx(0.25, abs=0.06)
    right = replace(box, vertices=box.vertices * [0.3, 1, 1] + [0.35, 0, 0])
    seen = look(right, 90.0, 0.0)
    assert seen.mask[:, 40:56].any(), "from its right, what lies right is before the middle"
    assert look(right, 30.0, 0.0).mask[:, 48:].sum() > look(right, 30.0, 0.0).mask[:, :48].sum()


def test_models_that_can_t_be_used_are_listed(tmp_path: Path):
    trimesh.creation.box((0.3, 0.2, 0.1)).export(tmp_path / "good.glb")
    (tmp_path / "bad.glb").write_bytes(b"nothing")
    found = evaluate_lifters(model_truths(tmp_path, 9, "test"), {"box": LiftMethod(EllipsoidLifter())}, points=200)
    assert (len(found.makers), len(found.skipped)) == (1, 1)
    assert "bad.glb" in found.skipped[0]
    (tmp_path / "good.glb").unlink()
    with pytest.raises(BadInput, match="No model is left"):
        evaluate_lifters(model_truths(tmp_path, 9, "test"), {"box": LiftMethod(EllipsoidLifter())})


def test_a_model_too_thin_to_be_seen_is_refused():
    needle = make_box((1e-4, 1.0, 1e-4))
    with pytest.raises(BadInput, match="pixels of its picture"):
        photograph(needle, "needle", "", np.random.default_rng(0))


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


def test_every_lifter_is_a_row_and_depth_is_told_where_it_matters():
    methods = eval_lift.lift_methods(0)
    shapeless = {"billboard", "extrusion T=0.1", "extrusion T=0.2", "ellipsoid"}
    assert set(methods) >= shapeless | {"relief", "relief, unnamed", "relief, true depth"}
    assert not any(methods[name].with_depth for name in shapeless | {"relief"})
    assert methods["relief, true depth"].with_depth and not methods["relief, unnamed"].named


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


def test_the_commands_print_tables_and_write_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "lift"
    row = "relief, true depth"
    assert main(["eval", "lift", "--count", "1", "--points", "200", "--out", str(out), "--only", row]) == 0
    printed = capsys.readouterr().out
    assert [line["method"] for line in csv.DictReader((out / "objects.csv").open())] == [row]
    assert f"| {row} | 1 | 0 |" in printed
    assert (out / "sheet_relief_true_depth.jpg").is_file()
    assert set(json.loads((out / "figures.json").read_text())["figures"]) == {row}
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
        (["lift", "--count", "0"], "nothing to evaluate"),
        (["lift", "--points", "0"], "no sample"),
        (["lift", "nowhere"], "There is no folder nowhere"),
        (["lift", "--only", "bilboard"], "Did you mean 'billboard'?"),
        (["scene", "--count", "0"], "nothing to evaluate"),
        (["scene", "--against", "nowhere.json"], "nowhere.json"),
        (["scene", "nowhere"], "has no shards"),
    ],
)
def test_what_leaves_nothing_to_measure_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", *words]) == 2
    assert sentence in capsys.readouterr().err
