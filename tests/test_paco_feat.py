"""`paco-feat-1` as it ships: small, the same in every batch, and better than the same network untrained."""

import hashlib
import json
import struct

import numpy as np
import pytest
import torch
from skimage import data, transform

from paco_core.backends.paco_feat import WEIGHTS, PacoFeat1
from paco_core.errors import BadInput, MissingDependency
from paco_core.evaluation.crops import Square
from paco_core.evaluation.perceptual import perceptual_distance
from paco_core.nets.features import WIDTHS, FeatureNet
from paco_core.nets.weights import load_weights
from paco_core.registry import BACKENDS
from paco_core.training.feat_figures import distance_from
from paco_core.training.trials import agreement, rising

CARD = WEIGHTS.with_suffix(".md")


@pytest.fixture(scope="module")
def extractor() -> PacoFeat1:
    return PacoFeat1()


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """(16, 96, 96, 3) uint8: corners of photos that come with scikit-image, none of which was trained on."""
    whole = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    halves = [transform.resize(photo, (192, 192, 3), anti_aliasing=True) for photo in whole]
    parts = [half[y : y + 96, x : x + 96] for half in halves for y in (0, 96) for x in (0, 96)]
    return (255 * np.stack(parts)).astype(np.uint8)


def untrained(seed: int = 0) -> FeatureNet:
    torch.manual_seed(seed)
    return FeatureNet().eval()


def trained() -> FeatureNet:
    net = FeatureNet()
    load_weights(net, WEIGHTS)
    return net.eval()


def as_tensor(photos: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255


def test_it_is_small():
    assert WEIGHTS.stat().st_size < 3_000_000
    assert sum(weight.numel() for weight in FeatureNet().parameters()) < 1_400_000


def test_the_card_belongs_to_the_weights():
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in CARD.read_text()


def test_the_file_says_what_made_it():
    size = struct.unpack("<Q", WEIGHTS.read_bytes()[:8])[0]
    about = json.loads(WEIGHTS.read_bytes()[8 : 8 + size])["__metadata__"]
    assert about["task"] == "paco-feat-1" and int(about["steps"]) > 1000


def test_maps_halve_and_vectors_are_as_long_as_all_channels(extractor: PacoFeat1, photos: np.ndarray):
    maps = extractor.maps(photos[:2])
    assert [m.shape for m in maps] == [(2, width, 96 // 2**k, 96 // 2**k) for k, width in enumerate(WIDTHS, start=1)]
    assert extractor.pooled(photos[:2]).shape == (2, sum(WIDTHS))


@pytest.mark.parametrize("hw", [(16, 16), (17, 31), (250, 64)])
def test_any_size_will_do(extractor: PacoFeat1, hw: tuple[int, int]):
    maps = extractor.maps(np.zeros((1, *hw, 3), np.uint8))
    assert maps[0].shape[2:] == (-(-hw[0] // 2), -(-hw[1] // 2))
    assert all(np.isfinite(m).all() for m in maps)


@pytest.mark.parametrize("shape", [(0, 64, 64, 3), (1, 15, 64, 3), (1, 64, 8, 3)])
def test_nothing_and_specks_are_refused(extractor: PacoFeat1, shape: tuple[int, ...]):
    with pytest.raises(BadInput, match="needs at least one picture of 16 px"):
        extractor.pooled(np.zeros(shape, np.uint8))


def test_a_picture_has_the_same_features_in_every_batch(
    extractor: PacoFeat1, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    together = extractor.pooled(photos)
    monkeypatch.setattr("paco_core.backends.paco_feat.MAX_PIXELS", 3 * 96 * 96)
    assert np.abs(extractor.pooled(photos) - together).max() < 1e-5
    assert np.abs(extractor.pooled(photos[5:6]) - together[5:6]).max() < 1e-5


def test_a_change_in_one_corner_stays_there(extractor: PacoFeat1, photos: np.ndarray):
    whole = np.tile(photos[:1], (1, 2, 2, 1))  # features reach about 90 px
    changed = whole.copy()
    changed[:, :8, :8] = 255 - changed[:, :8, :8]
    for before, after in zip(extractor.maps(whole), extractor.maps(changed), strict=True):
        assert not np.array_equal(before, after)
        assert np.array_equal(before[..., -1, -1], after[..., -1, -1])


@torch.inference_mode()
def test_it_agrees_with_people_where_pixels_do_not(photos: np.ndarray):
    true = as_tensor(photos)

    def mean(distance) -> float:
        shares = agreement(true, distance, seed=0)
        return sum(shares.values()) / len(shares)

    by_pixels = mean(lambda rgb: (rgb - true).square().mean(dim=(1, 2, 3)))
    by_chance = mean(distance_from(untrained(), true))
    assert mean(distance_from(trained(), true)) > max(by_pixels, by_chance) + 0.1


@torch.inference_mode()
def test_its_distance_rises_with_what_goes_wrong(photos: np.ndarray):
    true = as_tensor(photos)
    assert min(rising(true, distance_from(trained(), true), seed=0).values()) > 0.9
    assert distance_from(trained(), true)(true).abs().max() < 1e-9


@torch.inference_mode()
def test_the_adapter_gives_what_the_network_gives(extractor: PacoFeat1, photos: np.ndarray):
    net = trained()
    assert np.allclose(extractor.pooled(photos), net.vector(net(as_tensor(photos))).numpy(), atol=1e-5)


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    entry = BACKENDS.find("features", "paco-feat-1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert entry.missing == ("torch",)
    with pytest.raises(MissingDependency, match=r"needs torch: pip install 'paco-scene3d\[networks\]'"):
        BACKENDS.create("features", "paco-feat-1")


def test_pictures_that_cannot_be_written_to_are_read(extractor: PacoFeat1, photos: np.ndarray, recwarn: pytest.WarningsRecorder):
    locked = photos[:1, ::-1]
    locked.flags.writeable = False
    assert np.isfinite(extractor.pooled(locked)).all()
    assert not recwarn.list


def test_stages_of_different_widths_make_one_distance(extractor: PacoFeat1, photos: np.ndarray):
    one, other = ([m[k] for m in extractor.maps(photos[:2])] for k in (0, 1))
    everywhere = np.ones((96, 96), bool)
    ours = distance_from(trained(), as_tensor(photos[:1]))
    with torch.inference_mode():
        expected = float(ours(as_tensor(photos[1:2])))
    for _ in range(20):  # the shape checker looks at one stage at a time
        assert perceptual_distance(one, other, everywhere, Square(0, 0, 96)) == pytest.approx(expected, rel=1e-3)
