from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from converters.errors import ExportError
from modnet_export import metrics

mattes = arrays(np.float32, st.just((5, 7)), elements=st.floats(0, 1, width=32))
ERRORS = [metrics.max_abs_difference, metrics.mad, metrics.mse]


@pytest.mark.parametrize("metric", ERRORS)
class TestLaws:
    @given(p=mattes)
    def test_equal_mattes_have_no_error(self, metric, p):
        assert metric(p, p) == 0

    @given(p=mattes, r=mattes)
    def test_symmetric_and_in_unit_range(self, metric, p, r):
        assert metric(p, r) == metric(r, p)
        assert 0 <= metric(p, r) <= 1

    @given(p=mattes, r=mattes)
    def test_inverting_both_changes_nothing(self, metric, p, r):
        assert metric(1 - p, 1 - r) == pytest.approx(metric(p, r), abs=1e-6)

    def test_black_against_white_is_one(self, metric):
        assert metric(np.zeros((3, 3)), np.ones((3, 3))) == 1

    def test_nan_is_never_hidden(self, metric):
        assert math.isnan(metric(np.array([0.0, np.nan]), np.zeros(2)))

    def test_different_shapes_are_refused(self, metric):
        with pytest.raises(ExportError, match=r"\(2, 3\).*\(3, 2\)"):
            metric(np.zeros((2, 3)), np.zeros((3, 2)))


@given(p=mattes, r=mattes)
def test_metrics_are_ordered(p, r):
    assert metrics.mse(p, r) <= metrics.mad(p, r) + 1e-12 <= metrics.max_abs_difference(p, r) + 2e-12


@given(p=mattes, r=mattes)
def test_mse_and_psnr_agree_with_scikit_image(p, r):
    assert metrics.mse(p, r) == pytest.approx(mean_squared_error(p.astype(float), r.astype(float)))
    if metrics.mse(p, r) > 0:
        expected = peak_signal_noise_ratio(r.astype(float), p.astype(float), data_range=1)
        assert metrics.psnr_db(p, r) == pytest.approx(expected)


def test_psnr_of_equal_mattes_is_infinite():
    assert metrics.psnr_db(np.ones(3), np.ones(3)) == math.inf
