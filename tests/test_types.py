"""The shape checker really is on."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from paco_core.types import OcclusionEdge, OcclusionGraph, Photo
from scene3d.types import Pose


def test_a_wrong_shape_raises():
    with pytest.raises(TypeCheckError):
        Photo(np.zeros((3, 4), np.uint8), "a", "b")


def test_a_wrong_dtype_raises():
    with pytest.raises(TypeCheckError):
        Photo(np.zeros((3, 4, 3), np.float32), "a", "b")


def test_occluders_follow_every_chain():
    edges = tuple(OcclusionEdge(a, b, 1.0, 9, "depth") for a, b in ((1, 2), (2, 3)))
    graph = OcclusionGraph((1, 2, 3), edges, (), (0, 1, 2))
    assert graph.occluders(3) == {1, 2}
    assert graph.occluders(1) == set()


def test_a_pose_rotates_as_its_quaternion_says():
    quarter_turn_about_y = Pose(np.array([1.0, 2.0, 3.0]), np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0]))
    assert np.allclose(quarter_turn_about_y.matrix @ [0, 0, 1, 1], [2, 2, 3, 1])
