"""Inpainting networks as rivals: what each strategy asks, which files are taken, rows of ``paco eval deocclusion``."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.base import CompletionTarget, InpaintStrategy
from paco_core.backends.squares import from_square, squared
from paco_core.complete import complete
from paco_core.evaluation.deocclusion import evaluate
from paco_core.evaluation.inpaint_methods import with_masks_of, with_true_masks
from paco_core.inpainting import GREY, InpaintedCompleter, inpaint, question, window_of
from paco_core.nets.pcnet_c import PartialConvolution
from paco_core.registry import BACKENDS
from tests.hidden import two_boxes
from tests.inpaintnets import lama_file, pcnet_c_file, sd_folder, target, tiny_lama
from tests.occluded import box, compose, disc
from tests.tinypacks import write_tiny_pack
from viewers.cli import main

STRATEGIES: tuple[InpaintStrategy, ...] = ("hidden part", "grey occluder", "whole occluder")
SMALL = {"side_px": 32, "steps": 2}
RED = np.array((200, 10, 20), np.uint8)


class Red:
    """Protocol ``Inpainter``: it remembers what it was asked."""

    name = "red"
    strategies = STRATEGIES

    def __init__(self) -> None:
        self.asked: list[tuple[CompletionTarget, np.ndarray]] = []

    def paint(self, target: CompletionTarget, hole: np.ndarray, *, seed: int = 0) -> np.ndarray:
        self.asked.append((target, hole))
        return np.broadcast_to(RED, target.rgb.shape)


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd_folder(tmp_path_factory.mktemp("sd"))


def half_hidden() -> tuple[CompletionTarget, np.ndarray]:
    """A target, and its true mask, which goes on under half of the bar."""
    one = target()
    x = np.broadcast_to(np.arange(48), (40, 48))
    return one, x < 24


def test_the_strategies_ask_what_the_paper_describes():
    one, whole = half_hidden()
    front = one.occluder
    (plain, narrow), (grey, same), (shown, wide) = (question(one, whole, strategy) for strategy in STRATEGIES)
    assert np.array_equal(narrow, same) and np.array_equal(plain.rgb, one.rgb) and np.array_equal(shown.rgb, one.rgb)
    assert (narrow >= whole & front).all() and not narrow[:, 25:].any()  # a rim of a pixel
    assert (wide >= front).all() and not wide[:, 34:].any() and not wide[:, :14].any()
    assert (grey.rgb[front] == GREY).all() and np.array_equal(grey.rgb[~front], one.rgb[~front])


def test_what_lies_beyond_the_photo_is_painted_too():
    one, whole = half_hidden()
    beyond = np.zeros_like(whole)
    beyond[:, -5:] = True
    for strategy in STRATEGIES:
        assert question(replace(one, beyond=beyond), whole, strategy)[1][:, -5:].all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_the_hole_is_painted(strategy: InpaintStrategy):
    one, whole = half_hidden()
    painted = inpaint(Red(), one, whole, strategy)
    hidden = whole & ~one.visible
    assert (painted[hidden] == RED).all()
    assert np.array_equal(painted[:, 35:], one.rgb[:, 35:]) and np.array_equal(painted[:, :15], one.rgb[:, :15])


def test_all_that_is_known_of_a_target_is_cut_to_the_window():
    rgb = np.zeros((*box(0, 0, 0, 0).shape, 3), np.uint8)
    visible, occluder, mixed = box(20, 20, 30, 30), box(20, 30, 30, 40), box(20, 29, 30, 30)
    one = CompletionTarget(
        1, "box", rgb, visible, occluder, (5, 7), beyond=box(0, 0, 90, 34), gaps=box(22, 30, 27, 31), mixed=mixed
    )
    red = Red()
    inpaint(red, one, visible | occluder, "hidden part")
    ((asked, hole),) = red.asked
    x, y = asked.origin_xy[0] - 5, asked.origin_xy[1] - 7
    window = slice(y, y + len(hole)), slice(x, x + hole.shape[1])
    assert hole.shape == (30, 30)
    for name in ("visible", "occluder", "beyond", "gaps", "mixed"):
        assert getattr(asked, name).any() and np.array_equal(getattr(asked, name), getattr(one, name)[window])


def test_nothing_is_asked_where_nothing_is_hidden_or_seen():
    one, _ = half_hidden()
    red = Red()
    assert np.array_equal(inpaint(red, one, one.visible, "hidden part"), one.rgb)
    unseen = replace(one, visible=np.zeros_like(one.visible))
    assert np.array_equal(inpaint(red, unseen, one.occluder, "hidden part"), one.rgb)
    assert not red.asked


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_a_window_holds_the_object_lies_in_the_picture_and_is_a_square_where_there_is_room(
    high: int, wide: int, data: st.DataObject
):
    y0, x0 = data.draw(st.integers(0, high - 1)), data.draw(st.integers(0, wide - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, high)), data.draw(st.integers(x0 + 1, wide))
    mask = np.zeros((high, wide), bool)
    mask[y0:y1, x0:x1] = True
    rows, columns = window_of(mask)
    assert 0 <= rows.start <= y0 and y1 <= rows.stop <= high and 0 <= columns.start <= x0 and x1 <= columns.stop <= wide
    side = round(1.5 * max(y1 - y0, x1 - x0))
    assert rows.stop - rows.start == min(side, high) and columns.stop - columns.start == min(side, wide)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from((8, 32, 64)))
def test_a_picture_of_one_colour_survives_a_square_and_no_pixel_of_a_hole_is_lost(high: int, wide: int, side_px: int):
    rgb = np.full((high, wide, 3), (9, 80, 200), np.uint8)
    hole = np.zeros((high, wide), bool)
    hole[high // 2, wide // 2] = True
    picture, mask = squared(rgb, hole, side_px)
    assert picture.size == mask.size == (side_px, side_px) and np.asarray(mask).any()
    assert np.array_equal(from_square(np.asarray(picture), (high, wide)), rgb)


@pytest.mark.parametrize("name", BACKENDS.names("inpainter"))
@pytest.mark.parametrize("size", [(40, 48), (3, 70)])
def test_each_inpainter_answers_for_any_size_the_same_for_a_seed(name: str, size: tuple[int, int], sd: Path, tmp_path: Path):
    files = {"lama": lama_file, "pcnet-c": pcnet_c_file, "sd-inpainting": lambda _: sd}
    weights = {"weights": files[name](tmp_path / "w.pth")} if name in files else {}
    inpainter = BACKENDS.create("inpainter", name, **weights, **(SMALL if name == "sd-inpainting" else {}))
    one = target(*size)
    answers = [inpainter.paint(one, one.occluder, seed=seed) for seed in (1, 1, 2)]
    assert answers[0].shape == (*size, 3) and answers[0].dtype == np.uint8
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2]) == (name != "sd-inpainting")
    assert answers[0][one.occluder].std() > 0


def test_networks_do_not_see_what_is_in_the_hole(tmp_path: Path):
    one = target()
    other = replace(one, rgb=np.where(one.occluder[..., None], np.uint8(255), one.rgb))
    files = {"lama": lama_file(tmp_path / "l.ckpt"), "pcnet-c": pcnet_c_file(tmp_path / "c.pth")}
    for name, path in files.items():
        inpainter = BACKENDS.create("inpainter", name, weights=path)
        first, second = (inpainter.paint(shown, one.occluder) for shown in (one, other))
        assert np.abs(first.astype(int) - second)[one.occluder].max() <= 1, name  # resampling reads across the border


@pytest.mark.parametrize("name", ["telea", "exemplar"])
def test_what_hides_an_object_leaks_into_it_unless_it_is_part_of_the_hole(name: str):
    """Figure 8 of the paper, by inpainting that needs no weights."""
    rivals = with_true_masks(BACKENDS.create("inpainter", name))
    runs = evaluate([two_boxes()], {name: rival.method for name, rival in rivals.items()})
    red_in_blue, grey_in_blue, blue = (run.scenes[0][1].colour for run in runs)
    assert red_in_blue is not None and grey_in_blue is not None and blue is not None
    assert red_in_blue.psnr + 2 < grey_in_blue.psnr < blue.psnr - 2


def test_lama_s_answer_is_the_generator_s(tmp_path: Path):
    inpainter = BACKENDS.create("inpainter", "lama", weights=lama_file(tmp_path / "best.ckpt"))
    one = target(40, 48)
    seen = torch.from_numpy(np.where(one.occluder[..., None], 0, one.rgb).transpose(2, 0, 1) / 255)[None].float()
    with torch.inference_mode():
        expected = tiny_lama()(torch.cat([seen, torch.from_numpy(one.occluder)[None, None].float()], dim=1))[0]
    expected = (255 * expected).round().permute(1, 2, 0).numpy()
    assert np.array_equal(inpainter.paint(one, one.occluder), expected.astype(np.uint8))


def test_a_partial_convolution_is_a_mean_over_what_is_known():
    conv = PartialConvolution(1, 1, 3, 1, bias=True)
    torch.nn.init.ones_(conv.input_conv.weight)
    assert conv.input_conv.bias is not None
    torch.nn.init.constant_(conv.input_conv.bias, 10.0)
    values, mask = torch.full((1, 1, 5, 5), 4.0), torch.zeros(1, 1, 5, 5)
    mask[..., 0, 0] = mask[..., 0, 1] = 1
    values[..., 4, 4] = 1e9  # not known, not seen
    with torch.inference_mode():
        mean, known = conv((values, mask))
    assert mean[0, 0, 0, 0] == 14 and mean[0, 0, 1, 2] == 14  # two known pixels in the window, and one
    assert known.sum() == 6 and (mean[known == 0] == 0).all()


def test_a_completer_s_shapes_get_an_inpainter_s_colours():
    photo, segmentation, graph = compose(disc(60, 80, 30), box(40, 60, 100, 150))
    classical, red = BACKENDS.create("completer", "classical"), Red()
    painted = InpaintedCompleter(classical, red, "whole occluder")
    front, behind = complete(photo, segmentation, graph, painted)
    plain = complete(photo, segmentation, graph, classical)[1]
    assert painted.name == "classical, colours by red" and len(red.asked) == 1
    assert (front.fill_method, behind.fill_method, behind.mask_method) == ("photo", "red", plain.mask_method)
    assert np.array_equal(behind.amodal, plain.amodal) and (behind.amodal & ~behind.visible).any()
    assert (behind.rgba[behind.amodal & ~behind.visible][:, :3] == RED).all()


def test_rows_count_their_passes_and_paint_hidden_parts_alone():
    red = Red()
    rivals = with_true_masks(red) | with_masks_of(BACKENDS.create("completer", "classical"), red)
    assert list(rivals) == [*(f"red, {one}, true masks" for one in STRATEGIES), "classical, colours by red"]
    scene = two_boxes()
    runs = evaluate([scene, scene], {name: rival.method for name, rival in rivals.items()})
    assert [rival.asked.passes for rival in rivals.values()] == [2, 2, 2, 2]  # the blue box; nobody sees the third object
    for run in runs[:3]:
        assert run.scenes[0][1].mask.iou == 1 and not run.scenes[0][1].failure
    completed = rivals["red, whole occluder, true masks"].method.run(scene)
    hidden = scene.amodal[1] & ~scene.segmentation.masks[1]
    assert completed.rgb is not None
    assert (completed.rgb[1][hidden] == RED).all() and np.array_equal(completed.rgb[1][~hidden], scene.photo.rgb[~hidden])


def test_the_command_gives_inpainters_their_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pack = tmp_path / "a.pack"
    write_tiny_pack(pack, objects=6)
    lama, words = lama_file(tmp_path / "lama.ckpt"), ["eval", "deocclusion", str(pack), "--count", "1", "--quick"]
    words += ["--out", str(tmp_path / "out"), "--inpainter", f"lama={lama}", "--inpainter", "pcnet-colours"]
    assert main([*words, "--only", "lama", "--only", "pcnet-c", "--only", "pcnet, colours by lama"]) == 0
    printed = capsys.readouterr().out
    for row in ("lama, hidden part, true masks", "lama, whole occluder, true masks", "pcnet-colours, true masks"):
        assert f"| {row} |" in printed
    assert "| pcnet, colours by lama |" in printed and "passes a photo" in printed and "s a photo" in printed
    assert "| visible |" not in printed and "| pcnet, colours by pcnet-colours |" not in printed
    assert main([*words, "--only", "no such row"]) == 2
    assert "No row begins with no such row. There are: visible; " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("lama", "The weights of lama are no part of the package"),
        ("pcnet-c", "The weights of pcnet-c are no part of the package"),
        ("sd-inpainting", "The weights of sd-inpainting are no part of the package"),
        ("lama=nowhere.pt", "There are no weights at nowhere.pt"),
        ("lamma", "Did you mean 'lama'"),
    ],
)
def test_inpainters_without_weights_are_named(named: str, sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "deocclusion", "--count", "1", "--quick", "--inpainter", named]) == 2
    assert sentence in capsys.readouterr().err
