"""What fails a verification: above all, results that are worse than a baseline's."""

from __future__ import annotations

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.verifying import gates


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
