"""Distances of shapes, boxes and voxels against values worked out by hand, and the laws that they obey."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scene3d.evaluation.points import Distances, distances, sample_surface
from scene3d.evaluation.pose_metrics import about_y
from scene3d.evaluation.shape_metrics import (
    box_iou,
    chamfer_half,
    chamfer_sum,
    f_score,
    upright_box,
    upright_box_iou,
    voxel_iou,
)
from tests.liftshapes import sphere
from tests.scenes import make_box

SIDE = np.array([[0, 0, 0], [4, 0, 0], [4, 1, 0], [0, 1, 0], [0, 0, 5], [1, 0, 5], [0, 1, 5]], float)
"""A 4 × 1 rectangle, and a triangle of area .5."""
FACES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]])


def cube(size: float = 1.0, shift: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    return make_box((size, size, size)).vertices + np.array(shift)


def disc(turn_deg: float) -> np.ndarray:
    angle = np.deg2rad(np.arange(0, 360, 9) + turn_deg)
    ring = np.stack([np.cos(angle), np.zeros(40), np.sin(angle)], axis=1)
    return np.concatenate([ring, ring + [0, 1, 0]])


def test_points_lie_on_the_surface_as_dense_everywhere():
    points = sample_surface(SIDE, FACES, 9000, seed=3)
    on_rectangle = points[:, 2] == 0
    assert on_rectangle.mean() == pytest.approx(8 / 9, abs=0.01)
    assert np.histogram(points[on_rectangle, 0], 4, (0, 4))[0] / on_rectangle.sum() == pytest.approx(np.full(4, 0.25), abs=0.02)
    assert (points[~on_rectangle][:, :2].sum(axis=1) <= 1 + 1e-9).all()
    assert (points == sample_surface(SIDE, FACES, 9000, seed=3)).all()
    assert (points != sample_surface(SIDE, FACES, 9000, seed=4)).any()


def test_a_mesh_without_area_has_no_points():
    with pytest.raises(ValueError, match="without area"):
        sample_surface(np.zeros((3, 3)), np.array([[0, 1, 2]]), 10)


def test_chamfer_and_f_score_are_those_of_the_definition():
    predicted = np.array([[0.0, 0, 0], [1, 0, 0]])
    true = np.array([[0.0, 0, 0], [1, 0, 0], [1, 0.3, 0], [4, 0, 0]])
    d = distances(predicted, true)
    assert d.to_truth.tolist() == [0, 0]
    assert d.to_prediction == pytest.approx([0, 0, 0.3, 3])
    assert chamfer_sum(d) == pytest.approx(3.3 / 4)
    assert chamfer_half(d) == pytest.approx(3.3 / 8)
    assert f_score(d, 0.1) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert f_score(d, 0.5) == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert f_score(Distances(np.array([1.0]), np.array([1.0])), 0.5) == 0
    assert chamfer_sum(d.times(2)) == pytest.approx(2 * chamfer_sum(d))


@given(st.integers(0, 1000), st.floats(0, 0.3), st.floats(0.35, 1))
@settings(max_examples=25, deadline=None)
def test_chamfer_is_symmetric_nil_for_the_same_and_grows_with_noise(seed: int, little: float, much: float):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(4.0) * 3] * 3), axis=-1).reshape(-1, 3)  # far apart: nobody becomes another's nearest
    direction = rng.normal(size=grid.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    other = grid + little * direction
    assert chamfer_sum(distances(grid, grid)) == 0
    assert chamfer_sum(distances(grid, other)) == pytest.approx(chamfer_sum(distances(other, grid)))
    assert chamfer_sum(distances(grid, other)) == pytest.approx(2 * little, abs=1e-9)
    assert chamfer_sum(distances(grid + much * direction, grid)) > chamfer_sum(distances(other, grid))
    assert f_score(distances(grid + much * direction, grid), 0.32) == 0 <= f_score(distances(other, grid), 0.32) == 1


def test_boxes_overlap_as_their_volumes_say():
    assert box_iou(cube(), cube()) == 1
    assert box_iou(cube(), cube(shift=(0.5, 0, 0))) == pytest.approx(1 / 3)
    assert box_iou(cube(), cube(shift=(0.5, 0.5, 0))) == pytest.approx(0.25 / 1.75)
    assert box_iou(cube(), cube(2)) == pytest.approx(1 / 8)
    assert box_iou(cube(), cube(shift=(1, 0, 0))) == 0


def test_a_turned_box_keeps_its_upright_box():
    box = make_box((2.0, 1.0, 0.5)).vertices
    turned = upright_box(box @ about_y(30).T + [5, 1, -7])
    assert turned.volume == pytest.approx(1.0, rel=1e-5)
    assert turned.centre == pytest.approx([5, 1.5, -7], abs=1e-5)
    assert turned.diagonal == pytest.approx(np.sqrt(5.25), rel=1e-5)
    assert upright_box_iou(turned, turned) == pytest.approx(1, abs=1e-5)


def test_upright_boxes_are_clipped_against_each_other():
    square, tilted = upright_box(cube()), upright_box(cube() @ about_y(45).T)
    octagon = 2 * (np.sqrt(2) - 1)  # of two unit squares, one turned by 45 degrees
    assert upright_box_iou(square, tilted) == pytest.approx(octagon / (2 - octagon), abs=1e-4)
    lifted = upright_box(cube(shift=(0, 0.75, 0)))
    assert upright_box_iou(square, lifted) == pytest.approx(0.25 / 1.75, abs=1e-5)
    assert upright_box_iou(square, upright_box(cube(shift=(3, 0, 0)))) == 0


@given(st.integers(0, 1000), st.floats(0, 1.5), st.floats(0, 90))
@settings(max_examples=40, deadline=None)
def test_overlaps_are_symmetric_and_shares(seed: int, shift: float, turn: float):
    sizes = np.random.default_rng(seed).uniform(0.2, 2, (2, 3))
    a, b = (make_box(tuple(size)).vertices for size in sizes)
    b = b @ about_y(turn).T + [shift, 0.1, -shift]
    assert box_iou(a, b) == pytest.approx(box_iou(b, a))
    ours, theirs = upright_box(a), upright_box(b)
    assert upright_box_iou(ours, theirs) == pytest.approx(upright_box_iou(theirs, ours), abs=1e-5)
    assert 0 <= upright_box_iou(ours, theirs) <= 1
    assert upright_box_iou(ours, theirs) <= min(ours.volume, theirs.volume) / max(ours.volume, theirs.volume) + 1e-5


def test_round_things_get_the_box_that_lies_like_the_truth_s():
    truth = upright_box(disc(0))
    for turn in (1.7, 20, 44):
        assert upright_box_iou(upright_box(disc(turn), truth), truth) > 0.98
    long = make_box((2.0, 1.0, 0.5)).vertices
    straight = upright_box(long)
    crooked = upright_box(long @ about_y(30).T, straight)
    assert crooked.volume == pytest.approx(1.0, rel=1e-5), "a box that is not round keeps its own direction"


def test_voxels_count_what_a_surface_encloses():
    ball, big = sphere(), make_box((1.0, 1.0, 1.0))
    vertices, faces = np.asarray(ball.vertices, np.float64), np.asarray(ball.faces)
    assert voxel_iou(vertices, faces, vertices, faces) == 1
    in_cube = voxel_iou(vertices, faces, big.vertices - [0, 0.5, 0], big.faces)
    assert in_cube == pytest.approx(np.pi / 6, abs=0.02)
    half = make_box((1.0, 0.5, 1.0))
    assert voxel_iou(half.vertices, half.faces, big.vertices, big.faces) == pytest.approx(0.5, abs=0.02)
    assert voxel_iou(half.vertices + [0, 2, 0], half.faces, big.vertices, big.faces) == 0
    assert voxel_iou(5 * big.vertices, big.faces, big.vertices, big.faces) == 0
