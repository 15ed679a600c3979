"""What the photo shows of an object is seen in the scene."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scene3d.sight import FARTHEST, NEAREST, Order, find_orders, solve_scales

HW = (40, 60)


def depths(*boxes: tuple[float, int, int, int, int]) -> dict[int, np.ndarray]:
    """Depth pictures of flat things (z, x0, y0, x1, y1), ids from 1."""
    out = {}
    for k, (z, x0, y0, x1, y1) in enumerate(boxes):
        out[k + 1] = np.full(HW, np.inf)
        out[k + 1][y0:y1, x0:x1] = z
    return out


def seen(z: dict[int, np.ndarray], scales: dict[int, float]) -> np.ndarray:
    pictures = np.array([z[i] * scales[i] for i in sorted(z)])
    return np.where(np.isfinite(pictures.min(axis=0)), pictures.argmin(axis=0) + 1, 0)


def photo(z: dict[int, np.ndarray], *front_to_back: int) -> np.ndarray:
    shown = np.zeros(HW, int)
    for i in reversed(front_to_back):
        shown[np.isfinite(z[i])] = i
    return shown


def test_food_that_is_behind_its_bowl_comes_before_it():
    z = depths((2.0, 5, 5, 50, 35), (3.0, 20, 10, 30, 20))
    shown = photo(z, 2, 1)
    scales = solve_scales((1, 2), find_orders(shown, z), {}, frozenset())
    assert (seen(z, scales) == shown).all()
    assert scales[1] == 1.0 and 0.6 < scales[2] < 0.67


def test_who_stands_where_nobody_sees_it_goes_back_instead():
    z = depths((3.0, 5, 5, 50, 35), (2.0, 20, 2, 30, 20))
    shown = photo(z, 1, 2)
    scales = solve_scales((1, 2), find_orders(shown, z), {}, frozenset({2}))
    assert (seen(z, scales) == shown).all()
    assert scales[1] == 1.0 and scales[2] > 1.5


def test_a_right_order_moves_nothing():
    z = depths((3.0, 5, 5, 50, 35), (2.0, 20, 2, 30, 20))
    assert set(solve_scales((1, 2), find_orders(photo(z, 2, 1), z), {}, frozenset()).values()) == {1.0}


def test_who_is_seen_through_the_gap_of_a_near_mesh_loses_a_little_and_stays_where_it_is():
    z = depths((2.0, 5, 5, 30, 35), (6.0, 28, 5, 55, 35))
    shown = photo(z, 2, 1)
    assert solve_scales((1, 2), find_orders(shown, z), {}, frozenset()) == {1: 1.0, 2: 1.0}


def test_a_phone_that_hovers_over_the_laptop_comes_down_to_it():
    z = depths((2.0, 5, 5, 50, 35), (1.0, 20, 10, 30, 20))
    scales = solve_scales((1, 2), find_orders(photo(z, 2, 1), z), {2: 1}, frozenset(), {2: 1})
    assert 1.95 < scales[2] < 2.0


def test_the_users_order_is_never_contradicted():
    z = depths((2.0, 5, 5, 50, 35), (3.0, 20, 10, 30, 20))
    orders = find_orders(photo(z, 2, 1), z, frozenset({(1, 2)}))
    assert all((o.front, o.behind) != (2, 1) for o in orders)


@given(st.permutations([1, 2, 3, 4]), st.lists(st.floats(0.8, 1.6), min_size=4, max_size=4))
@settings(max_examples=40, deadline=None)
def test_whatever_the_depths_were_the_photo_comes_back(sequence, distances):
    """As long as no depth was wrong by more than a factor of two: then a move has its price."""
    corners = ((2, 2, 40, 30), (10, 8, 50, 36), (20, 4, 58, 24), (14, 14, 36, 38))
    z = depths(*((d, *c) for d, c in zip(distances, corners, strict=True)))
    shown = photo(z, *sequence)
    scales = solve_scales((1, 2, 3, 4), find_orders(shown, z), {}, frozenset())
    assert (seen(z, scales) == shown).mean() > 0.97


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.sets(st.integers(1, 4)))
@settings(max_examples=60, deadline=None)
def test_every_order_holds_unless_a_limit_forbids_it(slacks, loose):
    pairs = ((1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))
    orders = tuple(Order(a, b, s, 1.0) for (a, b), s in zip(pairs, slacks, strict=True))
    scales = solve_scales((1, 2, 3, 4), orders, {}, frozenset(loose))
    assert all(NEAREST - 1e-9 <= k <= FARTHEST + 1e-9 for k in scales.values())
    for o in orders:
        if scales[o.front] > NEAREST * 1.001:
            assert np.log(scales[o.front] / scales[o.behind]) <= o.slack + 1e-9
