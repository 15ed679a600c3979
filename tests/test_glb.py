"""GLB files: an independent reader finds what was written, and the checker catches every rule that is broken on purpose."""

import copy
import io
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from paco_core.errors import BadInput, PacoError
from scene3d.glb import GlbConfig, mesh_arrays, smooth_normals, write_object_glb, write_scene_glb
from scene3d.glbcheck import check_glb
from scene3d.glbpack import GlbBuilder, MeshArrays, encode_png, split_glb
from scene3d.types import TexturedMesh
from tests.scenes import make_box, make_scene


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    scene = make_scene(5, names=("armchair", "Vase (blue)"))
    path = tmp_path_factory.mktemp("glb") / "scene.glb"
    write_scene_glb(scene, path, GlbConfig(texture="png"))
    return scene, path.read_bytes()


def loaded(data: bytes) -> trimesh.Scene:
    scene = trimesh.load(io.BytesIO(data), file_type="glb", process=False)
    assert isinstance(scene, trimesh.Scene)
    return scene


def nodes_by_name(data: bytes) -> dict[str, dict]:
    return {node["name"]: node for node in split_glb(data)[0]["nodes"]}


def test_the_tree_is_the_documented_one(written):
    _, data = written
    document, _ = split_glb(data)
    names = [node["name"] for node in document["nodes"]]

    def tree(index: int) -> dict:
        node = document["nodes"][index]
        return {names[child]: tree(child) for child in node.get("children", [])}

    assert [names[root] for root in document["scenes"][0]["nodes"]] == ["scene_root"]
    assert tree(document["scenes"][0]["nodes"][0]) == {
        "camera_photo": {},
        "environment": {"floor": {}, "background": {}},
        "objects": {"obj_001_armchair": {}, "obj_002_vase_blue": {}},
    }


def test_another_reader_finds_names_places_and_textures(written):
    scene, data = written
    other = loaded(data)
    for item, name in zip(scene.objects, ("obj_001_armchair", "obj_002_vase_blue"), strict=True):
        world_from_object, geometry = other.graph[name]
        assert np.allclose(world_from_object, item.world_from_object.matrix, atol=1e-6)
        mesh = other.geometry[geometry]
        assert np.allclose(mesh.vertices[mesh.faces], item.mesh.vertices[item.mesh.faces], atol=1e-6)
        picture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
        assert np.array_equal(picture, item.mesh.texture)
        flipped = mesh.visual.uv[:, 1]  # trimesh turns v upside down when it reads
        assert np.allclose(np.sort(1 - flipped), np.sort(item.mesh.uv[:, 1]), atol=1e-6)


def test_the_camera_is_the_photos(written):
    scene, data = written
    node = nodes_by_name(data)["camera_photo"]
    perspective = split_glb(data)[0]["cameras"][0]["perspective"]
    assert np.isclose(perspective["yfov"], 2 * np.arctan(120 / 300))
    assert np.isclose(perspective["aspectRatio"], 320 / 240)
    assert np.allclose(node["translation"], [0, 1.5, 0])
    assert np.allclose(np.abs(node["rotation"]), [0, 0, 0, 1])  # looks along -z with y up, as glTF cameras do
    assert nodes_by_name(data)["scene_root"]["extras"]["K"] == scene.camera.K.tolist()


def test_extras_tell_what_is_known_about_an_object(written):
    scene, data = written
    extras = nodes_by_name(data)["obj_002_vase_blue"]["extras"]
    assert extras["id"] == 2 and extras["label"] == "Vase (blue)" and extras["layer"] == 1
    assert extras["occlusion"] == {"in_front_of": [], "behind": [1]}
    assert extras["support"] == "floor" and extras["metric"] is True and extras["scale_confidence"] == 1.0
    assert np.allclose(extras["bbox_m"], scene.objects[1].size_m, atol=1e-4)
    assert extras["source"] == {"photo_sha256": scene.photo_sha256, "backend": "box", "fallback": None}


def test_a_carried_object_names_its_carrier(tmp_path):
    scene = make_scene()
    carried = replace(scene.objects[1], support="object", support_id=1)
    write_scene_glb(replace(scene, objects=(scene.objects[0], carried)), tmp_path / "s.glb")
    assert nodes_by_name((tmp_path / "s.glb").read_bytes())["obj_002_vase"]["extras"]["support"] == 1


def test_closed_objects_and_surroundings_are_one_sided(written):
    materials = {m["name"]: m for m in split_glb(written[1])[0]["materials"]}
    assert {name: m["doubleSided"] for name, m in materials.items()} == {
        "floor": False,
        "background": False,
        "obj_001_armchair": False,
        "obj_002_vase_blue": False,
    }
    assert all(m["pbrMetallicRoughness"]["metallicFactor"] == 0.0 for m in materials.values())


