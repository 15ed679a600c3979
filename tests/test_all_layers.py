"""All layers of a photo in one batch: the same objects as layer by layer, and what happens when one fails or memory is full."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.base import LayersCompleter
from paco_core.backends.classical import ClassicalCompleter
from paco_core.backends.paco import PacoCompleter
from paco_core.complete import complete, complete_layers, plan_completion
from paco_core.completion_target import CompletionConfig, Strategy
from paco_core.errors import BadInput, ObjectFailed
from paco_core.nets.memory import in_batches
from paco_core.nets.visible_to_complete import VisibleToComplete
from tests.occluded import box, compose, disc, graph_of, on_photo
from tests.paconets import tiny_paco
from tests.test_complete import Whole

NO_ROOM = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"
"""As torch says it."""


class Together(Whole):
    """Knows all layers; counts how it was asked. Fails for every batch that holds the object ``bad``."""

    def __init__(self, bad: int = -1):
        super().__init__()
        self.batches, self.bad = [], bad

    def complete_layer(self, targets, *, seed=0):
        if any(target.id == self.bad for target in targets):
            raise ValueError("out of ideas")
        return super().complete_layer(targets, seed=seed)

    def complete_layers(self, layers, *, seed=0):
        self.batches.append([tuple(target.id for target in layer) for layer in layers])
        return tuple(self.complete_layer(layer, seed=seed) for layer in layers)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_paco(tmp_path_factory.mktemp("paco") / "paco.safetensors")


def paco(weights: Path, **options) -> PacoCompleter:
    return PacoCompleter(weights=weights, **{"side_px": 32, "steps": 2, **options})


def stairs():
    """Four boxes, each hidden by the one before: three layers with something to complete."""
    return compose(
        *(box(10 + 20 * k, 10 + 30 * k, 45 + 20 * k, 55 + 30 * k) for k in range(4)), colours=[(60 * k,) * 3 for k in range(4)]
    )


def test_all_layers_are_one_batch_and_only_layer_wise():
    masks = stairs()
    asked = {}
    for strategy in ("layer-wise", "one-by-one", "once-for-all"):
        completer = Together()
        complete(*masks, completer, CompletionConfig(strategy=strategy))
        asked[strategy] = completer.batches
    assert asked == {"layer-wise": [[(2,), (3,), (4,)]], "one-by-one": [], "once-for-all": []}


def test_progress_counts_every_object_of_the_batch():
    told = []
    complete(*stairs(), Together(), progress=lambda *what: told.append(what[:3]))
    assert told == [("complete", k, 4) for k in range(1, 5)]


def test_one_failure_costs_one_object_and_no_layer_but_its_own_is_asked_anew(caplog: pytest.LogCaptureFixture):
    photo, segmentation, _ = stairs()
    completer = Together(bad=3)
    things = complete(photo, segmentation, graph_of(4, [(0, 1), (0, 2), (1, 3)]), completer)
    assert completer.calls == [(2,), (4,)] and completer.batches == [[(2, 3), (4,)]]
    assert [thing.fallback is None for thing in things] == [True, True, False, True]
    assert "2 layers at once: out of ideas" in caplog.text and "layer of 2 objects: out of ideas" in caplog.text


@pytest.mark.parametrize("answer", [(), ((),), ((), (), ())])
def test_too_few_answers_for_all_layers_are_asked_for_again(answer):
    class Forgets(Together):
        def complete_layers(self, layers, *, seed=0):
            return answer

    things = complete(*stairs(), Forgets())
    assert all(thing.fallback is None and thing.mask_method == "all" for thing in things[1:])


def test_what_only_the_user_can_mend_is_said_once_and_not_tried_again():
    class Refuses(Together):
        def complete_layers(self, layers, *, seed=0):
            self.batches.append(len(layers))
            raise BadInput("these are the weights of a giraffe")

    completer = Refuses()
    with pytest.raises(BadInput, match="of a giraffe"):
        complete(*stairs(), completer)
    assert completer.batches == [3] and completer.calls == []


def test_completers_say_by_their_methods_whether_they_take_all_layers(weights: Path):
    assert isinstance(paco(weights), LayersCompleter) and not isinstance(ClassicalCompleter(), LayersCompleter)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.booleans(), st.integers(1, 2))
def test_paco_s_objects_are_the_same_in_one_batch_and_layer_by_layer(
    weights: Path, seed: int, at_once: int, crops: bool, samples: int
):
    photo, segmentation, graph = stairs()
    plan = plan_completion(photo, segmentation, graph)
    completer = paco(weights, at_once=at_once, crops=crops, samples=samples)
    together = tuple(complete_layers(plan, completer, seed=seed))
    alone = tuple(objects for layer in plan for objects in complete_layers([layer], completer, seed=seed))
    for ours, theirs in zip(together, alone, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.fallback is None and one.box_xyxy == other.box_xyxy
            assert np.array_equal(one.amodal, other.amodal) and np.array_equal(one.rgba, other.rgba)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many maps were denoised at once, call by call; a test may forbid more than ``batches.most``."""
    seen: list[int] = []
    sample = VisibleToComplete.sample

    def counted(self, condition, **given):
        seen.append(len(condition.grid))
        if len(condition.grid) > Room.canvases:
            raise RuntimeError(NO_ROOM)
        return sample(self, condition, **given)

    monkeypatch.setattr(VisibleToComplete, "sample", counted)
    monkeypatch.setattr(Room, "canvases", 99)
    return seen


