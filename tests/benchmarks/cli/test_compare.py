"""``modnet-export compare``."""

from __future__ import annotations

import json

import pytest

from benchmarks import formats
from benchmarks.results import Bench


@pytest.fixture
def files(make_run, tmp_path):
    """Two files, of which the second is 10 % slower."""
    before = make_run("m", tuple(100 + 0.1 * (i % 7) for i in range(60)))
    after = make_run("m", tuple(1.1 * value for value in before.samples_ms))
    for name, item in (("before", before), ("after", after)):
        (tmp_path / f"{name}.json").write_bytes(formats.dump(Bench(name, (item,))))
    return tmp_path / "before.json", tmp_path / "after.json"


def test_regression_beyond_the_threshold_fails(call, files):
    before, after = files
    code, printed = call("compare", before, after)
    assert code == 1
    assert "slower by more than 5%: m" in printed.err
    assert call("compare", before, after, "--threshold", 0.2)[0] == 0
    assert call("compare", after, before)[0] == 0


def test_the_models_of_one_file_as_json(call, make_run, tmp_path):
    (tmp_path / "b.json").write_bytes(formats.dump(Bench("x", (make_run("a"), make_run("b", (200.0, 201.0, 199.0))))))
    code, printed = call("compare", tmp_path / "b.json", "--json")
    assert code == 0
    (row,) = json.loads(printed.out)
    assert set(row) == {"first", "second", "ratio", "low", "high", "p_value", "verdict", "reason"}
    assert (row["first"], row["second"], row["verdict"]) == ("a", "b", "cannot tell")
    assert row["reason"] == "3 rounds: at least 6 are needed"


def test_a_threshold_without_a_second_file_is_refused(call, files):
    code, printed = call("compare", files[0], "--threshold", 0.2)
    assert code == 2
    assert "--threshold" in printed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 3}', "written by a newer version of modnet-export"),
        (
            '{"session": "x", "schema_version": 2, "runs": [{"name": "m", "samples_ms": [-1], "warmup_ms": []}]}',
            "is -1",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_screen(call, tmp_path, text, message):
    (tmp_path / "b.json").write_text(text)
    code, printed = call("compare", tmp_path / "b.json")
    assert code == 2
    assert message in printed.err
    assert "Traceback" not in printed.err
