"""The arm64 target on a stand-in for QEMU, which needs no arm64 system."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import qemu, session
from benchmarks.errors import StoppedError
from benchmarks.plan import Plan
from benchmarks.record import Record, TargetRecord
from converters.errors import ExportError
from converters.runtimes import open_runtime
from modnet_export.verifying.parity import Sample
from tests.fakes import qemu as fake


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    """Installs the stand-in; gives the CPUs that it was called with."""

    def install(**options):
        monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
        log = fake.install(qemu.folder(), **options)
        return lambda: log.read_text().splitlines() if log.exists() else []

    return install


@pytest.fixture(scope="module")
def plan(subject, image_nhwc):
    one = subject()
    return Plan((one,), image_nhwc, samples=(Sample("photo", image_nhwc, open_runtime(one.path).run(image_nhwc)),))


def measured(plan, cpu=None, record=None):
    return session.measure([qemu.QemuTarget(cpu)], plan, record or Record())


@pytest.mark.parametrize(("cpu", "used"), [(None, "max"), ("cortex-a76", "cortex-a76")])
def test_parity_is_taken_and_no_latency(emulator, plan, cpu, used):
    calls = emulator()
    result = measured(plan, cpu)
    (found,) = result.parity
    assert (found.name, found.passed) == (f"modnet_fp32.tflite 1T on {qemu.QemuTarget(cpu).name}", True)
    assert result.runs == ()
    assert calls() == [f"-cpu {used}"]


def test_other_delegates_and_formats_are_not_emulated(emulator, plan, subject):
    emulator()
    subjects = (subject(delegate="gpu"), subject("modnet_fp32.onnx"))
    result = measured(replace(plan, subjects=subjects))
    assert [item.reason for item in result.failures] == ["gpu is not emulated: only cpu and builtin are"]
    with pytest.raises(ExportError, match="qemu-arm64 can run none of the models"):
        measured(replace(plan, subjects=subjects[1:]))


def test_cpu_that_qemu_does_not_know_is_refused_with_those_it_does(emulator, plan):
    emulator()
    with pytest.raises(ExportError, match=r"no CPU 'cortex-x99'[^$]*`targets`[^$]*cortex-a53, cortex-a76, max"):
        measured(plan, "cortex-x99")


def test_another_matte_fails(emulator, plan):
    emulator()
    (sample,) = plan.samples
    wrong = replace(sample, matte_nhwc=np.clip(sample.matte_nhwc + 0.01, 0, 1))
    assert [item.passed for item in measured(replace(plan, samples=(wrong,))).parity] == [False]


def test_a_model_that_crashes_is_one_failure(emulator, plan, tmp_path):
    emulator()
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    broken = replace(plan.subjects[0], path=tmp_path / "broken.tflite")
    (failure,) = measured(replace(plan, subjects=(broken,))).failures
    assert "LiteRT under QEMU ended with 1" in failure.reason


def test_a_model_that_ran_on_this_machine_s_kernels_is_a_failure(emulator, plan):
    emulator(machine="x86_64")
    assert "ended with 0" in measured(plan).failures[0].reason


def test_what_was_judged_is_not_judged_again(emulator, plan, tmp_path):
    calls = emulator()
    measured(plan, record=Record(tmp_path / "b.json"))
    again = measured(plan, record=Record.continued(tmp_path / "b.json"))
    assert len(again.parity) == len(calls()) == 1


def test_stopping_ends_the_emulation(emulator, plan):
    calls, stop = emulator(sleep=60), threading.Event()
    target = qemu.QemuTarget()

    def when_it_runs():
        while not calls():
            time.sleep(0.05)
        stop.set()

    threading.Thread(target=when_it_runs).start()
    start = time.monotonic()
    with pytest.raises(StoppedError):
        target.measure(plan, TargetRecord(Record(), target.name, target.run_suffix), stop)
    assert time.monotonic() - start < 30
