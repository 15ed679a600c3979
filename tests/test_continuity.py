"""Which of several completions goes on best where the visible part ends."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.backends.continuity import discontinuity
from paco_core.backends.paco import PacoCompleter
from paco_core.nets.paco import Paco, save_paco
from paco_core.nets.paco_config import PACO_TINY
from tests.paconets import stir


def plane(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((8, 8), bool)
    mask[top:bottom, left:right] = True
    return mask


def target() -> CompletionTarget:
    """A bar of four rows; a box of six rows hides its right half."""
    return CompletionTarget(1, "bar", np.full((8, 8, 3), 100, np.uint8), plane(2, 0, 6, 4), plane(1, 4, 7, 8))


def completion(amodal: np.ndarray, grey: int = 100) -> Completion:
    return Completion(np.full((8, 8, 3), grey, np.uint8), amodal, "m", "f")


BAR = plane(2, 0, 6, 8)


@pytest.mark.parametrize(
    ("amodal", "grey", "expected"),
    [
        (BAR, 100, 0.0),
        (BAR, 151, 51 / 255),
        (plane(2, 0, 6, 4), 100, 1.0),  # ends where the box begins
        (plane(2, 0, 4, 8) | plane(2, 0, 6, 4), 100, 0.5),  # half of its rows do
        # the whole box: it shares four sides of pixels above, four below and two on the left with the background
        (BAR | plane(1, 4, 7, 8), 100, 1.0),
    ],
)
def test_discontinuity_by_hand(amodal: np.ndarray, grey: int, expected: float):
    assert discontinuity(target(), completion(amodal, grey)) == pytest.approx(expected)


def test_the_rim_of_mixed_colours_is_taken_as_repainted():
    """The photo's rim is odd, and so is nothing that is compared: the first clean pixel against the answer on the rim."""
    rim = plane(2, 3, 6, 4)
    photo = np.where(rim[..., None], np.uint8(250), np.uint8(100)).repeat(3, axis=2)
    mixed = replace(target(), rgb=photo, mixed=rim)
    assert discontinuity(mixed, completion(BAR)) == 0
    assert discontinuity(replace(mixed, mixed=None), completion(BAR)) == pytest.approx(150 / 255)


@given(st.integers(0, 10_000))
def test_discontinuity_is_from_0_to_3_and_does_not_change_when_all_is_turned(seed: int):
    rng = np.random.default_rng(seed)
    seen, hides, claimed = rng.random((3, 7, 9)) > 0.5
    one = CompletionTarget(1, "noise", rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), seen, hides & ~seen)
    answer = Completion(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), seen | claimed & hides, "m", "f")
    turned = replace(one, rgb=np.rot90(one.rgb), visible=np.rot90(one.visible), occluder=np.rot90(one.occluder))
    found = discontinuity(one, answer)
    assert 0 <= found <= 3
    assert discontinuity(turned, replace(answer, rgb=np.rot90(answer.rgb), amodal=np.rot90(answer.amodal))) == pytest.approx(
        found
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh ones claim nothing; these claim here and there."""
    torch.manual_seed(0)
    path, model = tmp_path_factory.mktemp("paco") / "paco.safetensors", stir(Paco(PACO_TINY))
    with torch.no_grad():
        model.vae.get_parameter("vae.decoder.conv_out.bias")[3] = 0
    save_paco(model, path, about={})
    return path


def test_of_several_samples_each_object_takes_the_one_that_goes_on_best(weights: Path):
    """Each sample is what another seed gives; objects of one canvas choose for themselves."""
    rng = np.random.default_rng(0)
    visible = plane(0, 0, 8, 4).repeat(3, axis=0).repeat(3, axis=1)
    layer = tuple(
        CompletionTarget(k, "half", rng.integers(0, 256, (24, 24, 3), dtype=np.uint8), visible, ~visible, (26 * k, 0))
        for k in range(3)
    )
    single = PacoCompleter(weights=weights, side_px=32, steps=2)
    best = replace(single, samples=4).complete_layer(layer, seed=2)
    tries = [single.complete_layer(layer, seed=seed) for seed in range(8, 12)]
    for k, one in enumerate(layer):
        scores = [discontinuity(one, answers[k]) for answers in tries]
        assert len(set(scores)) > 1 and discontinuity(one, best[k]) == min(scores)
        assert np.array_equal(best[k].rgb, tries[int(np.argmin(scores))][k].rgb)
