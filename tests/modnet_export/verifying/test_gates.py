"""What fails a verification: above all, results that are worse than a baseline's."""

from __future__ import annotations

import math

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
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


def test_what_is_worse_than_the_baseline_fails(dist):
    result = verify(VerifyRequest(dist))
    link = result.links[3]
    better = [item.model_copy(update={"mad": item.mad / 2}) for item in link.measurements if item.mad]
    links = (*result.links[:3], link.model_copy(update={"measurements": tuple(better)}))
    again = verify(VerifyRequest(dist, baseline=result.model_copy(update={"links": links})))
    assert [(item.link, item.measure) for item in again.regressions] == [("modnet_fp16.tflite", "mad")]
    with pytest.raises(CheckFailedError, match=r"mad was .* in the baseline"):
        gates.require(again)


def test_baseline_of_something_else_is_refused(dist, photos):
    result = verify(VerifyRequest(dist))
    with pytest.raises(ExportError, match="no artefact and input in common"):
        verify(VerifyRequest(dist, inputs.images([photos / "p0.png"]), baseline=result))
