"""Folders of models: what can be used is loaded upright and textured, what can't is named."""

import json
import logging
import os
import re
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from paco_core.errors import BadInput
from scene3d.synthetic.models import MOST_TILES, find_models, load_model
from scene3d.types import TexturedMesh

HALVES = np.zeros((64 * 2, 64 * 2, 3), np.uint8)
HALVES[:64], HALVES[64:] = (200, 0, 0), (0, 0, 200)
"""Red above, blue below."""


def glb(*, uv_scale: float = 1.0, textured: bool = True, offset: float = 5.0) -> bytes:
    """An upright wall, 2 wide and 1 high, whose texture stands upright on it."""
    vertices = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], float) + offset
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(HALVES) if textured else None, baseColorFactor=None if textured else [10, 200, 30, 255]
    )
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float) * uv_scale  # trimesh counts from the bottom
    mesh = trimesh.Trimesh(vertices, faces, visual=trimesh.visual.TextureVisuals(uv=uv, material=material), process=False)
    return bytes(trimesh.Scene([mesh]).export(file_type="glb"))


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def colour_at(mesh: TexturedMesh, uv: np.ndarray) -> np.ndarray:
    h, w = mesh.texture.shape[:2]
    return mesh.texture[min(int(uv[1] * h), h - 1), min(int(uv[0] * w), w - 1)]


def test_a_model_stands_on_its_bottom_centre_with_its_texture_upright(tmp_path: Path):
    mesh = load_model(save(tmp_path / "wall.glb", glb()))
    np.testing.assert_allclose(mesh.vertices.min(axis=0), [-1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [1, 1, 0], atol=1e-6)
    top, bottom = (mesh.uv[np.isclose(mesh.vertices[:, 1], y)].mean(axis=0) for y in (1, 0))
    assert colour_at(mesh, top * [1, 1] + [0, 0.1]).tolist() == [200, 0, 0]
    assert colour_at(mesh, bottom - [0, 0.1]).tolist() == [0, 0, 200]
    assert all(side & (side - 1) == 0 for side in mesh.texture.shape[:2])


@pytest.mark.parametrize("times", [2.0, 3.0, MOST_TILES + 3.0])
def test_a_texture_that_repeats_is_repeated(tmp_path: Path, times: float):
    mesh = load_model(save(tmp_path / "wall.glb", glb(uv_scale=times)))
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    once = load_model(save(tmp_path / "once.glb", glb())).texture.shape[0]
    assert mesh.texture.shape[0] == once * (1 if times > MOST_TILES else {2: 2, 3: 4}[int(times)])


def test_without_a_texture_it_has_its_material_s_colour(tmp_path: Path):
    mesh = load_model(save(tmp_path / "wall.glb", glb(textured=False)))
    assert mesh.texture.reshape(-1, 3).tolist() == [[10, 200, 30]] * 4


def test_parts_are_joined(tmp_path: Path):
    scene = trimesh.Scene([trimesh.creation.box((1, 1, 1)), trimesh.creation.icosphere(1).apply_translation([0, 2, 0])])
    mesh = load_model(save(tmp_path / "two.glb", bytes(scene.export(file_type="glb"))))
    assert len(mesh.faces) == 12 + 80
    assert mesh.vertices[:, 1].max() == pytest.approx(3.5, abs=0.01)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty|no GLB"),
        (b"glTF\x02\x00\x00\x00", "no GLB that can be read"),
        (glb()[:300], "no GLB that can be read"),
        (bytes(trimesh.Scene([trimesh.PointCloud(np.zeros((3, 3)))]).export(file_type="glb")), "0 triangles"),
        (bytes(trimesh.Scene([trimesh.creation.icosphere(7)]).export(file_type="glb")), "327680 triangles"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, data: bytes, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        load_model(save(tmp_path / "m.glb", data))


@settings(max_examples=80, deadline=None)
@example(53666, 1)  # a texture coordinate of 9e18 is more repetitions than an integer can count
@example(1385241, 1)  # triangles that no node shows
@given(st.integers(0, 2**31), st.integers(1, 30))
def test_damaged_models_are_used_or_named(tmp_path_factory: pytest.TempPathFactory, seed: int, changes: int):
    rng = np.random.default_rng(seed)
    data = np.frombuffer(glb(), np.uint8).copy()
    data[rng.integers(0, len(data), changes)] = rng.integers(0, 256, changes)
    try:
        mesh = load_model(save(tmp_path_factory.getbasetemp() / "damaged.glb", data.tobytes()))
    except BadInput:
        return
    assert np.isfinite(mesh.vertices).all()
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1


def test_an_index_that_lies_costs_its_lies_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    save(tmp_path / "wall.glb", glb())
    save(tmp_path / "broken.glb", b"nothing")
    save(tmp_path.parent / "outside.glb", glb())
    lines = [
        json.dumps({"file": "wall.glb", "name": "wall", "split": "train", "use": "train", "size_m": [2, 1, 0.1]}),
        json.dumps({"file": "gone.glb"}),
        json.dumps({"file": "../outside.glb"}),
        "{no json",
        "[]",
        "",
        json.dumps({"file": "broken.glb", "size_m": ["x", 1, 2], "split": "test"}),
    ]
    (tmp_path / "index.jsonl").write_text("\n".join(lines))
    library = find_models(tmp_path)
    assert [(e.name, e.split, e.size_m) for e in library.entries] == [("wall", "train", (2, 1, 0.1)), ("broken", "test", None)]
    assert len(library.skipped) == 4
    for part in (
        "line 2 is left out: gone.glb is not there",
        "line 3.*outside of the folder",
        "line 4.*no JSON",
        "line 5.*no file",
    ):
        assert any(re.search(part, sentence) for sentence in library.skipped)
    with caplog.at_level(logging.WARNING):
        assert [entry.name for entry, _ in library.usable()] == ["wall"]
    assert "broken.glb is no GLB" in caplog.text
    assert [e.name for e in library.select(lambda e: e.use == "train").entries] == ["wall"]
    with pytest.raises(BadInput, match="None of the 2 models"):
        library.select(lambda e: e.split == "val")


def test_a_folder_without_an_index_is_searched_and_an_empty_one_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    save(tmp_path / "a/red_chair.glb", glb())
    assert [e.name for e in find_models(tmp_path).entries] == ["red chair"]
    (tmp_path / "b").mkdir()
    with pytest.raises(BadInput, match="no model that can be used"):
        find_models(tmp_path / "b")
    with pytest.raises(BadInput, match="There is no folder"):
        find_models(tmp_path / "c")


def test_the_models_at_hand_can_all_be_listed_and_some_are_loaded():
    if "PACO_DATA" not in os.environ:
        pytest.skip("needs the data folder: set PACO_DATA")
    library = find_models(Path(os.environ["PACO_DATA"]) / "models")
    assert len(library.entries) > 1000
    assert library.skipped == ()
    for entry in library.entries[::97]:
        mesh = load_model(entry.path)
        assert mesh.vertices[:, 1].min() == pytest.approx(0, abs=1e-6)
        assert np.linalg.norm(np.ptp(mesh.vertices, axis=0)) == pytest.approx(1, abs=0.01), entry.name
