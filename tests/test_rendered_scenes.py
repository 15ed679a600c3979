"""Rendered scenes tell the truth: masks, depth, order, supports and complete objects are checked by other means."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion, maximum_filter, minimum_filter

from paco_core.errors import BadInput
from paco_core.occlusion import break_cycles
from paco_core.types import OcclusionEdge
from scene3d.synthetic.scenes import SceneSettings, make_scene
from scene3d.synthetic.stock import Stock, open_stock
from scene3d.synthetic.truth import TrueScene
from tests.stockfiles import write_models, write_textures

SMALL = SceneSettings(hw=(128, 160), n_objects=(3, 6))
SEEDS = range(9)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    folder = tmp_path_factory.mktemp("stock")
    return open_stock(write_models(folder / "models"), write_textures(folder / "textures"))


@pytest.fixture(scope="module")
def scenes(stock: Stock) -> list[TrueScene]:
    return [make_scene(seed, SMALL, stock) for seed in SEEDS] + [make_scene(seed, SMALL) for seed in range(3)]


def directions_of(scene: TrueScene) -> np.ndarray:
    """(h, w, 3) in camera axes, z = 1."""
    v, u = np.mgrid[: scene.camera.height, : scene.camera.width] + 0.5
    return np.stack([(u - scene.camera.cx) / scene.camera.fx, (v - scene.camera.cy) / scene.camera.fy, np.ones_like(u)], axis=-1)


def cast(scene: TrueScene, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every triangle is tried for every ray: z-depth (n_objects, n_pixels), inf where none is hit, and who is nearest."""
    rays = directions_of(scene)[pixels[:, 0], pixels[:, 1]] @ scene.world_from_camera[:3, :3].T
    eye = scene.world_from_camera[:3, 3]
    depth = np.full((len(scene.objects), len(pixels)), np.inf)
    for k, obj in enumerate(scene.objects):
        a, b, c = np.moveaxis(obj.vertices[obj.faces] - eye, 1, 0)
        normal = np.cross(b - a, c - a)
        facing = rays @ normal.T
        t = np.einsum("fj,fj->f", a, normal) / np.where(facing == 0, np.nan, facing)
        point = t[..., None] * rays[:, None]
        inside = t > 0
        for p, q in ((a, b), (b, c), (c, a)):  # on the inner side of each edge
            inside &= np.einsum("nfj,fj->nf", np.cross(q - p, point - p), normal) >= 0
        depth[k] = np.where(inside, t, np.inf).min(axis=1)
    return depth, np.where(np.isfinite(depth.min(axis=0)), depth.argmin(axis=0), -1)


def label_map(scene: TrueScene) -> np.ndarray:
    ids = np.full(scene.photo.hw, -1)
    for k, mask in enumerate(scene.segmentation.masks):
        ids[mask] = k
    return ids


def test_masks_and_depth_agree_with_a_ray_caster_that_tries_every_triangle(scenes: list[TrueScene]):
    rng = np.random.default_rng(0)
    for scene in scenes:
        pixels = np.argwhere(scene.amodal.any(axis=0))
        pixels = pixels[rng.permutation(len(pixels))[:150]]
        ids = label_map(scene)
        depth, first = cast(scene, pixels)
        edges = maximum_filter(ids, 3) != minimum_filter(ids, 3)
        inner = ~edges[pixels[:, 0], pixels[:, 1]]
        seen = ids[pixels[:, 0], pixels[:, 1]]
        z = scene.depth.z[pixels[:, 0], pixels[:, 1]]
        assert (first[inner] == seen[inner])[seen[inner] >= 0].all()
        assert np.isfinite(depth.min(axis=0)[inner & (seen >= 0)]).all()
        np.testing.assert_allclose(z[inner & (seen >= 0)], depth.min(axis=0)[inner & (seen >= 0)], rtol=1e-5)
        for k, amodal in enumerate(scene.amodal):
            rim = binary_dilation(amodal) & ~binary_erosion(amodal)
            away = ~rim[pixels[:, 0], pixels[:, 1]]
            np.testing.assert_array_equal(amodal[pixels[:, 0], pixels[:, 1]][away], np.isfinite(depth[k])[away])


