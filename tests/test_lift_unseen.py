"""What the embedded lifter invents: backs, sides and depths that the photo does not show."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from scene3d.backends.relief import ReliefLifter
from tests.liftshapes import MAKERS, photograph


def test_the_back_is_the_front_seen_through_the_object() -> None:
    item = photograph(MAKERS["ball"](), "thing", 0.0)
    rgba = item.rgba.copy()
    left = np.arange(rgba.shape[1]) < rgba.shape[1] / 2
    rgba[..., :3] = np.where(left[None, :, None], np.uint8([220, 30, 30]), np.uint8([30, 30, 220]))
    result = ReliefLifter().lift(replace(item, rgba=rgba))
    mesh = result.mesh
    size = mesh.texture.shape[0]
    texel = np.clip((mesh.uv[mesh.faces].mean(axis=1) * size).astype(int), 0, size - 1)
    red, blue = (mesh.texture[texel[:, 1], texel[:, 0], k].astype(int) for k in (0, 2))
    x, _, z = mesh.vertices[mesh.faces].mean(axis=1).T
    for there in (z < -0.1, np.abs(z) < 0.1):
        clear = there & (np.abs(x) > 0.08)
        assert clear.sum() > 50
        np.testing.assert_array_equal((red > blue)[clear], x[clear] < 0)


@pytest.mark.parametrize("yaw", [30.0, 60.0, -50.0])
def test_a_bus_seen_from_a_corner_is_longer_than_wide(yaw: float) -> None:
    turn = trimesh.transformations.rotation_matrix(np.radians(yaw), [0, 1, 0])
    bus = trimesh.creation.box([0.28, 0.33, 1.0]).apply_transform(turn)
    result = ReliefLifter().lift(photograph(bus, "bus", 12.0))
    assert result.method == "block"
    floor = result.mesh.vertices[:, [0, 2]]
    # the footprint's longer and shorter side, along its principal axes
    hull = trimesh.convex.convex_hull(np.column_stack([floor, np.zeros(len(floor))]), qhull_options="QbB QJ").vertices[:, :2]
    length, width = sorted(np.ptp(hull @ np.linalg.svd(hull - hull.mean(axis=0))[2].T, axis=0), reverse=True)
    assert 2.0 < length / width < 5.0


@pytest.mark.parametrize("name", ["door", "picture", "stop sign"])
def test_a_panel_is_thin_and_stands(name: str) -> None:
    panel = trimesh.creation.box([0.6, 1.0, 0.04])
    result = ReliefLifter().lift(photograph(panel, name, 8.0))
    assert result.flat and result.watertight
    _, height, depth = np.ptp(result.mesh.vertices, axis=0)
    assert depth < 0.2 * height


@pytest.mark.parametrize("name", ["", "object 3"])
def test_a_box_without_a_name_has_flat_sides(name: str) -> None:
    result = ReliefLifter().lift(photograph(MAKERS["box"](), name, 18.0))
    hull = trimesh.Trimesh(result.mesh.vertices, result.mesh.faces).convex_hull
    assert result.method == "block"
    assert hull.volume / np.prod(hull.bounding_box_oriented.primitive.extents) > 0.9  # of a ball it is .52


def test_what_has_no_name_and_no_corners_is_no_box_and_no_bulge() -> None:
    man = ReliefLifter().lift(photograph(MAKERS["man"](), "object 3", 10.0))
    width, _, depth = np.ptp(man.mesh.vertices, axis=0)
    assert man.method == "inflate"
    assert depth < 0.7 * width


def test_the_back_of_a_head_is_hair_and_no_face() -> None:
    item = photograph(MAKERS["man"](), "man", 0.0)
    rgba = item.rgba.copy()
    rows = np.flatnonzero((rgba[..., 3] > 0).any(axis=1))
    height = rows[-1] - rows[0]
    top = (np.arange(len(rgba)) - rows[0]) / height
    rgba[..., :3] = np.where(top < 0.05, 40, np.where(top < 0.12, 200, 120)).astype(np.uint8)[
        :, None, None
    ]  # hair, face, clothes
    mesh = ReliefLifter().lift(replace(item, rgba=rgba)).mesh
    size = mesh.texture.shape[0]
    texel = np.clip((mesh.uv[mesh.faces].mean(axis=1) * size).astype(int), 0, size - 1)
    grey = mesh.texture[texel[:, 1], texel[:, 0], 0].astype(int)
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    down = (mesh.vertices[:, 1].max() - middle[:, 1]) / np.ptp(mesh.vertices[:, 1])
    back, front = middle[:, 2] < -0.04, middle[:, 2] > 0.04
    assert grey[front & (down > 0.07) & (down < 0.1)].max() > 180
    assert grey[back & (down < 0.1)].max() < 120
    np.testing.assert_allclose(grey[back & (down > 0.3)], 120, atol=12)


def test_a_stack_without_a_name_stands_on_a_flat_bottom_and_what_is_thin_stays_thin() -> None:
    books = trimesh.creation.box([0.6, 0.3, 0.4]).apply_translation([0, -0.35, 0])
    radio = trimesh.creation.box([0.34, 0.25, 0.3]).apply_translation([0, -0.1, 0])
    aerial = trimesh.creation.box([0.04, 0.4, 0.04]).apply_translation([0.1, 0.2, 0])
    item = photograph(trimesh.util.concatenate([books, radio, aerial]), "object 3", 12.0)
    result = ReliefLifter().lift(item)
    assert result.method == "extrude" and result.watertight
    v = result.mesh.vertices
    low, height = v[:, 1].min(), np.ptp(v[:, 1])
    foot, top = v[v[:, 1] < low + 0.02 * height], v[v[:, 1] > low + 0.85 * height]
    assert np.ptp(foot[:, 2]) > 0.6 * np.ptp(v[:, 2])
    assert np.ptp(top[:, 2]) < 0.35 * np.ptp(v[:, 2])
