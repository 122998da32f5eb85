"""What may be compared, and what must not be left out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.comparing import CompareRequest, compare
from benchmarks.formats import dump
from benchmarks.results import Bench, Failure, Run
from converters.errors import ExportError
from modnet_export.cli import main

CONDITIONS = {"cpu": "x", "target": "host", "artefact": "a.tflite", "sha256": "0", "threads": 1, "delegate": "cpu"}


def run(name, cost=100.0, rounds=50, seed=0, conditions=CONDITIONS, **changes):
    samples = cost * np.random.default_rng(seed).lognormal(0, 0.01, rounds)
    return Run(name, tuple(map(float, samples)), (), conditions, target=str(conditions["target"]), **changes)


@pytest.fixture
def write(tmp_path):
    def written(name, *runs, failures=(), session=None):
        path = tmp_path / f"{name}.json"
        path.write_bytes(dump(Bench(session or name, runs, tuple(failures))))
        return path

    return written


@pytest.fixture
def call(capsys):
    def called(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["compare", *map(str, arguments)])
        return int(stop.value.code or 0), capsys.readouterr()

    return called


class TestOneFile:
    def test_every_model_is_compared_with_the_first(self, write):
        found = compare(CompareRequest(write("a", run("m"), run("n", 110, seed=1), run("o", seed=2))))
        assert [(item.first, item.second, item.comparison.verdict) for item in found.compared] == [
            ("m", "n", "slower"),
            ("m", "o", "cannot tell"),
        ]
        assert found.failures == ()

    def test_each_target_has_its_own_first_model(self, write):
        phone = {**CONDITIONS, "cpu": "y", "target": "adb"}
        path = write("a", run("m"), run("n"), run("m on adb", conditions=phone), run("n on adb", conditions=phone))
        pairs = [(item.first, item.second) for item in compare(CompareRequest(path)).compared]
        assert pairs == [("m", "n"), ("m on adb", "n on adb")]

    @pytest.mark.parametrize("condition", ["cpu", "size", "governor"])
    def test_other_conditions_are_refused(self, write, condition):
        path = write("a", run("m"), run("n", conditions={**CONDITIONS, condition: "another"}))
        with pytest.raises(ExportError, match=rf"same conditions:\n  {condition}: \w+ and another"):
            compare(CompareRequest(path))

    @pytest.mark.parametrize("condition", ["artefact", "sha256", "threads", "delegate", "engine"])
    def test_what_models_differ_in_is_what_is_compared(self, write, condition):
        path = write("a", run("m"), run("n", conditions={**CONDITIONS, condition: "another"}))
        assert len(compare(CompareRequest(path)).compared) == 1

    def test_other_marks_are_refused_unless_they_are_the_delegates(self, write):
        with pytest.raises(ExportError, match="m and n: no marks and throttled"):
            compare(CompareRequest(write("a", run("m"), run("n", marks=("throttled",)))))
        path = write("b", run("m"), run("n", marks=("only 3 of 5 nodes on the gpu",)))
        assert len(compare(CompareRequest(path)).compared) == 1

    def test_rounds_of_a_model_that_stopped_are_compared_as_rounds(self, write):
        """In the first 30 rounds the machine was twice as slow; that is no difference between the models."""
        first, second = run("m"), run("n", seed=1)
        slow = [tuple(s * (2 if i < 30 else 1) for i, s in enumerate(item.samples_ms)) for item in (first, second)]
        path = write("a", replace(first, samples_ms=slow[0]), replace(second, samples_ms=slow[1][:30]))
        (found,) = compare(CompareRequest(path)).compared
        assert found.comparison.ratio == pytest.approx(1, abs=0.02)

    def test_runs_that_an_app_took_in_one_go_are_one_round(self, write):
        times = tuple(float(i // 10) for i in range(50))
        runs = [replace(run(name, cost), at_s=times) for name, cost in (("m", 100), ("n", 200))]
        (found,) = compare(CompareRequest(write("a", *runs))).compared
        assert (found.comparison.verdict, found.comparison.reason) == (
            "cannot tell",
            "5 rounds: at least 8 are needed",
        )

    def test_a_model_that_crashed_is_named(self, write):
        path = write("a", run("m"), failures=[Failure("n", "killed"), Failure("m: profile", "no tool")])
        found = compare(CompareRequest(path))
        assert (found.compared, found.failures) == ((), (Failure("n", "killed"),))

    def test_one_run_is_nothing_to_compare(self, write):
        with pytest.raises(ExportError, match=r"a\.json holds 1 run"):
            compare(CompareRequest(write("a", run("m"))))


class TestTwoFiles:
    def test_runs_of_the_same_name_are_compared(self, write):
        found = compare(CompareRequest(write("a", run("m"), run("n")), write("b", run("n", 130, seed=1))))
        assert [(item.second, item.comparison.verdict) for item in found.compared] == [("n", "slower")]

    def test_sessions_of_the_first_one_tell_what_the_machine_does(self, write):
        first, second = write("a", run("m")), write("b", run("m", 104, seed=9))
        again = tuple(write(f"again{i}", run("m", seed=i)) for i in range(1, 5))
        (alone,) = compare(CompareRequest(first, second)).compared
        (found,) = compare(CompareRequest(first, second, again)).compared
        assert (alone.comparison.verdict, found.comparison.verdict) == ("cannot tell", "slower")
        assert "6 sessions" in found.comparison.reason

    def test_a_session_counts_once(self, write):
        first, second = write("a", run("m")), write("b", run("m"))
        with pytest.raises(ExportError, match=r"a\.json is a session that is already there"):
            compare(CompareRequest(first, second, (first,)))
        with pytest.raises(ExportError, match="nothing to compare the sessions with"):
            compare(CompareRequest(first, None, (second,)))

    def test_ten_equal_models_are_corrected_for(self, write):
        names = [f"m{i}" for i in range(10)]
        files = [
            write(name, *(run(item, seed=seed + i) for i, item in enumerate(names)))
            for name, seed in (("a", 0), ("b", 50))
        ]
        found = compare(CompareRequest(*files)).compared
        assert {item.comparison.verdict for item in found} == {"cannot tell"}

    @pytest.mark.parametrize("crashed", ["first", "second"])
    def test_a_model_that_crashed_on_one_side_is_a_failure(self, write, crashed):
        both = [run("m"), run("n")]
        whole, half = write("a", *both), write("b", both[0], failures=[Failure("n", "killed")])
        found = compare(CompareRequest(*((half, whole) if crashed == "first" else (whole, half))))
        assert [item.second for item in found.compared] == ["m"]
        assert found.failures == (Failure("n", "killed"),)

    def test_nothing_but_a_crash_is_a_failure_too(self, write):
        found = compare(CompareRequest(write("a", run("m")), write("b", failures=[Failure("m", "killed")])))
        assert (found.compared, found.failures) == ((), (Failure("m", "killed"),))


class TestCommand:
    def test_a_crash_is_exit_code_1(self, write, call):
        first, second = write("a", run("m")), write("b", failures=[Failure("m", "killed")])
        code, printed = call(first, second)
        assert code == 1
        assert "m was not measured: killed" in printed.err
        code, printed = call(first, second, "--json")
        assert code == 1
        assert json.loads(printed.out) == [
            {
                "first": "m",
                "second": "m",
                "ratio": None,
                "low": None,
                "high": None,
                "p_value": None,
                "verdict": "failed",
                "reason": "killed",
            }
        ]

    def test_what_is_unknown_is_shown_as_such(self, write, call):
        code, printed = call(write("a", run("m", rounds=5), run("n", 200, rounds=5)))
        assert code == 0
        words = printed.out.split()
        assert {"2.000", "-", "cannot", "tell"} <= set(words) or {"cannot", "tell", "-"} <= set(words)

    def test_a_slower_model_that_heats_the_machine_does_not_pass(self, write, call):
        """Its latency moves all the time, and so does the ratio: no exact interval, but no reason to say nothing."""
        heating = replace(run("m"), samples_ms=tuple(s * (1.5 + 0.01 * i) for i, s in enumerate(run("m").samples_ms)))
        code, printed = call(write("a", run("m")), write("b", heating))
        assert code == 1
        assert "slower by more than 5%: m" in printed.err

    def test_other_sessions_are_read(self, write, call):
        again = [word for i in range(1, 5) for word in ("--again", write(f"again{i}", run("m", seed=i)))]
        code, printed = call(write("a", run("m")), write("b", run("m", 108, seed=9)), *again)
        assert code == 1
        assert "slower by more than 5%: m" in printed.err
