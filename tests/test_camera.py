"""Intrinsics and pixel ↔ ray arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_core.camera import estimate_camera, pixel_rays, project, rays_of, up_of_pitch
from paco_core.errors import BadInput
from paco_core.types import Camera, Photo


def photo(h: int = 40, w: int = 60, focal_35mm: float | None = None) -> Photo:
    return Photo(np.zeros((h, w, 3), np.uint8), "p", "0", focal_35mm)


def test_the_default_field_of_view_is_along_the_longer_side():
    for hw in ((40, 60), (60, 40)):
        camera = estimate_camera(photo(*hw))
        assert 2 * math.degrees(math.atan(30 / camera.fx)) == pytest.approx(55)


def test_a_given_field_of_view_beats_exif_and_exif_beats_the_default():
    assert estimate_camera(photo(focal_35mm=50)).source == "exif"
    assert estimate_camera(photo(focal_35mm=50)).fx == pytest.approx(50 / 43.27 * math.hypot(40, 60))
    assert estimate_camera(photo(focal_35mm=50), fov_deg=90).fx == pytest.approx(30)


@pytest.mark.parametrize("fov", [0, -10, 180, 4.9])
def test_an_impossible_field_of_view_is_refused_with_the_range(fov):
    with pytest.raises(BadInput, match="degrees"):
        estimate_camera(photo(), fov_deg=fov)


def test_intrinsics_of_another_photo_are_refused():
    with pytest.raises(BadInput, match="60×40"):
        estimate_camera(photo(), given=Camera(50, 50, 10, 10, 20, 20))


@given(st.floats(30, 900), st.floats(-5, 70), st.floats(-5, 50), st.lists(st.floats(0.5, 9), min_size=1, max_size=5))
def test_projecting_a_ray_at_any_depth_gives_its_pixel_back(f, cx, cy, depths):
    camera = Camera(f, f * 1.1, cx, cy, 60, 40)
    uv = np.column_stack([np.linspace(0, 60, len(depths)), np.linspace(40, 0, len(depths))])
    points = rays_of(camera, uv) * np.array(depths)[:, None]
    assert np.allclose(project(camera, points), uv)


def test_pixel_rays_go_through_pixel_centres():
    camera = Camera(50, 50, 30, 20, 60, 40)
    rays = pixel_rays(camera)
    assert np.allclose(project(camera, rays[3, 7][None]), [[7.5, 3.5]])
    assert np.all(rays[..., 2] == 1)


def test_up_is_the_image_up_for_a_level_camera_and_against_the_axis_when_looking_straight_down():
    assert np.allclose(up_of_pitch(0), [0, -1, 0])
    assert np.allclose(up_of_pitch(90), [0, 0, -1])
