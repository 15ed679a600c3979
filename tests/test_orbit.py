"""Looking around keeps what should be kept: the distance, the horizon, the floor below."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from viewers.orbit import LOWEST_M, STEEPEST_DEG, Orbit

TARGET = np.array([0.3, 0.4, -3.0])


def camera_at(height: float, pitch_deg: float, yaw_deg: float = 0.0) -> Orbit:
    """A level camera (no roll), OpenCV axes."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("YX", [yaw_deg, -pitch_deg], degrees=True).as_matrix() @ np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = [0.0, height, 0.0]
    return Orbit(pose, TARGET)


orbits = st.builds(camera_at, st.floats(0.1, 3.0), st.floats(-10.0, 60.0), st.floats(-30.0, 30.0))
drags = st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)), max_size=8)


@settings(deadline=None)
@given(orbits, drags)
def test_turning_keeps_distance_horizon_and_floor(start: Orbit, drags: list[tuple[float, float]]):
    orbit = start
    for right, down in drags:
        orbit = orbit.turned(right, down)
    pose = orbit.world_from_camera
    assert np.isclose(orbit.distance, start.distance)
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
    assert abs(pose[1, 0]) < 1e-6  # the picture's horizontal is level
    assert pose[1, 1] < 0  # and its bottom is below
    assert pose[1, 3] >= LOWEST_M
    assert np.degrees(np.arcsin(abs(pose[1, 2]))) <= STEEPEST_DEG + 1e-6


@given(orbits, st.floats(-0.5, 0.5))
def test_a_turn_and_back_is_no_turn(start: Orbit, right: float):
    back = start.turned(right, 0.0).turned(-right, 0.0)
    assert np.allclose(back.world_from_camera, start.world_from_camera)


def test_the_scene_follows_the_pointer():
    start = camera_at(1.5, 20.0)
    assert start.turned(0.25, 0.0).world_from_camera[0, 3] < 0  # pulled to the right: seen from farther left
    assert start.turned(0.0, 0.1).world_from_camera[1, 3] > 1.5  # pulled down: seen from higher
    assert start.moved(0.1, 0.0).target[0] < TARGET[0]


@given(orbits, st.floats(0.5, 2.0))
def test_zooming_scales_the_distance_and_keeps_the_direction(start: Orbit, factor: float):
    orbit = start.zoomed(factor)
    if orbit is not start:
        assert np.isclose(orbit.distance, factor * start.distance)
    assert np.allclose(orbit.world_from_camera[:3, :3], start.world_from_camera[:3, :3])
