"""scene.json: saving and loading is the identity, and everything damaged is refused with a sentence."""

import json
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scene3d.scene
from paco_core.errors import BadInput
from paco_core.names import object_slug, slug
from scene3d.scene import load_scene, save_scene
from scene3d.types import PlacedObject, PlacementStep, TexturedMesh
from tests.scenes import make_scene

finite = st.floats(allow_nan=False, allow_infinity=False)


def same(a: object, b: object) -> bool:
    """Equality that looks into dataclasses, tuples and arrays (types included)."""
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def damage(folder, change) -> None:
    path = folder / "scene.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), name=st.text(max_size=30), step=st.tuples(finite, finite), kept=st.booleans())
def test_loading_what_was_saved_gives_the_same_scene(tmp_path_factory, seed, name, step, kept):
    scene = make_scene(seed, names=(name, "chair"))
    steps = (PlacementStep("icp", kept, *step),)
    scene = replace(scene, name=name, objects=(replace(scene.objects[0], steps=steps), *scene.objects[1:]))
    folder = tmp_path_factory.mktemp("scene")
    save_scene(scene, folder)
    assert same(load_scene(folder), scene)


def test_a_scene_without_surroundings_and_objects_survives_too(tmp_path):
    scene = replace(make_scene(), floor=None, backdrop=None, objects=(), occlusion_edges=())
    save_scene(scene, tmp_path)
    assert same(load_scene(tmp_path), scene)


def test_saving_twice_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_scene(make_scene(), tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 1 + 2 * 4
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_hostile_names_stay_inside_the_folder(tmp_path):
    save_scene(make_scene(names=("../../etc/passwd", "a\0b/..\\c")), tmp_path)
    inside = sorted(p.name for p in (tmp_path / "meshes").iterdir())
    assert [name.rsplit("-", 1)[0] for name in inside] == ["001_etc_passwd", "002_a_b_c", "backdrop", "floor"]
    assert load_scene(tmp_path).objects[0].name == "../../etc/passwd"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_not_written(tmp_path, value):
    scene = make_scene()
    with pytest.raises(ValueError):
        save_scene(replace(scene, objects=(replace(scene.objects[0], iou_visible=value),)), tmp_path)
    mesh = scene.objects[0].mesh
    broken: PlacedObject = replace(scene.objects[0], mesh=replace(mesh, vertices=np.full_like(mesh.vertices, value)))
    with pytest.raises(ValueError):
        save_scene(replace(scene, objects=(broken,)), tmp_path)
    assert not (tmp_path / "scene.json").exists()


def test_a_missing_scene_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"scene\.json does not exist.*paco reconstruct"):
        load_scene(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "\x00\x01", '{"a":' * 5000])
def test_garbage_is_no_scene(tmp_path, text):
    (tmp_path / "scene.json").write_text(text)
    with pytest.raises(BadInput, match=r"scene\.json"):
        load_scene(tmp_path)


