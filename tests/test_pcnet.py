"""The completer `pcnet`: the laws that hold for any weights, what happens when they are odd, and the shipped ones on a disc."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from threadpoolctl import threadpool_limits

from paco_core.backends.base import Completer, CompletionTarget
from paco_core.backends.classical import ClassicalCompleter
from paco_core.backends.pcnet import LITTLE, SURE, PcnetCompleter, amodal_mask
from paco_core.backends.pcnet_network import BEYOND, Answer, PcnetNetwork, Window, crop_of, window_of
from paco_core.backends.pcnet_numpy import DirectNumpy
from paco_core.complete import complete
from paco_core.errors import BadInput
from paco_core.nets.direct import DirectNet
from paco_core.nets.weights import export_weights, read_weights
from paco_core.registry import BACKENDS
from tests.occluded import box, compose, disc, iou, on_photo

LOGIT = slice(12, 16)
"""The network's last channels, which become the logit at the four pixels of every pair of rows and columns."""


def weights_file(path: Path, change: Callable[[DirectNet], object]) -> Path:
    torch.manual_seed(0)
    net = DirectNet()
    with torch.no_grad():
        change(net)
    export_weights(net, path, about={})
    return path


def claiming(logit: float) -> Callable[[DirectNet], object]:
    """The same logit everywhere, colours as diffused."""
    return lambda net: net.out.bias[LOGIT].fill_(logit)


def perturbed(net: DirectNet) -> None:
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.05)


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> PcnetCompleter:
    return PcnetCompleter(weights_file(tmp_path_factory.mktemp("greedy") / "w.safetensors", claiming(2.0)))


@pytest.fixture(scope="module")
def erratic(tmp_path_factory: pytest.TempPathFactory) -> PcnetNetwork:
    return PcnetNetwork(weights_file(tmp_path_factory.mktemp("erratic") / "w.safetensors", perturbed))


