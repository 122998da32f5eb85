"""What fails a verification."""

from __future__ import annotations

import math

import pytest

from modnet_export.record.measures import Measurement, Tolerance
from modnet_export.verifying import gates


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([{"max_abs_difference": 0.1, "mad": 0.05, "ssim": 1}] * 2, ""),
        ([{"max_abs_difference": 0.1, "mad": 0.2, "ssim": 1}] * 2, "mean 2.00e-01 on 0, allowed 0.1 (2 inputs)"),
        ([{"max_abs_difference": 0.1, "mad": 0, "ssim": value} for value in (0.8, 0.7)], "ssim 7.00e-01 on 1, "),
        # There is no limit of the largest difference, and none is needed to refuse this.
        ([{"max_abs_difference": math.nan}], "max not finite on 0; mean not finite on 0, allowed 0.1; "),
        (
            [{"max_abs_difference": 0.1, "mad": 0.05}, {"max_abs_difference": 0.1}],
            "mean has no value on 1, allowed 0.1;",
        ),
    ],
    ids=["held", "missed", "at_least", "not_finite", "no_value"],
)
def test_missed_limits_are_described_by_their_worst_input(values, words):
    limits = Tolerance(mad=0.1, ssim=0.9)
    text = gates.describe([Measurement.judged(str(at), item, limits) for at, item in enumerate(values)], limits)
    assert text.startswith(words)
    assert bool(text) == bool(words)
