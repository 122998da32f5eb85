"""Files that benchmarks wrote: of this version, of others, and files that are something else."""

from __future__ import annotations

import csv
import io
import json

import pytest

from benchmarks import formats
from benchmarks.results import Bench, Block, Energy, Failure, OpTime, Parity, Run
from converters.errors import ExportError

WHOLE = Bench(
    "x",
    (
        Run(
            "m 1T on adb:1",
            (2.0, 3.0),
            (4.0,),
            {"threads": 1, "device": "Pixel"},
            before={"thermal_status": 0},
            marks=("throttled",),
            blocks=(Block(2, 2.0, {"min": 1.0}, delegated=(3, 4)), Block(2, 3.0, {})),
            at_s=(0.0, 1.0),
            profile=(OpTime("CONV_2D", "a", 1.0, 1.0),),
            pss_bytes=(1, 2),
            end_to_end_ms=(5.0,),
            cold_start_ms=(800.0, 900.0),
            energy=Energy(1.0, 0.1, 5),
            init_ms=1.0,
            target="adb:1",
        ),
        Run("m 1T", (1.0,), ()),
    ),
    (Failure("n 1T", "why"),),
    (Parity("m 1T on adb:1", "photo", 0.1, None, False),),
)


@pytest.fixture
def altered(tmp_path):
    """Writes the benchmark with some changes in its JSON."""

    def write(change):
        data = json.loads(formats.dump(WHOLE))
        change(data)
        path = tmp_path / "b.json"
        path.write_text(json.dumps(data))
        return path

    return write


def test_everything_is_read_as_it_was_written(altered):
    assert formats.load(altered(lambda data: None)) == WHOLE


def test_the_first_version_is_still_read(altered):
    """It did not say which target a run was measured on, but in the run's name."""

    def first(data):
        data["schema_version"] = 1
        for run in data["runs"]:
            del run["target"]

    assert formats.load(altered(first)) == WHOLE


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (3, "written by a newer version of modnet-export[^$]*found 3[^$]*update modnet-export"),
        (0, "written by an older version of modnet-export[^$]*found 0[^$]*measure again"),
    ],
)
def test_another_version_is_named_before_anything_else_is_read(altered, version, message):
    def other(data):
        data["schema_version"] = version
        data["runs"] = "something else"

    with pytest.raises(ExportError, match=message):
        formats.load(altered(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["runs"][0].update(samples_ms=[-1.0, 2.0]), r"runs\.0: .*one of samples_ms is -1"),
        (lambda data: data["runs"][0].update(samples_ms=[float("nan"), 2.0]), "one of samples_ms is nan"),
        (lambda data: data["runs"][0].update(at_s=[0.0]), "1 values of at_s for 2 samples"),
        (lambda data: data["runs"][1].update(samples_ms=[]), "a finished run needs at least one sample"),
        (lambda data: data["runs"].append(data["runs"][0]), "two runs called m 1T on adb:1"),
        (lambda data: data["runs"][0]["energy"].update(samples=0), "from 0 samples"),
        (lambda data: data["runs"][0]["profile"][0].update(share=2), "share is 2"),
        (lambda data: data["runs"][0].update(name=None), r"runs\.0\.name: "),
        (lambda data: data.pop("session"), "session: "),
        (lambda data: data.pop("schema_version"), "it has no schema_version"),
    ],
)
def test_nonsense_is_one_clear_error(altered, change, message):
    with pytest.raises(ExportError, match=f"cannot read b.json as a benchmark: .*{message}"):
        formats.load(altered(change))


@pytest.mark.parametrize("text", ["{}", "[]", "", "1", "{", '{"schema_version": "1"}', "\xff"])
def test_another_file_is_one_clear_error(tmp_path, text):
    (tmp_path / "b.json").write_bytes(text.encode("latin1"))
    with pytest.raises(ExportError, match=r"cannot read b\.json as a benchmark"):
        formats.load(tmp_path / "b.json")


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(ExportError, match=r"cannot read b\.json as a benchmark: No such file"):
        formats.load(tmp_path / "b.json")


def test_a_table_leaves_what_is_unknown_empty():
    rows = list(csv.DictReader(io.StringIO(formats.as_csv(WHOLE))))
    assert [row["name"] for row in rows] == ["m 1T on adb:1", "m 1T"]
    assert [row["init_ms"] for row in rows] == ["1.0", ""]
    assert [row["peak_memory_bytes"] for row in rows] == ["", ""]
    assert (rows[0]["median_ms"], rows[0]["min_ms"], rows[0]["samples"]) == ("2.5", "1.0", "2")
    assert rows[0]["marks"] == "throttled"
