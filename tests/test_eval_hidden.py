"""The harness for hidden parts: truth scores best, failures count, files can be compared with."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.completion_target import CompletionConfig, Strategy
from paco_core.errors import BadInput, ObjectFailed
from paco_core.evaluation import fill_methods
from paco_core.evaluation.deocclusion import (
    Completed,
    Method,
    by_completer,
    by_fill,
    by_masks,
    convexity_order_of,
    evaluate,
    graph_of,
    passes,
    true_order_of,
)
from paco_core.evaluation.deocclusion_table import (
    bins_table,
    instance_rows,
    look_columns,
    summarise,
)
from paco_core.evaluation.mask_methods import METHODS
from paco_core.evaluation.order import order_of_edges
from paco_core.evaluation.order_methods import COLUMNS, evaluate_order
from paco_core.evaluation.scenes import AmodalScene
from paco_core.registry import BACKENDS
from scene3d.evaluation.room_scenes import room_scenes
from scene3d.evaluation.shard_scenes import shard_scenes
from scene3d.synthetic.scenes import SceneSettings
from scene3d.synthetic.shards import ShardPlan, write_shards
from tests.features import Pyramid
from tests.hidden import two_boxes
from viewers.cli import main
from viewers.commands.eval_deocclusion import find_extractor


def tell_the_truth(scene: AmodalScene) -> Completed:
    assert scene.alone is not None
    return Completed(scene.amodal, scene.alone[..., :3])


def break_down(scene: AmodalScene) -> Completed:
    raise ValueError("no idea")


truth, broken = Method(tell_the_truth, colours=True), Method(break_down, colours=True)


def test_the_truth_scores_best_and_a_failure_counts_as_what_is_visible():
    best, raw, failed = evaluate(
        [two_boxes()], {"truth": truth, "visible": by_masks(METHODS["visible"], true_order_of), "broken": broken}
    )
    figures = summarise(best).figures
    assert (figures["IoU pooled"].value, figures["hidden part: mean"].value) == (1.0, 1.0)
    assert (figures["PSNR hidden, pooled"].value, figures["SSIM hidden"].value) == (50.0, pytest.approx(1.0))
    assert summarise(failed).facts["failed"] == "3"
    assert [i.mask for i in failed.scenes[0]] == [i.mask for i in raw.scenes[0]]
    assert {i.failure for i in failed.scenes[0]} == {"ValueError: no idea"}
    assert math.isnan(summarise(raw).figures["PSNR hidden, pooled"].value)


def test_what_a_loose_mask_gives_away_is_nobody_s_claim_but_what_is_claimed_of_what_is_in_front_is():
    scene = two_boxes()
    wide = scene.segmentation.masks.copy()
    wide[1, 8:42, 8:52] |= ~wide[0, 8:42, 8:52]  # 2 px too big, but not in front of the red box
    given = replace(scene, segmentation=replace(scene.segmentation, masks=wide), visible=scene.segmentation.masks)
    kept, whole = (Completed(masks) for masks in (wide, np.stack([wide[0], wide[1] | scene.amodal[1], wide[2]])))
    runs = evaluate([given], {"kept": Method(lambda _: kept, colours=False), "whole": Method(lambda _: whole, colours=False)})
    blue = [run.scenes[0][1].mask for run in runs]
    assert [mask.hidden_iou for mask in blue] == [0.0, 1.0] and blue[1].iou < 1
    front = replace(given, segmentation=replace(scene.segmentation, masks=np.stack([wide[0], scene.amodal[1], wide[2]])))
    (over,) = evaluate([front], {"more": Method(lambda _: Completed(scene.amodal | scene.amodal[0]), colours=False)})
    assert over.scenes[0][1].mask.hidden_iou < 1, "of what is in front, every pixel is a claim"


class GivesUp:
    """Protocol ``Completer``."""

    name = "gives up"

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        raise ObjectFailed("no idea")


def test_objects_that_a_completer_gives_up_are_counted_one_by_one():
    (run,) = evaluate([two_boxes()], {"gives up": by_completer(GivesUp(), true_order_of)})
    assert summarise(run).facts["failed"] == "1"  # nothing hides red, and nobody asks about what is wholly hidden
    red, blue, _ = run.scenes[0]
    assert (red.failure, blue.mask.hidden_iou) == ("", 0.0)
    assert "no idea" in blue.failure


def test_a_failure_pays_for_its_colours():
    raw = Method(lambda s: Completed(s.segmentation.masks, np.stack([s.photo.rgb] * 3)), colours=True)
    unchanged, failed = evaluate([two_boxes()], {"raw": raw, "broken": broken}, extractor=Pyramid())
    for name, value in summarise(unchanged, "pyramid").figures.items():
        assert summarise(failed, "pyramid").figures[name] == value or math.isnan(value.value)
    assert summarise(failed).figures["PSNR hidden, pooled"].value < 15


def test_an_extractor_adds_columns_named_after_it():
    best, shown = evaluate(
        [two_boxes()] * 2, {"truth": truth, "visible": by_masks(METHODS["visible"], true_order_of)}, extractor=Pyramid()
    )
    distance, spread, between = look_columns("pyramid")
    figures = summarise(best, "pyramid").figures
    assert figures[distance].value == 0
    assert str(figures[spread]).endswith("(n 4, 4)")  # two occluded objects in each of two scenes
    assert abs(figures[spread].value) < 1e-9
    assert math.isnan(figures[between].value)
    assert summarise(best, "pyramid", least=2).figures[between].value == pytest.approx(0, abs=1e-6)
    assert math.isnan(summarise(shown, "pyramid").figures[distance].value)  # masks alone have no looks
    assert instance_rows([best])[1]["perceptual_distance"] == 0


def test_an_order_that_fails_is_wrong_about_all_that_hide_something():
    def fail(scene: AmodalScene) -> np.ndarray:
        raise ValueError("no idea")

    (row,) = evaluate_order([two_boxes()], {"broken": fail})
    assert [row.figures[name].value for name in COLUMNS] == [0.0, 1 / 3]


@pytest.mark.parametrize(
    ("name", "weights", "error"),
    [
        ("no-such-net", None, "There is no features backend"),
        (None, Path("w.pth"), "--features"),
        ("paco-feat-1", Path("w"), "--f"),
    ],
)
def test_a_network_that_was_asked_for_must_be_there(name: str | None, weights: Path | None, error: str):
    with pytest.raises(BadInput, match=error):
        find_extractor(name, weights)


def test_the_program_s_own_completion_is_measured_in_the_frame():
    completer = BACKENDS.create("completer", "classical")
    scene = two_boxes()
    (run,) = evaluate([scene], {"classical": by_completer(completer, true_order_of)})
    red, blue, lost = run.scenes[0]
    assert red.mask.iou == 1
    assert blue.mask.hidden_iou > 0.9
    assert blue.colour is not None and blue.colour.psnr > 35
    assert (lost.mask.both, lost.mask.hidden_share) == (0, 1.0)


def test_passes_are_counted_for_what_something_hides():
    strategies: tuple[Strategy, ...] = ("layer-wise", "one-by-one", "once-for-all")
    scenes = {"two boxes": two_boxes(), "a room": next(iter(room_scenes([0])))}
    counts = {
        name: [passes(scene, true_order_of, CompletionConfig(strategy=strategy)) for strategy in strategies]
        for name, scene in scenes.items()
    }
    assert counts["two boxes"] == [1, 1, 1]
    layers, singles, once = counts["a room"]
    assert once == 1 <= layers <= singles < len(scenes["a room"].segmentation.ids)


def test_strategies_stand_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "strategies", "--completer", "classical", "--count", "1", "--out", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert all(f"| {name} |" in table for name in ("layer-wise", "one-by-one", "once-for-all"))
    assert "passes a photo" in table and (tmp_path / "report.html").is_file()


def test_orders_with_cycles_are_taken():
    graph = graph_of((1, 2, 3), order_of_edges((1, 2, 3), [(1, 2), (2, 3), (3, 1)]))
    assert len(graph.edges) == 2
    assert len(graph.dropped) == 1


def test_rooms_have_a_true_order_that_convexity_does_not_always_find():
    scenes = list(room_scenes(range(2)))
    for scene in scenes:
        assert (scene.order == -scene.order.T).all()
        for i, j in np.argwhere(scene.order == 1):
            assert (scene.segmentation.masks[i] & scene.amodal[j]).any()
    perfect, ours = evaluate_order(scenes, {"truth": true_order_of, "convexity": convexity_order_of}, total=2)
    assert [perfect.figures[name].value for name in COLUMNS] == [1.0, 1.0]
    assert ours.figures["acc_occpair"].value < 1.0
    right, of_all = perfect.facts["right of occluding pairs"].split(" / ")
    assert right == of_all


def test_objects_and_bins_are_listed():
    runs = evaluate([two_boxes()], {"truth": truth, "visible": by_masks(METHODS["visible"], true_order_of)})
    rows = instance_rows(runs)
    assert [(r["method"], r["id"], r["bin"]) for r in rows[:3]] == [("truth", 4, 0.05), ("truth", 7, 0.5), ("truth", 9, 1.0)]
    assert ("25% to 50%", "1", "1.000", "1.000", "50.000") in bins_table(runs[0]).rows


@pytest.mark.parametrize("name", list(fill_methods.METHODS))
def test_fills_invent_the_hidden_part_alone_and_hold_the_object_s_colours(name: str):
    scene = two_boxes()
    (run,) = evaluate([scene], {name: by_fill(fill_methods.METHODS[name])})
    assert [i.failure for i in run.scenes[0]] == ["", "", ""]
    blue = run.scenes[0][1]
    assert blue.mask.iou == 1
    assert blue.colour is not None and blue.colour.psnr > 35
    whole, seen = scene.amodal[1], scene.segmentation.masks[1]
    filled = fill_methods.fill_hidden(fill_methods.METHODS[name], scene.photo.rgb, seen, whole)
    assert (filled == scene.photo.rgb)[~(whole & ~seen)].all()


def test_the_commands_print_tables_and_write_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "deocclusion", "--count", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| classical | " in printed
    assert (tmp_path / "table.md").read_text() in f"{printed}\n"
    assert {r["method"] for r in csv.DictReader((tmp_path / "objects.csv").open())} >= {"visible", "hull clipped", "classical"}
    assert json.loads((tmp_path / "figures.json").read_text())["figures"]["visible"]["hidden part: pooled"] == 0
    assert main(["eval", "order", "--count", "1", "--out", str(tmp_path / "order")]) == 0
    assert "| exemplar, true masks | " in printed
    assert "| boundary, true depth | " in capsys.readouterr().out
    before = str(tmp_path / "order/figures.json")
    assert main(["eval", "order", "--count", "1", "--out", str(tmp_path / "again"), "--against", before]) == 0
    assert "[+0.000]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--count", "0"], "nothing to evaluate"), (["nowhere.json"], "There is no file or folder nowhere.json")],
)
def test_sources_that_give_nothing_are_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "order", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_rendered_scenes_are_measured_and_what_is_damaged_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = SceneSettings((96, 96), (2, 3), kinds=("table",))
    (shard,) = write_shards(ShardPlan(2, settings=settings, glb=False), tmp_path).shards
    (tmp_path / "scenes-999999.tar").write_bytes(b"no shard")
    skipped: list[str] = []
    scenes = list(shard_scenes(tmp_path, skipped))
    assert [scene.depth is not None and scene.alone is not None for scene in scenes] == [True, True]
    assert len(skipped) == 1 and "999999" in skipped[0]
    assert [scene.photo.name for scene in shard_scenes(shard, [])] == [scene.photo.name for scene in scenes]
    assert main(["eval", "order", str(tmp_path), "--out", str(tmp_path / "order")]) == 0
    printed = capsys.readouterr().out
    assert "| true depth alone | " in printed and "1 skipped: " in printed
    assert main(["eval", "depth", str(shard), "--out", str(tmp_path / "depth")]) == 0
    assert "| geometric, scale | 2 | 0 | " in capsys.readouterr().out
    shard.unlink()
    with pytest.raises(BadInput, match="holds no scene that can be read"):
        list(shard_scenes(tmp_path, []))
