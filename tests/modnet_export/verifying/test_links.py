"""From rows to verdicts: what is said of one way to run an artefact."""

from __future__ import annotations

import math

import pytest

from converters.errors import CheckFailedError
from modnet_export.record.measures import Tolerance
from modnet_export.record.recipes import recipe
from modnet_export.report import render
from modnet_export.verifying import gates, gpu
from modnet_export.verifying.links import mean_truth
from modnet_export.verifying.result import Verification
from tests.modnet_export.verifying import made

ROW = recipe("tflite", "fp32")
GOOD = {"max_abs_difference": 1e-6, "noise_ratio": 0.1, "mad": 1e-7}
BAD = {"max_abs_difference": 0.5, "noise_ratio": 5e4, "mad": 0.1}
LOST = {"max_abs_difference": math.nan, "noise_ratio": math.nan, "mad": math.nan}


def link(rows, names="abc", tolerance=None):
    return made.linked(made.artefact(ROW, {}, tolerance), list(names), rows)


class TestCoverage:
    def test_one_input_of_three_does_not_pass(self):
        found = link({"a": made.row(GOOD)})
        assert (found.verdict, found.reason) == ("not run", "2 of 3 inputs have no result: b, c")
        with pytest.raises(CheckFailedError, match=r"modnet_fp32\.tflite was not run: 2 of 3 inputs"):
            gates.require(made.verification(found, inputs="abc"))

    def test_what_missed_a_limit_has_failed_whatever_is_missing(self):
        found = link({"a": made.row(BAD)})
        assert found.verdict == "failed"
        assert found.reason == "max / noise 5.00e+04 on a, allowed 8; 2 of 3 inputs have no result: b, c"

    def test_model_that_refuses_one_input_was_not_run(self):
        found = link({"a": made.row(GOOD), "b": made.row(GOOD), "c": made.row({}, error="out of memory")})
        assert (found.verdict, found.reason) == ("not run", "1 of 3 inputs have no result: c; out of memory")

    def test_all_engines_that_took_part_are_named(self):
        rows = {name: made.row(GOOD, engine=engine) for name, engine in zip("abc", ("X 1", "X 2", "X 1"), strict=True)}
        assert link(rows).engine == "X 1 and X 2"

    def test_result_without_a_link_that_was_asked_for_fails(self):
        sound = made.verification(link({name: made.row(GOOD) for name in "abc"}), inputs="abc")
        assert sound.passed
        short = Verification.model_validate(dict(sound) | {"expected": (*sound.expected, "gone.onnx")})
        with pytest.raises(CheckFailedError, match=r"gone\.onnx was not run: there is no result of it"):
            gates.require(short)

    def test_result_that_checked_nothing_fails(self):
        sound = made.verification(link({name: made.row(GOOD) for name in "abc"}), inputs="abc")
        nothing = sound.model_copy(update={"links": (), "expected": ()})
        with pytest.raises(CheckFailedError, match="nothing was checked"):
            gates.require(nothing)


class TestBetweenFrames:
    limits = Tolerance(dtssd=0)

    def test_first_frame_is_not_judged_by_what_it_cannot_have(self):
        rows = {"a": made.row(GOOD), "b": made.row(GOOD | {"dtssd": 0}), "c": made.row(GOOD | {"dtssd": 0})}
        assert link(rows, tolerance=self.limits).verdict == "passed"

    def test_limit_that_no_frame_was_judged_by_fails(self):
        found = link({name: made.row(GOOD) for name in "abc"}, tolerance=self.limits)
        assert (found.verdict, found.reason) == ("failed", "dtssd was taken on no input")


class TestNotFinite:
    @pytest.fixture
    def found(self):
        return link({"a": made.row(GOOD), "b": made.row(LOST), "c": made.row(GOOD)})

    @pytest.mark.parametrize("measure", ["max_abs_difference", "mad", "ssim"])
    def test_summary_is_not_that_of_the_finite_ones(self, found, measure):
        assert math.isnan(found.summary(measure))

    def test_result_reads_back_and_is_shown(self, found):
        result = made.verification(found, inputs="abc")
        again = Verification.model_validate_json(result.model_dump_json())
        assert again == result
        assert "| **not finite** |" in render.markdown(again)

    def test_errors_against_the_truth_are_left_out(self):
        truth = dict.fromkeys(("mad", "mse", "sad", "grad", "conn"), 0.1)
        found = mean_truth([made.row(GOOD, truth=truth)] * 2)
        assert found is not None
        assert found.images == 2
        assert mean_truth([made.row(GOOD, truth=truth), made.row(LOST, truth=truth | {"mad": math.nan})]) is None


class TestGpu:
    same, other, constant = ("as on the CPU",), (), ("as on the CPU", "constant")

    @pytest.mark.parametrize(
        ("images", "expected"),
        [
            ([same, same], ["wholly on the CPU"]),
            ([same, constant], ["wholly on the CPU"]),
            ([same, other], []),
            ([constant, constant], ["cannot be told"]),
            ([("constant",), ("constant",)], []),
            ([], []),
            ([("partly on the CPU",), other], ["partly on the CPU"]),
        ],
    )
    def test_runs_are_judged_together(self, images, expected):
        assert gpu.shortfalls(images) == expected

    @pytest.mark.parametrize(("signs", "verdict"), [(same, "failed"), (constant, "passed"), (other, "passed")])
    def test_only_mattes_that_show_something_prove_that_the_gpu_was_not_used(self, signs, verdict):
        found = link({name: made.row(GOOD, signs=signs) for name in "abc"})
        assert found.verdict == verdict
        assert bool(found.reason) == (signs != self.other)
