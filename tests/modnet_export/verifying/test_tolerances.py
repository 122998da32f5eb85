"""Tolerances that a user changes."""

from __future__ import annotations

import pytest

from converters.errors import ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.record import manifest
from modnet_export.record.measures import Tolerance
from modnet_export.verifying.tolerances import ALL, ToleranceChanges


def test_option_and_file_change_what_is_allowed(dist, tmp_path):
    (tmp_path / "gate.toml").write_text('ssim = 0.99\n[fp16]\nmad = 1e-9\n["modnet_fp32.onnx"]\nmad = 1e-12\n')
    changes = ToleranceChanges.parse(["p999=0.5", str(tmp_path / "gate.toml")])
    first, _, third, fourth = manifest.load(dist).artefacts
    common = {"p999": 0.5, "ssim": 0.99}
    assert changes.of(first).limits == {"noise_ratio": 8, "mad": 1e-12, **common}
    assert changes.of(third).limits == {"noise_ratio": 8, **common}
    assert changes.of(fourth).limits == {"mad": 1e-9, **common}


def test_changes_are_typed_values(dist):
    changes = ToleranceChanges({ALL: Tolerance(p999=0.5), "fp16": Tolerance(mad=0.1)})
    applied = changes.applied(manifest.load(dist))
    assert [item.tolerance.limits for item in applied.artefacts] == [
        *[{"noise_ratio": 8, "p999": 0.5}] * 3,
        {"mad": 0.1, "p999": 0.5},
    ]
    assert ToleranceChanges.parse(["p999=1", " p999 = 0.5"]) == ToleranceChanges({ALL: Tolerance(p999=0.5)})


def test_changed_tolerance_gates(dist):
    result = verify(VerifyRequest(dist, tolerances=ToleranceChanges.parse(["psnr_db=100"])))
    failed = {link.artefact: link.reason for link in result.links if link.verdict == "failed"}
    assert list(failed) == ["modnet_fp16.tflite"]
    assert "psnr_db 6" in failed["modnet_fp16.tflite"]
    assert result.guilty is not None
    assert result.guilty.stage == "TFLite weight compression"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("mda=0.1", "'mda' is not a tolerance"),
        ("mad=lots", "'mad' is not a tolerance"),
        ("mad=nan", "'mad' is not a tolerance"),
        ("mad=-1", "'mad' is not a tolerance: a difference is never below zero"),
        ("mad=inf", "'mad' is not a tolerance: Input should be a finite number"),
        ("mad=", "'mad' is not a tolerance"),
        ("nope.toml", r"cannot read tolerances from 'nope\.toml'"),
    ],
)
def test_mistake_is_one_clear_error(option, message):
    with pytest.raises(ExportError, match=message) as error:
        ToleranceChanges.parse([option])
    assert "`tolerance" in str(error.value)
    assert error.value.next_step


@pytest.mark.parametrize("limit", ["true", "nan", "inf", "-inf", "-0.1", '"0.1"', "[0.1]"])
def test_file_whose_limit_is_no_limit_is_refused(tmp_path, limit):
    (tmp_path / "gate.toml").write_text(f"[fp16]\nmad = {limit}\n")
    with pytest.raises(ExportError, match=r"'mad' is not a tolerance") as error:
        ToleranceChanges.parse([str(tmp_path / "gate.toml")])
    assert "gate.toml" in str(error.value)


def test_limit_between_frames_needs_a_video(dist):
    with pytest.raises(ExportError, match="'dtssd' has a limit, but no input follows another frame"):
        verify(VerifyRequest(dist, tolerances=ToleranceChanges.parse(["dtssd=0"])))


def test_section_about_nothing_is_refused(dist, tmp_path):
    (tmp_path / "gate.toml").write_text("[int7]\nmad = 1\n")
    with pytest.raises(ExportError, match="nothing called int7"):
        verify(VerifyRequest(dist, tolerances=ToleranceChanges.parse([str(tmp_path / "gate.toml")])))
