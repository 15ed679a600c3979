"""Rooms tell the truth: every map is checked against an independent computation."""

import hashlib
from itertools import combinations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from scipy.optimize import linprog

from paco_core.errors import BadInput
from scene3d.synthetic.patterns import PAIRS, random_pattern
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.shapes import FOR_FLOOR, FOR_TABLE
from scene3d.synthetic.truth import TrueObject, TrueScene

HW = (192, 256)
SEEDS = (0, 1, 2, 3, 5)


@pytest.fixture(scope="module")
def rooms() -> list[TrueScene]:
    return [make_room(seed, hw=HW) for seed in SEEDS]


def pixel_directions(room: TrueScene) -> np.ndarray:
    """(h, w, 3) in camera axes, z = 1."""
    v, u = np.mgrid[: room.camera.height, : room.camera.width] + 0.5
    x, y = (u - room.camera.cx) / room.camera.fx, (v - room.camera.cy) / room.camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def world_points(room: TrueScene) -> np.ndarray:
    points = pixel_directions(room) * room.depth.z[..., None].astype(float)
    return points @ room.world_from_camera[:3, :3].T + room.world_from_camera[:3, 3]


def separable(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether some line has all of a (n, 2) strictly on one side and all of b on the other (linear programming)."""
    rows = np.vstack([np.column_stack([-a, np.ones(len(a))]), np.column_stack([b, -np.ones(len(b))])])
    return linprog(np.zeros(3), A_ub=rows, b_ub=-np.ones(len(rows)), bounds=[(None, None)] * 3).status == 0


def apart(a: TrueObject, b: TrueObject) -> bool:
    """Separated by a horizontal plane (touching allowed) or by a vertical one."""
    (a_low, a_high), (b_low, b_high) = ((v.min(), v.max()) for v in (a.vertices[:, 1], b.vertices[:, 1]))
    if a_high <= b_low + 1e-9 or b_high <= a_low + 1e-9:
        return True
    return separable(a.vertices[:, [0, 2]], b.vertices[:, [0, 2]])


def test_a_back_projected_photo_has_its_floor_at_zero_and_nothing_below(rooms: list[TrueScene]):
    for room in rooms:
        height = world_points(room)[..., 1]
        assert height.min() > -1e-5
        on_floor = (height < 1e-5) & ~room.segmentation.masks.any(axis=0)
        assert on_floor.mean() > 0.15
        assert room.depth.valid.all() and room.depth.kind == "metric"


def test_boxes_have_the_depth_that_the_slab_method_computes(rooms: list[TrueScene]):
    checked = 0
    for room in rooms:
        directions = pixel_directions(room) @ room.world_from_camera[:3, :3].T
        for index, obj in enumerate(room.objects):
            if obj.name != "box":
                continue
            object_from_world = np.linalg.inv(obj.world_from_object.matrix)
            origin = object_from_world[:3, :3] @ room.world_from_camera[:3, 3] + object_from_world[:3, 3]
            d = directions @ object_from_world[:3, :3].T
            w, h, depth = obj.size_m
            low, high = np.array([-w / 2, 0, -depth / 2]), np.array([w / 2, h, depth / 2])
            t = np.stack([(low - origin) / d, (high - origin) / d])
            near, far = t.min(axis=0).max(axis=-1), t.max(axis=0).min(axis=-1)
            assert np.count_nonzero(room.amodal[index] != (near <= far)) <= 2
            seen = room.segmentation.masks[index]
            np.testing.assert_allclose(room.depth.z[seen], near[seen], atol=2e-3, rtol=1e-5)
            np.testing.assert_allclose(np.median(room.depth.z[seen] - near[seen]), 0, atol=1e-6)
            checked += 1
    assert checked >= 2


def test_every_visible_point_lies_on_its_own_object(rooms: list[TrueScene]):
    for room in rooms:
        points = world_points(room)
        for obj, mask in zip(room.objects, room.segmentation.masks, strict=True):
            low, high = obj.vertices.min(axis=0) - 1e-4, obj.vertices.max(axis=0) + 1e-4
            assert ((points[mask] >= low) & (points[mask] <= high)).all()


def test_objects_rest_on_their_supports(rooms: list[TrueScene]):
    kinds = set()
    for room in rooms:
        for obj in room.objects:
            assert abs(obj.vertices[:, 1].min() - obj.support_height_m) < 1e-6
            assert obj.support == ("floor" if obj.support_id is None else "object")
            kinds.add(obj.support)
            if obj.support_id is not None:
                carrier = room.objects[[o.id for o in room.objects].index(obj.support_id)]
                assert obj.support_height_m == pytest.approx(carrier.vertices[:, 1].max())
                local = (obj.vertices - carrier.world_from_object.translation) @ carrier.world_from_object.matrix[:3, :3]
                assert (np.abs(local[:, [0, 2]]) <= np.array(carrier.size_m)[[0, 2]] / 2).all(), "nothing overhangs"
    assert kinds == {"floor", "object"}


@settings(max_examples=8, deadline=None)
@given(st.integers(100, 10_000))
def test_objects_do_not_interpenetrate(seed: int):
    room = make_room(seed, hw=(96, 128))
    for a, b in combinations(room.objects, 2):
        assert apart(a, b), f"{a.name} and {b.name} of room {seed}"


def test_amodal_masks_contain_the_visible_ones_and_hidden_parts_have_an_occluder(rooms: list[TrueScene]):
    hidden_pixels = 0
    for room in rooms:
        masks, ids = room.segmentation.masks, room.segmentation.ids
        assert masks.sum(axis=0).max() == 1
        for index, object_id in enumerate(ids):
            assert masks[index].any()
            assert not (masks[index] & ~room.amodal[index]).any()
            hidden = room.amodal[index] & ~masks[index]
            fronts = [ids.index(front) for front, behind in room.order if behind == object_id]
            assert not (hidden & ~masks[fronts].any(axis=0)).any()
            hidden_pixels += int(hidden.sum())
    assert hidden_pixels > 500


def test_an_order_pair_overlaps_and_the_one_behind_is_not_seen_there(rooms: list[TrueScene]):
    for room in rooms:
        ids = room.segmentation.ids
        for front, behind in room.order:
            both = room.amodal[ids.index(front)] & room.amodal[ids.index(behind)]
            assert both.any()
            if (behind, front) not in room.order:
                assert not (both & room.segmentation.mask(behind)).any()


def test_the_picture_of_an_object_alone_agrees_with_the_photo_where_it_is_seen(rooms: list[TrueScene]):
    for room in rooms:
        np.testing.assert_array_equal(room.alone[..., 3] > 0, room.amodal)
        for alone, mask in zip(room.alone, room.segmentation.masks, strict=True):
            inside = binary_erosion(mask, iterations=2)
            difference = np.abs(alone[inside, :3].astype(int) - room.photo.rgb[inside])
            assert inside.sum() < 20 or np.median(difference) <= 3


def test_the_empty_room_agrees_with_the_photo_where_no_object_is(rooms: list[TrueScene]):
    for room in rooms:
        away = binary_erosion(~room.segmentation.masks.any(axis=0), iterations=2)
        assert np.median(np.abs(room.empty[away].astype(int) - room.photo.rgb[away])) <= 2


def test_a_seed_is_one_room_and_another_seed_another():
    first, again, other = make_room(4, hw=(96, 128)), make_room(4, hw=(96, 128)), make_room(5, hw=(96, 128))
    assert first.photo.sha256 == again.photo.sha256 != other.photo.sha256
    assert first.photo.sha256 == hashlib.sha256(first.photo.rgb.tobytes()).hexdigest()
    np.testing.assert_array_equal(first.depth.z, again.depth.z)
    np.testing.assert_array_equal(first.amodal, again.amodal)
    assert first.order == again.order


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_rooms_have_a_person_s_camera_and_objects_worth_completing(seed: int, n_objects: int):
    room = make_room(seed, hw=(96, 128), n_objects=n_objects)
    assert 1 <= len(room.objects) <= n_objects
    assert 0.6 <= room.world_from_camera[1, 3] <= 2.0
    forward = room.world_from_camera[:3, 2]
    assert 5 - 1e-6 <= np.rad2deg(np.arcsin(-forward[1])) <= 40 + 1e-6 and abs(forward[0]) < 1e-9
    assert min(room.visible_fractions) > 0.25  # 0.35 at the size where the layout was judged
    for obj in room.objects:
        local = (obj.vertices - obj.world_from_object.translation) @ obj.world_from_object.matrix[:3, :3]
        np.testing.assert_allclose(np.ptp(local, axis=0), obj.size_m, atol=1e-9)
        np.testing.assert_allclose((local.min(axis=0) + local.max(axis=0))[[0, 2]], 0, atol=1e-9)


@pytest.mark.parametrize(("hw", "n_objects"), [((32, 512), 3), ((192, 256), 0)])
def test_a_room_that_could_show_nothing_is_refused(hw: tuple[int, int], n_objects: int):
    with pytest.raises(BadInput, match="ask for at least"):
        make_room(0, hw=hw, n_objects=n_objects)


@pytest.mark.parametrize("makers", [FOR_FLOOR, FOR_TABLE])
def test_every_piece_of_every_shape_is_closed_faces_outwards_and_stands_on_zero(makers: dict):
    for name, maker in makers.items():
        for seed in range(5):
            pieces = maker(np.random.default_rng(seed))
            for piece in pieces:
                mesh = trimesh.Trimesh(piece.vertices, piece.faces)
                assert mesh.is_watertight and mesh.volume > 0, name
            assert min(piece.vertices[:, 1].min() for piece in pieces) == pytest.approx(0, abs=1e-12), name


@given(st.sampled_from(["plain", "stripes", "checks", "mottled", "wood", "planks", "tiles"]), st.integers(0, 99))
def test_patterns_stay_between_their_two_colours(kind: str, seed: int):
    rng = np.random.default_rng(seed)
    pattern = random_pattern(rng, kind, PAIRS[seed % len(PAIRS)], 0.1)
    colours = pattern.colour(rng.uniform(-2, 2, (200, 3)))
    low, high = np.minimum(pattern.dark, pattern.light), np.maximum(pattern.dark, pattern.light)
    assert (colours >= low - 1e-9).all() and (colours <= high + 1e-9).all()
    assert np.ptp(colours) > 0
