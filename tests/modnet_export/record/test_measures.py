"""The table of measures, and what is judged by it."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from modnet_export.record.measures import MEASURES, Measurement, Measures, Tolerance, narrow_heading, short_name
from modnet_export.verifying import metrics


def test_every_measure_is_in_the_table():
    assert list(MEASURES) == list(Measures.model_fields)
    assert len({measure.heading for measure in MEASURES.values()}) == len(MEASURES)


def test_metrics_take_the_measures_of_the_table():
    """All but those that need the frame before."""
    import numpy as np

    soft = np.clip(np.add.outer(np.arange(32), np.arange(48)) / 60, 0, 1)
    of_one = {name for name, measure in MEASURES.items() if not measure.between_frames}
    assert set(metrics.against_reference(soft, soft[::-1])) == of_one


def test_names_for_sentences_and_narrow_columns():
    assert (short_name("mad"), short_name("psnr_db")) == ("mean", "psnr_db")
    assert (narrow_heading("psnr_db"), narrow_heading("ssim")) == ("PSNR", "SSIM")


class TestTolerance:
    def test_matte_that_is_not_finite_misses_every_limit(self):
        limits = Tolerance(mad=1, ssim=0)
        assert limits.missed({"max_abs_difference": math.nan, "mad": 0}) == ("max_abs_difference", "mad", "ssim")
        assert limits.missed({"max_abs_difference": 0.1, "mad": 0.5, "ssim": -0.1}) == ("ssim",)

    @pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.limited])
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
    def test_limit_of_what_has_no_value_is_missed(self, name, value):
        limits = Tolerance(**{name: 0.5})
        # The first frame has none between frames, and a matte of nobody none of edges.
        absent = value is None and (MEASURES[name].between_frames or name.startswith("edge_"))
        missed = limits.missed({"max_abs_difference": 0.1, name: value})
        assert bool(missed) != absent

    def test_psnr_of_equal_mattes_holds_every_limit(self):
        assert Tolerance(psnr_db=90).missed({"max_abs_difference": 0.0, "psnr_db": math.inf}) == ()

    def test_wider_means_further_off_in_both_directions(self):
        assert Tolerance(mad=0.1, ssim=0.9).widened(0.05).limits == pytest.approx({"mad": 0.15, "ssim": 0.85})

    def test_limits_read_as_bounds(self):
        assert str(Tolerance(mad=0.1, ssim=0.9)) == "mean <= 0.1, ssim >= 0.9"

    @pytest.mark.parametrize("limit", [math.nan, math.inf, -0.1, True, "0.1"])
    def test_limit_that_gates_nothing_or_everything_is_refused(self, limit):
        with pytest.raises(ValidationError):
            Tolerance(mad=limit)

    def test_flicker_has_none(self):
        with pytest.raises(ValidationError, match=r"flicker\n.*only describes"):
            Tolerance(flicker=0)


class TestMeasurement:
    def test_what_is_not_finite_is_null(self):
        found = Measurement.judged(
            "x", {"max_abs_difference": 0.0, "psnr_db": math.inf, "correlation": math.nan}, Tolerance()
        )
        assert found.passed
        assert (found.psnr_db, found.correlation) == (None, None)

    @pytest.mark.parametrize("name", ["flicker", "ssim", "correlation", "psnr_db"])
    def test_signed_measures_may_be_below_zero(self, name):
        assert getattr(Measurement(input="x", max_abs_difference=1, passed=True, **{name: -0.5}), name) == -0.5

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"mad": math.nan}, "finite number"),
            ({"mad": -0.1}, "never below zero"),
            ({"input": ""}, "at least 1 character"),
            ({"max_abs_difference": None}, "not finite never passes"),
            ({"missed": ("mad",)}, "if, and only if, it misses no limit"),
            ({"missed": ("mda",), "passed": False}, "'mda' is not a measure"),
        ],
    )
    def test_nonsense_is_refused(self, values, message):
        with pytest.raises(ValidationError, match=message):
            Measurement(**({"input": "x", "max_abs_difference": 0.1, "passed": True} | values))
