"""A changed setting or input recomputes what depends on it and nothing else. No stage is computed here: only its key counts."""

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paco_core.registry import Registry
from paco_core.store import RunFolder, StageResult, fingerprint
from paco_core.types import Camera, DepthMap
from scene3d.pipeline import Config, Inputs, ObjectChoice, build, open_run
from scene3d.synthetic.rooms import make_room


@dataclass
class Remembered:
    """What every stage of a finished run gave, and its key."""

    values: dict[str, Any]
    keys: dict[str, str]


class DryRun(RunFolder):
    """Gives what the finished run gave, and notes every stage that a real run would have computed."""

    def __init__(self, finished: Remembered) -> None:
        self.results = {}
        self.path = Path("nowhere")
        self.finished = finished
        self.computed: set[str] = set()

    def keep(self, name: str, value: Any) -> None:
        pass

    def stage(self, name: str, key_inputs: Any, compute: Any, type_: Any, **_: Any) -> StageResult[Any]:
        key = fingerprint({"stage": name, "inputs": dict(key_inputs)})
        if self.finished.keys.setdefault(name, key) != key:
            self.computed.add(_kind(name))
        return StageResult(self.finished.values[name], key, 0.0, cached=False)

    def stages(self, key_inputs: Any, compute: Any, type_: Any) -> tuple[StageResult[Any], ...]:
        return tuple(self.stage(name, inputs, compute, type_) for name, inputs in key_inputs.items())


class Nobody:
    """In the place of every method: it can't be asked anything."""

    name = "nobody"

    def complete_layer(self, targets: Any, *, seed: int = 0) -> Any:
        raise AssertionError("nothing is computed here")


def _kind(name: str) -> str:
    return "lift" if name.endswith("/lift") else name.split("/")[0]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    room = make_room(1, hw=(96, 128), n_objects=3)  # table > vase, and a stool that nothing hides
    return Inputs(room.photo, room.segmentation, room.camera, room.depth)


