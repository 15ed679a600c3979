"""Hidden parts come out of the shadow that what is in front throws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.backends.hidden_colours import invent
from paco_core.backends.shadows import find_shadow

H, W = 100, 120
Y, X = np.mgrid[:H, :W].astype(np.float32)
OBJECT = (np.abs(Y - 50) < 35) & (np.abs(X - 60) < 50)
FRONT = X >= 70
SEEN, HIDDEN = OBJECT & ~FRONT, OBJECT & FRONT
PLAIN = np.broadcast_to(np.float32((180, 140, 90)), (H, W, 3))


def grained(seed: int) -> np.ndarray:
    return (PLAIN + np.random.default_rng(seed).normal(0, 5, (H, W, 1))).astype(np.float32)


def in_shadow(rgb: np.ndarray, depth: float) -> np.ndarray:
    """As dark as exp(-depth) where ``FRONT`` begins."""
    return rgb * np.exp(-depth * np.exp(-np.maximum(70 - X, 0) / 4))[..., None]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.floats(0.45, 1.1), st.floats(0.6, 1.3))
def test_a_shadow_is_found_made_up_for_and_fades(seed: int, depth: float, light: float):
    rgb = np.clip(light * in_shadow(grained(seed), depth), 0, 255)
    shadow = find_shadow(rgb, SEEN, FRONT)
    assert shadow is not None
    assert shadow.lift.min() >= 1 and shadow.fade.min() > 0 and shadow.fade.max() <= 1
    lit = (rgb * shadow.lift[..., None])[SEEN].mean(0)
    assert np.abs(lit - np.minimum(light * PLAIN[0, 0], 255)).max() < 16
    middle = shadow.fade[50]
    assert middle[70] < 0.85 and (np.diff(middle[70:]) >= -1e-3).all() and middle[105] > 0.97


@pytest.mark.parametrize(
    "rgb",
    [
        PLAIN,
        PLAIN * (0.6 + 0.4 * np.sin(X / 5)[..., None] ** 2),
        PLAIN * (0.5 + Y[..., None] / 200),
        np.where((X > 63)[..., None], np.float32((60, 70, 160)), PLAIN),
        np.random.default_rng(0).uniform(0, 255, (H, W, 3)),
        np.zeros((H, W, 3)),
        PLAIN - 300,
    ],
    ids=[
        "one colour",
        "bands",
        "a gradient along the edge",
        "paint",
        "noise",
        "black",
        "below black, as mirrored colours can be",
    ],
)
def test_what_is_no_shadow_is_left_alone(rgb: np.ndarray):
    assert find_shadow(rgb.astype(np.float32), SEEN, FRONT) is None


def test_nothing_is_found_where_too_little_is_seen_or_nothing_is_in_front():
    rgb = in_shadow(grained(0), 0.8)
    assert find_shadow(rgb, SEEN, np.zeros_like(FRONT)) is None
    assert find_shadow(rgb, SEEN & (X > 69), FRONT) is None


@pytest.mark.parametrize("zoom", [1, 3])
def test_hidden_parts_are_lit_though_their_edge_is_dark(zoom: int):
    photo = np.rint(in_shadow(grained(1), 0.9)).astype(np.uint8)
    photo[FRONT] = (255, 0, 255)
    rgb, amodal, seen, front = (x.repeat(zoom, 0).repeat(zoom, 1) for x in (photo, OBJECT, SEEN, FRONT))
    lit, how = invent(rgb, amodal, seen, None, (), 0, front)
    dark, _ = invent(rgb, amodal, seen, None, (), 0)
    assert "out of the shadow" in how
    far = amodal & (X > 90).repeat(zoom, 0).repeat(zoom, 1)
    near = amodal & front & (X < 72).repeat(zoom, 0).repeat(zoom, 1)
    assert np.abs(lit[far].mean(0) - PLAIN[0, 0]).max() < 14 < np.abs(dark[far].mean(0) - PLAIN[0, 0]).max()
    assert lit[near].mean() < 0.8 * lit[far].mean(), "it goes on as dark as what is seen beside it"
    assert np.array_equal(lit[seen], rgb[seen])