CHANGES = {
    "is no scene of this project": lambda d: d.update(format="other"),
    "has version 2": lambda d: d.update(version=2),
    r"name is missing": lambda d: d.pop("name"),
    r"metric must be true or false": lambda d: d.update(metric=1),
    r"camera\.fx must be a finite number": lambda d: d["camera"].update(fx=float("nan")),
    r"camera\.fy must be a finite number": lambda d: d["camera"].update(fy=10**400),
    r"objects\[0\]\.translation must be numbers": lambda d: d["objects"][0].update(translation=[0, 10**400, 0]),
    "must have 1…100000 px a side, not 0×": lambda d: d["camera"].update(width=0),
    "focal lengths must be positive": lambda d: d["camera"].update(fx=-3),
    r"world_from_camera must be finite numbers of shape \(4, 4\)": lambda d: d.update(world_from_camera=[[1]]),
    r"world_from_camera must be numbers": lambda d: d.update(world_from_camera="x"),
    r"objects\[0\]\.support must be one of floor": lambda d: d["objects"][0].update(support="sky"),
    r"objects\[1\]\.layer must be a whole number": lambda d: d["objects"][1].update(layer=True),
    "no unit quaternion": lambda d: d["objects"][0].update(wxyz=[0, 0, 0, 0]),
    "two objects have the same id": lambda d: d["objects"][0].update(id=2),
    r"lies outside the scene's folder": lambda d: d["objects"][0].update(mesh="../elsewhere"),
    r"'/etc' lies outside": lambda d: d["objects"][0].update(mesh="/etc"),
    r"lies outside the scene": lambda d: d["objects"][0].update(mesh="objects/\0"),
    r"mesh\.npz is missing": lambda d: d["objects"][0].update(mesh="objects/nothing"),
    "occlusion_edges must be a list of pairs": lambda d: d.update(occlusion_edges=[[1, "2"]]),
    "notes must be a list of texts": lambda d: d.update(notes=[1]),
    r"objects must be a list": lambda d: d.update(objects={}),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_a_damaged_scene_is_refused_with_the_place(tmp_path, sentence):
    save_scene(make_scene(), tmp_path)
    damage(tmp_path, CHANGES[sentence])
    with pytest.raises(BadInput, match=sentence):
        load_scene(tmp_path)


def _rewrite(path, **changes):
    with np.load(path) as arrays:
        np.savez(path, **{**{k: arrays[k] for k in arrays.files}, **changes})


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "mesh.npz").write_bytes(b"no zip"),
        lambda folder: (folder / "texture.png").write_bytes(b"no png"),
        lambda folder: (folder / "mesh.npz").write_bytes((folder / "mesh.npz").read_bytes()[:300]),
        lambda folder: (folder / "texture.png").write_bytes((folder / "texture.png").read_bytes()[:60]),
        lambda folder: np.savez(folder / "mesh.npz", vertices=np.zeros((3, 3))),
        lambda folder: _rewrite(folder / "mesh.npz", faces=np.array([[0, 1, 999]])),
        lambda folder: _rewrite(folder / "mesh.npz", uv=np.zeros((2, 2))),
        lambda folder: _rewrite(folder / "mesh.npz", vertices=np.full((8, 3), np.nan)),
        lambda folder: _rewrite(folder / "mesh.npz", vertices=np.array([object()])),
    ],
)
def test_a_damaged_mesh_is_refused(tmp_path, change):
    save_scene(make_scene(), tmp_path)
    change(next((tmp_path / "meshes").glob("001_chair-*")))
    with pytest.raises(BadInput, match="001_chair"):
        load_scene(tmp_path)


def test_a_save_that_is_stopped_leaves_the_old_scene(tmp_path, monkeypatch):
    old, new = make_scene(0), make_scene(1)
    save_scene(old, tmp_path)

    def stop(path, data):
        if path.name == "scene.json":
            raise KeyboardInterrupt
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr("scene3d.scene.write_atomic", stop)
        with pytest.raises(KeyboardInterrupt):
            save_scene(new, tmp_path)
    assert same(load_scene(tmp_path), old)
    save_scene(new, tmp_path)
    assert same(load_scene(tmp_path), new)


def test_meshes_of_earlier_scenes_are_removed_and_nothing_else(tmp_path):
    save_scene(make_scene(0), tmp_path)
    place = next((tmp_path / "meshes").glob("001_chair-*"))
    (place / "notes.txt").write_text("mine")
    save_scene(make_scene(1), tmp_path)
    assert len(list((tmp_path / "meshes").iterdir())) == 4 + 1
    assert [p.name for p in place.iterdir()] == ["notes.txt"]


def test_a_reader_that_is_overtaken_by_a_save_gets_the_new_scene(tmp_path, monkeypatch):
    save_scene(make_scene(0), tmp_path)
    read, saved = scene3d.scene.read_mesh, []

    def overtaken(*args):
        if not saved:
            saved.append(save_scene(make_scene(1), tmp_path))
        return read(*args)

    monkeypatch.setattr("scene3d.scene.read_mesh", overtaken)
    assert same(load_scene(tmp_path), make_scene(1))


def test_a_folder_that_cannot_be_written_is_bad_input(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(BadInput, match=r"can't be written.*Choose another output folder"):
        save_scene(make_scene(), tmp_path / "run")


def test_no_temporary_file_is_left(tmp_path):
    save_scene(make_scene(), tmp_path)
    assert not [p for p in tmp_path.rglob(".*")]


@given(st.text(), st.integers(1, 10**6))
def test_slugs_are_short_plain_ascii(text, number):
    assert 1 <= len(slug(text)) <= 40
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert slug(slug(text)) == slug(text)
    assert object_slug(number, text).startswith(f"{number:03d}_")


def test_slugs_read_well():
    assert object_slug(3, "Fauteuil rouge (à gauche)") == "003_fauteuil_rouge_a_gauche"
    assert slug("椅子") == "object"


def test_the_textured_mesh_type_is_what_is_loaded(tmp_path):
    save_scene(make_scene(), tmp_path)
    assert isinstance(load_scene(tmp_path).floor, TexturedMesh)