@pytest.mark.slow
def test_scenes_of_real_models_agree_with_open3d():
    if "PACO_DATA" not in os.environ:
        pytest.skip("needs the folder of models: set PACO_DATA")
    o3d = pytest.importorskip("open3d")
    data = Path(os.environ["PACO_DATA"])
    real = open_stock(data / "models", data / "textures", lambda entry: entry.split == "val")
    compared = wrong = 0
    for seed in range(20):
        scene = make_scene(seed, SceneSettings(), real)
        caster = o3d.t.geometry.RaycastingScene()
        for obj in scene.objects:
            caster.add_triangles(obj.vertices.astype(np.float32), obj.faces.astype(np.uint32))
        rays = directions_of(scene) @ scene.world_from_camera[:3, :3].T
        eye = np.broadcast_to(scene.world_from_camera[:3, 3], rays.shape)
        answer = caster.cast_rays(o3d.core.Tensor(np.concatenate([eye, rays], axis=-1).astype(np.float32)))
        first, z = answer["geometry_ids"].numpy().astype(np.int64), answer["t_hit"].numpy()
        first[first >= len(scene.objects)] = -1
        ids = label_map(scene)
        inner = (maximum_filter(ids, 3) == minimum_filter(ids, 3)) & ((ids >= 0) | ~np.isfinite(z))
        compared += int(inner.sum())
        wrong += int((first != ids)[inner].sum())
        both = inner & (ids >= 0) & (first == ids)
        np.testing.assert_allclose(scene.depth.z[both], z[both], rtol=1e-3)
    assert wrong <= 1e-4 * compared, f"{wrong} of {compared} pixels"


def test_amodal_masks_contain_the_visible_ones_and_what_is_hidden_has_an_occluder(scenes: list[TrueScene]):
    hidden_pixels = 0
    for scene in scenes:
        ids, masks = scene.segmentation.ids, scene.segmentation.masks
        assert masks.sum(axis=0).max() == 1
        for k, object_id in enumerate(ids):
            assert masks[k].any() and not (masks[k] & ~scene.amodal[k]).any()
            fronts = [ids.index(front) for front, behind in scene.order if behind == object_id]
            hidden = scene.amodal[k] & ~masks[k]
            assert not (hidden & ~masks[fronts].any(axis=0)).any()
            hidden_pixels += int(hidden.sum())
        assert min(scene.visible_fractions) > 0.1
    assert hidden_pixels > 1000


def test_layers_are_a_topological_order(scenes: list[TrueScene]):
    deepest = 0
    for scene in scenes:
        layers = dict(zip(scene.segmentation.ids, scene.layers, strict=True))
        edges, dropped = break_cycles(tuple(OcclusionEdge(a, b, 1.0, 0, "truth") for a, b in scene.hides))
        assert len(edges) + len(dropped) == len(scene.hides)
        for edge in edges:
            assert layers[edge.front] < layers[edge.behind]
        for object_id, layer in layers.items():
            assert layer == 0 or any(e.behind == object_id and layers[e.front] == layer - 1 for e in edges)
        deepest = max(deepest, *layers.values())
    assert deepest >= 1


def test_a_complete_image_equals_the_scene_wherever_its_object_is_visible(scenes: list[TrueScene]):
    compared = 0
    for scene in scenes:
        np.testing.assert_array_equal(scene.alone[..., 3] > 0, scene.amodal)
        for alone, mask in zip(scene.alone, scene.segmentation.masks, strict=True):
            inside = binary_erosion(mask, np.ones((3, 3)), iterations=3, border_value=1)  # the lens reaches 3 px
            np.testing.assert_allclose(alone[inside, :3].astype(int), scene.photo.rgb[inside], atol=1)
            compared += int(inside.sum())
    assert compared > 3000


def test_where_no_object_is_the_empty_scene_is_the_photo_but_for_its_noise(scenes: list[TrueScene]):
    for scene in scenes:
        away = binary_erosion(~scene.segmentation.masks.any(axis=0), np.ones((3, 3)), iterations=3, border_value=1)
        assert np.median(np.abs(scene.empty[away].astype(int) - scene.photo.rgb[away])) <= 3