def target(seed: int, high: int = 40, wide: int = 60, number: int = 1) -> CompletionTarget:
    """A box in noise, with a box beside it that hides it."""
    rng = np.random.default_rng(seed)
    visible, occluder = np.zeros((2, high, wide), bool)
    top, left = rng.integers(0, high // 2), rng.integers(0, wide // 2)
    bottom, right = rng.integers(top + 1, high + 1), rng.integers(left + 1, wide + 1)
    middle = rng.integers(left + 1, right + 1)
    visible[top:bottom, left:middle] = True
    occluder[top:bottom, middle:right] = True
    return CompletionTarget(number, "box", rng.integers(0, 256, (high, wide, 3), dtype=np.uint8), visible, occluder)


def moved(given: CompletionTarget, down: int, right: int, room: int = 5) -> CompletionTarget:
    """The same in a larger crop, farther down and right, with so much room at the other sides."""
    around = ((down, room), (right, room))
    rgb = np.pad(given.rgb, (*around, (0, 0)))
    return replace(given, rgb=rgb, visible=np.pad(given.visible, around), occluder=np.pad(given.occluder, around))


@given(seed=st.integers(0, 10_000), high=st.integers(2, 90), wide=st.integers(2, 90))
@settings(max_examples=15, deadline=None)
def test_the_visible_part_is_kept_and_nothing_is_claimed_outside_of_the_occluder(erratic, seed, high, wide):
    given_ = target(seed, high, wide)
    (answer,) = erratic.answers([given_])
    mask = amodal_mask(given_, answer)
    assert answer.logit.shape == mask.shape and answer.rgb.shape == given_.rgb.shape and np.isfinite(answer.logit).all()
    assert not (given_.visible & ~mask).any() and not (mask & ~given_.visible & ~given_.occluder).any()


@given(seed=st.integers(0, 10_000), down=st.integers(0, 9), right=st.integers(0, 9))
@settings(max_examples=10, deadline=None)
def test_a_target_elsewhere_in_its_crop_gets_the_same_answer_there(erratic, seed, down, right):
    given_ = target(seed)
    hidden = given_.occluder
    before, after = erratic.answers([given_])[0], erratic.answers([moved(given_, down, right)])[0]
    assert np.allclose(after.logit[down:-5, right:-5][hidden], before.logit[hidden], atol=1e-4)


def mirrored(given: CompletionTarget) -> CompletionTarget:
    rgb, visible, occluder = (np.ascontiguousarray(plane[:, ::-1]) for plane in (given.rgb, given.visible, given.occluder))
    return replace(given, rgb=rgb, visible=visible, occluder=occluder)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_a_mirrored_target_gets_the_mirrored_answer(erratic, seed):
    visible, occluder = box(30, 25, 90, 78), box(20, 78, 100, 125)  # a window of 106 px, an even number, mirrors onto itself
    given_ = CompletionTarget(1, "box", target(seed, 120, 160).rgb, visible, occluder & ~visible)
    one, other = erratic.answers([given_])[0], erratic.answers([mirrored(given_)])[0]
    assert np.allclose(other.logit[:, ::-1], one.logit, atol=1e-4)
    assert np.abs(other.rgb[:, ::-1].astype(int) - one.rgb).max() <= 1


def test_the_network_is_told_where_gaps_were_closed(erratic: PcnetNetwork):
    visible, occluder, rgb = box(30, 30, 90, 78), box(20, 80, 100, 120), target(0, 120, 160).rgb
    gap = box(30, 78, 90, 80) & ~visible & ~occluder
    apart = CompletionTarget(1, "box", rgb, visible, occluder)
    silent = replace(apart, occluder=occluder | gap)
    told = replace(silent, gaps=gap)
    open_, silent_, told_ = (answer.logit for answer in erratic.answers([apart, silent, told]))
    assert np.abs(told_ - open_)[occluder].max() < 0.1 * np.abs(told_ - silent_)[occluder].max(), "closed by whom is the same"


def test_an_object_gets_the_same_answer_alone_and_among_others(erratic: PcnetNetwork):
    targets = [target(seed, number=seed) for seed in range(5)]
    for given_, answer in zip(targets, erratic.answers(targets), strict=True):
        (alone,) = erratic.answers([given_])
        assert np.array_equal(alone.logit, answer.logit) and np.array_equal(alone.rgb, answer.rgb)


def test_the_answer_does_not_depend_on_how_many_threads_there_are(erratic: PcnetNetwork):
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            answers.append(erratic.answers([target(3), target(4)]))
    for one, other in zip(*answers, strict=True):
        assert np.array_equal(one.logit, other.logit) and np.array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize("scale", [0.25, 1, 4, 25])
def test_a_greedy_network_claims_the_whole_occluder_at_any_size(greedy: PcnetCompleter, scale: float):
    """Crops of 30 to 3000 px: the window covers all of it, and comes back where it was cut."""
    visible, occluder = (np.zeros((round(120 * scale),) * 2, bool) for _ in range(2))
    a, b, c = (round(scale * x) for x in (30, 60, 90))
    visible[a:c, a:b], occluder[a:c, b:c] = True, True
    rgb = np.full((*visible.shape, 3), 200, np.uint8)
    (answer,) = greedy._network.answers([CompletionTarget(1, "box", rgb, visible, occluder)])
    assert (answer.logit[occluder] > 0).all()
    assert np.abs(answer.rgb[occluder].astype(int) - 200).max() <= 1


def test_what_does_not_touch_the_visible_part_is_not_claimed(greedy: PcnetCompleter):
    given_ = target(0, 60, 60)
    visible, occluder = np.zeros((2, 60, 60), bool)
    visible[10:50, 10:30] = True
    occluder[20:40, 30:36], occluder[20:40, 40:46] = True, True
    (done,) = greedy.complete_layer((replace(given_, visible=visible, occluder=occluder),))
    near = occluder & (np.arange(60) < 36)
    assert np.array_equal(done.amodal, visible | near)
    assert done.mask_method == "pcnet" and done.fallback is None


def test_little_is_claimed_only_where_it_is_sure_and_beyond_the_photo_s_border():
    visible, beyond, beside = np.zeros((3, 60, 60), bool)
    visible[20:50, 15:30], beyond[:20] = True, True
    answers = [Answer(np.full((60, 60), x, np.float32), np.zeros((60, 60, 3), np.uint8)) for x in (-0.1, SURE - 0.1, SURE + 0.1)]
    for columns, beside_claimed in ((round(15 * LITTLE) - 1, [False, False, True]), (15, [False, True, True])):
        beside[20:50, 30 : 30 + columns] = True
        cut = replace(target(0, 60, 60), visible=visible, occluder=beside | beyond, beyond=beyond, truncated=("top",))
        masks = [amodal_mask(cut, answer) for answer in answers]
        assert [bool((mask & beside).any()) for mask in masks] == beside_claimed
        assert [bool((mask & beyond).any()) for mask in masks] == [False, True, True]
        assert not masks[2][:10, :5].any(), "between the lines that continue the outline"


def test_what_hangs_on_a_thread_is_not_claimed(greedy: PcnetCompleter):
    visible, occluder = np.zeros((2, 60, 80), bool)
    visible[10:50, 10:40] = True
    occluder[10:50, 40:50], occluder[30, 50:60], occluder[10:50, 60:70] = True, True, True
    (done,) = greedy.complete_layer((replace(target(0, 60, 80), visible=visible, occluder=occluder),))
    assert (done.amodal ^ (visible | occluder & (np.arange(80) < 50))).sum() <= 4, "but for its corners"


def test_where_nearly_all_would_be_invented_the_classical_shape_is_taken(greedy: PcnetCompleter):
    visible, occluder = np.zeros((2, 60, 60), bool)
    visible[29:31, 10:20] = True
    occluder[20:40, 20:32] = True
    given_ = replace(target(0, 60, 60), visible=visible, occluder=occluder)
    (done,), (expected,) = greedy.complete_layer((given_,)), ClassicalCompleter().complete_layer((given_,))
    assert np.array_equal(done.amodal, expected.amodal) and done.mask_method == expected.mask_method and done.fallback is None


def test_one_pixel_is_enough(greedy: PcnetCompleter):
    visible, occluder = np.zeros((2, 9, 9), bool)
    visible[4, 4], occluder[4, 5] = True, True
    given_ = replace(target(0), rgb=np.full((9, 9, 3), 70, np.uint8), visible=visible, occluder=occluder)
    (done,) = greedy.complete_layer((given_,))
    assert np.array_equal(done.amodal, visible | occluder)


def test_nothing_in_front_or_nothing_visible_asks_no_network(greedy: PcnetCompleter, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PcnetNetwork, "answers", lambda *_: pytest.fail("asked"))
    free, lost = target(1, number=1), target(2, number=2)
    free, lost = replace(free, occluder=free.occluder & False), replace(lost, visible=lost.visible & False)
    one, other = greedy.complete_layer((free, lost))
    assert np.array_equal(one.amodal, free.visible) and not other.amodal.any()


def test_a_line_thinner_than_the_network_s_pixels_is_seen_by_it():
    visible, occluder = np.zeros((2, 900, 900), bool)
    visible[450, :500], occluder[440:460, 500:] = True, True
    thin = CompletionTarget(1, "line", np.zeros((900, 900, 3), np.uint8), visible, occluder)
    assert crop_of(thin, window_of(thin))[1].any()


def test_windows_cut_and_paste_back_what_lies_in_the_picture():
    picture = np.arange(12).reshape(3, 4)
    window = Window(-1, 1, 4)
    part = window.cut(picture)
    assert np.array_equal(part, [[0, 4, 5, 6], [0, 8, 9, 10], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert np.array_equal(window.paste(part, picture), picture)
    assert np.array_equal(window.paste(part + 100, picture)[:, 3], picture[:, 3])


def test_outside_of_the_window_the_network_has_no_opinion(erratic: PcnetNetwork):
    far = moved(target(5), 0, 0, room=300)
    assert erratic.answers([far])[0].logit[-1, -1] == BEYOND


def test_an_answer_that_is_no_number_is_replaced_by_the_classical_completion_and_counts_as_fallback(
    greedy: PcnetCompleter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    right, asked = DirectNumpy.__call__, []

    def broken(self, *crop):
        colours, logit, place = right(self, *crop)
        logit[60, 60] = logit[60, 60] if asked else np.nan  # of the first object alone
        asked.append(crop)
        return colours, logit, place

    monkeypatch.setattr(DirectNumpy, "__call__", broken)
    photo, segmentation, graph = compose(box(10, 60, 110, 90), disc(60, 45, 25), disc(60, 105, 25))
    front, lost, fine = complete(photo, segmentation, graph_behind_one(graph), greedy)
    (expected,) = [c for c in complete(photo, segmentation, graph_behind_one(graph), ClassicalCompleter()) if c.id == lost.id]
    assert lost.fallback is not None and "not finite" in lost.fallback and "not finite" in caplog.text
    assert np.array_equal(lost.rgba, expected.rgba) and lost.mask_method == expected.mask_method
    assert fine.fallback is None and fine.mask_method == "ellipse" and front.fallback is None


def graph_behind_one(graph):
    """Both others lie behind the first, in one layer."""
    edges = tuple(edge for edge in graph.edges if edge.front == 1)
    return replace(graph, edges=edges, layers=(0, 1, 1))


def test_missing_weights_are_answered_by_a_sentence(tmp_path: Path):
    with pytest.raises(BadInput, match=r"weights of pcnet are missing.*--completer classical"):
        BACKENDS.create("completer", "pcnet", weights=tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"norm.bias": None}, "of another network: norm.bias is missing"),
        ({"out.bias": np.zeros(5, np.float16)}, r"of another network: out.bias has the shape \(5,\) in place of \(16,\)"),
        ({"more": np.zeros(1)}, "of another network: more is none of this network's"),
    ],
)
def test_weights_of_another_network_are_answered_by_a_sentence(greedy, tmp_path: Path, change: dict, told: str):
    state = {name: value for name, value in (read_weights(greedy.weights) | change).items() if value is not None}
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match=told):
        PcnetCompleter(tmp_path / "other.safetensors").complete_layer((target(0),))


