from __future__ import annotations

import numpy as np
import pytest

from modnet_export.images.imaging import Placement
from modnet_export.record.measures import Tolerance
from modnet_export.verifying.parity import Sample, compare


def sample(matte_nhwc, placement=None):
    return Sample("x", np.repeat(matte_nhwc, 3, axis=3), matte_nhwc, placement)


def test_measures_are_taken_within_the_picture():
    """A 9:16 photo: what is wrong in it is not thinned by the bars beside it, and what is wrong in them is not seen."""
    expected = np.zeros((1, 64, 64, 1), np.float32)
    found = expected.copy()
    found[:, :, 14:50] = 0.01
    found[:, :, :14] = 1
    result = compare(sample(expected, Placement(1280, 720, 0, 14, 64, 36)), found, Tolerance(mad=0.0056))
    assert result.mad == pytest.approx(0.01)
    assert result.sad == pytest.approx(0.01 * 64 * 36 / 1000)
    assert not result.passed


class TestCompare:
    tolerance = Tolerance(max_abs_difference=0.1, mad=0.01)

    @pytest.mark.parametrize(
        ("difference", "passed"), [([0, 0, 0, 0], True), ([0.05, 0, 0, 0], False), ([0.03, 0, 0, 0], True)], ids=str
    )
    def test_every_limit_must_hold(self, difference, passed):
        expected = np.full((1, 2, 2, 1), 0.5, np.float32)
        found = expected + np.reshape(difference, expected.shape).astype(np.float32)
        assert compare(sample(expected), found, self.tolerance).passed is passed

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_matte_that_is_not_finite_fails_even_without_limits(self, value):
        found = np.full((1, 2, 2, 1), value, np.float32)
        result = compare(sample(np.zeros_like(found)), found, Tolerance())
        assert not result.passed
        assert result.max_abs_difference is None
