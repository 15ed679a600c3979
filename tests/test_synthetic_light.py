"""Skies, lamps, textures and baked meshes of rendered scenes obey the laws they are made after."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paco_core.errors import BadInput
from scene3d.rays import RayMesh
from scene3d.render import sample_texture
from scene3d.synthetic.baking import textured
from scene3d.synthetic.items import Solid, solid_of_pieces
from scene3d.synthetic.lighting import Lamp, Layer, Light, lit_layers
from scene3d.synthetic.looks import Mipmap, Seen, Tiling
from scene3d.synthetic.patterns import PAIRS, random_pattern
from scene3d.synthetic.shapes import cuboid
from scene3d.synthetic.sky import Sky, gradient_sky
from scene3d.synthetic.stock import load_sky

unit = arrays(float, 3, elements=st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 0.1).map(lambda v: v / np.linalg.norm(v))


@given(unit)
def test_under_an_even_sky_every_surface_is_as_bright_as_the_sky(normal: np.ndarray):
    sky = Sky(np.full((32, 64, 3), 0.7))
    direction, energy = sky.sun
    received = sky.irradiance(normal[None])[0] + energy * max(float(normal @ direction), 0.0)
    np.testing.assert_allclose(received, 0.7, atol=0.03)  # the even sky's own "sun" is a cap of 12 degrees


@settings(max_examples=20)
@given(unit, st.integers(0, 100))
def test_irradiance_is_the_cosine_weighted_mean_of_a_smooth_sky(normal: np.ndarray, seed: int):
    rng = np.random.default_rng(seed)
    sky = gradient_sky(*rng.uniform(0.2, 1.0, (3, 3)))
    down, around = np.meshgrid((np.arange(200) + 0.5) / 200 * np.pi, (np.arange(400) + 0.5) / 400 * 2 * np.pi, indexing="ij")
    rays = np.stack([np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], axis=-1).reshape(-1, 3)
    weight = np.sin(down).ravel() * np.maximum(rays @ normal, 0) * (np.pi / 200) * (2 * np.pi / 400) / np.pi
    expected = weight @ sky.seen(rays)
    direction, energy = sky.sun
    received = sky.irradiance(normal[None])[0] + energy * max(float(normal @ direction), 0.0)
    np.testing.assert_allclose(received, expected, atol=0.06)


def test_the_sun_is_where_the_brightest_pixel_is():
    rgb = np.full((32, 64, 3), 0.1)
    rgb[8, 48] = 50.0
    direction, energy = Sky(rgb).sun
    np.testing.assert_allclose(direction, Sky(rgb).directions[8, 48], atol=0.01)
    assert energy.min() > 0.05
    assert Sky(rgb).seen(direction[None])[0].max() > 5


def test_a_turned_sky_gives_a_level_of_light_and_turns():
    rgb = np.full((32, 64, 3), 0.1)
    rgb[8, 40] = 5.0
    sky = Sky(rgb).turned(np.pi / 2, 0.5, 1e9)
    direction, energy = sky.sun
    up = sky.irradiance(np.array([[0.0, 1, 0]]))[0] + energy * direction[1]
    np.testing.assert_allclose(up, 0.5, rtol=0.05)
    np.testing.assert_array_equal(sky.rgb[8].argmax(axis=0), 56)


@pytest.mark.parametrize("content", [b"", b"no zip", "shape", "nan", "name"])
def test_a_panorama_that_is_none_is_refused(tmp_path: Path, content: bytes | str):
    path = tmp_path / "sky.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        rgb = np.ones((16, 16 if content == "shape" else 32, 3)) * (np.nan if content == "nan" else 1)
        np.savez(path, **{"pixels" if content == "name" else "rgb": rgb})
    with pytest.raises(BadInput, match=r"sky\.npz"):
        load_sky(path)


def floor_and_ball() -> tuple[Solid, RayMesh]:
    floor = solid_of_pieces([cuboid(4, 0.01, 4)], (random_pattern(np.random.default_rng(0), "plain", (PAIRS[0][1],) * 2, 1.0),))
    ball = trimesh.creation.icosphere(3, 0.3)
    return floor, RayMesh(ball.vertices + [0, 1.0, 0], ball.faces)


def shadow_profile(radius: float, sky_rays: int = 0) -> np.ndarray:
    """Light along the middle row of a floor under a ball, seen from above, lamp overhead."""
    floor, ball = floor_and_ball()
    world_from_camera = np.array([[1, 0, 0, 0], [0, 0, -1, 3.0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    K = np.array([[60, 0, 64], [0, 60, 64], [0, 0, 1]], float)
    hits = floor.rays.render(K, np.linalg.inv(world_from_camera), (128, 128))
    lamp = Lamp(np.array([0.0, 4.0, 0.0]), np.full(3, 0.0 if sky_rays else 1.0), radius)
    light = Light((lamp,), lambda n: np.ones((len(n), 3)) * (1.0 if sky_rays else 0.0), 16, sky_rays, 2.0)
    return lit_layers([Layer(hits, floor, np.eye(4))], ball, light, world_from_camera[:3, 3], 60.0)[0][64, 28:100, 0]


def test_a_point_lamp_s_shadow_has_the_size_that_similar_triangles_give_and_a_wide_lamp_s_is_softer():
    sharp, soft = shadow_profile(0.0), shadow_profile(0.5)
    dark = np.flatnonzero(sharp < 0.5 * sharp.max())
    half_angle = np.arcsin(0.3 / 3.0)
    expected = 2 * 4.0 * np.tan(half_angle) * 60 / 3.0  # px of the disc on the floor, 3 m below the camera
    assert len(dark) == pytest.approx(expected, abs=2)
    assert np.abs(np.diff(soft)).max() < 0.7 * np.abs(np.diff(sharp)).max()
    assert soft[36] < 0.1 * soft.max(), "the ball hides all of the lamp from the middle"


def test_what_is_near_keeps_sky_light_away():
    profile = shadow_profile(0.0, sky_rays=8)
    assert profile[36] < 0.97 * profile[2]


@given(arrays(np.uint8, (16, 8, 3)), st.integers(0, 7), st.integers(0, 15))
def test_a_texel_s_centre_has_its_colour_and_the_coarsest_level_the_mean(picture: np.ndarray, x: int, y: int):
    mipmap = Mipmap(picture)
    uv = np.array([[(x + 0.5) / 8, (y + 0.5) / 16]])
    np.testing.assert_allclose(mipmap.sample(uv, np.array([1.0]))[0], picture[y, x], atol=1e-3)
    np.testing.assert_allclose(mipmap.sample(uv + [3, -2], np.array([0.1]))[0], picture[y, x], atol=1e-3, err_msg="it repeats")
    coarsest = mipmap.sample(uv, np.array([1e6]))[0]
    np.testing.assert_allclose(coarsest, mipmap.levels[-1].mean(axis=(0, 1)), atol=40)
    np.testing.assert_allclose(mipmap.levels[-1].mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.01)


def test_tiles_repeat_after_their_size():
    rng = np.random.default_rng(0)
    tiling = Tiling(Mipmap(rng.integers(0, 255, (32, 32, 3), np.uint8)), np.array([[1.0, 0, 0], [0, 0, 1]]), 0.5)
    points = rng.uniform(-2, 2, (50, 3))
    pixel = np.full(50, 0.01)
    np.testing.assert_allclose(tiling.colour(points, pixel), tiling.colour(points + [0.5, 9.0, -1.0], pixel), atol=1e-3)


@pytest.mark.parametrize("kind", ["checks", "wood", "mottled"])
def test_a_baked_mesh_looks_like_its_pattern(kind: str):
    rng = np.random.default_rng(1)
    solid = solid_of_pieces([cuboid(0.4, 0.3, 0.5)], (random_pattern(rng, kind, PAIRS[3], 0.2),))
    mesh = textured(solid, scale=2.0)
    assert mesh.texture.shape[0] & (mesh.texture.shape[0] - 1) == 0
    face = rng.integers(0, len(mesh.faces), 400)
    bary = rng.dirichlet(np.ones(3), 400)
    points = np.einsum("nk,nkj->nj", bary, mesh.vertices[mesh.faces[face]]) / 2
    uv = np.einsum("nk,nkj->nj", bary, mesh.uv[mesh.faces[face]])
    expected = solid.look.colour(Seen(face, bary, points, np.zeros(400)))
    assert np.abs(sample_texture(mesh.texture, uv) - expected).mean() < 6


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_fast_shadow_rays_agree_with_exact_ones(seed: int):
    rng = np.random.default_rng(seed)
    ball = trimesh.creation.icosphere(2)
    rays = RayMesh(ball.vertices * rng.uniform(0.1, 5), ball.faces)
    origins, directions = rng.uniform(-6, 6, (200, 3)), rng.normal(size=(200, 3))
    t = rays.cast(origins, directions)[1]
    fast = rays.near(origins, directions)
    assert (np.isfinite(t) == np.isfinite(fast)).mean() > 0.98
    both = np.isfinite(t) & np.isfinite(fast)
    np.testing.assert_allclose(fast[both], t[both], rtol=1e-3, atol=1e-3)
    limit = 2.0
    clear = np.abs(t - limit) > 0.01
    assert (rays.occluded(origins, directions, limit) == (t < limit))[clear].mean() > 0.98
