from __future__ import annotations

import numpy as np
import pytest

from modnet_export.record.measures import Tolerance
from modnet_export.verifying.parity import compare


class TestCompare:
    tolerance = Tolerance(max_abs_difference=0.1, mad=0.01)

    @pytest.mark.parametrize(
        ("difference", "passed"), [([0, 0, 0, 0], True), ([0.05, 0, 0, 0], False), ([0.03, 0, 0, 0], True)], ids=str
    )
    def test_every_limit_must_hold(self, difference, passed):
        expected = np.full((1, 2, 2, 1), 0.5, np.float32)
        found = expected + np.reshape(difference, expected.shape).astype(np.float32)
        assert compare("x", found, expected, self.tolerance).passed is passed

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_matte_that_is_not_finite_fails_even_without_limits(self, value):
        found = np.full((1, 2, 2, 1), value, np.float32)
        result = compare("x", found, np.zeros_like(found), Tolerance())
        assert not result.passed
        assert result.max_abs_difference is None
