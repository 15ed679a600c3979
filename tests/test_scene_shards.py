"""Shards hold what was rendered: written in parallel, resumed, read as a stream; damage is named."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from paco_core.errors import BadInput
from scene3d.glbcheck import check_glb
from scene3d.synthetic import shards
from scene3d.synthetic.sceneio import decode, encode
from scene3d.synthetic.scenes import SceneSettings, make_scene
from scene3d.synthetic.shards import ShardPlan, read_scenes, write_shards
from scene3d.synthetic.truth import TrueScene
from tests.stockfiles import write_models, write_textures
from viewers.cli import main

TINY = SceneSettings(hw=(64, 72), n_objects=(2, 3))


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stock")
    return {"models": write_models(folder / "models"), "textures": write_textures(folder / "textures")}


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PER_SHARD", 2)


def assert_same(a: TrueScene, b: TrueScene) -> None:
    for name in ("alone", "empty", "amodal", "normals", "world_from_camera"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    np.testing.assert_array_equal(a.photo.rgb, b.photo.rgb)
    np.testing.assert_array_equal(a.depth.z, b.depth.z)
    np.testing.assert_array_equal(a.depth.valid, b.depth.valid)
    np.testing.assert_array_equal(a.segmentation.masks, b.segmentation.masks)
    assert (a.seed, a.camera, a.order, a.segmentation.names) == (b.seed, b.camera, b.order, b.segmentation.names)
    for mine, other in zip(a.objects, b.objects, strict=True):
        np.testing.assert_array_equal(mine.vertices, other.vertices)
        np.testing.assert_array_equal(mine.faces, other.faces)
        np.testing.assert_array_equal(mine.world_from_object.matrix, other.world_from_object.matrix)
        assert (mine.id, mine.name, mine.source, mine.size_m) == (other.id, other.name, other.source, other.size_m)
        assert (mine.support, mine.support_id, mine.support_height_m) == (other.support, other.support_id, other.support_height_m)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_read(seed: int):
    scene = make_scene(seed, TINY)
    assert_same(scene, decode(encode(scene), "it"))


def test_a_stream_of_shards_is_the_scenes_of_their_seeds(stock: dict[str, Path], tmp_path: Path, small_shards: None):
    plan = ShardPlan(3, first_seed=7, **stock, settings=TINY)
    written = write_shards(plan, tmp_path / "out")
    assert written.made == 3 and len(written.shards) == 2
    found = list(read_scenes(tmp_path / "out"))
    assert [scene.seed for scene in found] == [7, 8, 9]
    assert_same(found[1], make_scene(8, TINY, shards.open_stock(stock["models"], stock["textures"])))


def test_what_is_missing_is_made_again_to_the_last_bit_by_any_number_of_processes(stock: dict[str, Path], tmp_path: Path):
    plan = ShardPlan(20, **stock, settings=TINY, glb=False)
    first = write_shards(plan, tmp_path / "out", jobs=2)
    before = {path: path.read_bytes() for path in first.shards}
    first.shards[1].unlink()
    (tmp_path / "out" / ".scenes-00000016-04.tar.1.paco-part").write_bytes(b"half")
    again = write_shards(plan, tmp_path / "out", jobs=1)
    assert again.made == 4
    assert {path: path.read_bytes() for path in again.shards} == before
    assert not list((tmp_path / "out").glob(".*")), "what a killed process left is swept away"
    assert write_shards(plan, tmp_path / "out").made == 0


def test_more_scenes_may_be_asked_for_later_but_not_other_ones(stock: dict[str, Path], tmp_path: Path, small_shards: None):
    write_shards(ShardPlan(2, **stock, settings=TINY), tmp_path)
    assert write_shards(ShardPlan(4, **stock, settings=TINY), tmp_path).made == 2
    for other in ({"settings": SceneSettings(hw=(64, 80))}, {"split": "train"}, {"textures": None}, {"glb": False}):
        with pytest.raises(BadInput, match="made otherwise"):
            write_shards(ShardPlan(4, **{**stock, "settings": TINY, **other}), tmp_path)


def test_the_glb_keeps_gltf_s_rules_and_holds_every_object_and_the_surroundings(stock: dict[str, Path]):
    scene = make_scene(3, TINY, shards.open_stock(stock["models"], stock["textures"]))
    data = encode(scene)["scene.glb"]
    assert not check_glb(data)
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    names = [node.get("name", "") for node in document["nodes"]]
    assert sum(name.startswith("obj_") for name in names) == len(scene.objects)
    assert "background" in names


def test_models_that_cannot_be_used_are_left_out_and_listed(stock: dict[str, Path], tmp_path: Path, small_shards: None):
    models = tmp_path / "models"
    shutil.copytree(stock["models"], models)
    (models / "broken.glb").write_bytes(b"glTF nonsense")
    (models / "empty.glb").write_bytes(b"")
    with (models / "index.jsonl").open("a") as index:
        for name in ("broken", "empty", "liar"):
            index.write(json.dumps({"file": f"{name}.glb", "category": "food"}) + "\n")
        index.write(json.dumps({"file": "crate.glb", "name": "for measuring", "category": "food", "use": "eval"}) + "\n")
        index.write("{no json\n")
    written = write_shards(ShardPlan(4, models=models, settings=TINY), tmp_path / "out")
    assert written.made == 4
    text = "\n".join(written.skipped)
    assert "liar.glb is not there" in text and "no JSON" in text and "broken.glb" in text and "empty.glb" in text
    assert {obj.name for scene in read_scenes(tmp_path / "out") for obj in scene.objects}.isdisjoint({"for measuring", "broken"})


def test_a_folder_of_which_no_model_can_be_used_is_refused(tmp_path: Path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "broken.glb").write_bytes(b"glTF nonsense")
    with pytest.raises(BadInput, match="1 of 1 models can't be read"):
        write_shards(ShardPlan(1, models=models, settings=TINY), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tar"))


def test_textures_that_an_index_invents_are_left_out(stock: dict[str, Path], tmp_path: Path):
    textures = tmp_path / "textures"
    shutil.copytree(stock["textures"], textures)
    with (textures / "index.jsonl").open("a") as index:
        index.write('{"file": "gone.png", "category": "wood"}\n[]\n{"file": "../../etc/passwd", "category": "wood"}\n')
    found = shards.open_stock(None, textures)
    assert len(found.textures) == 6 and len(found.skipped) == 3
    (textures / "index.jsonl").write_text("[]\n")
    with pytest.raises(BadInput, match="no texture that can be used"):
        shards.open_stock(None, textures)


def shard_with(tmp_path: Path, files: dict[str, bytes]) -> Path:
    path = tmp_path / "scenes-00000000-01.tar"
    with tarfile.open(path, "w") as shard:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("damage", ["missing", "resized", "version", "faces", "truncated", "stranger", "pickle", "no tar"])
def test_a_damaged_shard_is_named(tmp_path: Path, damage: str):
    files = encode(make_scene(1, TINY))
    if damage == "missing":
        del files["photo.png"]
    elif damage == "resized":
        files["photo.png"] = files["alone.1.png"]
    elif damage == "version":
        files["scene.json"] = files["scene.json"].replace(b'"version": 1', b'"version": 99')
    elif damage in ("faces", "pickle"):
        arrays = dict(np.load(io.BytesIO(files["truth.npz"])))
        arrays["faces"] = arrays["faces"] + 10**6 if damage == "faces" else np.array([{}], dtype=object)
        out = io.BytesIO()
        np.savez(out, **arrays)
        files["truth.npz"] = out.getvalue()
    path = shard_with(tmp_path, {f"00000001.{key}": data for key, data in files.items()})
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "stranger":
        path = shard_with(tmp_path, {"../../evil.sh": b"x"})
    elif damage == "no tar":
        path.write_bytes(b"hello" * 1000)
    with pytest.raises(BadInput, match=r"scenes-00000000-01\.tar"):
        list(read_scenes(tmp_path))


def test_a_folder_without_shards_says_how_to_make_some(tmp_path: Path):
    with pytest.raises(BadInput, match="paco scenes --out"):
        read_scenes(tmp_path)


def test_the_command_makes_scenes_and_a_sheet(stock: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture):
    words = ["--hw", "64", "72", "--objects", "2", "3", "--models", str(stock["models"]), "--jobs", "1"]
    assert main(["scenes", "--out", str(tmp_path / "out"), "--count", "3", *words]) == 0
    assert "3 scenes made" in capsys.readouterr().out
    assert (tmp_path / "out" / "sheet.jpg").stat().st_size > 5000
    assert main(["scenes", "--out", str(tmp_path / "out"), "--count", "3", *words]) == 0
    assert "0 scenes made, 3 were there" in capsys.readouterr().out
    assert main(["scenes", "--out", str(tmp_path / "out"), "--count", "0", *words]) == 2
