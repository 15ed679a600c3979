"""Distances between sets of feature vectors, against values worked out by hand and against SciPy's matrix root."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from paco_core.evaluation.distribution import SetDistance, frechet, kid, mmd2


def normal(seed: int, n: int, d: int = 4, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (n, d)).astype(np.float32)


def test_mmd_of_two_and_two_numbers_by_hand():
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0]])
    # k(x, x') = (0 + 1)^3 = 1; k(y, y') = 1; cross: k(0,2) = 1, k(0,0) = 1, k(1,2) = 27, k(1,0) = 1
    assert mmd2(x, y) == pytest.approx(1 + 1 - 2 * (1 + 1 + 27 + 1) / 4)


def test_pairs_of_the_same_object_are_left_out_of_paired_sets():
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0]])
    assert mmd2(x, y, paired=True) == pytest.approx(1 + 1 - 2 * (1 + 27) / 2)  # k(0, 0) and k(1, 2) alone
    same = normal(0, 30)
    assert kid(same, same, paired=True).value == pytest.approx(0, abs=1e-9)
    assert kid(same, same).value < -1  # which unpaired sets would pretend to be better than perfect
    near = same + normal(1, 30) * np.float32(0.1)
    assert abs(kid(near, same, paired=True).value) < abs(kid(near, same).value)


def test_kid_is_unbiased_and_grows_with_the_distance():
    same = [kid(normal(2 * k, 40), normal(2 * k + 1, 40)).value for k in range(30)]
    assert abs(np.mean(same)) < 2 * np.std(same) / math.sqrt(30)
    near, far = (kid(normal(0, 40), normal(1, 40, mean=shift)).value for shift in (0.5, 1.5))
    assert 0 < near < far


def test_kid_says_how_many_and_refuses_a_handful():
    found = kid(normal(0, 12), normal(1, 30))
    assert (found.made, found.real) == (12, 30)
    assert str(SetDistance(1.5, 12, 30, 0.25)) == "1.50 ± 0.25 (n 12, 30)"
    assert str(SetDistance(1.5, 12, 30)) == "1.50 (n 12, 30)"
    assert str(kid(normal(0, 3), normal(1, 30))) == "–"


def test_the_frechet_distance_of_shifted_sets_is_the_squared_shift():
    x = normal(0, 500)
    assert frechet(x, x, least=2).value == pytest.approx(0, abs=1e-5)
    assert frechet(x, x + np.float32(2), least=2).value == pytest.approx(4 * 2**2, rel=1e-4)
    assert frechet(x, 3 * x, least=2).value == pytest.approx(
        float((2 * x.mean(0)) @ (2 * x.mean(0)) + 4 * np.trace(np.cov(x, rowvar=False))), rel=1e-4
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 30), st.integers(6, 30))
def test_the_frechet_distance_is_what_a_matrix_root_gives(seed: int, n: int, m: int):
    x, y = normal(seed, n).astype(np.float64), normal(seed + 1, m, mean=0.7).astype(np.float64)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    between = x.mean(0) - y.mean(0)
    expected = between @ between + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet(x, y, least=2).value == pytest.approx(expected, rel=1e-6)


def test_fewer_pictures_than_features_are_no_trouble():
    found = frechet(normal(0, 5, d=64), normal(1, 7, d=64), least=2).value
    assert math.isfinite(found) and found > 0
    assert math.isnan(frechet(normal(0, 1), normal(1, 9), least=0).value)
    assert math.isnan(frechet(normal(0, 2047), normal(1, 2048)).value)
    assert frechet(normal(0, 2048), normal(1, 2048)).value < 0.05
