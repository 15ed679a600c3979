"""Order, cycles and layers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_core.backends.boundary import BoundaryOrder
from paco_core.errors import BadInput
from paco_core.occlusion import break_cycles, find_occlusions, layers_of, parse_order
from paco_core.types import DepthMap, OcclusionEdge, Photo, Segmentation


def disc(hw, x, y, r):
    v, u = np.mgrid[: hw[0], : hw[1]]
    return (u - x) ** 2 + (v - y) ** 2 <= r * r


def pile(depths=(1.0, 2.0, 3.0), kind="metric"):
    """Discs 1, 2, 3 overlap in a row, each in front of the next; with their true depth."""
    hw = (80, 120)
    solids = [disc(hw, x, 40, 22) for x in (30, 58, 86)]
    masks, taken, z = [], np.zeros(hw, bool), np.full(hw, 9.0, np.float32)
    for solid, depth in zip(solids, depths, strict=True):
        masks.append(solid & ~taken)
        z[solid & ~taken] = depth
        taken |= solid
    photo = Photo(np.zeros((*hw, 3), np.uint8), "p", "0")
    return (
        photo,
        Segmentation((1, 2, 3), ("ball", "ball two", "ball three"), np.array(masks)),
        DepthMap(z, np.ones(hw, bool), kind, "test"),
    )


def fixed(*edges):
    class Fixed:
        name = "fixed"

        def order(self, photo, segmentation, depth):
            return tuple(OcclusionEdge(a, b, w, 10, "depth") for a, b, w in edges)

    return Fixed()


def pairs(graph):
    return {(e.front, e.behind) for e in graph.edges}


def test_the_nearest_object_comes_first_where_depth_is_measured():
    graph = find_occlusions(*pile(), BoundaryOrder())
    assert pairs(graph) == {(1, 2), (2, 3)}
    assert graph.layers == (0, 1, 2)


def test_relative_depth_from_a_file_says_who_is_nearer_as_well_as_metric_depth_does():
    photo, segmentation, depth = pile(depths=(3.0, 2.0, 1.0), kind="relative")  # against what the outlines suggest
    guessed, measured = replace(depth, source="geometric"), replace(depth, source="file")
    assert pairs(find_occlusions(photo, segmentation, guessed, BoundaryOrder())) == {(1, 2), (2, 3)}
    assert pairs(find_occlusions(photo, segmentation, measured, BoundaryOrder())) == {(2, 1), (3, 2)}


def test_the_incomplete_hull_is_behind_where_depth_says_nothing():
    photo, segmentation, depth = pile(depths=(2.0, 2.0, 2.0), kind="relative")
    assert pairs(find_occlusions(photo, segmentation, depth, BoundaryOrder())) == {(1, 2), (2, 3)}


def test_a_three_pixel_gap_between_masks_does_not_hide_a_contact():
    hw = (400, 600)  # the touch radius grows with the image: 0.6 % of the diagonal is 4 px here
    front, back = disc(hw, 250, 200, 80), disc(hw, 340, 200, 80)
    gap = disc(hw, 250, 200, 83)
    z = np.where(front, 1.0, 2.0).astype(np.float32)
    segmentation = Segmentation((1, 2), ("a", "b"), np.array([front, back & ~gap]))
    graph = find_occlusions(
        Photo(np.zeros((*hw, 3), np.uint8), "p", "0"),
        segmentation,
        DepthMap(z, np.ones(hw, bool), "metric", "t"),
        BoundaryOrder(),
    )
    assert pairs(graph) == {(1, 2)}


def test_objects_that_do_not_touch_have_no_order():
    hw = (50, 100)
    segmentation = Segmentation((1, 2), ("a", "b"), np.array([disc(hw, 20, 25, 10), disc(hw, 70, 25, 10)]))
    depth = DepthMap(np.ones(hw, np.float32), np.ones(hw, bool), "metric", "t")
    assert find_occlusions(Photo(np.zeros((*hw, 3), np.uint8), "p", "0"), segmentation, depth, BoundaryOrder()).edges == ()


def test_a_cycle_loses_its_weakest_edge_and_says_so():
    graph = find_occlusions(*pile(), fixed((1, 2, 5.0), (2, 3, 1.0), (3, 1, 3.0)))
    assert [(e.front, e.behind) for e in graph.dropped] == [(2, 3)]
    assert pairs(graph) == {(1, 2), (3, 1)}


def test_the_users_word_wins_over_every_cue():
    photo, segmentation, depth = pile()
    graph = find_occlusions(photo, segmentation, depth, BoundaryOrder(), overrides=("ball two>ball",))
    assert (2, 1) in pairs(graph) and (1, 2) not in pairs(graph)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (("ball",), 'write it as "cup>saucer"'),
        (("ball<cup",), 'write it as "cup>saucer"'),
        (("",), 'write it as "cup>saucer"'),
        (("ball>",), 'write it as "cup>saucer"'),
        (("ball>>3",), 'write it as "cup>saucer"'),
        (("ball>cup",), "is no object here. The objects are: 1 ball, 2 ball two, 3 ball three"),
        (("ball>bal two",), "is no object here. Did you mean 'ball two'?"),
        (("ball>4",), '"4" is no object here'),
        (("ball>ball",), "can not hide itself"),
        (("1>2>2",), "can not hide itself"),
        (("1>2", "2>3", "3>1"), 'goes round in a circle: .* Remove or turn one of --order "1>2", "2>3", "3>1"'),
        (("1>2", "ball two>ball"), "goes round in a circle: ball > ball two > …"),
        (("1>2>3>1",), "goes round in a circle"),
    ],
)
def test_a_bad_order_is_refused_with_what_to_do(order, sentence):
    with pytest.raises(BadInput, match=sentence):
        find_occlusions(*pile(), fixed(), overrides=order)


@given(
    st.lists(
        st.tuples(st.integers(1, 7), st.integers(1, 7), st.floats(0.1, 9)).filter(lambda e: e[0] < e[1]),
        max_size=20,
        unique_by=lambda e: e[:2],
    ),
    st.randoms(use_true_random=False),
)
def test_layers_are_a_topological_order_whatever_the_edges(raw, rng):
    edges = tuple(OcclusionEdge(*((a, b) if rng.random() < 0.5 else (b, a)), w, 10, "depth") for a, b, w in raw)
    segmentation = Segmentation(tuple(range(1, 8)), tuple("abcdefg"), np.ones((7, 1, 1), bool))
    kept, dropped = break_cycles(edges)
    layer = dict(zip(segmentation.ids, layers_of(segmentation.ids, kept), strict=True))
    assert all(layer[e.front] < layer[e.behind] for e in kept)
    assert set(kept) | set(dropped) == set(edges)
    assert all(layer[i] == 0 or any(e.behind == i and layer[e.front] == layer[i] - 1 for e in kept) for i in segmentation.ids)


def test_an_edge_that_the_user_gave_is_never_dropped():
    edges = (OcclusionEdge(1, 2, math.inf, 0, "user"), OcclusionEdge(2, 1, 50.0, 9, "depth"))
    assert break_cycles(edges)[0] == edges[:1]


def named(*names: str) -> Segmentation:
    return Segmentation(tuple(range(1, len(names) + 1)), names, np.ones((len(names), 1, 1), bool))


def test_an_order_may_be_a_chain_of_names_in_any_case_and_ids():
    assert parse_order(("Ball > 2>BALL three",), pile()[1]) == ((1, 2), (2, 3))
    assert parse_order(("1>2", "ball>ball two", "1>2>3"), pile()[1]) == ((1, 2), (2, 3))
    assert parse_order((), pile()[1]) == ()


def test_the_same_name_twice_is_refused_with_the_ids():
    with pytest.raises(BadInput, match=r'"chair" may be any of 2 objects: 1 \(chair\), 3 \(chair\)\. Use the id'):
        parse_order(("table>chair",), named("chair", "table", "chair"))
    assert parse_order(("table>3",), named("chair", "table", "chair")) == ((2, 3),)


def test_the_exact_name_wins_over_another_case_of_it():
    assert parse_order(("cup>Cup",), named("Cup", "cup")) == ((2, 1),)


def test_a_name_that_is_anothers_id_is_refused_with_both():
    with pytest.raises(BadInput, match=r'"2" may be any of 2 objects: 1 \(2\), 2 \(cup\)'):
        parse_order(("2>cup 3",), named("2", "cup", "cup 3"))


def test_a_sentence_about_a_hundred_objects_stays_readable():
    with pytest.raises(BadInput, match="30 thing 29 and 70 more") as refused:
        parse_order(("stone>thing 1",), named(*(f"thing {i}" for i in range(100))))
    assert len(str(refused.value)) < 700


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=12), st.permutations(range(1, 7)), st.integers(0, 5))
def test_what_the_user_said_is_never_dropped_whatever_is_predicted(predicted, ranking, count):
    said = [(ranking[i], ranking[i + 1]) for i in range(count)]
    edges = tuple({frozenset(p): (*p, 5.0) for p in predicted if p[0] != p[1]}.values())
    photo = Photo(np.zeros((1, 1, 3), np.uint8), "p", "0")
    depth = DepthMap(np.ones((1, 1), np.float32), np.ones((1, 1), bool), "relative", "t")
    graph = find_occlusions(photo, named(*"abcdef"), depth, fixed(*edges), overrides=tuple(f"{a}>{b}" for a, b in said))
    assert set(said) <= pairs(graph)
