"""The state folder: what it keeps, and when it must not be believed."""

from __future__ import annotations

import json
import math

import pytest

from converters.errors import ExportError, ExportWarning
from modnet_export import VerifyRequest, verify
from modnet_export.record.contract import Size
from modnet_export.verifying import state, tasks
from modnet_export.verifying.state import Owner, Row, State


@pytest.fixture
def measured_again(monkeypatch):
    """The files of the models that were run."""
    seen = []
    real = tasks.run_candidate
    monkeypatch.setattr(tasks, "run_candidate", lambda model, chunk: seen.append(model.file) or real(model, chunk))
    return seen


def owner(folder):
    return json.loads((folder / "state.json").read_text())


def measurements(result):
    return [link.measurements for link in result.links]


def test_finished_measurements_are_not_repeated(dist, tmp_path, measured_again):
    first = verify(VerifyRequest(dist, state=tmp_path))
    assert len(measured_again) == 4
    assert measurements(verify(VerifyRequest(dist, state=tmp_path))) == measurements(first)
    assert len(measured_again) == 4


def test_line_that_a_killed_run_was_writing_is_ignored(dist, tmp_path, measured_again):
    whole = verify(VerifyRequest(dist, state=tmp_path))
    rows = (tmp_path / "rows.jsonl").read_text().splitlines(keepends=True)
    # What is measured in its place must not be written behind the rest of that line.
    (tmp_path / "rows.jsonl").write_text("".join(rows[:-1]) + rows[-1][:20])
    assert measurements(verify(VerifyRequest(dist, state=tmp_path))) == measurements(whole)
    assert len(measured_again) == 5
    assert measurements(verify(VerifyRequest(dist, state=tmp_path))) == measurements(whole)
    assert len(measured_again) == 5


@pytest.mark.parametrize("changed", ["checkpoint", "size"])
def test_state_of_another_verification_is_refused(demo_source, tmp_path, changed):
    present = Owner.present(demo_source, Size(height=32, width=32))
    State(tmp_path, present.model_copy(update={changed: "something else"}))
    with pytest.raises(ExportError, match="state of another verification"):
        State(tmp_path, present)


def test_what_other_code_measured_is_measured_anew(dist, tmp_path, monkeypatch, measured_again):
    first = verify(VerifyRequest(dist, state=tmp_path))
    monkeypatch.setattr(state, "code_sha256", lambda packages: "0" * 64)
    with pytest.warns(ExportWarning, match=r"before this tool's code changed: everything is measured again"):
        again = verify(VerifyRequest(dist, state=tmp_path))
    assert len(measured_again) == 8
    assert measurements(again) == measurements(first)
    verify(VerifyRequest(dist, state=tmp_path))
    assert len(measured_again) == 8


@pytest.mark.parametrize(
    "package", ["onnxruntime", "ai-edge-litert", "torch", "coremltools", "numpy", "modnet-export", "system"]
)
def test_rows_that_another_version_measured_are_dropped(demo_source, tmp_path, package):
    present = Owner.present(demo_source, Size(height=32, width=32))
    row = Row("candidate", "key", {"mad": math.nan}, engine="some engine")
    State(tmp_path, present).add([row])
    assert repr(State(tmp_path, present).rows) == repr({("candidate", "key"): row})
    older = present.model_copy(update={"measured_by": {**present.measured_by, package: "0.0.1"}})
    (tmp_path / "state.json").write_text(older.model_dump_json())
    with pytest.warns(ExportWarning, match=f"before {package} changed"):
        assert State(tmp_path, present).rows == {}
    assert State(tmp_path, present).rows == {}


def test_code_is_known_by_its_source_files(tmp_path, monkeypatch):
    (tmp_path / "some_package" / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py"):
        (tmp_path / "some_package" / name).write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = state.code_sha256(["some_package"])
    (tmp_path / "some_package" / "cache.pyc").write_text("compiled")
    assert state.code_sha256(["some_package"]) == before
    (tmp_path / "some_package" / "inner" / "__init__.py").write_text("x = 2\n")
    assert state.code_sha256(["some_package"]) != before


@pytest.mark.parametrize("package", ["converters", "modnet_export.images", "modnet_export.verifying"])
def test_code_that_decides_numbers_is_hashed(package):
    assert package in state._MEASURING_CODE
    assert state.code_sha256([package]) != state.code_sha256([])


class TestVersions:
    @pytest.fixture
    def present(self, demo_source):
        return Owner.present(demo_source, Size(height=32, width=32))

    def test_state_from_before_the_format_had_one_is_measured_anew(self, present, tmp_path):
        State(tmp_path, present).add([Row("candidate", "key", engine="some engine")])
        (tmp_path / "state.json").write_text(json.dumps(f"{present.checkpoint} {present.size}"))
        with pytest.warns(ExportWarning, match="measured before this tool changed: everything is measured again"):
            assert State(tmp_path, present).rows == {}
        assert owner(tmp_path)["schema_version"] == 1

    def test_old_state_of_another_verification_is_refused(self, present, tmp_path):
        (tmp_path / "state.json").write_text('"something else"')
        with pytest.raises(ExportError, match="state of another verification"):
            State(tmp_path, present)

    def test_state_of_a_newer_version_is_refused(self, present, tmp_path):
        (tmp_path / "state.json").write_text('{"schema_version": 2}')
        with pytest.raises(ExportError, match=r"(?s)written by a newer version.*update modnet-export"):
            State(tmp_path, present)
