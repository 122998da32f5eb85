"""The ways to run a TFLite model, compared with each other."""

from __future__ import annotations

import math

import pytest

from modnet_export import VerifyRequest, verify


def test_ways_to_run_a_tflite_model_agree(dist):
    result = verify(VerifyRequest(dist))
    assert {item.artefact for item in result.agreements} == {"modnet_fp32.tflite", "modnet_fp16.tflite"}
    assert all(item.passed for item in result.agreements)


@pytest.mark.parametrize("off", [0.01, math.nan])
def test_ways_that_differ_fail_the_verification(dist, monkeypatch, off):
    from converters.runtimes import litert

    real = litert.LiteRt.run
    monkeypatch.setattr(
        litert.LiteRt, "run", lambda self, x: real(self, x) + (off if "without XNNPACK" in self.engine else 0)
    )
    result = verify(VerifyRequest(dist))
    differing = [item for item in result.agreements if not item.passed]
    assert [item.ways for item in differing] == ["XNNPACK and built-in kernels"] * 2
    assert not result.passed
    shown = "not finite" if math.isnan(off) else "a mean of 1.0e-02"
    assert all(shown in problem for problem in result.problems())
    # NaN has no place in JSON: the result reads back.
    assert type(result).model_validate_json(result.model_dump_json()) == result
