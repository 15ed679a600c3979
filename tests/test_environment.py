"""Floor and backdrop: the photo's camera sees the background again, and from the side nothing is open or in the way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paco_core.camera import pixel_rays
from paco_core.masks import dilate
from paco_core.types import DepthMap
from scene3d.backdrop import JUMP, SHELL_COLUMNS, build_backdrop
from scene3d.environment import build_environment
from scene3d.extend import extend, power_of_two, pull_push
from scene3d.render import FLAT_SHADING, orbit_camera, render_scene
from scene3d.surroundings import find_surroundings
from scene3d.types import RenderedView, Scene, TexturedMesh
from tests.deocclusions import BOX_M, EYE_M, H, W, ground, make_deocclusion, pose
from tests.scenes import make_box, make_scene

PITCH = 15.0


def build(pitch_deg: float = PITCH, **room):
    deocclusion = make_deocclusion(pitch_deg=pitch_deg, **room)
    scale = 1.0 if deocclusion.depth.kind == "metric" else EYE_M
    return deocclusion, *build_environment(deocclusion, ground(pitch_deg), pose(pitch_deg), scale, BOX_M)


def scene_of(deocclusion, floor, backdrop, pitch_deg: float = PITCH) -> Scene:
    """The surroundings, with an object too small to hide anything where the box stands."""
    template = make_scene()
    speck = replace(template.objects[0], mesh=make_box((1e-4, 1e-4, 1e-4)))
    middle = replace(speck.world_from_object, translation=BOX_M.mean(axis=0))
    return replace(
        template,
        camera=deocclusion.camera,
        world_from_camera=pose(pitch_deg),
        objects=(replace(speck, world_from_object=middle),),
        floor=floor,
        backdrop=backdrop,
    )


def look(scene: Scene, yaw_deg: float = 0.0) -> RenderedView:
    return render_scene(scene, scene.camera, orbit_camera(scene, yaw_deg), shading=FLAT_SHADING)


@pytest.fixture(scope="module")
def room():
    return build()


@pytest.mark.parametrize("case", [{}, {"pillar_m": 3.5}, {"kind": "relative"}])
def test_the_photos_camera_sees_the_background_again(case):
    deocclusion, floor, backdrop = build(**case)
    view = look(scene_of(deocclusion, floor, backdrop))
    assert (view.ids >= 0).mean() > 0.999
    error = np.abs(view.rgb.astype(float) - deocclusion.background.rgb).mean(axis=-1)
    assert np.median(error) < 1.5 and error.mean() < 3.0


def test_floor_pixels_come_back_from_the_floor_alone(room):
    deocclusion, floor, _ = room
    view = look(scene_of(deocclusion, floor, None))
    around = find_surroundings(deocclusion, pose(PITCH), 1.0, BOX_M)
    inner = around.is_floor & (np.indices((H, W))[0] > H // 2)
    assert inner.mean() > 0.3
    assert np.abs(view.rgb[inner].astype(float) - deocclusion.background.rgb[inner]).mean() < 1.5


def test_the_depth_behind_everything_is_the_rooms(room):
    deocclusion, floor, backdrop = room
    view = look(scene_of(deocclusion, floor, backdrop))
    rays = pixel_rays(deocclusion.camera) @ pose(PITCH)[:3, :3].T
    truth = np.minimum(np.where(rays[..., 1] < 0, EYE_M / np.maximum(-rays[..., 1], 1e-9), np.inf), 5.0 / -rays[..., 2])
    open_view = ~dilate(deocclusion.segmentation.masks.any(axis=0), 5)  # behind objects there is room for their backs
    off = np.abs(view.z / truth - 1)[open_view]
    assert np.median(off) < 0.002 and np.quantile(off, 0.98) < 0.03  # the foot of a wall is floor up to 1.5 % of its distance


def test_the_backdrop_is_never_in_front_of_an_object(room):
    deocclusion, floor, backdrop = room
    mask = deocclusion.segmentation.masks.any(axis=0)
    view = look(scene_of(deocclusion, floor, backdrop))
    above_foot = mask & (deocclusion.depth.z < 0.97 * view.z)
    assert (view.z[mask] > 0.97 * deocclusion.depth.z[mask]).all()  # at the foot the floor is as near as the box
    assert above_foot.sum() > 0.6 * mask.sum()


@pytest.mark.parametrize("yaw", [-30.0, 30.0])
@pytest.mark.parametrize(
    "case",
    [
        {},
        {"pillar_m": 3.5},
        {"kind": "relative"},
        {"pitch_deg": 35.0, "wall_m": None, "kind": "relative"},
        {"pitch_deg": 35.0, "wall_m": None},
    ],
)
def test_a_walk_of_30_degrees_meets_no_gap_below_the_horizon(case, yaw):
    deocclusion, floor, backdrop = build(**case)
    scene = scene_of(deocclusion, floor, backdrop, case.get("pitch_deg", PITCH))
    view = look(scene, yaw)
    down = (pixel_rays(scene.camera) @ orbit_camera(scene, yaw)[:3, :3].T)[..., 1] < -0.02
    assert (view.ids[down] >= 0).mean() > 0.998


def test_without_metric_depth_the_backdrop_stands_upright_where_the_floor_ends():
    _, floor, backdrop = build(kind="relative")
    assert floor is not None and backdrop is not None
    inside = (np.abs(backdrop.vertices[:, 0]) < 2) & (backdrop.vertices[:, 1] > 0)
    depths = -backdrop.vertices[inside, 2]
    assert np.ptp(depths) < 0.05 * depths.mean() and abs(depths.min() - 5.0) < 0.15
    assert -floor.vertices[:, 2].min() > depths.min()


def test_a_camera_that_looks_down_sees_floor_alone():
    _, floor, backdrop = build(pitch_deg=45.0, wall_m=None)
    assert floor is not None and backdrop is None


def test_a_wall_alone_makes_no_floor():
    deocclusion = make_deocclusion(pitch_deg=0.0, wall_m=1.6)
    floor, backdrop = build_environment(deocclusion, ground(0.0), pose(0.0), 1.0, BOX_M + np.array([0, 0, 1.4]))
    assert floor is None and backdrop is not None


def test_depth_that_is_nowhere_valid_still_gives_surroundings():
    deocclusion = make_deocclusion()
    nothing = DepthMap(np.ones((H, W), np.float32), np.zeros((H, W), bool), "metric", "file")
    floor, backdrop = build_environment(replace(deocclusion, depth=nothing), ground(PITCH), pose(PITCH), 1.0, BOX_M)
    assert floor is not None and backdrop is not None


def camera_z(vertices: np.ndarray) -> np.ndarray:
    return ((vertices - pose(PITCH)[:3, 3]) @ pose(PITCH)[:3, :3])[:, 2]


def test_things_that_stand_apart_are_torn_not_stretched():
    _, _, backdrop = build(pillar_m=3.0)
    relief = backdrop.uv[backdrop.faces][..., 1].max(axis=1) < 0.5  # the upper half of the texture
    z = camera_z(backdrop.vertices)[backdrop.faces[relief]]
    assert (z.max(axis=1) / z.min(axis=1)).max() < 1.3 * JUMP
    assert z.min() < 3.3 and z.max() > 4.7


def test_triangles_face_the_photos_camera(room):
    for mesh in room[1:]:
        a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
        facing = np.einsum("fk,fk->f", np.cross(b - a, c - a), pose(PITCH)[:3, 3] - (a + b + c) / 3)
        assert (facing > 0).mean() > 0.999


def test_surroundings_stay_within_their_budget(room):
    _, floor, backdrop = room
    assert len(floor.faces) + len(backdrop.faces) <= 30_000
    for mesh in (floor, backdrop):
        assert all(side & (side - 1) == 0 and side <= 2048 for side in mesh.texture.shape[:2])
        assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
        assert np.isfinite(mesh.vertices).all()
    assert (floor.vertices[:, 1] == 0).all()


def test_the_same_photo_gives_the_same_surroundings(room):
    def parts(mesh: TexturedMesh):
        return mesh.vertices, mesh.faces, mesh.uv, mesh.texture

    for old, new in zip(room[1:], build()[1:], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(parts(old), parts(new), strict=True))


def test_the_scale_of_relative_depth_scales_the_room():
    deocclusion = make_deocclusion(kind="relative")
    sizes = []
    for scale in (EYE_M, 2 * EYE_M):
        stretched = pose(PITCH)
        stretched[:3, 3] *= scale / EYE_M
        floor, _ = build_environment(deocclusion, ground(PITCH), stretched, scale, BOX_M * scale / EYE_M)
        assert floor is not None
        sizes.append(np.ptp(floor.vertices, axis=0)[[0, 2]])
    assert np.allclose(sizes[1], 2 * sizes[0], rtol=1e-6)


def test_a_tall_photo_gets_its_textures_side_by_side(room):
    deocclusion = room[0]
    around = find_surroundings(deocclusion, pose(PITCH), 1.0, BOX_M)
    turned = replace(
        around,
        rgb=np.ascontiguousarray(around.rgb[:, 50:130]),
        generated=np.ascontiguousarray(around.generated[:, 50:130]),
        rays=np.ascontiguousarray(around.rays[:, 50:130]),
        floor_z=np.ascontiguousarray(around.floor_z[:, 50:130]),
        wall_z=np.ascontiguousarray(around.wall_z[:, 50:130]),
        is_floor=np.ascontiguousarray(around.is_floor[:, 50:130]),
        camera=replace(around.camera, width=80, cx=around.camera.cx - 50),
    )
    backdrop = build_backdrop(turned)
    assert backdrop.texture.shape[:2] == (256, 256)
    assert len(backdrop.vertices) > SHELL_COLUMNS


colours = hnp.arrays(
    np.float32, st.tuples(st.integers(2, 20), st.integers(2, 20), st.just(3)), elements=st.floats(0, 255, width=32)
)


@settings(max_examples=40, deadline=None)
@given(colours, st.integers(0, 2**31), st.floats(1.0, 50.0))
def test_extending_keeps_what_is_known_and_invents_no_new_extremes(rgb, seed, fade):
    known = np.random.default_rng(seed).random(rgb.shape[:2]) < 0.4
    filled = extend(rgb, known, known, fade_px=fade)
    assert filled.shape == rgb.shape and np.isfinite(filled).all()
    assert np.array_equal(filled[known], rgb[known])
    if known.any():
        assert filled.min() >= rgb[known].min() - 0.01 and filled.max() <= rgb[known].max() + 0.01


def test_beyond_the_border_nothing_with_a_shape_goes_on():
    lines = np.full((64, 256, 3), 120.0, np.float32)
    lines[::16, :128] = 240.0  # they end at the border
    known = np.zeros((64, 256), bool)
    known[:, :128] = True
    filled = extend(lines, known, known, fade_px=40)
    assert np.ptp(filled[:, 140:, 0].mean(axis=1)) < 12
    assert abs(filled[:, 250:].mean() - 120.0) < 10


def test_the_colour_at_the_border_goes_on_without_a_step():
    ramp = np.repeat(np.linspace(60, 180, 256, dtype=np.float32)[None, :, None], 64, axis=0).repeat(3, axis=2)
    known = np.zeros((64, 256), bool)
    known[:, :128] = True
    filled = extend(ramp, known, known, fade_px=60)
    assert np.abs(np.diff(filled[:, 120:160], axis=1)).max() < 6


def test_pull_push_of_a_constant_is_constant():
    known = np.zeros((33, 17), bool)
    known[3, 4] = True
    assert np.allclose(pull_push(np.full((33, 17, 3), 7.0, np.float32), known), 7.0)
    assert np.allclose(pull_push(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), bool)), 128.0)


@pytest.mark.parametrize(("size", "expected"), [(1, 16), (500, 512), (512, 512), (560, 512), (600, 1024), (9000, 2048)])
def test_powers_of_two(size, expected):
    assert power_of_two(size, 2048) == expected
