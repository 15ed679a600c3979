"""Run folders whose files hold anything: the value again, a sentence, or computed anew; never a traceback."""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paco_core.errors import BadInput
from paco_core.store import RunFolder
from paco_core.types import Camera, OcclusionEdge, OcclusionGraph, Segmentation
from scene3d.pipeline import Config, ObjectChoice, write_config
from scene3d.scene import load_scene, save_scene
from tests.maskfiles import damaged
from tests.scenes import make_scene
from viewers.remember import recall_config, recall_inputs

FUZZ = settings(
    max_examples=100, deadline=5_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
GRAPH = OcclusionGraph((1, 2), (OcclusionEdge(1, 2, float("inf"), 3, "user"),), (), (0, 1))
MASKS = Segmentation((1, 2), ("cup", "saucer"), np.arange(200).reshape(2, 10, 10) % 3 == 0)


@cache
def content_of(name: str) -> bytes:
    """A file of a run folder."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with RunFolder(place) as run:
            run.stage("graph", {}, lambda: GRAPH, OcclusionGraph)
            run.stage("masks", {}, lambda: MASKS, Segmentation)
            run.keep("kept", MASKS)
            write_config(run, Config(objects=(ObjectChoice(1, "cup", "billboard", 2),)))
            save_scene(make_scene(), place)
        return next(place.glob(name)).read_bytes()


def tampered(name: str) -> st.SearchStrategy[bytes]:
    return damaged(st.just(content_of(name)))


@FUZZ
@given(st.sampled_from(["graph", "masks"]), st.data())
def test_a_stage_file_of_any_content_gives_the_value_again(name: str, data: st.DataObject):
    value, type_ = {"graph": (GRAPH, OcclusionGraph), "masks": (MASKS, Segmentation)}[name]
    content = data.draw(tampered(f"stages/{name}.npz"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stages").mkdir()
        (Path(folder) / "run.json").write_bytes(content_of("run.json"))
        (Path(folder) / f"stages/{name}.npz").write_bytes(content)
        again = RunFolder(folder).stage(name, {}, lambda: value, type_).value
    assert repr(again) == repr(value)


@FUZZ
@given(st.data())
def test_kept_inputs_of_any_content_are_what_was_kept_or_none(data: st.DataObject):
    content = data.draw(tampered("stages/kept.npz"))
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(folder)
        (Path(folder) / "stages").mkdir()
        (Path(folder) / "stages/kept.npz").write_bytes(content)
        kept = run.kept("kept", Segmentation)
        assert kept is None or repr(kept) == repr(MASKS)
        run.keep("kept", MASKS)
        assert repr(run.kept("kept", Segmentation)) == repr(MASKS)


@FUZZ
@given(st.data())
def test_a_marker_of_any_content_is_ours_or_refused(data: st.DataObject):
    content = data.draw(tampered("run.json"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.json").write_bytes(content)
        try:
            RunFolder(folder)
            assert json.loads(content) == json.loads(content_of("run.json"))
        except BadInput as error:
            assert "run.json" in str(error)


def numbers_in(tree: Any, path: tuple = ()) -> list[tuple]:
    """Where the leaves of a JSON tree are."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, item in items for place in numbers_in(item, (*path, key))] or [path]


odd = st.sampled_from([None, True, -1, 0, 10**400, 1e308, -1e-320, "", "\x00", "../..", [], {}, [[]], {"a": 1}])


@st.composite
def edited(draw: st.DrawFn, name: str) -> bytes:
    """A JSON file with a value or two replaced by odd ones, or with bytes changed."""
    if draw(st.booleans()):
        return draw(tampered(name))
    tree = json.loads(content_of(name))
    for place in draw(st.lists(st.sampled_from(numbers_in(tree)), min_size=1, max_size=2, unique=True)):
        inner = tree
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = draw(odd)
    return json.dumps(tree).encode()


@FUZZ
@given(st.data())
def test_settings_of_any_content_are_read_or_refused(data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder, RunFolder(folder) as run:
        (Path(folder) / "config.json").write_bytes(data.draw(edited("config.json")))
        try:
            assert isinstance(recall_config(run), Config)
        except BadInput as error:
            assert "config.json" in str(error)


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    save_scene(make_scene(), folder)
    return folder


@FUZZ
@given(st.data())
def test_a_scene_of_any_content_is_read_or_refused(scene_folder: Path, data: st.DataObject):
    (scene_folder / "scene.json").write_bytes(data.draw(edited("scene.json")))
    try:
        scene = load_scene(scene_folder)
        assert isinstance(scene.camera, Camera)
    except BadInput as error:
        assert str(scene_folder) in str(error)


@FUZZ
@given(st.sampled_from(["mesh.npz", "texture.png"]), st.data())
def test_a_mesh_of_any_content_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject):
    content = data.draw(tampered(f"meshes/001_chair-*/{name}"))
    with tempfile.TemporaryDirectory() as folder:
        save_scene(make_scene(), Path(folder))
        next(Path(folder).glob(f"meshes/001_chair-*/{name}")).write_bytes(content)
        try:
            mesh = load_scene(Path(folder)).objects[0].mesh
            assert np.isfinite(mesh.vertices).all() and mesh.texture.ndim == 3
        except BadInput as error:
            assert "001_chair" in str(error)


def test_inputs_of_another_version_are_asked_for_again(tmp_path: Path):
    with RunFolder(tmp_path) as folder:
        folder.keep("inputs", MASKS)  # an earlier version kept something else
        with pytest.raises(BadInput, match="comes from another version"):
            recall_inputs(folder)
