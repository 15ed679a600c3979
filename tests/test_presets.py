"""Presets are values and nothing else; what they can't mean is refused with the place and what is possible there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

import scene3d.pipeline
from paco_core.errors import BadInput
from paco_core.presets import configure, load_preset, preset_names


@dataclass(frozen=True)
class Fill:
    patch_px: int = 7
    blur: float = 0.5
    limit: float | None = None
    method: Literal["exemplar", "membrane"] = "exemplar"


@dataclass(frozen=True)
class Config:
    fill: Fill = field(default_factory=Fill)
    seed: int = 0
    names: tuple[str, ...] = ()
    size: tuple[int, float] = (1, 2.0)
    keep: bool = False
    labels: str = ""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError("seed must be 0 or more")


def test_what_is_not_named_keeps_its_default():
    assert configure(None, Config, "x.yaml") == Config()
    assert configure({"fill": {"patch_px": 9}}, Config, "x.yaml") == Config(fill=Fill(patch_px=9))


def test_every_kind_of_value_is_understood(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("fill: {blur: 1e-3, limit: 2, method: membrane}\nnames: [cup, café]\nsize: [3, 4]\nkeep: true\nlabels: 'no'")
    assert load_preset(str(file), Config) == Config(
        Fill(blur=0.001, limit=2.0, method="membrane"), names=("cup", "café"), size=(3, 4.0), keep=True, labels="no"
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sede": 1}, "x.yaml: 'sede' is no setting. Did you mean 'seed'? Known: fill, seed, names, size, keep, labels."),
        ({"fill": {"patch": 9}}, "x.yaml: 'fill.patch' is no setting. Did you mean 'patch_px'?"),
        ({3: 9}, "x.yaml: '3' is no setting. Known:"),
        ({"fill": {"patch_px": 7.5}}, "x.yaml: fill.patch_px is 7.5, but must be a whole number."),
        ({"seed": True}, "x.yaml: seed is True, but must be a whole number."),
        ({"keep": 1}, "x.yaml: keep is 1, but must be true or false."),
        ({"labels": 3}, "x.yaml: labels is 3, but must be text."),
        ({"fill": {"method": "magic"}}, "x.yaml: fill.method is 'magic', but must be one of exemplar, membrane."),
        ({"fill": {"limit": "wide"}}, "x.yaml: fill.limit is 'wide', but must be a number or null."),
        ({"names": "cup"}, "x.yaml: names is 'cup', but must be a list of text."),
        ({"names": ["cup", 3]}, "x.yaml: names[1] is 3, but must be text."),
        ({"size": [1]}, "x.yaml: size is [1], but must be a list of"),
        ({"fill": 3}, "x.yaml: fill is 3, but must be settings by name."),
        ([1], "x.yaml: the file is [1], but must be settings by name."),
        ({"seed": -1}, "x.yaml: its values: seed must be 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(values: Any, sentence: str):
    with pytest.raises(BadInput) as caught:
        configure(values, Config, "x.yaml")
    assert str(caught.value).startswith(sentence)


def test_files_that_are_not_there_or_no_yaml_are_sentences(tmp_path: Path):
    with pytest.raises(BadInput, match=r"gone\.yaml can't be read: No such file or directory"):
        load_preset(str(tmp_path / "gone.yaml"), Config)
    broken = tmp_path / "broken.yaml"
    broken.write_text("fill: [1, ")
    with pytest.raises(BadInput, match=r"broken\.yaml is no YAML: while parsing"):
        load_preset(str(broken), Config)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_of_the_package_fits_the_pipelines_settings(name: str):
    assert load_preset(name, scene3d.pipeline.Config) != scene3d.pipeline.Config()


def test_an_unknown_preset_is_answered_by_the_nearest_one():
    with pytest.raises(BadInput, match=r"no preset 'losless'\. Did you mean 'lossless'\?"):
        load_preset("losless", Config)


def test_a_number_that_no_computer_holds_is_refused():
    with pytest.raises(BadInput, match=r"fill\.blur is 1000.*must be a number"):
        configure({"fill": {"blur": 10**400}}, Config, "mine.yaml")


def test_what_has_no_default_must_be_there():
    with pytest.raises(BadInput, match=r"^config\.json: objects\[0\]\.name is missing\.$"):
        configure({"objects": [{"id": 3}]}, scene3d.pipeline.Config, "config.json")