class Room:
    """So many canvases fit into memory."""

    canvases = 99


@pytest.mark.parametrize(("at_once", "expected"), [(8, [3]), (2, [2, 1]), (1, [1, 1, 1])])
def test_a_photo_is_one_denoising_as_far_as_it_may_be(weights: Path, batches: list[int], at_once: int, expected: list[int]):
    complete(*stairs(), paco(weights, at_once=at_once))
    assert batches == expected


@pytest.mark.parametrize(("strategy", "expected"), [("layer-wise", [3]), ("one-by-one", [1, 1, 1]), ("once-for-all", [1])])
def test_passes_of_the_strategies(weights: Path, batches: list[int], strategy: Strategy, expected: list[int]):
    complete(*stairs(), paco(weights, crops=False), CompletionConfig(strategy=strategy))
    assert batches == expected


def test_where_memory_is_full_batches_are_halved_and_nothing_else_changes(
    weights: Path, batches: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    calm = complete(*stairs(), paco(weights))
    monkeypatch.setattr(Room, "canvases", 1)
    tight = complete(*stairs(), paco(weights))
    assert batches == [3, 3, 1, 1, 1] and "memory is full with 3 at a time: going on with 1" in caplog.text
    assert all(np.array_equal(a.rgba, b.rgba) and b.fallback is None for a, b in zip(calm, tight, strict=True))


def test_where_not_even_one_canvas_fits_the_setting_to_lower_is_named(
    weights: Path, batches: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Room, "canvases", 0)
    things = complete(*stairs(), paco(weights))
    assert all("memory is full with one canvas of 32 px: take a lower side_px" in (thing.fallback or "") for thing in things[1:])
    assert all(np.array_equal(on_photo(t, t.amodal), m) for t, m in zip(things, stairs()[1].masks, strict=True))


@given(st.lists(st.integers(), max_size=30), st.integers(1, 9), st.integers(1, 9), st.sampled_from(["torch", "numpy", "cuda"]))
def test_batches_keep_the_order_and_never_hold_more_than_fit(items: list[int], most: int, room: int, by: str):
    done = []

    def work(part):
        if len(part) > room:
            raise {"torch": RuntimeError(NO_ROOM), "numpy": MemoryError(), "cuda": torch.OutOfMemoryError("full")}[by]
        done.append(len(part))
        return [2 * item for item in part]

    assert in_batches(items, most, work) == [2 * item for item in items]
    assert not done or max(done) <= min(most, room)


@pytest.mark.parametrize("error", [MemoryError("no room for one"), RuntimeError("shapes differ"), ObjectFailed("it is glass")])
def test_what_smaller_batches_do_not_help_is_raised(error: Exception):
    def work(part):
        if len(part) == 1 or not isinstance(error, MemoryError):
            raise error
        raise MemoryError

    with pytest.raises(type(error), match=str(error)):
        in_batches([1, 2, 3], 3, work)


def test_numbers_below_one_are_refused(weights: Path):
    for wrong in ({"at_once": 0}, {"samples": 0}):
        with pytest.raises(BadInput, match="have to be at least 1"):
            paco(weights, **wrong)


def test_a_greater_front_is_never_claimed_from_behind():
    """The disc hides both boxes; the boxes hide each other nowhere, and do not claim each other."""
    photo, segmentation, _ = compose(disc(60, 80, 30), box(50, 90, 100, 150), box(20, 20, 80, 70))
    things = complete(photo, segmentation, graph_of(3, [(0, 1), (0, 2)]), Together())
    for k in (1, 2):
        assert not (on_photo(things[k], things[k].amodal) & segmentation.masks[3 - k]).any()
