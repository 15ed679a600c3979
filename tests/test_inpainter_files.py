"""Weights of inpainting networks that others published: what is taken, and what is refused with which sentence."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from paco_core.errors import BadInput
from paco_core.nets.foreign import CONVERSION
from paco_core.registry import BACKENDS
from tests.inpaintnets import lama_file, sd_folder, target, tiny_lama, tiny_pcnet_c


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd_folder(tmp_path_factory.mktemp("sd"))


def test_torchscript_is_refused_with_the_line_that_converts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given_picture = torch.rand(1, 4, 32, 32)
    torch.jit.trace(tiny_lama(), given_picture).save(str(tmp_path / "big-lama.pt"))
    with pytest.raises(BadInput, match="TorchScript, which is code") as refused:
        BACKENDS.create("inpainter", "lama", weights=tmp_path / "big-lama.pt")
    assert CONVERSION in str(refused.value)
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "big-lama.pt"), str(tmp_path / "big-lama.safetensors")])
    exec(CONVERSION, {})  # what python -c does
    found = BACKENDS.create("inpainter", "lama", weights=tmp_path / "big-lama.safetensors")
    direct = BACKENDS.create("inpainter", "lama", weights=lama_file(tmp_path / "best.ckpt"))
    assert np.array_equal(found.paint(target(), target().occluder), direct.paint(target(), target().occluder))


class Evil:
    def __reduce__(self):
        return print, ("this must never be printed",)


def bare(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return dict(net.state_dict())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda: b"no weights", "can't be read as weights"),
        (lambda: pickle.dumps({"state_dict": Evil()}), "can't be read as weights"),
        (lambda: [1, 2], "0 convolutions end with"),
        (lambda: {"state_dict": 3}, "0 convolutions end with"),
        (lambda: bare(tiny_pcnet_c()), "0 convolutions end with"),
        (lambda: {"model.1.ffc.convl2l.weight": torch.zeros(4, 4, 7, 7)}, "no residual blocks"),
        (lambda: {"model.1.ffc.convl2l.weight": torch.tensor(1.0)}, "0 convolutions end with"),
        (lambda: bare(tiny_lama()) | {"more": torch.zeros(1)}, "weights of another network"),
        (lambda: bare(tiny_lama()) | {"model.1.bn_l.bias": torch.zeros(5)}, "weights of another network"),
    ],
)
def test_files_that_are_no_lama_are_refused(content, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = content()
    (tmp_path / "w.pth").write_bytes(made) if isinstance(made, bytes) else torch.save(made, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=sentence):
        BACKENDS.create("inpainter", "lama", weights=tmp_path / "w.pth")
    assert "never be printed" not in capsys.readouterr().out


def test_files_that_are_no_pcnet_c_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="0 convolutions end with"):
        BACKENDS.create("inpainter", "pcnet-c", weights=lama_file(tmp_path / "w.pth"))
    torch.save({"enc_1.conv.input_conv.weight": torch.zeros(4, 4, 7, 7)}, tmp_path / "one.pth")
    with pytest.raises(BadInput, match="its encoder has 1 levels"):
        BACKENDS.create("inpainter", "pcnet-c", weights=tmp_path / "one.pth")


def without(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)


def described(folder: Path, part: str, **entries) -> None:
    path = folder / part / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda f: without(f, "unet"), "config.json is not there"),
        (lambda f: without(f, "vae"), "config.json is not there"),
        (lambda f: without(f, "scheduler"), "no schedule of noise"),
        (lambda f: without(f, "text_encoder"), "no CLIP text encoder"),
        (lambda f: (f / "unet" / "config.json").write_text("[]"), "describes no network"),
        (lambda f: described(f, "unet", block_out_channels=[1 << 20, 1 << 20]), "fewer weights than the network"),
        (lambda f: described(f, "unet", block_out_channels="wide"), "describes no UNet2DConditionModel"),
        (lambda f: (f / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 999), "fewer weights|can't be read"),
    ],
)
def test_folders_that_are_no_stable_diffusion_are_refused(harm, sentence: str, sd: Path, tmp_path: Path):
    shutil.copytree(sd, tmp_path / "sd")
    harm(tmp_path / "sd")
    with pytest.raises(BadInput, match=sentence):
        BACKENDS.create("inpainter", "sd-inpainting", weights=tmp_path / "sd")


def test_a_stable_diffusion_that_does_not_inpaint_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="its U-Net reads 4 channels, not 9"):
        BACKENDS.create("inpainter", "sd-inpainting", weights=sd_folder(tmp_path, channels=4))
