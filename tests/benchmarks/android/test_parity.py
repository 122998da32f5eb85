"""Mattes that a device computes, with a tool that runs the model on this machine's LiteRT."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partialmethod

import pytest

from benchmarks import session
from benchmarks.android.flags import Gpu
from benchmarks.android.settings import AndroidSettings
from benchmarks.android.target import AdbTarget
from benchmarks.formats import load
from benchmarks.plan import Plan, Subject
from benchmarks.record import Record
from converters.errors import ExportError
from modnet_export.cli import main
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.record.files import sha256
from modnet_export.verifying.parity import Sample
from tests.fakes import benchmark_model, run_model
from tests.fakes.phone import left_behind


@pytest.fixture(scope="module")
def subject(dist):
    recorded = manifest.load(dist)
    item = next(item for item in recorded.artefacts if item.file == "modnet_fp32.tflite")
    return Subject.of(item, dist)


@pytest.fixture(scope="module")
def sample(dist, subject):
    from converters.runtimes import open_runtime

    image_nhwc = inputs.builtin()[0].load(manifest.load(dist).size)[0]
    return Sample("photo", image_nhwc, open_runtime(subject.path).run(image_nhwc))


def checked(device, tmp_path, subject, sample, **options):
    script = benchmark_model.script(tmp_path / "benchmark_model", real=True, **options)
    plan = Plan((subject,), sample.image_nhwc, runs=2, samples=(sample,))
    target = AdbTarget(device.serial, AndroidSettings(benchmark_model=script, memory=False, blocks=1))
    return session.measure([target], plan, Record())


def test_the_same_matte_passes(phones, tmp_path, subject, sample):
    (found,) = checked(phones(), tmp_path, subject, sample).parity
    assert found.passed
    assert found.max_abs_difference < 1e-5


def test_a_model_of_bytes_is_given_bytes(phones, tmp_path, subject, sample):
    from converters.runtimes import open_runtime
    from converters.tflite.int8.write import mixed
    from converters.tflite.rounding import Rounding
    from modnet_export import Size
    from modnet_export.record.contract import Contract

    path = tmp_path / "modnet_int8.tflite"
    path.write_bytes(mixed(subject.path.read_bytes(), Rounding({}, compensate=False), {}, bytes_in_and_out=True))
    contract = Contract.of("tflite", Size(height=96, width=128), eight_bit=True)
    eight_bit = replace(subject, path=path, sha256=sha256(path), contract=contract)
    expected = replace(sample, matte_nhwc=open_runtime(path).run(sample.image_nhwc))
    (found,) = checked(phones(), tmp_path, eight_bit, expected).parity
    assert found.max_abs_difference <= 1 / 255 + 1e-6


def test_another_matte_fails(phones, tmp_path, subject, sample):
    (found,) = checked(phones(), tmp_path, subject, sample, offset=0.01).parity
    assert not found.passed
    assert found.mad == pytest.approx(0.01, abs=1e-4)


def test_half_a_matte_is_a_failure_and_the_latency_stays(phones, tmp_path, subject, sample):
    result = checked(phones(), tmp_path, subject, sample, half_output=True)
    assert "gave 24576 bytes" in result.failures[0].reason
    assert result.runs[0].samples_ms


def by_run_model(device, tmp_path, subject, sample, *, gpu=None, form="litert", **options):
    script = benchmark_model.script(tmp_path / "benchmark_model", form=form)
    runner = run_model.script(tmp_path / "run_model", **options)
    chosen = {"memory": False, "blocks": 1, "gpu": gpu or Gpu(), "logs": tmp_path / "logs"}
    settings = AndroidSettings(benchmark_model=script, run_model=runner, **chosen)
    plan = Plan((subject,), sample.image_nhwc, runs=2, samples=(sample,))
    return session.measure([AdbTarget(device.serial, settings)], plan, Record())


def test_the_matte_of_litert_s_compiled_model_is_compared_by_its_run_model(phones, tmp_path, subject, sample):
    device = phones()
    result = by_run_model(device, tmp_path, subject, sample)
    (found,) = result.parity
    assert found.passed
    assert found.max_abs_difference < 1e-5
    assert result.runs[0].marks == ()
    (asked,) = [json.loads(line) for line in (device.folder / "run_model.log").read_text().splitlines()]
    # A third of the matte's values each: beginning, middle and end are all of it.
    assert "--sample_size=4098" in asked
    (log,) = (tmp_path / "logs").iterdir()
    assert "Model run completed" in log.read_text()
    assert "    7: " not in log.read_text()
    assert left_behind(device) == []


def test_its_matte_of_a_gpu_is_compared_in_the_precision_that_is_measured(phones, tmp_path, subject, sample):
    device = phones()
    (found,) = by_run_model(
        device, tmp_path, replace(subject, delegate="gpu"), sample, gpu=Gpu(precision="fp32")
    ).parity
    assert found.passed
    assert {"--accelerator=gpu,cpu", "--gpu_precision=fp32"} <= set(
        json.loads((device.folder / "run_model.log").read_text())
    )


def test_a_matte_of_nan_is_judged_and_not_taken_for_missing(phones, tmp_path, subject, sample):
    (found,) = by_run_model(phones(), tmp_path, subject, sample, overflows=True).parity
    assert (found.passed, found.mad) == (False, None)


@pytest.mark.parametrize(
    ("delegate", "options", "message"),
    [
        ("gpu", {"delegated": 0}, "nothing ran on the gpu"),
        ("cpu", {"cut": True}, "told 8193 of the matte's 12288 values"),
        ("cpu", {"fails": "Failed to find input file image.raw."}, "ended with 1; it printed: .*Failed to find input"),
    ],
)
def test_a_run_model_that_says_no_matte_is_a_failure(phones, tmp_path, subject, sample, delegate, options, message):
    result = by_run_model(phones(), tmp_path, replace(subject, delegate=delegate), sample, **options)
    assert result.parity == ()
    assert re.search(message, result.failures[0].reason)
    assert result.runs[0].samples_ms


def test_an_api_that_run_model_cannot_choose_leaves_the_matte_uncompared(phones, tmp_path, subject, sample):
    gpu = replace(subject, delegate="gpu")
    result = by_run_model(phones(), tmp_path, gpu, sample, gpu=Gpu(backend="webgpu"))
    assert (result.parity, result.runs[0].marks) == ((), ("matte not compared",))
    assert result.runs[0].conditions["ran on"] == "WebGPU"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"takes_images": False}, "cannot be given an image"), ({"form": "current"}, "gives the matte itself")],
)
def test_a_run_model_of_no_use_is_refused(phones, tmp_path, subject, sample, options, message):
    with pytest.raises(ExportError, match=message):
        by_run_model(phones(), tmp_path, subject, sample, **options)


def test_the_command_line_does_all_of_it(phones, tmp_path, dist, capsys, monkeypatch):
    monkeypatch.setattr(AndroidSettings, "__init__", partialmethod(AndroidSettings.__init__, blocks=1))
    device = phones()
    script = benchmark_model.script(tmp_path / "benchmark_model", real=True)
    out = tmp_path / "bench.json"
    command = ["bench", dist, "--artefact", "modnet_fp32.tflite", "--target", "adb", "--runs", "2", "-o", out]
    with pytest.raises(SystemExit) as stop:
        main([*map(str, command), "--benchmark-model", str(script)])
    printed = capsys.readouterr()
    assert not stop.value.code, printed.err
    assert "modnet_fp32.tflite 1T on adb: gives the reference's matte" in printed.out.replace("\n", " ")
    assert "Google Pixel 8" in printed.out
    assert "PSS up to" in printed.out
    assert load(out).parity[0].passed
    assert left_behind(device) == []
