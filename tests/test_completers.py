"""Completers by name: their settings, where they run, and what their results depend on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paco_core.backends.paco import PacoCompleter
from paco_core.completers import PacoOptions, identity_of, make_completer
from paco_core.errors import BadInput
from paco_core.pipeline import DeocclusionConfig, Inputs, deocclude
from paco_core.presets import load_preset
from paco_core.store import RunFolder
from scene3d.pipeline import Config
from tests.occluded import box, compose, disc
from tests.paconets import tiny_paco
from viewers.job import with_completer


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of one network, with other weights."""
    folder = tmp_path_factory.mktemp("paco")
    return tiny_paco(folder / "0.safetensors", 0), tiny_paco(folder / "1.safetensors", 1)


def test_settings_of_a_preset_reach_the_network(tmp_path: Path, weights: tuple[Path, Path]):
    preset = tmp_path / "mine.yaml"
    paco = f"{{weights: '{weights[0]}', steps: 2, side_px: 32, guidance: 3}}"
    preset.write_text(f"deocclusion:\n  completer: paco\n  paco: {paco}\n")
    stages = load_preset(str(preset), Config).deocclusion
    made = make_completer(stages.completer, stages.paco, device="cpu")
    assert isinstance(made, PacoCompleter)
    assert (made.weights, made.steps, made.side_px, made.guidance) == (weights[0], 2, 32, 3.0)
    assert made.samples == PacoCompleter.samples


def test_other_weights_make_results_of_a_run_folder_anew_and_the_same_ones_do_not(tmp_path: Path, weights: tuple[Path, Path]):
    photo, segmentation, _ = compose(disc(70, 95, 28), box(35, 25, 95, 85))
    inputs = Inputs(photo, segmentation)
    config = DeocclusionConfig(completer="paco", paco=PacoOptions(str(weights[0]), side_px=32, steps=1))

    def pictures(config: DeocclusionConfig) -> list[np.ndarray]:
        with RunFolder(tmp_path / "run") as run:
            return [obj.rgba for obj in deocclude(inputs, run, config).deocclusion.objects]

    first = pictures(config)
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(weights[0].read_bytes())
    same = replace(config, paco=replace(config.paco, weights=str(moved), at_once=1))
    assert identity_of("paco", same.paco) == identity_of("paco", config.paco)
    other = replace(config, paco=replace(config.paco, weights=str(weights[1])))
    assert identity_of("paco", other.paco) != identity_of("paco", config.paco)
    for a, b in zip(first, pictures(same), strict=True):
        assert np.array_equal(a, b)
    assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(first, pictures(other), strict=True))


def test_weights_on_the_command_line_are_those_of_paco():
    stages = with_completer(DeocclusionConfig(), "paco=mine.safetensors")
    assert (stages.completer, stages.paco.weights) == ("paco", "mine.safetensors")
    assert with_completer(stages, "classical").completer == "classical"
    with pytest.raises(BadInput, match="give --completer pcnet"):
        with_completer(stages, "pcnet=mine.safetensors")
    with pytest.raises(BadInput, match="paco"):
        with_completer(stages, "pacco=mine.safetensors")


def test_weights_that_are_not_there_are_named():
    with pytest.raises(BadInput, match=r"nowhere\.safetensors"):
        make_completer("paco", PacoOptions("nowhere.safetensors"))
    with pytest.raises(BadInput, match=r"nowhere\.safetensors"):
        identity_of("paco", PacoOptions("nowhere.safetensors"))
