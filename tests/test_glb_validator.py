"""Khronos' own glTF-Validator has nothing to say about the files that are written."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scene3d.glb import GlbConfig, write_object_glb, write_scene_glb
from scene3d.synthetic import scenes as rendered
from scene3d.synthetic.sceneio import encode
from scene3d.synthetic.stock import open_stock
from tests.scenes import make_scene
from tests.stockfiles import write_models, write_textures

TOOL = Path(__file__).parent / "validator"
NOTHING = {"numErrors": 0, "numWarnings": 0, "numInfos": 0, "numHints": 0, "messages": []}

pytestmark = pytest.mark.slow


def missing(reason: str) -> None:
    """Skip on somebody's laptop, fail where the check is a promise."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must run glTF-Validator")
    pytest.skip(f"{reason}: install Node.js to run glTF-Validator")


@pytest.fixture(scope="module")
def validate(tmp_path_factory):
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("validator")
    for name in ("package.json", "validate.mjs"):
        shutil.copy(TOOL / name, folder / name)
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False
    )
    if installed.returncode:
        missing(f"npm could not install gltf-validator ({installed.stderr.strip()[-200:]})")

    def run(*paths: Path) -> dict[str, dict]:
        command = ["node", "validate.mjs", *map(str, paths)]
        return json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)

    return run


@pytest.mark.parametrize("texture", ["jpeg", "png"])
def test_the_validator_has_nothing_to_say(validate, tmp_path, texture):
    config = GlbConfig(texture=texture, copyright="somebody")
    scene = make_scene(names=("../../x", "椅子"))
    write_scene_glb(scene, tmp_path / "scene.glb", config)
    write_object_glb(scene.objects[0], tmp_path / "object.glb", config)
    reports = validate(tmp_path / "scene.glb", tmp_path / "object.glb")
    assert reports == {str(path): NOTHING for path in (tmp_path / "scene.glb", tmp_path / "object.glb")}


def test_degenerate_triangles_and_unused_vertices_are_cleaned_away(validate, tmp_path):
    item = make_scene().objects[0]
    mesh = item.mesh
    spoilt = replace(
        mesh,
        vertices=np.vstack([mesh.vertices, [[9, 9, 9.0]]]),
        uv=np.vstack([mesh.uv, [[0, 0.0]]]),
        faces=np.vstack([mesh.faces, [[0, 0, 1], [2, 2, 2]]]),
    )
    write_object_glb(replace(item, mesh=spoilt), tmp_path / "object.glb")
    assert validate(tmp_path / "object.glb") == {str(tmp_path / "object.glb"): NOTHING}


def test_the_validator_does_see_a_fault(validate, tmp_path):
    path = tmp_path / "object.glb"
    write_object_glb(make_scene().objects[0], path)
    data = path.read_bytes()
    assert b'"metallicFactor":0.0' in data
    path.write_bytes(data.replace(b'"metallicFactor":0.0', b'"metallicFactor":7.0'))
    assert validate(path)[str(path)]["numErrors"] == 1


def test_nor_about_rendered_scenes_of_models_and_of_procedural_shapes(validate, tmp_path):
    stock = open_stock(write_models(tmp_path / "models"), write_textures(tmp_path / "textures"))
    for seed in range(6):
        scene = rendered.make_scene(seed, rendered.SceneSettings(hw=(64, 64)), stock if seed % 2 else rendered.PROCEDURAL)
        (tmp_path / f"{seed}.glb").write_bytes(encode(scene)["scene.glb"])
    paths = sorted(tmp_path.glob("*.glb"))
    assert validate(*paths) == {str(path): NOTHING for path in paths}
