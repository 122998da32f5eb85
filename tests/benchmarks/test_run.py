"""Benchmarks as a script runs them, without the command line."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pytest

from benchmarks import BenchRequest, HostTarget, bench, formats
from benchmarks.results import Run
from converters.errors import CheckFailedError, ExportError, ExportWarning
from modnet_export.record import manifest


@dataclass(frozen=True)
class Scripted:
    """A target that gives each model one sample, and remembers what it was asked for."""

    name: str = "scripted"
    formats: frozenset = frozenset({"onnx", "tflite"})
    observations: frozenset = frozenset({"latency"})

    @property
    def run_suffix(self):
        return f" on {self.name}"

    def measure(self, plan, record, stop):
        for subject in plan.of_formats(self.formats, self.name):
            record.keep(Run(record.run_name(subject), (1.0,), (), target=self.name))
            for sample in plan.samples:
                record.judge(subject, sample, sample.matte_nhwc, subject.tolerance)


@pytest.fixture
def measured(dist):
    """Benchmarks on scripted targets; no warning may pass unseen."""

    def run(*targets, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ExportWarning)
            return bench(BenchRequest(dist=dist, targets=targets or (Scripted(),), **options))

    return run


def test_every_model_is_measured_in_every_way(measured):
    names = [run.name for run in measured(threads=(1, 2), delegates=("cpu", "builtin")).runs]
    assert "modnet_fp32.tflite 2T builtin on scripted" in names
    assert "modnet_fp32.onnx 2T on scripted" in names
    assert not [name for name in names if "onnx" in name and "builtin" in name]
    assert not [name for name in names if "mlpackage" in name]


def test_a_model_that_is_named_twice_is_measured_once(dist):
    file = "modnet_fp32.tflite"
    request = BenchRequest(dist=dist, artefacts=(file, file), threads=(1, 1), delegates=("cpu", "cpu"))
    assert [subject.name for subject in request.subjects(manifest.load(dist), dist)] == [f"{file} 1T"]


def test_one_model_on_this_machine(dist, tmp_path):
    out = tmp_path / "b.json"
    result = bench(BenchRequest(dist=dist, artefacts=("modnet_fp32.tflite",), runs=2, out=out))
    assert [run.name for run in result.runs] == ["modnet_fp32.tflite 1T"]
    assert formats.load(out) == result


def test_a_table_is_written_at_the_end(measured, tmp_path):
    measured(artefacts=("modnet_fp32.tflite",), out=tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text().splitlines()[1].startswith("modnet_fp32.tflite 1T on scripted,1.0")


def test_the_reference_runs_only_where_mattes_are_judged(measured, monkeypatch):
    artefacts = ("modnet_fp32.tflite",)
    judging = Scripted("judging", observations=frozenset({"latency", "parity"}))
    (found,) = measured(Scripted(), judging, artefacts=artefacts).parity[:1]
    assert (found.input, found.passed, found.mad) == ("photo", True, 0.0)
    monkeypatch.setattr("benchmarks.run.referenced", lambda *_: pytest.fail("the reference ran"))
    assert measured(artefacts=artefacts).parity == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ()}, "`targets`"),
        ({"threads": ()}, "`threads`"),
        ({"delegates": ()}, "`delegates`"),
        ({"threads": (1, 0)}, "0 is too little[^$]*`threads`"),
        ({"runs": 0}, "0 is too little[^$]*`runs`"),
        ({"duration_s": float("nan")}, "nan is too little[^$]*`duration`"),
        ({"sustained_minutes": -1.0}, "-1.0 is too little[^$]*`sustained`"),
        ({"duration_s": 1.0, "sustained_minutes": 1.0}, "`duration` and `sustained`"),
        ({"targets": (HostTarget(), HostTarget())}, "named twice"),
        ({"resume": True}, "nothing to go on with[^$]*`out=FILE.json`"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_when_it_is_made(dist, options, message):
    with pytest.raises(ExportError, match=message):
        BenchRequest(dist=dist, **options)


def test_a_request_that_goes_on_with_a_table_is_refused(dist, tmp_path):
    with pytest.raises(ExportError, match="nothing to go on with"):
        BenchRequest(dist=dist, resume=True, out=tmp_path / "b.CSV")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": True}, "energy cannot be estimated on scripted[^$]*`energy`"),
        ({"profile": True}, "ops cannot be timed one by one on scripted[^$]*`profile`"),
        ({"artefacts": ("x.tflite",)}, "there is no x.tflite"),
        ({"artefacts": ("modnet_fp32.onnx",), "delegates": ("gpu",)}, "none of the models runs with gpu"),
    ],
)
def test_what_no_target_can_do_is_refused(measured, options, message):
    with pytest.raises(ExportError, match=message):
        measured(**options)


def test_what_only_some_targets_can_do_is_a_warning(dist):
    able = Scripted("able", observations=frozenset({"latency", "energy"}))
    request = BenchRequest(dist=dist, targets=(able, Scripted()), energy=True, artefacts=("modnet_fp32.tflite",))
    with pytest.warns(ExportWarning, match="energy cannot be estimated on scripted: `energy` is for the other targets"):
        assert len(bench(request).runs) == 2


def test_a_model_that_was_named_and_cannot_run_somewhere_is_a_warning(dist):
    tflite = Scripted("phone", formats=frozenset({"tflite"}))
    names = ("modnet_fp32.tflite", "modnet_fp32.onnx")
    with pytest.warns(ExportWarning, match=r"modnet_fp32\.onnx: not measured on phone, which runs tflite only"):
        assert len(bench(BenchRequest(dist=dist, targets=(tflite, Scripted()), artefacts=names)).runs) == 3
    with pytest.warns(ExportWarning, match=r"modnet_fp32\.onnx: not measured, because only TFLite models"):
        bench(BenchRequest(dist=dist, targets=(Scripted(),), artefacts=names, delegates=("gpu",)))


def test_a_target_that_can_run_none_of_the_models_says_so(dist):
    tflite = Scripted("phone", formats=frozenset({"tflite"}))
    request = BenchRequest(dist=dist, targets=(tflite,), artefacts=("modnet_fp32.onnx",))
    with pytest.warns(ExportWarning), pytest.raises(ExportError, match="phone can run none of the models"):
        bench(request)


def test_a_file_that_cannot_be_continued_is_refused_before_anything_runs(dist, tmp_path):
    out = tmp_path / "b.json"
    out.write_text('{"schema_version": 3}')
    with pytest.raises(ExportError, match="newer version"):
        bench(BenchRequest(dist=dist, targets=(Scripted(),), resume=True, out=out))


def test_resuming_without_a_file_begins_one(dist, tmp_path):
    out = tmp_path / "b.json"
    bench(BenchRequest(dist=dist, targets=(Scripted(),), artefacts=("modnet_fp32.tflite",), resume=True, out=out))
    assert len(formats.load(out).runs) == 1


def test_files_that_were_changed_after_the_export_are_refused(dist, tmp_path):
    import shutil

    copy = shutil.copytree(dist, tmp_path / "dist")
    (copy / manifest.load(dist).artefacts[0].file).write_bytes(b"something else")
    with pytest.raises(CheckFailedError, match="not what was exported"):
        bench(BenchRequest(dist=copy, targets=(Scripted(),)))
