"""Placement with meshes and answers that are known ("oracle lift")."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.boundary import BoundaryOrder
from paco_core.camera import estimate_camera, pixel_rays, up_of_pitch
from paco_core.occlusion import find_occlusions
from paco_core.types import Background, CompleteObject, Deocclusion, DepthMap, Photo, Segmentation
from scene3d import contact
from scene3d.assemble import Placement, assemble
from scene3d.lift import prepare_lift
from scene3d.place import place
from scene3d.rays import RayMesh
from scene3d.render import render_scene
from scene3d.silhouette import fit_of, make_target
from scene3d.transforms import apply, similarity, world_from_camera
from scene3d.types import Ground, LiftedMesh, TexturedMesh

HW = (240, 320)
CAMERA = estimate_camera(Photo(np.zeros((*HW, 3), np.uint8), "p", "0"))
UP = up_of_pitch(20.0)
HEIGHT = 1.5
GROUND = Ground(UP, HEIGHT, "truth", 1.0)
WORLD = world_from_camera(GROUND, 1.0)


def block(size) -> tuple[np.ndarray, np.ndarray]:
    """A box with its bottom-centre at the origin."""
    w, h, d = size
    v = np.array([[x, y, z] for x in (-w / 2, w / 2) for y in (0, h) for z in (-d / 2, d / 2)])
    f = np.array(
        [
            [0, 1, 3],
            [0, 3, 2],
            [4, 6, 7],
            [4, 7, 5],
            [0, 4, 5],
            [0, 5, 1],
            [2, 3, 7],
            [2, 7, 6],
            [0, 2, 6],
            [0, 6, 4],
            [1, 5, 7],
            [1, 7, 3],
        ]
    )
    return v, f


def stage(*blocks, noise=0.0, kind="metric"):
    """Blocks ((w, h, d), (x, y, z of the foot), yaw°) in the world; returns the deocclusion and the true world vertices."""
    camera_from_world = np.linalg.inv(WORLD)
    rays = pixel_rays(CAMERA)
    floor = np.where(rays @ UP < -1e-3, -HEIGHT / np.minimum(rays @ UP, -1e-3), 20.0)
    z, owner, truth, whole = np.minimum(floor, 20.0), np.zeros(HW, int), [], []
    for k, (size, foot, yaw) in enumerate(blocks):
        v, f = block(size)
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        v = v @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T + foot
        hits = RayMesh(apply(camera_from_world, v), f).render(CAMERA.K, np.eye(4), HW)
        owner[hits.z < z] = k + 1
        z = np.minimum(z, hits.z)
        truth.append((v, f))
        whole.append(hits.mask)
    z = z * (1 + np.random.default_rng(1).normal(0, noise, HW))
    photo = Photo(np.full((*HW, 3), 128, np.uint8), "p", "0")
    ids = tuple(range(1, len(blocks) + 1))
    segmentation = Segmentation(ids, tuple(f"box {i}" for i in ids), np.array([owner == i for i in ids]))
    depth = DepthMap(z.astype(np.float32), np.ones(HW, bool), kind, "truth")
    occlusion = find_occlusions(photo, segmentation, depth, BoundaryOrder())
    objects = tuple(
        CompleteObject(
            i,
            f"box {i}",
            np.dstack([photo.rgb, np.where(m, 255, 0).astype(np.uint8)]),
            segmentation.mask(i),
            (0, 0, HW[1], HW[0]),
            occlusion.layer(i),
            (),
            "truth",
            "truth",
        )
        for i, m in zip(ids, whole, strict=True)
    )
    return Deocclusion(photo, segmentation, CAMERA, depth, occlusion, objects, Background(photo.rgb, owner > 0, "none")), truth


def oracle(item, world_vertices, faces, metric=True, lean_deg=0.0) -> LiftedMesh:
    """The true mesh, handed over as a lift backend would."""
    upright = world_vertices  # the world's axes are upright, and the crop's azimuth is found from the camera's place
    towards = WORLD[:3, 3] - upright.mean(axis=0)
    z = np.array([towards[0], 0, towards[2]]) / np.hypot(towards[0], towards[2])
    lift_axes_in_world = np.stack([np.cross([0, 1, 0], z), [0, 1, 0], z])
    turned = upright @ lift_axes_in_world.T
    centre, size = (turned.max(0) + turned.min(0)) / 2, np.ptp(turned, axis=0).max()
    a = np.radians(lean_deg)
    lean = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    world_from_lift = similarity(lift_axes_in_world.T @ lean, lift_axes_in_world.T @ centre, size)
    crop_from_lift = similarity(item.camera_from_crop.T, np.zeros(3)) @ np.linalg.inv(WORLD) @ world_from_lift
    crop_from_lift[:3] /= size
    mesh = TexturedMesh((turned - centre) / size @ lean, faces, np.zeros((len(turned), 2)), np.full((4, 4, 3), 128, np.uint8))
    return LiftedMesh(mesh, crop_from_lift, size if metric else None, "oracle", True)


def put(deocclusion, truth, **kw):
    items = tuple(prepare_lift(o, CAMERA, deocclusion.depth, GROUND) for o in deocclusion.objects)
    lifted = tuple(oracle(i, *t, metric=deocclusion.depth.kind == "metric", **kw) for i, t in zip(items, truth, strict=True))
    return place(deocclusion, items, lifted, GROUND, lambda sizes, height: (2.0 / height, "camera height"))


SCENE = (((0.5, 0.6, 0.4), (-0.4, 0, -3.0), 30), ((0.6, 0.9, 0.5), (0.1, 0, -3.8), -20), ((0.3, 0.4, 0.3), (0.9, 0, -2.6), 10))


def world_vertices(placed):
    return apply(placed.world_from_object.matrix, placed.mesh.vertices)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_true_meshes_land_where_they_were(noise):
    deocclusion, truth = stage(*SCENE, noise=noise)
    placed, metres, _ = put(deocclusion, truth)
    assert metres == 1.0
    for item, (v, _) in zip(placed, truth, strict=True):
        assert np.linalg.norm(world_vertices(item) - v, axis=1).mean() < 0.05
        assert item.size_m[1] == pytest.approx(np.ptp(v[:, 1]), rel=0.05)
        assert item.iou_visible > 0.93


def test_every_object_on_the_floor_touches_it():
    deocclusion, truth = stage(*SCENE, noise=0.02)
    for item in put(deocclusion, truth)[0]:
        assert item.support == "floor"
        assert abs(np.quantile(world_vertices(item)[:, 1], 0.02)) < 0.01


def test_an_object_on_a_table_rests_on_it():
    deocclusion, truth = stage(((1.0, 0.7, 0.8), (0, 0, -3.2), 15), ((0.2, 0.3, 0.2), (0.1, 0.7, -3.1), 0))
    table, vase = put(deocclusion, truth)[0]
    assert (table.support, vase.support, vase.support_id) == ("floor", "object", table.id)
    assert world_vertices(vase)[:, 1].min() == pytest.approx(0.7, abs=0.02)


def test_a_box_on_a_shelf_that_is_no_object_stays_where_its_depth_says():
    deocclusion, truth = stage(((0.3, 0.3, 0.3), (0.1, 1.1, -3.1), 0))
    (box,) = put(deocclusion, truth)[0]
    assert box.support == "background"
    assert world_vertices(box)[:, 1].min() == pytest.approx(1.1, abs=0.03)


def test_without_metric_depth_a_lamp_on_the_ceiling_hangs():
    deocclusion, truth = stage(SCENE[0], ((0.3, 0.3, 0.3), (0.2, 1.3, -3.2), 0), kind="relative")
    box, lamp = put(deocclusion, truth)[0]
    assert (box.support, lamp.support) == ("floor", "background")
    assert 2.0 < -lamp.world_from_object.translation[2] / (2.0 / 1.5) < 4.5


def test_without_metric_depth_contact_alone_gives_the_distance():
    deocclusion, truth = stage(SCENE[0], SCENE[2], kind="relative")
    wrong = DepthMap(deocclusion.depth.z * np.float32(1.3), deocclusion.depth.valid, "relative", "wrong")
    deocclusion = Deocclusion(
        *[getattr(deocclusion, n) for n in ("photo", "segmentation", "camera")],
        wrong,
        deocclusion.occlusion,
        deocclusion.objects,
        deocclusion.background,
    )
    placed, metres, source = put(deocclusion, truth)
    assert (metres, source) == (pytest.approx(2.0 / 1.5), "camera height")
    for item, (v, _) in zip(placed, truth, strict=True):
        assert np.linalg.norm(world_vertices(item) / metres - v, axis=1).mean() < 0.05


@pytest.mark.parametrize("kind", ["metric", "relative"])
def test_an_object_whose_foot_is_hidden_reaches_down_to_the_floor(kind):
    """The completed mask ends where the occluder begins, as a cautious completer leaves it; so does the mesh."""
    front, behind = ((0.9, 0.5, 0.4), (0, 0, -2.4), 0), ((0.4, 1.0, 0.4), (0, 0, -3.2), 0)
    deocclusion, truth = stage(front, behind, kind=kind)
    seen = deocclusion.objects[1].visible
    cut = replace(deocclusion.objects[1], rgba=np.dstack([deocclusion.photo.rgb, np.where(seen, 255, 0).astype(np.uint8)]))
    deocclusion = replace(deocclusion, objects=(deocclusion.objects[0], cut))
    v, f = truth[1]
    lowest_seen = 0.45  # where the line of sight over the front block meets the one behind
    truth[1] = (np.column_stack([v[:, 0], np.maximum(v[:, 1], lowest_seen), v[:, 2]]), f)
    placed, metres, _ = put(deocclusion, truth)
    assert placed[1].support == "floor"
    height = world_vertices(placed[1])[:, 1]
    assert abs(height.min()) < 0.01 * metres
    if kind == "metric":
        assert height.max() == pytest.approx(1.0, abs=0.05)


def test_without_metric_depth_what_the_photo_shows_is_seen():
    """A box on a large one, lifted as if it stood on the floor behind: the photo's pixels win."""
    deocclusion, truth = stage(((1.2, 0.8, 0.8), (0, 0, -3.2), 0), ((0.3, 0.25, 0.2), (0.1, 0.45, -2.75), 0), kind="relative")
    far = deocclusion.depth.z.copy()
    far[deocclusion.segmentation.mask(2)] *= 1.6
    placed, metres, _ = put(replace(deocclusion, depth=replace(deocclusion.depth, z=far)), truth)
    views = [
        RayMesh(world_vertices(o), o.mesh.faces).render(CAMERA.K, np.linalg.inv(world_from_camera(GROUND, metres)), HW).z
        for o in placed
    ]
    mask = deocclusion.segmentation.mask(2)
    assert (views[1] < views[0])[mask].mean() > 0.9
    assert (placed[1].support, placed[1].support_id) == ("object", 1)


