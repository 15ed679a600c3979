"""PACO as a completer: who shares a canvas, what is asked in how many passes, and what is made of the answers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.base import CompletionTarget
from paco_core.backends.canvas import MOST, SPREAD, Canvas, canvas_of, grouped
from paco_core.backends.paco import PacoCompleter
from paco_core.complete import complete, plan_completion
from paco_core.completion_target import CompletionConfig, Strategy
from paco_core.errors import BadInput
from paco_core.nets.visible_to_complete import VisibleToComplete
from paco_core.registry import BACKENDS
from tests.occluded import box, compose, disc, graph_of
from tests.paconets import tiny_paco


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_paco(tmp_path_factory.mktemp("paco") / "paco.safetensors")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many maps were denoised at once, call by call."""
    seen: list[int] = []
    sample = VisibleToComplete.sample

    def counted(self, condition, **given):
        seen.append(len(condition.grid))
        return sample(self, condition, **given)

    monkeypatch.setattr(VisibleToComplete, "sample", counted)
    yield seen


def target(number: int = 1, side: int = 20, origin_xy: tuple[int, int] = (0, 0)) -> CompletionTarget:
    """The left half of a square crop is seen, the rest is hidden."""
    visible = np.zeros((side, side), bool)
    visible[:, : side // 2] = True
    rgb = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return CompletionTarget(number, f"thing {number}", rgb, visible, ~visible, origin_xy)


def completer(weights: Path, **options) -> PacoCompleter:
    return PacoCompleter(weights=weights, **{"side_px": 32, "steps": 2, **options})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 400), st.integers(-50, 400), st.integers(1, 90)), min_size=1, max_size=12))
def test_every_object_is_on_one_canvas_that_holds_it_and_is_not_too_large_for_it(places: list[tuple[int, int, int]]):
    targets = [target(k, side, (x, y)) for k, (x, y, side) in enumerate(places)]
    groups = grouped(targets)
    assert sorted(t.id for group in groups for t in group) == sorted(t.id for t in targets)
    for group in groups:
        canvas = canvas_of(group)
        largest = max(len(t.visible) for t in group)
        assert len(group) <= MOST and (len(group) == 1 or canvas.side <= SPREAD * 1.06 * largest)
        for t in group:
            assert canvas.left <= t.origin_xy[0] and t.origin_xy[0] + len(t.visible) <= canvas.left + canvas.side
            assert np.array_equal(canvas.back(t, canvas.cut(t, t.rgb), np.zeros_like(t.rgb)), t.rgb)


def test_a_canvas_that_misses_a_part_leaves_it_as_it_is():
    t = target(1, 10, (-4, 2))
    back = Canvas(0, 0, 8).back(t, np.full((8, 8), 7), np.zeros((10, 10), int))
    assert (back[:6, 4:] == 7).all() and back.sum() == 7 * 6 * 6


def test_what_lies_near_shares_a_canvas_and_what_lies_far_off_does_not():
    near, far = target(2, 20, (30, 0)), target(3, 20, (500, 0))
    assert [[t.id for t in group] for group in grouped([target(1), far, near])] == [[1, 2], [3]]


def test_a_layer_is_one_denoising_whatever_the_number_of_its_objects(weights: Path, passes: list[int]):
    layer = (target(1), target(2, 20, (24, 0)), target(3, 20, (500, 0)))
    answers = completer(weights).complete_layer(layer)
    assert passes == [2] and len(answers) == 3
    completer(weights, crops=False).complete_layer(layer)
    assert passes == [2, 1]


@pytest.mark.parametrize(("strategy", "expected"), [("layer-wise", [1]), ("one-by-one", [1, 1]), ("once-for-all", [1])])
def test_strategies_differ_in_their_passes(weights: Path, passes: list[int], strategy: Strategy, expected: list[int]):
    photo, segmentation, _ = compose(disc(60, 80, 30), box(50, 90, 100, 150), box(20, 20, 80, 70))
    graph = graph_of(3, [(0, 1), (0, 2)])  # the disc in front of two boxes that do not touch
    objects = complete(photo, segmentation, graph, completer(weights, crops=False), CompletionConfig(strategy=strategy))
    assert passes == expected and [obj.id for obj in objects] == list(segmentation.ids)
    assert all(obj.fallback is None and obj.mask_method == "paco" for obj in objects[1:])


def test_plans_hold_every_object_once_in_every_strategy():
    photo, segmentation, graph = compose(disc(60, 60, 20), box(50, 60, 100, 130), box(20, 20, 80, 70))
    strategies: tuple[Strategy, ...] = ("layer-wise", "one-by-one", "once-for-all")
    for strategy, turns in zip(strategies, (3, 3, 1), strict=True):
        plan = plan_completion(photo, segmentation, graph, CompletionConfig(strategy=strategy))
        assert len(plan) == turns
        assert sorted(job.target.id for layer in plan for job in layer.jobs) == sorted(segmentation.ids)
        layers = [job.layer for layer in plan for job in layer.jobs]
        assert turns == 1 or layers == sorted(layers)


def test_what_is_seen_stays_and_nothing_is_claimed_but_what_hides(weights: Path):
    (answer,) = completer(weights).complete_layer((target(),))
    assert (answer.amodal & target().visible).sum() == target().visible.sum()
    assert answer.rgb.shape == (20, 20, 3) and answer.mask_method == answer.fill_method == "paco"


def test_a_seed_decides_the_answer_and_a_shift_of_all_does_not_change_it(weights: Path):
    layer = (target(1, 31), target(2, 24, (20, 9)))
    moved = tuple(replace(t, origin_xy=(t.origin_xy[0] + 300, t.origin_xy[1] - 17)) for t in layer)
    one, same, there, other = (
        completer(weights).complete_layer(given, seed=seed) for given, seed in ((layer, 3), (layer, 3), (moved, 3), (layer, 4))
    )
    for k in range(2):
        assert np.array_equal(one[k].rgb, same[k].rgb) and np.array_equal(one[k].rgb, there[k].rgb)
        assert np.array_equal(one[k].amodal, there[k].amodal) and not np.array_equal(one[k].rgb, other[k].rgb)


def test_objects_that_nothing_hides_cost_nothing(weights: Path, passes: list[int]):
    free = replace(target(), occluder=np.zeros((20, 20), bool))
    (answer,) = completer(weights).complete_layer((free,))
    assert not passes and np.array_equal(answer.amodal, free.visible) and np.array_equal(answer.rgb, free.rgb)


def test_objects_of_one_pixel_and_of_thousands_are_answered(weights: Path):
    dot = replace(target(1, 3), visible=np.eye(3, dtype=bool) & (np.arange(3) == 1), occluder=np.arange(9).reshape(3, 3) > 5)
    large = target(2, 1500, (40, 40))
    answers = completer(weights).complete_layer((dot, large))
    assert [answer.amodal.shape for answer in answers] == [(3, 3), (1500, 1500)]


def test_weights_that_are_missing_and_sizes_that_do_not_fit_are_named(weights: Path, tmp_path: Path):
    with pytest.raises(BadInput, match="weights of paco are missing"):
        PacoCompleter(weights=tmp_path / "none.safetensors")
    with pytest.raises(BadInput, match=r"side_px=31 has to be a multiple of 2"):
        completer(weights, side_px=31).complete_layer((target(),))


def test_it_is_a_completer_by_name(weights: Path):
    found = BACKENDS.create("completer", "paco", weights=weights, side_px=16, steps=1)
    assert found.name == "paco" and len(found.complete_layer((target(),))) == 1