def test_an_object_alone_stands_on_its_pivot(tmp_path):
    item = make_scene().objects[0]
    write_object_glb(item, tmp_path / "o.glb")
    low, high = loaded((tmp_path / "o.glb").read_bytes()).bounds
    assert np.isclose(low[1], 0) and np.allclose((low + high)[[0, 2]], 0, atol=1e-6)


def test_a_scene_without_objects_and_surroundings_is_still_a_file(tmp_path):
    write_scene_glb(replace(make_scene(), objects=(), floor=None, backdrop=None), tmp_path / "s.glb")
    assert check_glb((tmp_path / "s.glb").read_bytes()) == []


def test_jpeg_textures_stay_close_to_the_original(tmp_path):
    y, x = np.mgrid[0:64, 0:64]
    smooth = np.stack([x * 4, y * 4, 255 - x * 2 - y * 2], -1).astype(np.uint8)
    item = replace(make_scene().objects[0], mesh=make_box(texture=smooth))
    write_object_glb(item, tmp_path / "o.glb")
    mesh = next(iter(loaded((tmp_path / "o.glb").read_bytes()).geometry.values()))
    picture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")).astype(int)
    assert np.abs(picture - smooth).mean() < 1.5


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.glb", "b.glb"):
        write_scene_glb(make_scene(3), tmp_path / name)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_a_path_that_cannot_be_written_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="can't be written"):
        write_scene_glb(make_scene(), tmp_path / "file" / "scene.glb")


def test_hostile_names_become_plain_node_names(tmp_path):
    names = ("\0<script>" * 30, "x" * 500)
    write_scene_glb(make_scene(names=names), tmp_path / "s.glb")
    nodes = nodes_by_name((tmp_path / "s.glb").read_bytes())
    assert all(len(name) <= 63 and name.isascii() for name in nodes)
    labels = {node["extras"]["label"] for node in nodes.values() if "label" in node.get("extras", {})}
    assert labels == set(names)


def test_a_texture_of_odd_size_is_never_written(tmp_path):
    item = replace(make_scene().objects[0], mesh=make_box(texture=np.zeros((5, 8, 3), np.uint8)))
    with pytest.raises(PacoError, match="IMAGE_NPOT_DIMENSIONS"):
        write_object_glb(item, tmp_path / "o.glb")
    assert not list(tmp_path.iterdir())


def test_a_mesh_without_area_is_refused():
    with pytest.raises(PacoError, match="no triangle"):
        mesh_arrays(TexturedMesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.zeros((3, 2)), np.zeros((2, 2, 3), np.uint8)))


def test_normals_point_outwards_and_ignore_texture_seams():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    vertices = np.asarray(sphere.vertices, np.float64)[sphere.faces].reshape(-1, 3)  # every triangle on its own
    normals = smooth_normals(vertices, np.arange(len(vertices)).reshape(-1, 3))
    assert (np.einsum("vk,vk->v", normals, vertices) > 0.99).all()


def test_a_sheet_without_thickness_keeps_both_sides():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])
    normals = smooth_normals(np.vstack([corners, corners]), np.array([[0, 1, 2], [3, 5, 4]]))
    assert np.allclose(normals, [[0, 0, 1]] * 3 + [[0, 0, -1]] * 3)


# ---- the checker: every rule broken once


