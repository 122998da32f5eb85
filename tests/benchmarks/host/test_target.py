"""Measuring on this machine, with real models in real processes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import measure, session
from benchmarks.host.target import target as host
from converters.errors import ExportError
from modnet_export.cli import main
from modnet_export.images import inputs
from modnet_export.record import manifest


@pytest.fixture(scope="module")
def bench(dist):
    recorded = manifest.load(dist)
    image_nhwc, _ = inputs.builtin()[0].load(recorded.size)
    candidates = [
        session.Candidate(item.file, dist / item.file, item.sha256, threads)
        for item in recorded.artefacts[1:3]
        for threads in (1, 2)
    ]
    plan = session.Plan(tuple(candidates), image_nhwc, runs=5, profile=True)
    return session.measure([host.HostTarget()], plan, session.Record())


def failures(candidate, dist):
    image_nhwc, _ = inputs.builtin()[0].load(manifest.load(dist).size)
    plan = session.Plan((candidate,), image_nhwc, runs=2)
    return session.measure([host.HostTarget()], plan, session.Record()).failures


def test_every_sample_is_kept_with_its_conditions(bench, dist):
    assert [run.name for run in bench.runs] == [
        f"{name} {threads}T" for name in ("modnet_opt_fp32.onnx", "modnet_fp32.tflite") for threads in (1, 2)
    ]
    for run in bench.runs:
        assert (len(run.samples_ms), len(run.warmup_ms)) == (5, host.WARMUP_ROUNDS)
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
        # Timed one by one; the machine is shared.
        assert 0.2 < sum(item.mean_ms for item in run.profile) / run.median_ms < 5
    assert max(bench.runs[2].profile, key=lambda item: item.mean_ms).op == "CONV_2D"


def test_resume_goes_on_where_a_file_ends(dist, tmp_path):
    item = manifest.load(dist).artefacts[2]
    candidate = session.Candidate(item.file, dist / item.file, item.sha256, 1)
    image_nhwc, _ = inputs.builtin()[0].load(manifest.load(dist).size)
    path = tmp_path / "b.json"
    plan = session.Plan((candidate,), image_nhwc, runs=3)
    first = session.measure([host.HostTarget()], plan, session.Record(path)).runs[0]
    again = session.measure([host.HostTarget()], replace(plan, runs=5), session.continued(path)).runs[0]
    assert again.samples_ms[:3] == first.samples_ms
    assert len(again.samples_ms) == 5
    assert measure.load(path).runs[0] == again


def test_duration_bounds_the_time_of_each(dist):
    item = manifest.load(dist).artefacts[2]
    candidate = session.Candidate(item.file, dist / item.file, item.sha256, 1)
    image_nhwc, _ = inputs.builtin()[0].load(manifest.load(dist).size)
    plan = session.Plan((candidate,), image_nhwc, seconds=0.3)
    (run,) = session.measure([host.HostTarget()], plan, session.Record()).runs
    assert 300 <= sum(run.samples_ms) < 300 + max(run.samples_ms)


def test_result_round_trips(bench, tmp_path):
    (tmp_path / "b.json").write_bytes(measure.dump(bench))
    assert measure.load(tmp_path / "b.json") == bench
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(ExportError, match=r"cannot read b\.json as a benchmark"):
        measure.load(tmp_path / "b.json")


def test_model_that_does_not_load_is_one_clear_error(tmp_path, dist):
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    (failure,) = failures(session.Candidate("broken.tflite", tmp_path / "broken.tflite", "0", 1), dist)
    assert "broken.tflite 1T did not run: cannot load" in failure.reason


def test_process_that_dies_is_one_clear_error(dist, monkeypatch):
    """As when the kernel ends it for its memory."""
    real = host._Worker.run

    def killed(self, count):
        self._process.kill()
        self._process.wait()
        return real(self, count)

    monkeypatch.setattr(host._Worker, "run", killed)
    (failure,) = failures(session.Candidate("modnet_fp32.tflite", dist / "modnet_fp32.tflite", "0", 1), dist)
    assert "did not run" in failure.reason


def test_only_like_conditions_are_compared(bench):
    assert [a.name for a, b in measure.comparable(bench, bench)] == [run.name for run in bench.runs]
    run = bench.runs[0]
    other = measure.Run(run.name, run.samples_ms, (), {**run.conditions, "cpu": "another"})
    with pytest.raises(ExportError, match=r"cpu: .* and another"):
        measure.comparable(bench, measure.Bench("x", (other,)))
    with pytest.raises(ExportError, match="no run in common"):
        measure.comparable(bench, measure.Bench("x", (measure.Run("else", (1.0,), ()),)))


class TestCommands:
    @pytest.fixture
    def call(self, capsys):
        def run(*arguments):
            with pytest.raises(SystemExit) as stop:
                main(list(map(str, arguments)))
            return int(stop.value.code or 0), capsys.readouterr()

        return run

    def test_bench_writes_json_and_csv(self, call, dist, tmp_path):
        code, printed = call(
            "bench",
            dist,
            "--artefact",
            "modnet_fp32.tflite",
            "--runs",
            3,
            "--threads",
            "1,2",
            "-o",
            tmp_path / "b.json",
        )
        assert code == 0
        assert "modnet_fp32.tflite 2T" in printed.out
        assert len(measure.load(tmp_path / "b.json").runs[1].samples_ms) == 3
        assert call("bench", dist, "--artefact", "modnet_fp32.tflite", "--runs", 2, "-o", tmp_path / "b.csv")[0] == 0
        head, row = (tmp_path / "b.csv").read_text().splitlines()
        assert len(head.split(",")) == len(row.split(","))
        code, printed = call("compare", tmp_path / "b.json", "--json")
        assert code == 0
        assert json.loads(printed.out)[0]["verdict"] in ("faster", "slower", "cannot tell")

    def test_regression_beyond_the_threshold_fails(self, call, bench, tmp_path):
        run = bench.runs[0]
        before = measure.Run("m", tuple(100 + 0.1 * (i % 7) for i in range(60)), (), run.conditions)
        after = measure.Run("m", tuple(1.1 * value for value in before.samples_ms), (), run.conditions)
        for name, item in (("before", before), ("after", after)):
            (tmp_path / f"{name}.json").write_bytes(measure.dump(measure.Bench(name, (item,))))
        code, printed = call("compare", tmp_path / "before.json", tmp_path / "after.json")
        assert code == 1
        assert "slower by more than 5%: m" in printed.err
        assert call("compare", tmp_path / "before.json", tmp_path / "after.json", "--threshold", 0.2)[0] == 0
        assert call("compare", tmp_path / "after.json", tmp_path / "before.json")[0] == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--threads", "0"], "not a list of numbers"),
            (["--artefact", "x.tflite"], "there is no x.tflite"),
            (["--target", "phone"], "'phone' is no target"),
            (["--target", "adb"], "needs benchmark_model"),
            (["--target", "adb", "--app", "x;reboot"], "'x;reboot' is no activity"),
            (["--resume"], "there is nothing to go on with"),
        ],
    )
    def test_mistakes_are_one_clear_error(self, call, dist, arguments, message):
        code, printed = call("bench", dist, *arguments)
        assert code == 2
        assert message in printed.err