def test_without_metric_depth_no_wall_stands_before_an_object_that_went_back():
    deocclusion, truth = stage(((0.3, 0.3, 0.3), (0.1, 1.1, -3.1), 0), SCENE[1], kind="relative")
    placed, metres, source = put(deocclusion, truth)
    eye = world_from_camera(GROUND, metres)[:3, 3]
    far = placed[0].world_from_object
    pose = replace(far, translation=eye + 3 * (far.translation - eye))
    gone = replace(placed[0], mesh=replace(placed[0].mesh, vertices=3 * placed[0].mesh.vertices), world_from_object=pose)
    scene = assemble(deocclusion, GROUND, Placement((gone, placed[1]), metres, source, ()))
    mask = deocclusion.segmentation.mask(1)
    shown = render_scene(scene, CAMERA, scene.world_from_camera, hw=HW).ids == 1
    assert shown[mask].mean() > 0.95


def test_the_order_of_the_steps_is_recorded_and_none_that_hurt_was_kept():
    deocclusion, truth = stage(*SCENE)
    for item in put(deocclusion, truth)[0]:
        assert [s.name for s in item.steps][:1] == ["crop camera"]
        assert all(s.energy_after < s.energy_before for s in item.steps if s.kept and "stretched" not in s.name)
    assert next(s for s in item.steps if s.name == "crop camera").kept  # the last block is far off the axis


