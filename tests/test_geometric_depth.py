"""Depth from floor contacts, against the geometry that made the picture."""

import math

import numpy as np
import pytest

from paco_core.backends.geometric import GeometricDepth
from paco_core.camera import estimate_camera, pixel_rays, project, up_of_pitch
from paco_core.contacts import find_feet
from paco_core.depth import estimate_depth
from paco_core.errors import BadInput
from paco_core.pitch import guess_pitch
from paco_core.types import DepthMap, Photo, Segmentation

HW = (300, 400)
PHOTO = Photo(np.zeros((*HW, 3), np.uint8), "p", "0")
CAMERA = estimate_camera(PHOTO)


def upright_box(pitch: float, distance: float, width: float = 0.4, height: float = 0.5, left: float = 0.0) -> np.ndarray:
    """Mask of a vertical board that stands on the floor (unit: camera height), facing the camera's heading."""
    up = up_of_pitch(pitch)
    ahead = np.array([0, 0, 1.0]) - up * up[2]
    ahead /= np.linalg.norm(ahead)
    right = np.array([1.0, 0, 0])
    foot = -up + ahead * distance
    corners = [foot + right * (left + s * width / 2) + up * h for s, h in ((-1, 0), (1, 0), (1, height), (-1, height))]
    uv = project(CAMERA, np.array(corners))
    from skimage.draw import polygon2mask

    return polygon2mask(HW, uv[:, ::-1] - 0.5)


def segmentation(*masks: tuple[str, np.ndarray]) -> Segmentation:
    return Segmentation(tuple(range(1, len(masks) + 1)), tuple(n for n, _ in masks), np.array([m for _, m in masks]))


@pytest.mark.parametrize(("pitch", "distance"), [(10, 3.0), (25, 2.0), (40, 1.3)])
def test_an_object_stands_where_its_foot_meets_the_floor(pitch, distance):
    mask = upright_box(pitch, distance)
    depth = GeometricDepth(pitch_deg=pitch).estimate(PHOTO, segmentation(("box", mask)), CAMERA)
    points = pixel_rays(CAMERA)[mask] * depth.z[mask][:, None]
    ahead = points @ np.array([0, math.sin(math.radians(pitch)) * -1, math.cos(math.radians(pitch))])
    assert np.median(ahead) == pytest.approx(distance, rel=0.04)
    assert depth.kind == "relative"


def test_the_object_with_the_lower_foot_is_nearer():
    near, far = upright_box(15, 2.0, left=-0.5), upright_box(15, 4.0, left=0.5)
    z = GeometricDepth().estimate(PHOTO, segmentation(("box", near), ("box", far)), CAMERA).z
    assert np.median(z[near]) < np.median(z[far])


@pytest.mark.parametrize("elevation", [30, 50, 65])
def test_a_round_plate_tells_the_cameras_pitch(elevation):
    up = up_of_pitch(elevation)
    axes = np.stack([[1, 0, 0], np.cross(up, [1, 0, 0])])
    centre = np.array([0, 0, 1.0]) / -up[2]
    turn = np.linspace(0, 2 * np.pi, 200)[:, None]
    ring = centre + 0.25 * (np.cos(turn) * axes[0] + np.sin(turn) * axes[1])
    from skimage.draw import polygon2mask

    mask = polygon2mask(HW, project(CAMERA, ring)[:, ::-1] - 0.5)
    scene = segmentation(("plate", mask))
    guess = guess_pitch(scene, CAMERA, find_feet(scene), {})
    assert guess.pitch_deg == pytest.approx(elevation, abs=4)
    assert "ellipse" in guess.reason


def test_a_hidden_foot_puts_an_object_behind_its_occluder():
    front = upright_box(15, 2.0, width=1.0)
    behind = upright_box(15, 4.0, width=0.5, height=1.0) & ~front
    z = GeometricDepth(pitch_deg=15).estimate(PHOTO, segmentation(("box", front), ("person", behind)), CAMERA).z
    assert np.median(z[behind]) > np.median(z[front])


def test_what_hangs_above_the_horizon_is_about_where_the_others_are_and_does_not_tilt_the_camera():
    lamp = np.zeros(HW, bool)
    lamp[5:40, 180:220] = True
    boxes = (upright_box(12, 2.0, left=-0.6), upright_box(12, 2.4, left=0.4))
    scene = segmentation(("box", boxes[0]), ("box", boxes[1]), ("lamp", lamp))
    z = GeometricDepth().estimate(PHOTO, scene, CAMERA).z
    assert 1.5 < np.median(z[lamp]) < 3.0
    alone = GeometricDepth().estimate(PHOTO, segmentation(("box", boxes[0]), ("box", boxes[1])), CAMERA).z
    assert np.allclose(np.median(z[boxes[0]]), np.median(alone[boxes[0]]))


def test_a_sign_on_a_pole_is_as_far_as_its_size_says_whatever_is_below_it():
    sign = np.zeros(HW, bool)
    sign[100:130, 190:220] = True
    people = [upright_box(5, d, width=0.3, height=1.7 / 1.5, left=x) for d, x in ((4.0, -0.9), (6.0, 1.2))]
    scene = segmentation(("person", people[0]), ("person", people[1]), ("stop sign", sign))
    depth = GeometricDepth().estimate(PHOTO, scene, CAMERA)
    metres = np.median(depth.z[sign]) * 1.5
    assert metres == pytest.approx(0.75 * CAMERA.fy / 30, rel=0.25)


def test_what_lies_in_a_bowl_is_as_far_as_the_bowl():
    bowl, egg = np.zeros(HW, bool), np.zeros(HW, bool)
    bowl[100:250, 100:300], egg[130:170, 180:220] = True, True
    z = GeometricDepth().estimate(PHOTO, segmentation(("bowl", bowl & ~egg), ("egg", egg)), CAMERA).z
    assert np.median(z[egg]) == pytest.approx(np.median(z[bowl & ~egg]), rel=0.25)


def test_the_map_tells_which_way_is_up():
    depth = GeometricDepth(pitch_deg=70).estimate(PHOTO, segmentation(("box", upright_box(70, 0.3))), CAMERA)
    assert depth.up is not None and np.allclose(depth.up, up_of_pitch(70))


@pytest.mark.parametrize("pitch", [-80, 91])
def test_a_pitch_that_sees_no_floor_is_refused(pitch):
    with pytest.raises(BadInput, match="pitch-deg"):
        GeometricDepth(pitch_deg=pitch).estimate(PHOTO, segmentation(("box", upright_box(20, 2))), CAMERA)


def test_depth_of_another_size_or_with_nothing_valid_is_refused():
    masks = segmentation(("box", upright_box(20, 2)))
    small = DepthMap(np.ones((10, 10), np.float32), np.ones((10, 10), bool), "metric", "file")
    with pytest.raises(BadInput, match="10×10"):
        estimate_depth(PHOTO, masks, CAMERA, GeometricDepth(), given=small)
    empty = DepthMap(np.ones(HW, np.float32), np.zeros(HW, bool), "metric", "file")
    with pytest.raises(BadInput, match="unit"):
        estimate_depth(PHOTO, masks, CAMERA, GeometricDepth(), given=empty)
