"""The pieces of lifting: names, repairs, fields, atlases."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.classes import traits_of
from scene3d.atlas import bleed, unwrap
from scene3d.clean import decimate, is_watertight, large_pieces, mend, volume
from scene3d.relief.fields import membrane, outline_of, thickness
from scene3d.relief.raster import depth_buffer
from scene3d.relief.view import View


@pytest.mark.parametrize("name", ["chair", "sofa", "bench", "person", "dog", "horse", "motorcycle", "bicycle"])
def test_things_with_a_front_have_no_half_turn(name: str) -> None:
    assert "c2" not in traits_of(name).symmetry


def test_watertight_tells_closed_from_open_and_from_badly_turned() -> None:
    ball = trimesh.creation.icosphere(2)
    vertices, faces = np.array(ball.vertices), np.array(ball.faces)
    assert is_watertight(vertices, faces)
    assert is_watertight(vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3))  # welded by position
    assert not is_watertight(vertices, faces[1:])
    turned = faces.copy()
    turned[0] = turned[0, ::-1]
    assert not is_watertight(vertices, turned)
    assert volume(vertices, faces) == pytest.approx(ball.volume)


def test_decimation_keeps_a_thin_ring_closed() -> None:
    ring = trimesh.creation.torus(0.5, 0.01, major_sections=600, minor_sections=12)
    out = decimate(np.array(ring.vertices), np.array(ring.faces), 900)
    assert out is not None
    assert len(out[1]) <= 900
    assert is_watertight(*out)


def test_two_tetrahedra_that_share_an_edge_are_taken_apart() -> None:
    points = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0.5], [1, 1, 0.5], [-1, 0, 0.5], [-1, 1, 0.5]], float)
    one = trimesh.Trimesh(points[[0, 1, 2, 3]], [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    two = trimesh.Trimesh(points[[0, 1, 4, 5]], [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    one.fix_normals()
    two.fix_normals()
    faces = np.concatenate([np.array([0, 1, 2, 3])[one.faces], np.array([0, 1, 4, 5])[two.faces]])
    assert not is_watertight(points, faces)
    assert is_watertight(*mend(points, faces))


def test_specks_are_dropped_and_the_body_stays() -> None:
    ball, speck = trimesh.creation.icosphere(3), trimesh.creation.icosphere(0, 0.01).apply_translation([2, 0, 0])
    both = trimesh.util.concatenate([ball, speck])
    vertices, faces = large_pieces(np.array(both.vertices), np.array(both.faces), share=0.05)
    assert len(faces) == len(ball.faces)
    assert vertices[:, 0].max() < 1.01


def test_a_disc_inflates_to_a_ball() -> None:
    y, x = np.mgrid[-40:41, -40:41]
    half = thickness(np.hypot(x, y) <= 30, 1.0)
    assert half[40, 40] == pytest.approx(30, rel=0.12)
    assert (half[np.hypot(x, y) > 31] == 0).all()


def test_a_membrane_between_two_heights_is_straight() -> None:
    inside = np.ones((5, 41), bool)
    known = np.zeros_like(inside)
    known[:, [0, -1]] = True
    values = np.where(np.arange(41)[None] > 20, 1.0, 0.0) * known
    np.testing.assert_allclose(membrane(inside, known, values, stiffness=1e4)[2], np.linspace(0, 1, 41), atol=0.01)


@given(st.floats(-80, 89), st.floats(1.2, 20), st.integers(0, 10**6))
def test_projecting_and_lifting_pixels_are_inverse(elevation: float, distance: float, seed: int) -> None:
    view = View(500.0, 256, elevation, distance)
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (20, 3))
    uv, height = view.project(points)
    np.testing.assert_allclose(view.lift_pixels(uv, height), points, atol=1e-9)
    crop = points @ view.crop_from_work[:3, :3].T + view.crop_from_work[:3, 3]
    np.testing.assert_allclose(crop[:, :2] / crop[:, 2:] * 500 + 128, uv, atol=1e-6)


def test_the_depth_buffer_agrees_with_ray_casting() -> None:
    from scene3d.rays import RayMesh

    ball = trimesh.creation.icosphere(3, 0.5)
    view = View(300.0, 128, 20.0, 3.0)
    uv, height = view.project(np.array(ball.vertices))
    ours = depth_buffer(uv, 3.0 - height, np.array(ball.faces), 128)
    K = np.array([[300, 0, 64], [0, 300, 64], [0, 0, 1.0]])
    rays = RayMesh(np.array(ball.vertices), np.array(ball.faces)).render(K, view.crop_from_work, (128, 128))
    assert (np.isfinite(ours) != rays.mask).sum() < 5
    both = np.isfinite(ours) & rays.mask
    np.testing.assert_allclose(ours[both], rays.z[both], atol=1e-4)


def test_the_outline_is_exact_to_a_fraction_of_a_pixel() -> None:
    v, u = np.mgrid[0:200, 0:200] + 0.5
    alpha = np.clip(60.3 - np.hypot(u - 100, v - 97) + 0.5, 0, 1)
    outline = outline_of(alpha)
    angle = np.linspace(0, 6, 50)
    contour = np.stack([100 + 60.3 * np.cos(angle), 97 + 60.3 * np.sin(angle)], axis=1)
    assert np.abs(outline.distance.at(contour) * outline.side_px).max() < 0.35


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_charts_of_an_atlas_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ball = trimesh.creation.icosphere(3)
    vertices = np.array(ball.vertices) * rng.uniform(0.6, 1.4, (len(ball.vertices), 1))
    front = ball.face_normals[:, 2] > 0.4
    atlas = unwrap(vertices, np.array(ball.faces), vertices[:, :2] * 100 + 128, front, front, 100.0, 512)
    assert atlas.texel.min() >= 0
    assert atlas.texel.max() <= atlas.size
    label = trimesh.graph.connected_component_labels(trimesh.graph.face_adjacency(atlas.faces), len(atlas.faces))
    boxes = [(atlas.texel[atlas.faces[label == k]].min(axis=(0, 1)), atlas.texel[atlas.faces[label == k]].max(axis=(0, 1)))
             for k in range(label.max() + 1) if not atlas.front[label == k].any()]  # fmt: skip
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:i]:
            assert (low >= other_high).any() or (other_low >= high).any()


def test_bleeding_keeps_what_is_known_and_invents_no_colour() -> None:
    rng = np.random.default_rng(0)
    picture, known = rng.uniform(0.2, 0.6, (64, 64, 3)), rng.random((64, 64)) > 0.9
    out = bleed(picture, known)
    np.testing.assert_allclose(out[known], picture[known])
    assert out.min() >= 0.2 - 1e-9
    assert out.max() <= 0.6 + 1e-9
