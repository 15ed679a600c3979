"""Lifters on models whose shape is known: the truth is perfect, what no crop tells does not count, failures do."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from paco_core.errors import BadInput, ObjectFailed
from scene3d.backends.ellipsoid import EllipsoidLifter
from scene3d.backends.extrusion import ExtrusionLifter
from scene3d.evaluation.lift_table import COLUMNS, lift_rows, score_lines, sheet
from scene3d.evaluation.lift_truth import LiftTruth, model_truths, photograph, procedural_truths
from scene3d.evaluation.lifting import LiftMethod, LiftRun, by_rank, evaluate_lifters
from scene3d.evaluation.unseen_views import look
from scene3d.types import LiftedMesh, LiftInput
from tests.liftshapes import photograph as crop_of
from tests.liftshapes import reprojected, silhouette_iou, sphere
from tests.scenes import make_box
from viewers.cli import main
from viewers.commands import eval_lift

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


def test_every_lifter_is_a_row_and_depth_is_told_where_it_matters():
    methods = eval_lift.lift_methods(0)
    shapeless = {"billboard", "extrusion T=0.1", "extrusion T=0.2", "ellipsoid"}
    assert set(methods) >= shapeless | {"relief", "relief, unnamed", "relief, true depth"}
    assert not any(methods[name].with_depth for name in shapeless | {"relief"})
    assert methods["relief, true depth"].with_depth and not methods["relief, unnamed"].named


@pytest.mark.slow
def test_the_command_prints_tables_and_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "lift"
    row = "relief, true depth"
    assert main(["eval", "lift", "--count", "1", "--points", "200", "--out", str(out), "--only", row]) == 0
    printed = capsys.readouterr().out
    assert [line["method"] for line in csv.DictReader((out / "objects.csv").open())] == [row]
    assert f"| {row} | 1 | 0 |" in printed
    assert (out / "sheet_relief_true_depth.jpg").is_file()
    assert set(json.loads((out / "figures.json").read_text())["figures"]) == {row}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lift", "--count", "0"], "nothing to evaluate"),
        (["lift", "--points", "0"], "no sample"),
        (["lift", "nowhere"], "There is no folder nowhere"),
        (["lift", "--only", "bilboard"], "Did you mean 'billboard'?"),
    ],
)
def test_what_leaves_nothing_to_measure_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", *words]) == 2
    assert sentence in capsys.readouterr().err
