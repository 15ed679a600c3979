"""Gravity and floor from depth with known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.camera import estimate_camera, pixel_rays, up_of_pitch
from paco_core.types import DepthMap, Photo, Segmentation
from scene3d.ground import find_ground
from scene3d.transforms import apply, rotation_between, world_axes_in_camera, world_from_camera, wxyz_from_rotation
from scene3d.types import Ground, Pose

HW = (120, 160)
CAMERA = estimate_camera(Photo(np.zeros((*HW, 3), np.uint8), "p", "0"))


def room(pitch=20.0, roll=0.0, height=1.4, noise=0.0, wall_m=5.0, box=True) -> tuple[DepthMap, Segmentation, np.ndarray]:
    """Floor, a wall facing the camera's heading, and an object's mask; the true up vector."""
    turn = np.radians(roll)
    up = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) @ up_of_pitch(pitch)
    ahead = np.array([0, 0, 1.0]) - up * up[2]
    ahead /= np.linalg.norm(ahead)
    rays = pixel_rays(CAMERA)
    with np.errstate(divide="ignore"):
        floor = np.where(rays @ up < -1e-3, -height / (rays @ up), np.inf)
        wall = np.where(rays @ ahead > 1e-3, wall_m / (rays @ ahead), np.inf)
    z = np.minimum(floor, wall)
    mask = np.zeros((1, *HW), bool)
    if box:
        mask[0, 50:100, 60:100] = True
        z[mask[0]] *= 0.7
    z = z * (1 + np.random.default_rng(0).normal(0, noise, HW))
    return DepthMap(z.astype(np.float32), np.isfinite(z), "metric", "test"), Segmentation((1,), ("box",), mask), up


@pytest.mark.parametrize(
    ("pitch", "roll", "height", "noise"), [(5, 0, 1.5, 0), (20, 3, 1.2, 0.01), (45, -5, 0.6, 0.02), (60, 0, 0.5, 0)]
)
def test_the_floor_and_up_are_found(pitch, roll, height, noise):
    depth, segmentation, up = room(pitch, roll, height, noise)
    ground = find_ground(depth, segmentation, CAMERA)
    assert ground.source == "plane"
    assert np.degrees(np.arccos(ground.up_camera @ up)) < 1.0
    assert ground.camera_height == pytest.approx(height, rel=0.03)


def test_a_wall_is_no_floor():
    depth, segmentation, _ = room(pitch=-12, wall_m=1.0)
    assert find_ground(depth, segmentation, CAMERA).source == "prior"


def test_relative_depth_gives_the_same_up():
    depth, segmentation, up = room()
    relative = DepthMap(depth.z * np.float32(37.0), depth.valid, "relative", "test")
    ground = find_ground(relative, segmentation, CAMERA)
    assert np.degrees(np.arccos(ground.up_camera @ up)) < 1.0
    assert ground.camera_height == pytest.approx(37 * 1.4, rel=0.03)


@given(st.floats(-60, 85), st.floats(-30, 30))
@settings(max_examples=50)
def test_world_axes_are_a_rotation_with_y_up_and_the_camera_looking_to_minus_z(pitch, roll):
    turn = np.radians(roll)
    up = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) @ up_of_pitch(pitch)
    axes = world_axes_in_camera(up)
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)
    assert np.allclose(axes @ up, [0, 1, 0])
    heading = axes @ np.array([0, 0, 1.0])
    assert heading[2] < 0 and heading[0] == pytest.approx(0, abs=1e-9)


def test_the_floor_is_at_height_zero_in_the_world():
    depth, _, up = room(box=False)
    pose = world_from_camera(Ground(up, 1.4, "test", 1.0), 1.0)
    rays = pixel_rays(CAMERA)
    lower = np.zeros(HW, bool)
    lower[-20:] = True
    points = apply(pose, (rays * depth.z[..., None])[lower].astype(float))
    assert np.abs(points[:, 1]).max() < 1e-5


unit = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(unit, unit)
def test_the_smallest_rotation_turns_one_vector_into_the_other(a, b):
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    rotation = rotation_between(a, b)
    assert np.allclose(rotation @ a, b, atol=1e-6)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


@given(st.tuples(*[st.floats(-1, 1)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_a_quaternion_and_its_matrix_say_the_same(q):
    q = q / np.linalg.norm(q)
    back = wxyz_from_rotation(Pose(np.zeros(3), q).matrix[:3, :3])
    assert np.allclose(np.abs(back @ q), 1)
