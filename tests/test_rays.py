"""Truth by construction: analytic intersections, and the two implementations against each other."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from scene3d.rays import Hits, RayMesh, embree_installed, pixel_rays

HW = (120, 160)
K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
both = pytest.mark.parametrize(
    "embree", [pytest.param(True, marks=pytest.mark.skipif(not embree_installed(), reason="no embreex")), False]
)


def pose(angle: float = 0.0, scale: float = 1.0, at: tuple[float, float, float] = (0.0, 0.0, 4.0)) -> np.ndarray:
    axis = np.array([0.36, 0.8, 0.48])
    out = trimesh.transformations.rotation_matrix(angle, axis)
    out[:3, :3] *= scale
    out[:3, 3] = at
    return out


def arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.array(mesh.vertices, float), np.array(mesh.faces)


def moved(a_from_b: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def all_pixel_rays(hw: tuple[int, int]) -> np.ndarray:
    rows, cols = np.divmod(np.arange(hw[0] * hw[1]), hw[1])
    return pixel_rays(K, rows, cols)


def eroded(mask: np.ndarray) -> np.ndarray:
    """Away from the outline by one pixel."""
    inner = mask.copy()
    inner[1:-1, 1:-1] &= mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return inner


def slab_depth(half: np.ndarray, camera_from_box: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """z-depth of a box centred at its origin, by the slab method; inf where missed."""
    box_from_camera = np.linalg.inv(camera_from_box)
    origin, d = box_from_camera[:3, 3], directions @ box_from_camera[:3, :3].T
    t = np.stack([(-half - origin) / d, (half - origin) / d])
    near, far = t.min(axis=0).max(axis=1), t.max(axis=0).min(axis=1)
    return np.where(near <= far, near, np.inf)


@both
def test_a_box_has_the_depth_that_the_slab_method_computes(embree: bool):
    half = np.array([0.5, 0.7, 0.3])
    camera_from_box = pose(0.7)
    hits = RayMesh(*arrays(trimesh.creation.box(2 * half)), embree=embree).render(K, camera_from_box, HW)
    expected = slab_depth(half, camera_from_box, all_pixel_rays(HW)).reshape(HW)
    assert hits.mask.sum() > 1000
    assert np.count_nonzero(hits.mask != np.isfinite(expected)) <= 2
    agree = hits.mask & np.isfinite(expected)
    np.testing.assert_allclose(hits.z[agree], expected[agree], rtol=1e-6)


@both
def test_a_fine_ball_has_the_depth_of_the_sphere(embree: bool):
    hits = RayMesh(*arrays(trimesh.creation.icosphere(4)), embree=embree).render(K, pose(), HW)
    d = all_pixel_rays(HW)
    a, b, c = np.sum(d * d, axis=1), -2 * d @ np.array([0, 0, 4.0]), 15.0
    root = b * b - 4 * a * c
    expected = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), np.inf).reshape(HW)
    inside = eroded(eroded(np.isfinite(expected)))
    np.testing.assert_allclose(hits.z[inside], expected[inside], atol=0.01)
    assert not hits.mask[np.isinf(expected)].any()  # the polyhedron lies inside the sphere


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 6), st.floats(0.02, 50), st.floats(-0.5, 0.5))
def test_rendering_through_a_similarity_equals_rendering_the_transformed_mesh(angle: float, scale: float, x: float):
    vertices, faces = arrays(trimesh.creation.torus(0.7, 0.25, major_sections=24, minor_sections=12))
    camera_from_mesh = pose(angle, scale, (x * scale, 0.1 * scale, 4 * scale))
    through = RayMesh(vertices, faces).render(K, camera_from_mesh, HW)
    direct = RayMesh(moved(camera_from_mesh, vertices), faces).render(K, np.eye(4), HW)
    assert np.count_nonzero(through.triangle != direct.triangle) <= 4
    same = (through.triangle == direct.triangle) & through.mask
    assert same.sum() > 200
    np.testing.assert_allclose(through.z[same], direct.z[same], rtol=1e-6)


@pytest.mark.skipif(not embree_installed(), reason="no embreex")
@settings(max_examples=15, deadline=None)
@given(st.floats(0, 6), st.floats(-1.0, 1.0))
def test_the_rasteriser_agrees_with_embree_but_for_boundary_pixels(angle: float, x: float):
    ball, box = trimesh.creation.icosphere(2), trimesh.creation.box((3, 0.3, 2))
    mesh = trimesh.util.concatenate([ball, box.apply_translation((x, 0.9, 0.4))])
    fast = RayMesh(*arrays(mesh), embree=True).render(K, pose(angle), HW)
    slow = RayMesh(*arrays(mesh), embree=False).render(K, pose(angle), HW)
    differ = fast.triangle != slow.triangle
    assert differ.mean() < 0.001
    inside = differ & eroded(fast.mask & slow.mask)
    np.testing.assert_allclose(fast.z[inside], slow.z[inside], atol=1e-4)  # the neighbour across an edge
    np.testing.assert_allclose(fast.bary[~differ], slow.bary[~differ], atol=1e-9)


@both
def test_weights_name_the_point_that_projects_to_the_pixel_centre(embree: bool):
    vertices, faces = arrays(trimesh.creation.icosphere(2))
    hits = RayMesh(vertices, faces, embree=embree).render(K, pose(1.0), HW)
    rows, cols = np.nonzero(hits.mask)
    corners = moved(pose(1.0), vertices)[faces[hits.triangle[rows, cols]]]
    points = np.einsum("nk,nkj->nj", hits.bary[rows, cols], corners)
    uv = (points @ K.T)[:, :2] / points[:, 2:]
    np.testing.assert_allclose(uv, np.stack([cols + 0.5, rows + 0.5], axis=1), atol=1e-3)
    np.testing.assert_allclose(points[:, 2], hits.z[rows, cols], rtol=1e-9)
    assert hits.bary.min() >= 0
    assert (hits.bary[~hits.mask] == 0).all() and np.isinf(hits.z[~hits.mask]).all()


@both
def test_a_square_over_whole_pixels_covers_exactly_those_pixels(embree: bool):
    corners_px = np.array([[20, 30], [50, 30], [50, 70], [20, 70]], float)
    rays = np.column_stack([corners_px, np.ones(4)]) @ np.linalg.inv(K).T
    hits = RayMesh(2 * rays, np.array([[0, 1, 2], [0, 2, 3]]), embree=embree).render(K, np.eye(4), HW)
    expected = np.zeros(HW, bool)
    expected[30:70, 20:50] = True
    np.testing.assert_array_equal(hits.mask, expected)
    np.testing.assert_allclose(hits.z[expected], 2.0)


@both
def test_a_floor_that_runs_on_behind_the_camera_is_seen_up_to_the_horizon(embree: bool):
    y = 1.5
    corners = np.array([[-1000, y, -1000], [1000, y, -1000], [1000, y, 1000], [-1000, y, 1000]], float)
    hits = RayMesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), embree=embree).render(K, np.eye(4), HW)
    assert hits.mask[62:].all() and not hits.mask[:60].any()
    np.testing.assert_allclose(hits.z[62:], (y / all_pixel_rays(HW)[:, 1]).reshape(HW)[62:], rtol=1e-9)


@both
def test_no_ray_slips_between_the_triangles_of_a_closed_mesh(embree: bool):
    vertices, faces = arrays(trimesh.creation.icosphere(4 if embree else 2))
    hits = RayMesh(vertices, faces, embree=embree).render(K, pose(0.3, at=(0.1, 0.2, 0.1)), HW)
    assert hits.mask.all()


@both
def test_cast_returns_the_first_hit_in_units_of_the_direction(embree: bool):
    vertices, faces = arrays(trimesh.creation.box((2, 2, 2)))
    rays = RayMesh(vertices, faces, embree=embree)
    origins = np.array([[5.0, 0.1, 0.2], [0.0, 0.1, 0.2], [5.0, 3, 0], [-100.0, 0.1, 0.2]])
    directions = np.array([[-2.0, 0, 0], [0, 0, 0.5], [-1, 0, 0], [1.0, 0, 0]])
    triangle, t = rays.cast(origins, directions)
    np.testing.assert_allclose(t, [2.0, 1.6, np.inf, 99.0], rtol=1e-9)
    assert triangle[2] == -1
    np.testing.assert_allclose(vertices[faces[triangle[0]]][:, 0], 1.0)


@both
def test_occluded_looks_no_further_than_tfar(embree: bool):
    rays = RayMesh(*arrays(trimesh.creation.box((2, 2, 2))), embree=embree)
    origins, directions = np.array([[4.0, 0.1, 0.2], [4.0, 5, 0]]), np.array([[-1.0, 0, 0], [-1, 0, 0]])
    assert rays.occluded(origins, directions).tolist() == [True, False]
    assert rays.occluded(origins, directions, tfar=2.9).tolist() == [False, False]


@both
def test_what_is_not_there_is_not_hit(embree: bool):
    vertices, faces = arrays(trimesh.creation.box((1, 1, 1)))
    nothing = RayMesh(vertices, np.zeros((0, 3), int), embree=embree)
    behind = RayMesh(vertices, faces, embree=embree).render(K, pose(at=(0, 0, -3)), HW)
    beside = RayMesh(vertices, faces, embree=embree).render(K, pose(at=(30, 0, 3)), HW)
    for hits in (nothing.render(K, pose(), HW), behind, beside):
        assert isinstance(hits, Hits) and not hits.mask.any()
    assert nothing.cast(np.zeros((1, 3)), np.ones((1, 3)))[0].tolist() == [-1]


def test_vertices_that_are_not_finite_are_refused():
    vertices, faces = arrays(trimesh.creation.box((1, 1, 1)))
    vertices[3, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        RayMesh(vertices, faces)