def test_normals_are_those_of_the_depth_map(scenes: list[TrueScene]):
    for scene in scenes:
        length = np.linalg.norm(scene.normals, axis=-1)
        np.testing.assert_allclose(length[scene.depth.valid], 1, atol=2e-3)
        assert (length[~scene.depth.valid] == 0).all()
        points = directions_of(scene) * scene.depth.z[..., None].astype(float)
        across = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
        across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
        ids = label_map(scene)
        near = (ids < 0) & scene.depth.valid & (scene.depth.z < 5)  # farther off, float32 is too coarse for differences
        ground = binary_erosion(near, np.ones((3, 3)), iterations=2)
        agreement = np.abs(np.sum(across * scene.normals, axis=-1))[ground]
        assert np.median(agreement) > 0.999
        towards = -np.sum(scene.normals * directions_of(scene), axis=-1)[ground]
        assert (towards > 0).all(), "they look at the camera"


def test_everything_rests_on_its_support_and_stays_above_the_ground(scenes: list[TrueScene]):
    for scene in scenes:
        by_id = {obj.id: obj for obj in scene.objects}
        for obj in scene.objects:
            assert obj.vertices[:, 1].min() == pytest.approx(obj.support_height_m, abs=1e-6)
            assert (obj.support_id is None) == (obj.support_height_m == 0)
            if obj.support_id is not None:
                carrier = by_id[obj.support_id]
                triangles = carrier.vertices[carrier.faces]
                assert obj.support_height_m <= triangles[..., 1].max() + 1e-6
                assert np.abs(triangles[..., 1].max(axis=1) - obj.support_height_m).min() < 0.005, (
                    "a face of the carrier is there"
                )


def test_stacks_come_about(stock: Stock):
    crates = Stock(models=tuple(e for e in stock.models if e.name in ("crate", "can", "egg")), root=stock.root)
    found = [make_scene(seed, SceneSettings(hw=(96, 96), n_objects=(5, 8), kinds=("room",)), crates) for seed in range(6)]
    assert any(obj.support_id is not None for scene in found for obj in scene.objects)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["room", "table", "open"]), st.integers(2, 5))
def test_cameras_and_counts_keep_to_the_settings(seed: int, kind: str, fewest: int):
    asked = SceneSettings(hw=(64, 80), n_objects=(fewest, fewest + 2), elevation_deg=(10, 30), hfov_deg=(40, 60), kinds=(kind,))
    scene = make_scene(seed, asked)
    assert fewest <= len(scene.objects) <= fewest + 2
    forward = scene.world_from_camera[:3, 2]
    assert 10 - 1e-6 <= np.rad2deg(np.arcsin(-forward[1])) <= 30 + 1e-6
    assert 40 - 1e-6 <= np.rad2deg(2 * np.arctan(80 / 2 / scene.camera.fx)) <= 60 + 1e-6
    assert scene.photo.name.startswith(kind)
    assert scene.depth.valid.all() or kind != "room"


def test_a_seed_is_one_scene_and_another_seed_another(stock: Stock):
    first, again, other = (make_scene(seed, SMALL, stock) for seed in (4, 4, 5))
    assert first.photo.sha256 == again.photo.sha256 != other.photo.sha256
    np.testing.assert_array_equal(first.depth.z, again.depth.z)
    assert first.order == again.order


def test_models_are_used_and_named(scenes: list[TrueScene]):
    sources = {obj.source for scene in scenes[: len(SEEDS)] for obj in scene.objects}
    assert sources <= {f"{name}.glb" for name in ("crate", "bench", "egg", "can", "cone", "bush")} and len(sources) >= 5
    assert {obj.source for scene in scenes[len(SEEDS) :] for obj in scene.objects} == {"procedural"}


def test_photos_are_exposed(scenes: list[TrueScene]):
    for scene in scenes:
        assert 60 < scene.photo.rgb.mean() < 190
        assert scene.photo.rgb.std() > 10


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"hw": (32, 256)}, "64 to 2048"),
        ({"n_objects": (3, 2)}, "smaller first"),
        ({"n_objects": (0, 2)}, "from 1 to 100"),
        ({"kinds": ()}, "at least one kind"),
        ({"elevation_deg": (0, 90)}, "0 to 85"),
        ({"hfov_deg": (5, 60)}, "10 to 120"),
    ],
)
def test_settings_that_show_nothing_are_refused(wrong: dict, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        make_scene(0, SceneSettings(**wrong))