@pytest.fixture(scope="module")
def finished(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Remembered:
    with open_run(tmp_path_factory.mktemp("runs") / "room") as run:
        build(inputs, run)
    remembered = Remembered({name: result.value for name, result in run.results.items()}, {})
    assert dry(inputs, Config(), remembered) == set()
    return remembered


def dry(inputs: Inputs, config: Config, finished: Remembered) -> set[str]:
    run = DryRun(finished)
    build(inputs, run, config)
    return run.computed


SCENE = {"place", "environment"}
FILLED = {"background", "environment"}
COMPLETED = {"complete", "background", *SCENE}
ORDERED = {"occlusion", *SCENE}
DEEP = {"depth", "ground", *ORDERED}
EVERYTHING = {"segmentation", *DEEP}
"""Where what is segmented, completed and lifted turns out to be the same, the rest is not computed again."""

SETTINGS: dict[str, tuple[Any, set[str]]] = {
    "deocclusion.segmenter": ("other", set()),  # the user gave the masks
    "deocclusion.depth": ("other", set()),  # the user gave the depth
    "deocclusion.order": ("other", ORDERED),
    "deocclusion.completer": ("other", COMPLETED),
    "deocclusion.background": ("other", FILLED),
    "deocclusion.max_side_px": (4096, set()),  # the photo is smaller
    "deocclusion.paco.weights": ("other.safetensors", set()),  # another completer is asked, here and below
    "deocclusion.paco.base": ("other", set()),
    "deocclusion.paco.side_px": (256, set()),
    "deocclusion.paco.steps": (2, set()),
    "deocclusion.paco.guidance": (9.0, set()),
    "deocclusion.paco.scheduler": ("dpm++", set()),
    "deocclusion.paco.crops": (False, set()),
    "deocclusion.paco.samples": (2, set()),
    "deocclusion.paco.at_once": (1, set()),
    "lifter": ("billboard", {"lift", *SCENE}),
    "fallback_lifter": ("relief", {"lift", *SCENE}),
    "device": ("cpu", set()),
    "threads": (2, set()),
    "objects": ((ObjectChoice(1, "table", "billboard"),), {"lift", *SCENE}),
    "seed": (7, {"complete", "background", "lift", *SCENE}),
}
GROUPS: dict[str, set[str]] = {
    "deocclusion.segmentation": EVERYTHING,
    "deocclusion.completion": COMPLETED,
    "deocclusion.filling": FILLED,
    "ground": {"ground"},  # and the rest where another floor is found
    "lift": {"lift", *SCENE},
    "place": SCENE,
    "glb": set(),
}
"""All settings of these; what they would change in the crops of objects may be nothing (then nothing is computed)."""


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every setting by its path."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        path = f"{prefix}{field.name}"
        found |= leaves(value, f"{path}.") if dataclasses.is_dataclass(value) else {path: value}
    return found


def changed(config: Any, path: str, value: Any) -> Any:
    head, _, rest = path.partition(".")
    return replace(config, **{head: changed(getattr(config, head), rest, value) if rest else value})


def other(value: Any) -> Any:
    """Some other value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + type(value)(1)
    if isinstance(value, tuple):
        return (*value, value[-1])
    return "png" if value == "jpeg" else "other"


STRATEGY = "deocclusion.completion.strategy"
"""Changes which stages there are."""


def test_another_strategy_completes_other_objects_together(inputs: Inputs, finished: Remembered):
    with pytest.raises(KeyError, match="layer_2"):  # a stage for each of the three
        dry(inputs, changed(Config(), STRATEGY, "one-by-one"), finished)


@pytest.mark.parametrize("path", [path for path in leaves(Config()) if path != STRATEGY])
def test_a_changed_setting_recomputes_what_depends_on_it_and_nothing_else(
    path: str, inputs: Inputs, finished: Remembered, monkeypatch: pytest.MonkeyPatch
):
    group = next((g for g in GROUPS if path.startswith(f"{g}.")), None)
    assert (path in SETTINGS) != (group is not None), f"say in this test what depends on {path}"
    monkeypatch.setattr(Registry, "create", lambda *_, **__: Nobody())
    value, expected = SETTINGS[path] if group is None else (other(leaves(Config())[path]), GROUPS[group])
    computed = dry(inputs, changed(Config(), path, value), finished)
    if group in ("deocclusion.completion", "lift"):
        assert computed in (expected, set())
    else:
        assert computed == expected


def test_settings_of_the_crops_do_change_them(inputs: Inputs, finished: Remembered):
    assert dry(inputs, changed(Config(), "deocclusion.completion.gap_px", 30.0), finished) == COMPLETED
    assert dry(inputs, changed(Config(), "lift.max_side_px", 64), finished) == {"lift", *SCENE}


def with_one_pixel_less(inputs: Inputs) -> Inputs:
    masks = inputs.segmentation.masks.copy()
    masks[0, *np.argwhere(masks[0])[0]] = False
    return replace(inputs, segmentation=replace(inputs.segmentation, masks=masks))


def with_other_depth(inputs: Inputs) -> Inputs:
    assert inputs.depth is not None
    return replace(inputs, depth=DepthMap(inputs.depth.z * np.float32(1.1), inputs.depth.valid, "metric", "file"))


def with_other_camera(inputs: Inputs) -> Inputs:
    c = inputs.camera
    assert c is not None
    return replace(inputs, camera=Camera(c.fx * 1.1, c.fy * 1.1, c.cx, c.cy, c.width, c.height))


INPUTS = {
    "the photo's name": (lambda i: replace(i, photo=replace(i.photo, name="desk", sha256="0" * 64)), {"environment"}),
    "the order": (lambda i: replace(i, order=("1>2",)), ORDERED),
    "masks": (with_one_pixel_less, EVERYTHING),
    "depth": (with_other_depth, DEEP),
    "the camera": (with_other_camera, {"camera"}),
    "the pitch": (lambda i: replace(i, pitch_deg=20.0), set()),  # the user gave the depth
    "the lens": (lambda i: replace(i, fov_deg=60.0), {"camera"}),  # the user gave the camera, too
}


@pytest.mark.parametrize("what", INPUTS)
def test_a_changed_input_recomputes_what_depends_on_it_and_nothing_else(what: str, inputs: Inputs, finished: Remembered):
    """As far as the stages that come first give what they gave: the camera's value decides about the rest, for one."""
    change, expected = INPUTS[what]
    assert dry(change(inputs), Config(), finished) == expected


def test_a_change_in_one_object_leaves_the_meshes_and_the_layers_of_the_others(inputs: Inputs, tmp_path: Path):
    for names in (("table", "stool", "vase"), ("table", "stool", "cat")):
        with open_run(tmp_path / "run") as run:
            build(replace(inputs, segmentation=replace(inputs.segmentation, names=names)), run)
    computed = {name for name, result in run.results.items() if not result.cached}
    assert {"complete/layer_1", "objects/003_cat/lift"} <= computed
    assert not {"complete/layer_0", "objects/001_table/lift", "objects/002_stool/lift"} & computed
