from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import converters
from converters.budget import Point
from converters.errors import ExportError
from converters.tflite.int8.search import search
from converters.tflite.int8.state import State, fingerprint


@pytest.fixture
def code(tmp_path):
    """A copy of the code, to be changed."""
    return shutil.copytree(Path(converters.__file__).parent, tmp_path / "converters")


@pytest.mark.parametrize(
    "changed",
    [
        "tflite/int8/write.py",
        "tflite/builder.py",
        "tflite/rounding.py",
        "tflite/weights.py",
        "onnx/passes/__init__.py",
        "onnx/lowering.py",
        "eight_bit.py",
    ],
)
def test_fingerprint_covers_the_code_that_makes_the_models(code, changed):
    before = fingerprint(b"model", [], code)
    with (code / changed).open("a") as file:
        file.write("# another rounding\n")
    assert fingerprint(b"model", [], code) != before


def test_fingerprint_covers_model_and_images_and_not_what_only_reads_them(code):
    before = fingerprint(b"model", [np.zeros(3)], code)
    (code / "diagnose" / "drift.py").write_text("")
    assert fingerprint(b"model", [np.zeros(3)], code) == before
    assert len({before, fingerprint(b"other", [np.zeros(3)], code), fingerprint(b"model", [np.ones(3)], code)}) == 3


def test_state_of_something_else_is_not_used_and_a_broken_one_is_named(small, tmp_path):
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"key": "other", "sensitivities": {"x": 1}, "points": {"": [{"bad": 1}]}}))
    request = small.request({"mad": 1.0})
    assert search(request, state=state).point.left_in_float == 0
    state.write_text("{")
    with pytest.raises(ExportError, match=r"cannot read state\.json as the state of a search"):
        search(request, state=state)


def test_a_point_that_cannot_be_is_a_broken_state(tmp_path):
    path = tmp_path / "state.json"
    State(path, "", "key").add(Point(0, 0.5, 0.1, 0.1, 0.1, 1.0, 1.0))
    path.write_text(path.read_text().replace("0.5", "1.5"))
    with pytest.raises(ExportError, match=r"cannot read state\.json as the state of a search"):
        State(path, "", "key")


def test_what_was_kept_is_found_again_by_its_variant(tmp_path):
    path, point = tmp_path / "state.json", Point(3, 0.5, 0.1, 0.2, 0.3, 4.0, 5.0)
    state = State(path, "int8", "key")
    state.keep({"conv": 0.25})
    state.add(point)
    again = State(path, "int8", "key")
    assert (again.sensitivities, again.points) == ({"conv": 0.25}, [point])
    assert State(path, "int8-mixed", "key").points == []
    assert State(path, "int8", "another").sensitivities == {}
