"""The embedded lifter against solids whose shape is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paco_core.errors import ObjectFailed
from scene3d.backends.base import Lifter
from scene3d.backends.billboard import BillboardLifter
from scene3d.backends.relief import ReliefConfig, ReliefLifter
from scene3d.clean import is_watertight
from scene3d.types import LiftedMesh, LiftInput
from tests.liftshapes import MAKERS, VASE, chamfer, in_crop, photograph, reprojected, silhouette_iou

ELEVATION = {"cup": 35.0, "plate": 35.0}
IOU = {"ball": 0.97, "box": 0.96, "vase": 0.96, "cup": 0.94, "man": 0.94, "table": 0.93, "chair": 0.93, "plate": 0.95}


def photo_of(name: str, *, with_depth: bool = False) -> LiftInput:
    return photograph(MAKERS[name](), name, ELEVATION.get(name, 18.0), with_depth=with_depth, metres=0.5)


@cache
def lifted(name: str, with_depth: bool = False) -> LiftedMesh:
    return ReliefLifter().lift(photo_of(name, with_depth=with_depth))


def vertical_hits(mesh: LiftedMesh, x: float, z: float) -> np.ndarray:
    """Heights at which the vertical line through (x, z) crosses the mesh, highest first (lift frame)."""
    a, b, c = (mesh.mesh.vertices[mesh.mesh.faces[:, k]] for k in range(3))

    def twice_area(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p[:, 0] - x) * (q[:, 2] - z) - (p[:, 2] - z) * (q[:, 0] - x)

    w = np.stack([twice_area(b, c), twice_area(c, a), twice_area(a, b)], axis=1)
    hit = (w > 0).all(axis=1) | (w < 0).all(axis=1)
    w = w[hit] / w[hit].sum(axis=1, keepdims=True)
    y = w[:, 0] * a[hit, 1] + w[:, 1] * b[hit, 1] + w[:, 2] * c[hit, 1]
    return np.sort(y)[::-1]


def test_both_lifters_are_lifters() -> None:
    assert isinstance(ReliefLifter(), Lifter)
    assert isinstance(BillboardLifter(), Lifter)


@pytest.mark.parametrize("with_depth", [False, True])
@pytest.mark.parametrize("name", list(MAKERS))
def test_every_mesh_is_closed_and_obeys_the_contract(name: str, with_depth: bool) -> None:
    result = lifted(name, with_depth)
    mesh = result.mesh
    assert result.watertight
    assert is_watertight(mesh.vertices, mesh.faces)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    np.testing.assert_allclose(low + high, 0, atol=1e-9)
    assert (high - low).max() == pytest.approx(1)
    rotation = result.crop_from_lift[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    side = mesh.texture.shape[0]
    assert mesh.texture.shape == (side, side, 3)
    assert side & (side - 1) == 0
    assert side <= 1024
    assert 100 < len(mesh.faces) <= ReliefConfig().max_faces
    assert (result.metres_per_unit is not None) == with_depth


@pytest.mark.parametrize("name", list(MAKERS))
def test_volume_is_inside_the_surface(name: str) -> None:
    from scene3d.clean import volume

    assert volume(lifted(name).mesh.vertices, lifted(name).mesh.faces) > 0


@pytest.mark.parametrize("with_depth", [False, True])
@pytest.mark.parametrize("name", list(MAKERS))
def test_the_crop_camera_sees_the_mask_again(name: str, with_depth: bool) -> None:
    assert silhouette_iou(lifted(name, with_depth), photo_of(name)) > IOU[name]


@pytest.mark.parametrize("with_depth", [False, True])
@pytest.mark.parametrize("name", list(MAKERS))
def test_nothing_but_flat_things_is_a_sticker(name: str, with_depth: bool) -> None:
    result = lifted(name, with_depth)
    width, height, depth = np.ptp(result.mesh.vertices, axis=0)
    if result.flat:
        assert name == "plate"
        assert height < 0.2
    else:
        assert depth >= 0.15 * width


@pytest.mark.parametrize("name", ["ball", "vase", "cup", "box", "plate"])
def test_shape_is_much_closer_to_the_truth_than_a_billboard(name: str) -> None:
    item, truth = photo_of(name), MAKERS[name]()
    ours, flat = chamfer(lifted(name), item, truth), chamfer(BillboardLifter().lift(item), item, truth)
    assert ours < 0.3 * flat
    assert ours < 0.03


@pytest.mark.parametrize("name", list(MAKERS))
def test_metric_depth_is_reproduced_where_the_photo_shows_the_object(name: str) -> None:
    item, result = photo_of(name, with_depth=True), lifted(name, True)
    assert item.depth is not None
    assert result.metres_per_unit is not None
    seen, z = reprojected(result, item)
    both = seen & np.isfinite(item.depth)
    error = np.abs(z[both] * result.metres_per_unit - item.depth[both])
    assert np.median(error) < 0.01  # 2 % of an object of half a metre
    assert np.quantile(error, 0.8) < 0.025


def test_metric_size_is_that_of_the_solid() -> None:
    for name in ("vase", "box", "ball"):
        truth = np.ptp(MAKERS[name]().vertices, axis=0) * 0.5
        metres = lifted(name, True).metres_per_unit
        assert metres is not None
        np.testing.assert_allclose(np.ptp(lifted(name, True).mesh.vertices, axis=0) * metres, truth, rtol=0.12, atol=0.01)


def test_a_revolved_vase_has_the_true_radius_at_every_height() -> None:
    vertices = lifted("vase").mesh.vertices
    assert lifted("vase").method == "revolve"
    y = vertices[:, 1] / np.ptp(vertices[:, 1])  # the true vase is 1 high
    radius = np.hypot(vertices[:, 0], vertices[:, 2]) / np.ptp(vertices[:, 1])
    side = np.abs(y) < 0.46  # not its caps
    truth = np.interp(y[side], VASE[1:-1, 1], VASE[1:-1, 0])
    assert np.abs(radius[side] - truth).mean() < 0.01


def test_an_open_cup_has_a_cavity_with_contents_and_a_bottom() -> None:
    result = lifted("cup")
    assert result.method == "revolve(open)"
    vertices = result.mesh.vertices
    rim, base = vertices[:, 1].max(), vertices[:, 1].min()
    left = vertices[:, 0].min()
    height = rim - base
    axis_x = left + 0.5 * height  # the true cup is as wide as high
    crossings = vertical_hits(result, axis_x, 0.003)
    assert len(crossings) == 2
    assert 0.08 * height < rim - crossings[0] < 0.5 * height
    assert crossings[1] == pytest.approx(base, abs=0.02)


def test_wall_and_contents_lie_where_the_photo_shows_their_edges() -> None:
    from scene3d.relief.fields import outline_of
    from scene3d.relief.opening import fill_level, wall_thickness
    from scene3d.relief.profile import Profile
    from scene3d.relief.view import View

    item = photo_of("cup")
    outline = outline_of(item.rgba[..., 3] / 255)
    unit = outline.side_px * 3.2 / item.focal_px  # mesh units per work unit
    view = View(item.focal_px, 224, item.elevation_deg, item.focal_px / outline.side_px)
    heights = np.linspace(-0.4, 0.4, 30) / unit
    profile = Profile(0.0, heights, np.linspace(0.35, 0.4, 30) / unit, heights[0], heights[-1])
    rgb = item.rgba[..., :3]
    assert wall_thickness(rgb, profile, view) * unit == pytest.approx(0.03, abs=0.015)
    assert fill_level(rgb, profile, view, 0.03 / unit, 0.6) * unit == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("told", [30.0, 32.0, 38.0, 40.0])
def test_a_cup_is_seen_from_where_its_near_rim_lies_in_the_photo(told: float) -> None:
    result = ReliefLifter().lift(replace(photo_of("cup"), elevation_deg=told))
    found = np.degrees(np.arctan2(result.crop_from_lift[1, 2], -result.crop_from_lift[1, 1]))
    assert result.method == "revolve(open)"
    assert found == pytest.approx(35.0, abs=2.5)


def test_a_handle_keeps_its_hole() -> None:
    seen, _ = reprojected(lifted("cup"), photo_of("cup"))
    from scipy import ndimage as ndi

    assert (ndi.binary_fill_holes(seen) & ~seen).sum() > 50


def test_a_chair_gets_no_second_back() -> None:
    result = lifted("chair", True)
    assert "c2" not in result.method
    upper = result.mesh.vertices[result.mesh.vertices[:, 1] > 0.2]
    assert np.ptp(upper[:, 2]) < 0.45 * np.ptp(result.mesh.vertices[:, 2])


def test_a_plate_lies_on_its_bottom() -> None:
    result = lifted("plate")
    assert result.flat
    width, height, depth = np.ptp(result.mesh.vertices, axis=0)
    assert height < 0.15
    assert depth == pytest.approx(width, rel=0.1)


def test_a_box_stands_as_deep_as_it_looks() -> None:
    result = lifted("box")
    assert result.method == "block"
    size, truth = np.ptp(result.mesh.vertices, axis=0), np.ptp(MAKERS["box"]().vertices, axis=0)
    np.testing.assert_allclose(size / size[1], truth / truth[1], rtol=0.25)


def test_the_front_of_the_texture_is_the_photo() -> None:
    item, result = photo_of("box"), lifted("box")
    side = item.rgba.shape[0]
    p = in_crop(result)
    uv = p[:, :2] / p[:, 2:] * item.focal_px + side / 2
    _, z = reprojected(result, item)
    column, row = np.clip(uv.astype(int), 0, side - 1).T
    shown = np.abs(z[row, column] - p[:, 2]) < 0.01
    texel = np.clip((result.mesh.uv * result.mesh.texture.shape[0]).astype(int), 0, result.mesh.texture.shape[0] - 1)
    ours = result.mesh.texture[texel[:, 1], texel[:, 0]].astype(int)
    off = np.abs(ours - item.rgba[row, column, :3].astype(int)).max(axis=1)
    assert shown.sum() > 300
    assert np.median(off[shown]) <= 3


def test_edges_of_the_texture_are_free_of_the_background() -> None:
    item = photo_of("ball")
    rgba = item.rgba.copy()
    mask = rgba[..., 3] > 127
    rgba[mask, :3], rgba[~mask, :3] = (200, 40, 30), (255, 255, 255)
    result = ReliefLifter().lift(replace(item, rgba=rgba))
    used = np.clip((result.mesh.uv * result.mesh.texture.shape[0]).astype(int), 0, result.mesh.texture.shape[0] - 1)
    colors = result.mesh.texture[used[:, 1], used[:, 0]].astype(int)
    assert np.abs(colors - [200, 40, 30]).max() <= 4


def test_the_same_input_gives_the_same_mesh() -> None:
    for name, with_depth in (("cup", False), ("chair", True)):
        again, first = ReliefLifter().lift(photo_of(name, with_depth=with_depth), seed=0), lifted(name, with_depth)
        np.testing.assert_array_equal(again.mesh.vertices, first.mesh.vertices)
        np.testing.assert_array_equal(again.mesh.texture, first.mesh.texture)


def test_the_face_budget_is_respected() -> None:
    from scene3d.texture import TextureConfig

    small = ReliefConfig(max_faces=1200, texture=TextureConfig(max_size=128))
    result = ReliefLifter(small).lift(photo_of("man"))
    assert len(result.mesh.faces) <= 1200
    assert result.mesh.texture.shape == (128, 128, 3)
    assert result.watertight


@pytest.mark.parametrize("lifter", [ReliefLifter(), BillboardLifter()], ids=["relief", "billboard"])
def test_an_empty_mask_fails_with_a_reason(lifter: Lifter) -> None:
    empty = replace(photo_of("man"), rgba=np.zeros((224, 224, 4), np.uint8))
    with pytest.raises(ObjectFailed, match="mask"):
        lifter.lift(empty)


@pytest.mark.parametrize("with_depth", [False, True])
def test_a_body_cut_by_the_photo_ends_in_a_flat_cut(with_depth: bool) -> None:
    whole = photo_of("man", with_depth=with_depth)
    rgba = whole.rgba.copy()
    rgba[112:] = 0  # the photo ends at the belly
    item = replace(whole, rgba=rgba, visible=rgba[..., 3] > 127, truncated=True)
    depths = []
    for truncated in (True, False):
        vertices = ReliefLifter().lift(replace(item, truncated=truncated)).mesh.vertices
        low = vertices[vertices[:, 1] < vertices[:, 1].min() + 0.12]
        low = low[np.abs(low[:, 0]) < 0.1]  # the trunk, not the arms
        depths.append(np.ptp(low[:, 2]))
    assert depths[0] > 1.05 * depths[1]


NAMES = ("thing", "cup", "box", "plate", "chair", "bottle", "apple", "spoon")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    mask=hnp.arrays(bool, (9, 9)),
    name=st.sampled_from(NAMES),
    elevation=st.floats(-30, 89),
    depth=st.booleans(),
    border=st.integers(0, 4),
)
def test_any_mask_is_lifted_or_at_least_becomes_a_billboard(
    mask: np.ndarray, name: str, elevation: float, depth: bool, border: int
) -> None:
    big = np.pad(np.kron(mask, np.ones((7, 7), bool)), border)
    rng = np.random.default_rng(0)
    rgba = np.dstack([rng.integers(0, 255, (*big.shape, 3)), 255 * big]).astype(np.uint8)
    z = (2 + 0.1 * rng.standard_normal(big.shape)).astype(np.float32) if depth else None
    item = LiftInput(1, name, rgba, big, z, 120.0, elevation, np.eye(3))
    if not big.any():
        return
    plate = BillboardLifter().lift(item)
    assert plate.watertight
    assert np.isfinite(plate.mesh.vertices).all()
    result = ReliefLifter(ReliefConfig(cells=32, thin_cells=40, max_faces=3000)).lift(item)
    assert result.watertight
    assert np.isfinite(result.mesh.vertices).all()
    assert np.isfinite(result.mesh.uv).all()


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_a_billboard_is_made_from_any_pixel(size: int) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[10 : 10 + size, 20 : 20 + size] = 255
    result = BillboardLifter().lift(LiftInput(1, "x", rgba, rgba[..., 3] > 0, None, 100.0, 10.0, np.eye(3)))
    assert result.watertight
    assert silhouette_iou(result, LiftInput(1, "x", rgba, rgba[..., 3] > 0, None, 100.0, 10.0, np.eye(3))) > 0.2