def test_a_leaning_mesh_is_set_upright():
    deocclusion, truth = stage(SCENE[0])
    (item,) = put(deocclusion, truth, lean_deg=12.0)[0]
    assert (
        np.allclose(item.world_from_object.matrix[:3, 1], [0, 1, 0], atol=1e-6)
        or not next(s for s in item.steps if s.name == "gravity").kept
    )


def test_the_pivot_is_the_bottom_centre_of_the_box():
    deocclusion, truth = stage(*SCENE)
    for item in put(deocclusion, truth)[0]:
        low, high = item.mesh.vertices.min(0), item.mesh.vertices.max(0)
        assert np.allclose((low + high)[[0, 2]], 0, atol=1e-9) and low[1] == pytest.approx(0, abs=1e-9)


@given(st.floats(0.1, 1.2), st.floats(0.0, 0.5))
@settings(max_examples=25, deadline=None)
def test_moving_along_the_ray_keeps_the_silhouette_exactly(base, support):
    v, f = block((0.4, 0.5, 0.3))
    mesh = RayMesh(v, f)
    pose = np.linalg.inv(WORLD) @ similarity(np.eye(3), np.array([0.2, base, -3.0]))
    moved = contact.moved_along_ray(pose, base, support, GROUND)
    assert moved is not None
    assert contact.base_height(mesh, moved[0], GROUND) == pytest.approx(support, abs=1e-9)
    before, after = (mesh.render(CAMERA.K, p, (60, 80)).mask for p in (pose, moved[0]))
    assert (before != after).sum() <= 2