def good_builder() -> GlbBuilder:
    builder = GlbBuilder({"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}]})
    texture = builder.add_texture("t", encode_png(np.zeros((4, 4, 3), np.uint8)), "image/png")
    surface = {"baseColorTexture": {"index": texture}, "metallicFactor": 0.0}
    material = builder.add("materials", {"pbrMetallicRoughness": surface})
    builder.add("nodes", {"name": "a", "children": [1]})
    builder.add("nodes", {"name": "b", "mesh": builder.add_mesh("m", mesh_arrays(make_box()), material)})
    return builder


def spoil(change) -> list[str]:
    builder = good_builder()
    builder.document = copy.deepcopy(builder.document)
    change(builder)
    return check_glb(builder.to_bytes())


def set_float(builder: GlbBuilder, accessor: int, value: float) -> None:
    view = builder.document["bufferViews"][builder.document["accessors"][accessor]["bufferView"]]
    builder.blob[view["byteOffset"] : view["byteOffset"] + 4] = struct.pack("<f", value)


def set_index(builder: GlbBuilder, value: int) -> None:
    view = builder.document["bufferViews"][builder.document["accessors"][3]["bufferView"]]
    builder.blob[view["byteOffset"] : view["byteOffset"] + 4] = struct.pack("<I", value)


def node(builder: GlbBuilder, **entries) -> None:
    builder.document["nodes"][1].update(entries)


def accessor(builder: GlbBuilder, index: int, **entries) -> None:
    builder.document["accessors"][index].update(entries)


def odd_picture(builder: GlbBuilder) -> None:
    view = builder.add_view(encode_png(np.zeros((4, 3, 3), np.uint8)))
    builder.document["images"][0]["bufferView"] = view


FAULTS = {
    "ACCESSOR_MIN_MISMATCH": lambda b: accessor(b, 0, min=[-0.5, 0, -0.50001]),
    "ACCESSOR_MAX_MISMATCH": lambda b: accessor(b, 0, max=[0.5, 1, 0.6]),
    "ACCESSOR_INVALID_FLOAT": lambda b: set_float(b, 2, float("nan")),
    "ACCESSOR_VECTOR3_NON_UNIT": lambda b: set_float(b, 1, 0.9),
    "ACCESSOR_INDEX_OOB": lambda b: set_index(b, 8),
    "ACCESSOR_INDEX_TRIANGLE_DEGENERATE": lambda b: set_index(b, 2),
    "ACCESSOR_OFFSET_ALIGNMENT": lambda b: accessor(b, 1, byteOffset=2, count=7),
    "ACCESSOR_TOO_LONG": lambda b: accessor(b, 0, count=9),
    "BUFFER_VIEW_ALIGNMENT": lambda b: b.document["bufferViews"][1].update(byteOffset=2),
    "BUFFER_VIEW_TOO_LONG": lambda b: b.document["bufferViews"][1].update(byteLength=10**6),
    "BUFFER_VIEW_TARGET_MISSING": lambda b: b.document["bufferViews"][1].pop("target"),
    "MESH_PRIMITIVE_POSITION_ACCESSOR_WITHOUT_BOUNDS": lambda b: b.document["accessors"][0].pop("min"),
    "MESH_PRIMITIVE_UNEQUAL_ACCESSOR_COUNT": lambda b: accessor(b, 2, count=7),
    "MESH_PRIMITIVE_INCOMPATIBLE_MODE": lambda b: accessor(b, 3, count=35),
    "NODE_MATRIX": lambda b: node(b, matrix=[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    "ROTATION_NON_UNIT": lambda b: node(b, rotation=[0, 0, 0.1, 1]),
    "NODE_SCALE": lambda b: node(b, scale=[1, -1, 1]),
    "NODE_LOOP": lambda b: b.document["nodes"].append({"name": "loose"}),
    "NODE_PARENT_OVERRIDE": lambda b: b.document["nodes"][0].update(children=[1, 1]),
    "SCENE_NON_ROOT_NODE": lambda b: b.document["scenes"][0].update(nodes=[0, 1]),
    "DUPLICATE_NAME": lambda b: node(b, name="a"),
    "NAME at": lambda b: node(b, name="é"),
    "'xxx": lambda b: node(b, name="x" * 64),
    "METALLIC_DEFAULT": lambda b: b.document["materials"][0]["pbrMetallicRoughness"].pop("metallicFactor"),
    "IMAGE_MIME_TYPE_INVALID": lambda b: b.document["images"][0].update(mimeType="image/jpeg"),
    "IMAGE_NPOT_DIMENSIONS": odd_picture,
    "NON_REQUIRED_EXTENSION": lambda b: b.document.update(extensionsRequired=["KHR_draco_mesh_compression"]),
    "UNKNOWN_ASSET_MAJOR_VERSION": lambda b: b.document["asset"].update(version="1.0"),
    "UNRESOLVED_REFERENCE": lambda b: b.document["images"].clear(),
}


def test_the_good_file_passes():
    assert check_glb(good_builder().to_bytes()) == []


@pytest.mark.parametrize("code", FAULTS)
def test_the_checker_catches(code):
    problems = spoil(FAULTS[code])
    assert any(code in problem for problem in problems), problems


def test_loops_are_found():
    def loop(builder: GlbBuilder) -> None:
        builder.document["nodes"] += [{"name": "c", "children": [3]}, {"name": "d", "children": [2]}]

    assert any("NODE_LOOP" in problem for problem in spoil(loop))


@pytest.mark.parametrize(
    "change",
    [lambda d: d[:10], lambda d: b"xxxx" + d[4:], lambda d: d + b"\0", lambda d: d[:4] + b"\1" + d[5:], lambda d: b""],
)
def test_a_broken_container_is_found(change):
    assert check_glb(change(good_builder().to_bytes()))[0].startswith("GLB_CONTAINER")


def test_the_builder_aligns_whatever_comes_before():
    builder = good_builder()
    builder.add_view(b"abc")
    one = MeshArrays(*(np.eye(3, dtype=np.float32)[:, :k] for k in (3, 3, 2)), np.arange(3, dtype=np.uint32))
    builder.document["nodes"].append({"name": "c", "mesh": builder.add_mesh("c", one, 0)})
    builder.document["nodes"][0]["children"].append(2)
    assert check_glb(builder.to_bytes()) == []
    text = builder.to_bytes()
    assert len(text) % 4 == 0 and json.loads(text[20 : 20 + struct.unpack("<I", text[12:16])[0]])
