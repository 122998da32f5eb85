"""Comparing as a script does it, without the command line."""

from __future__ import annotations

import pytest

from benchmarks import CompareRequest, compare, formats
from benchmarks.comparing import comparable
from benchmarks.results import Bench
from converters.errors import ExportError

CONDITIONS = {"cpu": "one", "threads": 1, "sha256": "a"}
STEADY = tuple(100 + 0.1 * (i % 7) for i in range(60))


@pytest.fixture
def written(tmp_path):
    """Writes runs to a file."""

    def write(name, *runs):
        path = tmp_path / name
        path.write_bytes(formats.dump(Bench(name, runs)))
        return path

    return write


def test_two_files_are_compared_run_by_run(written, make_run):
    before = make_run("m 1T", STEADY, conditions=CONDITIONS)
    after = make_run("m 1T", tuple(1.1 * value for value in STEADY), conditions={**CONDITIONS, "sha256": "b"})
    alone = make_run("n 1T", STEADY)
    (found,) = compare(CompareRequest(written("a.json", before, alone), written("b.json", after))).compared
    assert (found.first, found.second) == ("m 1T", "m 1T")
    assert (found.comparison.verdict, found.comparison.ratio) == ("slower", pytest.approx(1.1))


def test_the_models_of_one_file_are_compared_with_its_first(written, make_run):
    path = written("a.json", *(make_run(name, STEADY) for name in ("a", "b", "c")))
    assert [(item.first, item.second) for item in compare(CompareRequest(path)).compared] == [("a", "b"), ("a", "c")]


def test_only_models_that_took_turns_are_compared_round_by_round(written, make_run):
    """Both runs drift in the same way, as when they took turns: on two targets this is a coincidence."""
    drift = tuple(100.0 + index for index in range(60))
    slower = tuple(1.02 * value for value in drift)

    def verdict(**options):
        path = written("a.json", make_run("a", drift), make_run("b", slower, **options))
        return compare(CompareRequest(path)).compared[0].comparison.verdict

    assert verdict() == "slower"
    with pytest.raises(ExportError, match=r"holds 2 run\(s\), and a comparison needs two on one target"):
        verdict(target="adb")


@pytest.mark.parametrize("count", [0, 1])
def test_one_file_needs_two_runs(written, make_run, count):
    path = written("a.json", *(make_run(str(index)) for index in range(count)))
    with pytest.raises(ExportError, match=f"holds {count} run"):
        compare(CompareRequest(path))


def test_only_like_conditions_are_compared(make_run):
    def bench(name="m 1T", marks=(), **conditions):
        return Bench("x", (make_run(name, conditions={**CONDITIONS, **conditions}, marks=marks),))

    assert [a.name for a, b in comparable(bench(), bench(sha256="b"))] == ["m 1T"]
    with pytest.raises(ExportError, match="cpu: one and another"):
        comparable(bench(), bench(cpu="another"))
    with pytest.raises(ExportError, match="m 1T: no marks and throttled"):
        comparable(bench(), bench(marks=("throttled",)))
    with pytest.raises(ExportError, match="no run in common"):
        comparable(bench(), bench("else"))
