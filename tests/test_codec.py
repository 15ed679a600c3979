"""What goes into a run folder comes out, to the last bit, and equal things have equal fingerprints."""

import math
import tempfile
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from jaxtyping import Float32

from paco_core.codec import Undecodable, read_value, write_value
from paco_core.store import fingerprint
from paco_core.types import Camera, DepthMap, OcclusionEdge, OcclusionGraph, Segmentation
from scene3d.types import Ground, PlacementStep, Pose


@dataclass(frozen=True)
class Everything:
    """One field of every kind that our types use."""

    scalars: tuple[int, float, bool, str]
    edges: tuple[OcclusionEdge, ...]
    pose: Pose | None
    kind: Literal["metric", "relative"]
    sizes: dict[str, float] = field(default_factory=dict)
    either: int | str | None = None
    steps: tuple[PlacementStep, ...] = ()
    ids: frozenset[int] = frozenset()


number = st.floats(allow_nan=False)
text = st.text(max_size=8)
small = {"min_side": 1, "max_side": 6}
cameras = st.builds(Camera, number, number, number, number, st.integers(1, 9), st.integers(1, 9), text)
edges = st.builds(OcclusionEdge, st.integers(), st.integers(), number, st.integers(0), text)
poses = st.builds(Pose, arrays(np.float64, 3), arrays(np.float64, 4))
graphs = st.builds(OcclusionGraph, st.tuples(st.integers()), st.tuples(edges), st.tuples(edges, edges), st.tuples(st.integers()))


@st.composite
def depth_maps(draw: st.DrawFn) -> DepthMap:
    hw = draw(array_shapes(min_dims=2, max_dims=2, **small))
    z, valid = draw(arrays(np.float32, hw)), draw(arrays(np.bool_, hw))
    return DepthMap(z, valid, draw(st.sampled_from(["metric", "relative"])), draw(text))


@st.composite
def segmentations(draw: st.DrawFn) -> Segmentation:
    masks = draw(arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, **small)))
    return Segmentation(
        tuple(range(1, len(masks) + 1)),
        tuple(draw(text) for _ in masks),
        masks,
        draw(st.none() | arrays(np.uint8, masks.shape[1:])),
    )


everythings = st.builds(
    Everything,
    st.tuples(st.integers(), number, st.booleans(), text),
    st.lists(edges, max_size=2).map(tuple),
    st.none() | poses,
    st.sampled_from(["metric", "relative"]),
    st.dictionaries(text, number, max_size=3),
    st.none() | st.integers() | text,
    st.lists(st.builds(PlacementStep, text, st.booleans(), number, number), max_size=2).map(tuple),
    st.frozensets(st.integers(), max_size=3),
)


def same(a: Any, b: Any) -> bool:
    """Equal in type and content, arrays to the last bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def round_trip(value: Any, type_: Any) -> Any:
    with tempfile.TemporaryFile() as file:
        write_value(file, {}, value)
        return read_value(file, type_)


@settings(max_examples=60, deadline=None)
@given(st.one_of(cameras, edges, graphs, poses, depth_maps(), segmentations(), everythings))
def test_what_is_written_is_what_is_read(value: Any):
    assert same(round_trip(value, type(value)), value)


def test_infinite_weights_and_bare_tuples_survive():
    stored = (OcclusionEdge(1, 2, math.inf, 3, "user"), OcclusionEdge(2, 3, -math.inf, 0, "depth"))
    assert same(round_trip(stored, tuple[OcclusionEdge, ...]), stored)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Camera(1, 1, 1, 1, 1, 1), Ground),
        (("a", "b"), tuple[str]),
        (1.5, int),
        (True, int),
        ("far", Literal["metric", "relative"]),
        (np.zeros((2, 3), np.float32), Pose),
        ({"a": "text"}, dict[str, float]),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, type_: Any):
    with pytest.raises(Undecodable):
        round_trip(value, type_)


@pytest.mark.parametrize("z", [np.ones((2, 3)), np.ones(3, np.float32), None])
def test_an_array_of_another_dtype_or_rank_is_refused(z: Any):
    def depth_type(annotation: Any) -> type:
        return make_dataclass("Depth", [("z", annotation)], frozen=True)

    round_trip(depth_type(Any)(np.ones((2, 3), np.float32)), depth_type(Float32[np.ndarray, "h w"]))
    with pytest.raises(Undecodable):
        round_trip(depth_type(Any)(z), depth_type(Float32[np.ndarray, "h w"]))


def test_what_cannot_be_stored_is_a_mistake_of_the_program():
    for value in (object(), np.array([object()]), {1: "a"}):
        with pytest.raises(TypeError):
            round_trip(value, type(value))


@settings(max_examples=30, deadline=None)
@given(everythings, everythings)
def test_equal_values_and_no_others_have_equal_fingerprints(a: Everything, b: Everything):
    assert (fingerprint(a) == fingerprint(b)) == same(a, b)
    assert fingerprint(round_trip(a, Everything)) == fingerprint(a)


def test_content_counts_not_memory_layout():
    a = np.arange(12.0).reshape(3, 4)
    assert fingerprint(np.asfortranarray(a)) == fingerprint(a) != fingerprint(a.reshape(4, 3))
