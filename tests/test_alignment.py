"""What is aligned away is found again; poses and penetrations have the values that geometry says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from scene3d.evaluation.alignment import depth_scale, icp, normaliser, umeyama
from scene3d.evaluation.physics_metrics import depth_inside, make_solid, penetrations
from scene3d.evaluation.points import distances, nearest, sample_surface
from scene3d.evaluation.pose_metrics import (
    YAWS_DEG,
    about_y,
    add_s,
    rotation_angle_deg,
    rotation_by_icp,
    symmetric_yaws,
    turn_between,
    yaw_between,
)
from scene3d.rays import RayMesh
from scene3d.transforms import apply, similarity
from tests.liftshapes import sphere
from tests.scenes import make_box

SIMILARITIES = st.builds(
    lambda seed, scale: similarity(
        Rotation.from_quat(np.random.default_rng(seed + 1).normal(size=4)).as_matrix(),
        np.random.default_rng(seed).uniform(-3, 3, 3),
        scale,
    ),
    st.integers(0, 10_000),
    st.floats(0.2, 5),
)


def points_of(size: tuple[float, float, float], count: int = 800) -> np.ndarray:
    box = make_box(size)
    return sample_surface(box.vertices, box.faces, count)


@given(SIMILARITIES, st.integers(3, 12))
@settings(max_examples=40, deadline=None)
def test_umeyama_recovers_a_known_similarity(truth: np.ndarray, count: int):
    points = np.random.default_rng(count).normal(size=(count, 3))
    assert umeyama(points, apply(truth, points)) == pytest.approx(truth, abs=1e-8)


def test_points_that_tell_no_rotation_get_none():
    line = np.outer(np.arange(4.0), [1, 0, 0])
    turned = apply(similarity(about_y(40), np.array([1.0, 2, 3]), 2), line)
    found = umeyama(line, turned)
    assert found[:3, :3] == pytest.approx(2 * np.eye(3))
    assert apply(found, line).mean(axis=0) == pytest.approx(turned.mean(axis=0))
    assert umeyama(line[:1], turned[:1])[:3, 3] == pytest.approx(turned[0])
    assert umeyama(line[:2], turned[:2])[0, 0] == pytest.approx(2)


def test_a_mirror_image_is_not_turned_inside_out():
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = umeyama(points, points * [-1, 1, 1])
    assert np.linalg.det(found[:3, :3]) > 0


@given(st.integers(0, 1000), st.floats(0, 60), st.floats(0, 0.5))
@settings(max_examples=15, deadline=None)
def test_icp_is_rigid_and_never_worse_than_nothing(seed: int, degrees: float, shift: float):
    rng = np.random.default_rng(seed)
    target = points_of((1.0, 0.6, 0.3), 300)
    source = apply(similarity(about_y(degrees), shift * rng.normal(size=3)), target) + 0.02 * rng.normal(size=(300, 3))
    found = icp(source, target)
    before, after = np.mean(nearest(source, target) ** 2), np.mean(nearest(apply(found, source), target) ** 2)
    assert after <= before + 1e-12
    assert found[:3, :3] @ found[:3, :3].T == pytest.approx(np.eye(3), abs=1e-9)


def test_icp_finds_a_small_motion():
    target = points_of((1.0, 0.6, 0.3))
    truth = similarity(about_y(10), np.array([0.05, -0.03, 0.02]))
    found = icp(apply(np.linalg.inv(truth), target), target)
    assert rotation_angle_deg(found[:3, :3] @ truth[:3, :3].T) < 0.5
    assert found[:3, 3] == pytest.approx(truth[:3, 3], abs=0.01)


@given(st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_normalising_takes_size_and_place_away_but_keeps_the_proportions(scale: float, shift: float):
    points = points_of((1.0, 0.6, 0.3), 200)
    normal = apply(normaliser(points), points)
    assert np.abs(normal).max() == pytest.approx(1)
    assert np.ptp(normal, axis=0) / np.ptp(points, axis=0) == pytest.approx(np.full(3, 2 / np.ptp(points, axis=0).max()))
    other = scale * points + shift
    assert apply(normaliser(other), other) == pytest.approx(normal, abs=1e-6)


def test_the_global_scale_is_the_median_ratio_of_depths():
    true, found = np.array([[2.0, 4.0, 9.0, np.inf]]), np.array([[1.0, 2.0, 3.0, 1.0]])
    assert depth_scale(true, found, np.ones((1, 4), bool)) == 2
    assert depth_scale(true, found, np.array([[False, False, True, False]])) == 3
    assert depth_scale(true, np.full((1, 4), np.inf), np.ones((1, 4), bool)) is None


def test_add_s_is_the_truth_s_mean_distance_over_its_diameter():
    d = distances(np.array([[0.0, 0, 0]]), np.array([[0.0, 0, 0], [3, 0, 0], [0, 0, 3]]))
    assert add_s(d, 10.0) == pytest.approx(0.2)


@pytest.mark.parametrize("degrees", [0.0, 0.5, 90.0, 179.5, 180.0])
def test_rotation_angles_are_geodesic(degrees: float):
    axis = np.array([1.0, 2, 2]) / 3
    assert rotation_angle_deg(Rotation.from_rotvec(np.deg2rad(degrees) * axis).as_matrix()) == pytest.approx(degrees, abs=1e-4)


def test_symmetric_turns_of_a_shape_are_found_and_forgiven():
    oblong, square = symmetric_yaws(points_of((1.0, 0.5, 0.4), 2000)), symmetric_yaws(points_of((1.0, 0.5, 1.0), 2000))
    assert oblong == (0, 180)
    assert square == (0, 90, 180, 270)
    ball = sphere()
    around = symmetric_yaws(sample_surface(np.asarray(ball.vertices, np.float64), np.asarray(ball.faces), 2000))
    assert len(around) == len(YAWS_DEG) + 1
    assert yaw_between(about_y(170), oblong) == pytest.approx(10)
    assert yaw_between(about_y(100), oblong) == pytest.approx(80)
    assert yaw_between(about_y(100), square) == pytest.approx(10)
    assert turn_between(about_y(100), square) == pytest.approx(10)
    assert np.isnan(yaw_between(about_y(33), around))
    assert turn_between(about_y(33), around) == pytest.approx(0, abs=1e-6)
    lean = Rotation.from_rotvec([np.deg2rad(20), 0, 0]).as_matrix()
    assert turn_between(lean @ about_y(33), around) == pytest.approx(20)


def test_the_turn_that_is_left_is_measured_whatever_the_size_and_place():
    true = points_of((1.0, 0.5, 0.3), 1500)
    turned = apply(similarity(about_y(12), np.array([2.0, 0, 1]), 3), points_of((1.0, 0.5, 0.3), 1400))
    assert yaw_between(rotation_by_icp(turned, true), (0.0, 180.0)) == pytest.approx(12, abs=1)


def test_depths_inside_a_box_are_those_to_its_nearest_side():
    box = make_box((2.0, 2.0, 2.0))
    points = np.array([[0, 1, 0], [0.9, 1, 0], [0, 1.95, 0.3], [1.1, 1, 0], [0, -0.1, 0]])
    assert depth_inside(points, RayMesh(box.vertices, box.faces)) == pytest.approx([1, 0.1, 0.05, 0, 0], abs=1e-6)


def test_boxes_that_stick_in_one_another_do_so_by_what_they_share():
    a, b = make_box((1.0, 1.0, 1.0)), make_box((0.5, 0.5, 0.5))
    solids = [make_solid(1, a.vertices, a.faces), make_solid(2, b.vertices + [0, 0.9, 0], b.faces)]
    (found,) = penetrations(solids)
    assert (found.a, found.b) == (1, 2)
    assert found.share == pytest.approx(0.1 / 0.5, abs=0.01)
    assert found.depth_m == pytest.approx(0.1, abs=0.005)


def test_boxes_that_touch_or_stand_apart_do_not_stick():
    a = make_box((1.0, 1.0, 1.0))
    beside = make_solid(3, a.vertices + [1.5, 0, 0], a.faces)
    on_top = make_solid(2, a.vertices + [0.1, 1.0, 0.2], a.faces)
    found = penetrations([make_solid(1, a.vertices, a.faces), on_top, beside])
    assert all(p.share == 0 and p.depth_m < 1e-6 for p in found)
