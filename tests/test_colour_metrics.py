"""Colours of hidden parts, against values worked out by hand."""

import math

import numpy as np
import pytest

from paco_core.evaluation.colour import (
    ColourScore,
    mean_psnr,
    mean_ssim,
    median_sharpness,
    pooled_psnr,
    score_colours,
)

HW = (24, 32)
AMODAL = np.ones(HW, bool)
VISIBLE = np.zeros(HW, bool)
VISIBLE[:, :16] = True
TRUE = np.random.default_rng(0).integers(0, 256, (*HW, 3), dtype=np.uint8)


def test_what_is_right_scores_best():
    score = score_colours(TRUE, TRUE, AMODAL, VISIBLE)
    assert score is not None
    assert (score.pixels, score.squared_error, score.psnr, score.sharpness) == (24 * 16, 0.0, 50.0, 1.0)
    assert score.ssim == pytest.approx(1.0)


def test_an_error_of_ten_grey_levels_is_28_db():
    grey = np.full((*HW, 3), 100, np.uint8)
    score = score_colours(grey + np.uint8(10), grey, AMODAL, VISIBLE)
    assert score is not None
    assert score.squared_error == 100 * 24 * 16
    assert score.psnr == pytest.approx(20 * math.log10(255 / 10))
    assert math.isnan(score.sharpness)  # the truth is flat


def test_what_is_seen_does_not_count():
    wrong_where_seen = TRUE.copy()
    wrong_where_seen[VISIBLE] = 0
    assert score_colours(wrong_where_seen, TRUE, AMODAL, VISIBLE) == score_colours(TRUE, TRUE, AMODAL, VISIBLE)


def test_a_smooth_fill_is_not_sharp():
    smooth = np.full((*HW, 3), TRUE.mean(), np.uint8)
    score = score_colours(smooth, TRUE, AMODAL, VISIBLE)
    assert score is not None
    assert score.sharpness < 0.05
    assert score.ssim < 0.2


def test_next_to_nothing_hidden_is_no_measure():
    assert score_colours(TRUE, TRUE, AMODAL, AMODAL) is None


def test_pooled_and_mean_differ_as_they_should():
    scores = [ColourScore(300, 300 * 100.0, 0.5, 1.0), ColourScore(100, 100 * 2500.0, 0.7, math.nan)]
    assert pooled_psnr(scores) == pytest.approx(10 * math.log10(255**2 / 700))
    assert mean_psnr(scores) == pytest.approx((20 * math.log10(25.5) + 20 * math.log10(5.1)) / 2)
    assert mean_ssim(scores) == pytest.approx(0.6)
    assert median_sharpness(scores) == 1.0
    assert math.isnan(pooled_psnr([]))
