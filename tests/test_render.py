"""Pictures of scenes that are small enough to know the answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from paco_core.types import Camera
from scene3d.render import FLAT_SHADING, SceneRenderer, Shading, orbit_camera, render_scene, sample_texture
from scene3d.synthetic.shapes import Piece, cuboid, turned
from scene3d.types import PlacedObject, Pose, Scene, TexturedMesh

CAMERA = Camera(200.0, 200.0, 80.0, 60.0, 160, 120)
EYE_HEIGHT = 1.0


def look(pitch_deg: float = 15.0) -> np.ndarray:
    """A camera 1 m above the origin that looks along -z and down."""
    s, c = np.sin(np.deg2rad(pitch_deg)), np.cos(np.deg2rad(pitch_deg))
    out = np.eye(4)
    out[:3, :3] = np.array([[1, 0, 0], [0, -c, -s], [0, s, -c]])
    out[1, 3] = EYE_HEIGHT
    return out


def plain(piece: Piece, rgb: tuple[int, int, int]) -> TexturedMesh:
    texture = np.tile(np.array(rgb, np.uint8), (2, 2, 1))
    return TexturedMesh(piece.vertices, piece.faces, np.full((len(piece.vertices), 2), 0.5), texture)


def placed(object_id: int, mesh: TexturedMesh, at: tuple[float, float, float]) -> PlacedObject:
    return PlacedObject(
        id=object_id, name="thing", mesh=mesh, world_from_object=Pose(np.array(at, float), np.array([1.0, 0, 0, 0])),
        support="floor", support_id=None, iou_visible=1.0, pose_confidence=1.0, steps=(), lift_method="truth",
        flat=False, watertight=True, layer=0, visible_fraction=1.0,
    )  # fmt: skip


FLOOR = TexturedMesh(
    np.array([[-5, 0, 1], [5, 0, 1], [5, 0, -9], [-5, 0, -9]], float),
    np.array([[0, 1, 2], [0, 2, 3]]),
    np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float),
    np.full((2, 2, 3), 180, np.uint8),
)


def scene_of(*objects: PlacedObject, floor: TexturedMesh | None = FLOOR) -> Scene:
    return Scene(
        name="s", photo_sha256="0", camera=CAMERA, world_from_camera=look(), objects=objects, floor=floor, backdrop=None,
        metric=True, scale_source="truth", depth_source="truth", gravity_source="truth",
    )  # fmt: skip


RED, BLUE = (200, 60, 50), (40, 80, 190)
TWO = scene_of(
    placed(3, plain(cuboid(0.5, 0.5, 0.5), RED), (0.1, 0, -3)), placed(7, plain(cuboid(1, 0.8, 0.4), BLUE), (0, 0, -4))
)


def upright_quad(texture: np.ndarray) -> TexturedMesh:
    """A square facing the viewer whose picture is upright: v = 0 at the top."""
    corners = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0.5, 1, 0], [-0.5, 1, 0]], float)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float)
    return TexturedMesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), uv, texture)


def test_row_zero_of_the_texture_is_up_and_column_zero_is_left():
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :, 0] = 255  # red in the upper half
    texture[:, :32, 2] = 255  # blue in the left half
    scene = scene_of(placed(1, upright_quad(texture), (0, 0.2, -3)), floor=None)
    view = render_scene(scene, CAMERA, look(), shading=FLAT_SHADING)
    rows, cols = np.nonzero(view.ids == 1)
    top, bottom, left, right = rows.min() + 3, rows.max() - 3, cols.min() + 3, cols.max() - 3
    assert view.rgb[top, left].tolist() == [255, 0, 255]
    assert view.rgb[top, right].tolist() == [255, 0, 0]
    assert view.rgb[bottom, left].tolist() == [0, 0, 255]
    assert view.rgb[bottom, right].tolist() == [0, 0, 0]


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_linear_ramp_is_sampled_without_error(u: float, v: float):
    ramp = np.zeros((8, 16, 3), np.uint8)
    ramp[..., 0] = np.arange(16) * 10
    ramp[..., 1] = np.arange(8)[:, None] * 20
    red, green, _ = sample_texture(ramp, np.array([[u, v]]))[0]
    assert red == pytest.approx(np.clip(u * 16 - 0.5, 0, 15) * 10)
    assert green == pytest.approx(np.clip(v * 8 - 0.5, 0, 7) * 20)


def test_the_nearer_object_hides_the_farther_and_the_sky_has_no_id():
    view = render_scene(TWO, CAMERA, look())
    assert set(np.unique(view.ids)) == {-1, 0, 3, 7}
    assert np.isinf(view.z[view.ids == -1]).all() and np.isfinite(view.z[view.ids >= 0]).all()
    alone = render_scene(scene_of(TWO.objects[1]), CAMERA, look())
    hidden = (alone.ids == 7) & (view.ids != 7)
    assert hidden.sum() > 100 and (view.ids[hidden] == 3).all()
    assert (view.z[hidden] < alone.z[hidden]).all()


def test_flat_shading_returns_the_texture_and_the_default_stays_near_it():
    flat, lit = render_scene(TWO, CAMERA, look(), shading=FLAT_SHADING), render_scene(TWO, CAMERA, look())
    for object_id, rgb in ((3, RED), (7, BLUE)):
        mask = flat.ids == object_id
        assert (flat.rgb[mask] == rgb).all()
        factor = lit.rgb[mask] / np.array(rgb)
        low, high = Shading().limits
        assert factor.min() > low - 0.02 and factor.max() < high + 0.02  # rounding to 8 bits
        assert np.ptp(factor[:, 0]) > 0.02, "faces of a box differ in brightness"


def test_the_floor_is_darker_at_an_object_and_untouched_far_from_it():
    view = render_scene(TWO, CAMERA, look())
    floor = view.ids == 0
    assert (view.rgb[floor].max(), view.rgb[115:, :10][floor[115:, :10]].min()) == (180, 180)
    base = np.nonzero((view.ids == 3).any(axis=1))[0].max() + 1
    assert view.rgb[base, 70:90].max() < 165


def test_a_scene_without_objects_is_a_picture_too():
    assert set(np.unique(render_scene(scene_of(), CAMERA, look()).ids)) == {-1, 0}
    assert (render_scene(scene_of(floor=None), CAMERA, look()).ids == -1).all()


def test_supersampling_mixes_colours_at_outlines_and_changes_no_id():
    renderer = SceneRenderer(TWO, FLAT_SHADING)
    once, twice = renderer.render(CAMERA, look()), renderer.render(CAMERA, look(), supersample=2)
    np.testing.assert_array_equal(once.ids, twice.ids)
    np.testing.assert_array_equal(once.z, twice.z)
    changed = (once.rgb != twice.rgb).any(axis=-1) & (once.ids >= 0)
    neighbours = np.zeros_like(changed)
    neighbours[1:-1, 1:-1] = np.any(
        [once.ids[1:-1, 1:-1] != np.roll(once.ids, s, a)[1:-1, 1:-1] for s in (1, -1) for a in (0, 1)], axis=0
    )
    assert changed.sum() > 50
    assert (changed & ~neighbours)[1:-1, 1:-1].mean() < 0.002


def test_another_picture_size_shows_the_same_view():
    large = render_scene(TWO, CAMERA, look(), hw=(240, 320), shading=FLAT_SHADING)
    small = render_scene(TWO, CAMERA, look(), shading=FLAT_SHADING)
    assert large.rgb.shape == (240, 320, 3)
    assert np.mean(large.ids[::2, ::2] == small.ids) > 0.97


def test_smooth_surfaces_are_shaded_smoothly():
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    ball = turned([(0.4 * float(np.cos(a)), 0.4 + 0.4 * float(np.sin(a))) for a in angle], 24)
    view = render_scene(scene_of(placed(1, plain(ball, (200, 200, 200)), (0, 0, -3))), CAMERA, look())
    inside = binary_erosion(view.ids == 1, iterations=3)
    steps = np.abs(np.diff(view.rgb[..., 0].astype(int), axis=1))[inside[:, 1:]]
    assert steps.max() <= 3 and np.ptp(view.rgb[inside]) > 20  # facets of 15 degrees would make steps of 8
    outline = (view.ids == 1) & ~inside
    assert view.rgb[outline].min() >= view.rgb[inside].min() - 8, "no dark rim where smooth normals turn away"


def test_orbit_by_nothing_is_the_pose_of_the_photo():
    np.testing.assert_array_equal(orbit_camera(TWO, 0), TWO.world_from_camera)


@settings(max_examples=30, deadline=None)
@given(st.floats(-60, 60), st.floats(-5, 40))
def test_orbit_keeps_every_object_in_the_frame_and_the_horizon_level(yaw: float, pitch: float):
    pose = orbit_camera(TWO, yaw, pitch)
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-12)
    assert abs(pose[1, 0]) < 1e-12, "the camera's right stays horizontal"
    if yaw == 0 and pitch == 0:
        return
    for obj in TWO.objects:
        points = (obj.mesh.vertices + obj.world_from_object.translation - pose[:3, 3]) @ pose[:3, :3]
        uv = (points @ CAMERA.K.T)[:, :2] / points[:, 2:]
        assert points[:, 2].min() > 0
        assert uv.min() > 0 and (uv < [CAMERA.width, CAMERA.height]).all()


def test_positive_yaw_walks_to_the_right_and_pitch_climbs():
    assert orbit_camera(TWO, 30)[0, 3] > 0.5 > -0.5 > orbit_camera(TWO, -30)[0, 3]
    assert orbit_camera(TWO, 0, 20)[1, 3] > EYE_HEIGHT + 0.5


def test_orbit_turns_about_the_objects_whatever_their_frame():
    """A scene moved sideways as a whole gives the same pictures."""
    shift = np.array([2.0, 0, 1.0])
    objects = tuple(
        replace(o, world_from_object=replace(o.world_from_object, translation=o.world_from_object.translation + shift))
        for o in TWO.objects
    )
    camera_pose = look()
    camera_pose[:3, 3] += shift
    moved = replace(TWO, objects=objects, world_from_camera=camera_pose)
    np.testing.assert_allclose(orbit_camera(moved, 25, 5)[:3, 3] - shift, orbit_camera(TWO, 25, 5)[:3, 3], atol=1e-12)


def test_specks_in_the_distance_are_no_reason_to_step_back():
    near = TWO.objects[0]
    one = replace(TWO, objects=(near,))
    far = [
        replace(near, id=k, world_from_object=replace(near.world_from_object, translation=np.array([k, 0, -60.0 - k])))
        for k in range(9, 14)
    ]
    crowd = replace(TWO, objects=(near, *far))
    for yaw in (-60, 30):
        np.testing.assert_allclose(orbit_camera(crowd, yaw), orbit_camera(one, yaw), atol=1e-9)


def test_floor_and_backdrop_are_seen_from_their_front_alone_and_objects_from_everywhere():
    wall = TexturedMesh(
        np.array([[-5, 0, -6], [5, 0, -6], [5, 4, -6], [-5, 4, -6]], float),
        FLOOR.faces,
        FLOOR.uv,
        np.full((2, 2, 3), 90, np.uint8),
    )
    scene = replace(scene_of(placed(3, plain(cuboid(0.5, 0.5, 0.5), RED), (0, 0, -3)), floor=FLOOR), backdrop=wall)
    behind = look(0.0) @ np.diag([-1.0, 1, -1, 1])  # looks along +z
    behind[:3, 3] = [0, 1, -9]
    renderer = SceneRenderer(scene, FLAT_SHADING)
    front, back = renderer.render(CAMERA, look(0.0)), renderer.render(CAMERA, behind)
    assert (front.rgb[40, 10] == 90).all() and front.ids[40, 10] == 0
    assert back.ids[20, 10] == -1 and (back.ids == 3).any()
    assert (back.rgb[back.ids == 0] == 180).all()  # the floor, through the wall
    under = look(0.0)
    under[1, 3] = -1.0
    assert not (renderer.render(CAMERA, under).rgb == 180).all(axis=-1).any()
