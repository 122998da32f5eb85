"""The stages of a verification together: what they load, and what they refuse before anything long begins."""

from __future__ import annotations

import zipfile

import pytest

from converters.errors import CrashedError, ExportError
from modnet_export import ExportRequest, Size, VerifyRequest, export, verify
from modnet_export.cli.tables import say_verification
from modnet_export.images.inputs import builtin
from modnet_export.model import reference
from modnet_export.verifying import tasks
from modnet_export.verifying.tolerances import ToleranceChanges


@pytest.fixture
def reference_use(monkeypatch):
    """What was done with the reference network in this process."""
    seen = []
    for name in ("__init__", "run", "trace"):
        real = getattr(reference.TorchReference, name)

        def noted(self, *arguments, name=name, real=real, **options):
            seen.append(name)
            return real(self, *arguments, **options)

        monkeypatch.setattr(reference.TorchReference, name, noted)
    return seen


def test_reference_is_loaded_once_and_runs_once_on_each_input(tmp_path, reference_use):
    """For the measurements, for the bundle, and for finding the op."""
    out = tmp_path / "dist"
    export(ExportRequest(size=Size(height=64, width=96), formats=("onnx", "coreml"), precisions=("fp32",), out=out))
    reference_use.clear()
    strict = ToleranceChanges.parse(["max_abs_difference=1e-12"])
    result = verify(VerifyRequest(out, bundle=tmp_path / "bundle.zip", tolerances=strict, bisect=True))
    assert result.links[0].verdict == "failed"
    # The trace is of float32, and a run of its own.
    assert reference_use == ["__init__", "run", "run", "trace"]
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert {"image_0.npy", "matte_0.npy", "image_1.npy", "matte_1.npy"} <= set(archive.namelist())


def test_artefact_that_cannot_be_opened_is_not_run_and_fails(dist, monkeypatch):
    def refuse(path, **options):
        if path.suffix == ".onnx":
            raise ExportError("no engine today")
        return real(path, **options)

    real = tasks.open_runtime
    monkeypatch.setattr(tasks, "open_runtime", refuse)
    result = verify(VerifyRequest(dist))
    assert [link.verdict for link in result.links] == ["not run", "not run", "passed", "passed"]
    assert "no engine today" in result.links[0].reason
    assert not result.passed


def test_crash_on_one_input_is_a_row_and_the_other_input_has_its_own(dist, monkeypatch):
    class Crashing:
        def __init__(self, path, **options):
            self._real, self._crashes = real(path, **options), path.name == "modnet_fp32.onnx"
            self.engine, self.size = self._real.engine, self._real.size

        def run(self, image_nhwc):
            if self._crashes:
                self._crashes = False
                raise CrashedError("Core ML crashed, signal 11")
            return self._real.run(image_nhwc)

    real = tasks.open_runtime
    monkeypatch.setattr(tasks, "open_runtime", Crashing)
    first, second, *_ = verify(VerifyRequest(dist)).links
    assert (first.verdict, len(first.measurements)) == ("not run", 1)
    assert "signal 11" in first.reason
    assert (second.verdict, len(second.measurements)) == ("passed", 2)


def test_folder_with_nothing_for_a_delegate_is_refused(tmp_path):
    out = tmp_path / "dist"
    export(ExportRequest(size=Size(height=64, width=96), formats=("onnx",), out=out))
    for delegate in ("cpu-fp16", "builtin", "gpu"):
        with pytest.raises(ExportError, match=f"(?s)runs on {delegate}.*cpu, which runs every file"):
            verify(VerifyRequest(out, delegates=(delegate,)))
    with pytest.raises(ExportError, match="no artefact whose fp16 safety could be examined"):
        verify(VerifyRequest(out, fp16_safety=True))


def test_files_that_no_delegate_runs_are_named(dist, capsys):
    result = verify(VerifyRequest(dist, builtin()[:1], delegates=("builtin",)))
    assert result.expected == ("modnet_fp32.tflite (builtin)", "modnet_fp16.tflite (builtin)")
    assert result.left_out == ("modnet_fp32.onnx", "modnet_opt_fp32.onnx")
    say_verification(result)
    assert "Not asked for: modnet_fp32.onnx, modnet_opt_fp32.onnx" in " ".join(capsys.readouterr().out.split())


def test_fp16_arithmetic_on_a_cpu_is_for_the_fp16_file_and_another_matte(dist):
    (in_fp16,) = verify(VerifyRequest(dist, builtin()[:1], delegates=("cpu-fp16",))).links
    assert (in_fp16.name, in_fp16.engine[-7:]) == ("modnet_fp16.tflite (cpu-fp16)", "in fp16")
    (found,) = in_fp16.measurements
    # At this size: a mean of 0.011 (26 November 2026), and 4e-5 in float32.
    assert 1e-3 < found.mad < 0.03
