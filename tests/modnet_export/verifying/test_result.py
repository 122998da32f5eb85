"""A result refuses nonsense when it is made, and files of other versions when it is read."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from converters.errors import ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.record.measures import TRUTH_MEASURES, Measurement, Tolerance
from modnet_export.verifying import metrics
from modnet_export.verifying import result as result_of
from modnet_export.verifying.result import Link, TruthErrors, Verification

PASSED = Measurement(input="photo", max_abs_difference=0.1, passed=True)
FAILED = Measurement(input="noise", max_abs_difference=0.1, missed=("max_abs_difference",), passed=False)
TRUTH = {"images": 3, "mad": 0.1, "mse": 0.1, "sad": 1, "grad": 1, "conn": 1}


def link(**changes):
    known = {
        "artefact": "modnet_fp32.onnx",
        "delegate": "cpu",
        "stage": "ONNX export",
        "engine": "ONNX Runtime",
        "tolerance": Tolerance(),
        "verdict": "passed",
        "expected": tuple(item.input for item in changes.get("measurements", (PASSED,))),
        "measurements": (PASSED,),
    }
    return Link(**(known | changes))


def verification(**changes):
    known = {
        "source": {"name": "demo", "kind": "checkpoint", "sha256": "0" * 64},
        "size": {"height": 32, "width": 32},
        "reference": "PyTorch",
        "versions": {},
        "environment": {},
        "seconds": 1,
        "inputs": ("photo",),
        "unreadable": {},
        "expected": ("modnet_fp32.onnx",),
        "links": (link(),),
    }
    return Verification(**(known | changes))


@pytest.fixture(scope="module")
def whole(dist):
    return verify(VerifyRequest(dist, fp16_safety=True))


class TestNonsenseIsRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"measurements": ()}, "without a measurement has not passed"),
            ({"measurements": (PASSED, FAILED)}, "a measurement that failed has not passed"),
            ({"measurements": (PASSED, PASSED)}, "'photo' is measured twice"),
            ({"expected": ("photo", "noise")}, "without a measurement of 'noise' has not passed"),
            ({"expected": ()}, "'photo' is measured, and is not one of the expected inputs"),
            (
                {"tolerance": Tolerance(max_abs_difference=0.05)},
                "'photo' has passed, but does not hold its limit of max",
            ),
            ({"tolerance": Tolerance(mad=0.05)}, "'photo' has passed, but does not hold its limit of mean"),
            ({"verdict": "failed"}, "'failed' needs a reason"),
            ({"verdict": "not run", "measurements": ()}, "'not run' needs a reason"),
            ({"artefact": ""}, "at least 1 character"),
        ],
    )
    def test_link(self, changes, message):
        assert link().name == "modnet_fp32.onnx"
        with pytest.raises(ValidationError, match=message):
            link(**changes)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"links": ()}, "at least 1 item"),
            ({"links": (link(), link())}, r"the link 'modnet_fp32\.onnx' is there twice"),
            ({"expected": ()}, "at least 1 item"),
            ({"inputs": ("photo", "photo")}, "the input 'photo' is there twice"),
            ({"inputs": ()}, "at least one input"),
            ({"seconds": -1}, "greater than or equal to 0"),
            ({"seconds": math.nan}, "finite number"),
        ],
    )
    def test_verification(self, changes, message):
        assert verification().passed
        with pytest.raises(ValidationError, match=message):
            verification(**changes)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [({"images": 0}, "greater than 0"), ({"mad": math.nan}, "finite"), ({"sad": -1}, "greater than or equal")],
    )
    def test_truth_errors(self, changes, message):
        assert TruthErrors(**TRUTH).images == 3
        with pytest.raises(ValidationError, match=message):
            TruthErrors(**(TRUTH | changes))

    def test_file_with_nonsense_is_one_clear_error(self, whole, tmp_path):
        content = json.loads(whole.model_dump_json())
        content["links"][1]["measurements"][0]["mad"] = -1
        (tmp_path / "base.json").write_text(json.dumps(content))
        with pytest.raises(ExportError, match=r"cannot read base\.json.*links\.1\.measurements\.0\.mad") as error:
            result_of.load(tmp_path / "base.json")
        assert len(str(error.value).splitlines()) == 4


class TestFiles:
    def test_result_round_trips_and_is_its_own_baseline(self, dist, whole, tmp_path):
        (tmp_path / "base.json").write_text(whole.model_dump_json())
        baseline = result_of.load(tmp_path / "base.json")
        assert baseline == whole
        assert verify(VerifyRequest(dist, baseline=baseline)).passed

    def test_keys_are_those_that_scripts_know(self, whole):
        content = json.loads(whole.model_dump_json())
        assert content["schema_version"] == 2
        assert "fp16_safety" not in content
        assert [item["artefact"] for item in content["half"]] == ["modnet_fp16.tflite"]

    def test_file_from_before_the_format_had_a_version_is_read(self, whole, tmp_path):
        content = json.loads(whole.model_dump_json())
        del content["schema_version"]
        (tmp_path / "base.json").write_text(json.dumps(content))
        assert result_of.load(tmp_path / "base.json") == whole

    def test_file_of_a_newer_version_says_what_to_update(self, tmp_path):
        (tmp_path / "base.json").write_text('{"schema_version": 3, "something": "new"}')
        with pytest.raises(ExportError, match=r"(?s)written by a newer version.*update modnet-export"):
            result_of.load(tmp_path / "base.json")

    def test_file_that_does_not_say_what_was_expected_is_refused(self, tmp_path):
        content = json.loads(verification().model_dump_json()) | {"schema_version": 1}
        del content["expected"]
        (tmp_path / "base.json").write_text(json.dumps(content))
        with pytest.raises(ExportError, match=r"(?s)older version.*verify again and keep its JSON"):
            result_of.load(tmp_path / "base.json")

    def test_file_that_is_no_result_is_one_clear_error(self, tmp_path):
        (tmp_path / "base.json").write_text("{}")
        with pytest.raises(ExportError, match=r"cannot read base\.json"):
            result_of.load(tmp_path / "base.json")


def test_errors_against_the_truth_are_those_of_the_table():
    import numpy as np

    measured = metrics.against_truth(np.zeros((12, 12)), np.ones((12, 12)))
    assert tuple(measured) == TRUTH_MEASURES == tuple(TruthErrors.model_fields)[1:]
