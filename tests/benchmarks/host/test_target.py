"""Measuring on this machine, with real models in real processes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import formats, session
from benchmarks.host import target as host
from benchmarks.plan import Plan
from benchmarks.record import Record, TargetRecord
from benchmarks.results import EVALUATED
from converters.errors import ExportWarning


@pytest.fixture(scope="module")
def bench(subject, image_nhwc):
    subjects = [
        subject(file, threads=threads) for file in ("modnet_opt_fp32.onnx", "modnet_fp32.tflite") for threads in (1, 2)
    ]
    plan = Plan(tuple(subjects), image_nhwc, runs=5, profile=True)
    return session.measure([host.HostTarget()], plan, Record())


@pytest.fixture
def failures(image_nhwc):
    """What fails when one subject is measured."""

    def measured(subject):
        plan = Plan((subject,), image_nhwc, runs=2)
        return session.measure([host.HostTarget()], plan, Record()).failures

    return measured


def test_every_sample_is_kept_with_its_conditions(bench):
    assert [run.name for run in bench.runs] == [
        f"{name} {threads}T" for name in ("modnet_opt_fp32.onnx", "modnet_fp32.tflite") for threads in (1, 2)
    ]
    for run in bench.runs:
        assert (len(run.samples_ms), len(run.warmup_ms), len(run.at_s)) == (5, host.WARMUP_ROUNDS, 5)
        assert run.target == "host"
        assert run.init_ms > 0 < run.first_ms
        # The weights alone are 26 MB.
        assert run.peak_memory_bytes > 20e6
        assert 5e6 < run.allocated_bytes < run.peak_memory_bytes * 1.5
        assert {"cpu", "threads", "engine", "sha256", "size", "ai-edge-litert"} <= set(run.conditions)
    assert bench.runs[0].conditions["size"] == "96x128"


def test_time_is_told_op_by_op(bench):
    for run in bench.runs:
        assert len(run.profile) > 100
        assert sum(item.share for item in run.profile) == pytest.approx(1)
        # Timed one by one, on a machine that is shared.
        assert 0.02 < sum(item.mean_ms for item in run.profile) / run.median_ms < 50
    assert max(bench.runs[2].profile, key=lambda item: item.mean_ms).op == "CONV_2D"


def test_ops_that_cannot_be_timed_are_named(subject, image_nhwc):
    plan = Plan((subject(delegate="builtin"),), image_nhwc, runs=2, profile=True)
    with pytest.warns(ExportWarning, match=r"modnet_fp32\.tflite 1T builtin: its ops were not timed"):
        (run,) = session.measure([host.HostTarget()], plan, Record()).runs
    assert run.profile == ()


def test_resume_goes_on_where_a_file_ends(subject, image_nhwc, tmp_path):
    path = tmp_path / "b.json"
    plan = Plan((subject(),), image_nhwc, runs=3)
    first = session.measure([host.HostTarget()], plan, Record(path)).runs[0]
    again = session.measure([host.HostTarget()], replace(plan, runs=5), Record.continued(path)).runs[0]
    assert again.samples_ms[:3] == first.samples_ms
    assert len(again.samples_ms) == 5
    assert formats.load(path).runs[0] == again


def test_duration_bounds_the_time_of_each(subject, image_nhwc):
    plan = Plan((subject(),), image_nhwc, seconds=0.3)
    (run,) = session.measure([host.HostTarget()], plan, Record()).runs
    assert 300 <= sum(run.samples_ms) < 300 + max(run.samples_ms)


def test_sustained_load_goes_on_for_its_time(subject, image_nhwc):
    plan = Plan((subject(),), image_nhwc, runs=2, sustained_minutes=0.01)
    (run,) = session.measure([host.HostTarget()], plan, Record()).runs
    assert run.at_s[-1] >= 0.6
    assert list(run.at_s) == sorted(run.at_s)


def test_result_round_trips(bench, tmp_path):
    (tmp_path / "b.json").write_bytes(formats.dump(bench))
    assert formats.load(tmp_path / "b.json") == bench


def test_model_that_does_not_load_is_one_clear_error(tmp_path, subject, failures):
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    (failure,) = failures(replace(subject(), path=tmp_path / "broken.tflite", sha256="0"))
    assert "broken.tflite 1T did not run: cannot load" in failure.reason


def test_process_that_dies_is_one_clear_error(subject, failures, monkeypatch):
    """As when the kernel ends it for its memory."""
    real = host._Worker.run

    def killed(self, count):
        self._process.kill()
        self._process.wait()
        return real(self, count)

    monkeypatch.setattr(host._Worker, "run", killed)
    (failure,) = failures(subject())
    assert "did not run" in failure.reason


def test_a_folder_called_benchmarks_in_the_working_directory_is_not_taken_for_ours(
    subject, failures, tmp_path, monkeypatch
):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    assert failures(subject()) == ()


def test_a_worker_runs_by_hand_too(subject, image_nhwc, tmp_path):
    import numpy as np

    np.save(tmp_path / "image.npy", image_nhwc)
    command = [sys.executable, "-m", "benchmarks.host.worker", subject().path, tmp_path / "image.npy", 1, "cpu"]
    done = subprocess.run(list(map(str, command)), input="2\n", capture_output=True, text=True, check=True)
    loaded, answer = done.stdout.splitlines()
    assert '"engine"' in loaded
    assert '"samples_ms"' in answer


@pytest.mark.parametrize(
    ("engine", "marks"), [("evaluated in PyTorch, not by Core ML", (EVALUATED,)), ("predicted by Core ML, ALL", ())]
)
def test_an_evaluators_latency_is_marked(subject, image_nhwc, engine, marks):
    model = subject("modnet_opt_fp32.onnx")
    plan = Plan((model,), image_nhwc, runs=2)
    worker = SimpleNamespace(started={"engine": engine, "init_ms": 1.0, "first_ms": 1.0, "allocated_bytes": 1})
    record = TargetRecord(Record(), host.HOST, "")
    assert host._begun(model, plan, worker, record).marks == marks