def test_files_that_hold_no_whole_weights_are_answered_by_a_sentence(greedy: PcnetCompleter, tmp_path: Path):
    whole, odd = greedy.weights.read_bytes(), tmp_path / "odd.safetensors"
    bfloat = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    for content in (b"no weights", whole[:-1], whole[:100], b"", len(bfloat).to_bytes(8, "little") + bfloat + b"\0\0"):
        odd.write_bytes(content)
        with pytest.raises(BadInput, match="safetensors"):
            PcnetCompleter(odd).complete_layer((target(0),))


def test_it_is_a_completer_that_imports_no_torch(greedy: PcnetCompleter):
    assert isinstance(greedy, Completer)
    code = (
        "import sys, numpy as np; from pathlib import Path; from paco_core.registry import BACKENDS;"
        "from paco_core.backends.base import CompletionTarget as T;"
        f"c = BACKENDS.create('completer', 'pcnet', weights=Path({str(greedy.weights)!r}));"
        "m = np.arange(400).reshape(20, 20) % 20 < 12;"
        "print(c.complete_layer((T(1, 'a', np.zeros((20, 20, 3), np.uint8), m, ~m),))[0].mask_method, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pcnet", "False"]


def test_the_shipped_weights_complete_a_half_hidden_box():
    whole, front = box(30, 30, 90, 110), box(10, 80, 110, 150)
    photo, segmentation, graph = compose(front, whole)
    done = complete(photo, segmentation, graph, PcnetCompleter())[1]
    assert done.mask_method == "pcnet" and done.fallback is None
    assert iou(on_photo(done, done.amodal), whole) > 0.85
    assert iou(on_photo(done, done.generated), whole & front) > 0.6, "0 for what is seen"


def test_an_outline_that_is_part_of_an_ellipse_becomes_the_ellipse():
    whole, front = disc(60, 75, 30), box(10, 80, 110, 150)
    photo, segmentation, graph = compose(front, whole)
    done = complete(photo, segmentation, graph, PcnetCompleter())[1]
    assert done.mask_method == "ellipse" and done.fallback is None
    assert iou(on_photo(done, done.amodal), whole) > 0.96