def test_what_an_occluder_hides_is_not_held_against_a_pose():
    deocclusion, truth = stage(*SCENE[:2])
    hidden = deocclusion.objects[1]
    assert hidden.hidden_fraction > 0.05
    target = make_target(hidden, deocclusion.segmentation, deocclusion.occlusion, deocclusion.depth, CAMERA)
    mesh = RayMesh(*truth[1])
    assert fit_of(target, mesh, np.linalg.inv(WORLD)).iou > 0.97


def test_a_crop_looks_straight_at_its_object_without_roll():
    deocclusion, _ = stage(*SCENE)
    item = prepare_lift(deocclusion.objects[2], CAMERA, deocclusion.depth, GROUND)
    rows, columns = np.nonzero(item.rgba[..., 3] > 127)
    side = item.rgba.shape[0]
    assert abs(rows.mean() - side / 2) < 0.1 * side and abs(columns.mean() - side / 2) < 0.1 * side
    up_in_crop = item.camera_from_crop.T @ UP
    assert up_in_crop[0] == pytest.approx(0, abs=1e-9) and up_in_crop[1] < 0
    assert item.elevation_deg == pytest.approx(np.degrees(np.arcsin(-up_in_crop[2])))


def test_relative_depth_never_reaches_a_lifter():
    deocclusion, _ = stage(SCENE[0], kind="relative")
    assert prepare_lift(deocclusion.objects[0], CAMERA, deocclusion.depth, GROUND).depth is None


def test_metric_depth_reaches_the_lifter_along_the_crops_axis():
    deocclusion, truth = stage(SCENE[2])
    item = prepare_lift(deocclusion.objects[0], CAMERA, deocclusion.depth, GROUND)
    side = item.rgba.shape[0]
    K = np.array([[item.focal_px, 0, side / 2], [0, item.focal_px, side / 2], [0, 0, 1]])
    crop_from_world = similarity(item.camera_from_crop.T, np.zeros(3)) @ np.linalg.inv(WORLD)
    hits = RayMesh(*truth[0]).render(K, crop_from_world, (side, side))
    both = np.isfinite(item.depth) & hits.mask
    assert both.sum() > 500
    assert np.median(np.abs(item.depth[both] - hits.z[both])) < 0.01
