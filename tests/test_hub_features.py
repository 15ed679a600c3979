"""The usual networks, with weights that the test makes: files are loaded strictly, features are what the packages give."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paco_core.errors import BadInput, MissingDependency
from paco_core.evaluation.crops import Square
from paco_core.evaluation.features import FeatureExtractor, WeightedExtractor
from paco_core.evaluation.perceptual import perceptual_distance, weights_of
from paco_core.registry import BACKENDS

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchvision")


def package(name: str) -> Any:
    """A package that the project does not ask for."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"needs {name}: {error}")


def write_weights(name: str, path: Path) -> Path:
    """Random weights of a torchvision network, as its hub would have them."""
    models, torch = package("torchvision.models"), package("torch")
    torch.manual_seed(0)
    torch.save(models.get_model(name, weights=None, init_weights=False).state_dict(), path)
    return path


def test_inception_gives_2048_numbers_a_picture_and_five_resolutions(tmp_path: Path):
    extractor = BACKENDS.create("features", "inception-v3", weights=write_weights("inception_v3", tmp_path / "w.pth"))
    assert isinstance(extractor, FeatureExtractor)
    vectors = extractor.pooled(PICTURES)
    assert vectors.shape == (2, 2048)
    assert np.isfinite(vectors).all() and (vectors[0] != vectors[1]).any()
    assert np.allclose(extractor.pooled(PICTURES[:1]), vectors[:1], atol=1e-5)
    assert [m.shape[1] for m in extractor.maps(PICTURES[:1])] == [64, 192, 288, 768, 2048]
    with pytest.raises(BadInput, match="weights of another network"):
        BACKENDS.create("features", "lpips-vgg", weights=tmp_path / "w.pth")


def test_our_distance_over_a_whole_picture_is_the_package_s_own(tmp_path: Path):
    lpips, torch = package("lpips"), package("torch")
    extractor = BACKENDS.create("features", "lpips-vgg", weights=write_weights("vgg16", tmp_path / "w.pth"))
    assert isinstance(extractor, WeightedExtractor)
    first, second = ([stage[k] for stage in extractor.maps(PICTURES)] for k in range(2))
    ours = perceptual_distance(first, second, np.ones((64, 64), bool), Square(0, 0, 64), weights_of(extractor))
    theirs = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    theirs.load_state_dict(extractor._net.state_dict())
    tensors = [lpips.im2tensor(picture.astype(np.float32)) for picture in PICTURES]
    with torch.inference_mode():
        assert ours == pytest.approx(float(theirs(*tensors)), rel=1e-4)
    assert ours > 0


def test_files_that_are_no_weights_are_refused(tmp_path: Path):
    package("torchvision.models")
    (tmp_path / "w.pth").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="can't be read as PyTorch weights"):
        BACKENDS.create("features", "inception-v3", weights=tmp_path / "w.pth")


def test_a_hub_out_of_reach_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    package("torchvision.models")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(MissingDependency, match="--feature-weights"):
        BACKENDS.create("features", "inception-v3")


def test_a_torchvision_that_does_not_fit_torch_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependency, match="Install torch and torchvision together"):
        BACKENDS.create("features", "inception-v3")
