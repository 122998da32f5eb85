"""What compensated rounding promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.tflite import rounding


def covariance(rng, size, rank):
    """Of neighbouring pixels: they are alike."""
    factors = rng.standard_normal((size, rank)) + 2 * rng.standard_normal((1, rank))
    return factors @ factors.T / rank + 1e-3 * np.eye(size)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6), size=st.integers(2, 70))
def test_integers_are_in_range_and_representable_weights_stay(seed, rows, size):
    rng = np.random.default_rng(seed)
    exact = rng.integers(-127, 128, (rows, size)).astype(np.float64)
    scale = rng.uniform(0.01, 2, rows)
    found = rounding.compensated(exact * scale[:, None], covariance(rng, size, size), scale)
    np.testing.assert_array_equal(found, exact)
    found = rounding.compensated(rng.standard_normal((rows, size)) * 9, covariance(rng, size, size), scale)
    assert (np.abs(found) <= 127).all()
    assert (found == np.rint(found)).all()


@pytest.mark.parametrize("size", [9, 64, 150])
def test_compensation_changes_the_output_less_than_nearest_rounding(size):
    rng = np.random.default_rng(size)
    for _ in range(5):
        spread = covariance(rng, size, 2 * size)
        weights = rng.standard_normal((8, size))
        scale = np.abs(weights).max(axis=1) / 7
        nearest = np.rint(weights / scale[:, None])
        found = rounding.compensated(weights, spread, scale)
        errors = [rounding.output_error(weights - q * scale[:, None], spread).sum() for q in (found, nearest)]
        assert errors[0] < 0.8 * errors[1]


def test_sums_of_few_images_that_float32_left_indefinite_are_rounded_all_the_same():
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((40, 4))
    spread = factors @ factors.T - 1e-3 * np.eye(40)
    assert np.linalg.eigvalsh(spread).min() < 0
    found = rounding.compensated(rng.standard_normal((3, 40)), spread, np.full(3, 0.05))
    assert (np.abs(found) <= 127).all()


def test_depthwise_channels_are_each_compensated_by_their_own_data():
    rng = np.random.default_rng(1)
    spreads = np.stack([covariance(rng, 9, 20) for _ in range(5)])
    weights = rng.standard_normal((5, 9))
    scale = np.abs(weights).max(axis=1) / 30
    together = rounding.compensated(weights, spreads, scale)
    # The order of columns is common to all channels; within one it is the same as by itself with that order.
    errors = rounding.output_error(weights - together * scale[:, None], spreads)
    nearest = rounding.output_error(weights - np.rint(weights / scale[:, None]) * scale[:, None], spreads)
    assert errors.sum() < nearest.sum()
