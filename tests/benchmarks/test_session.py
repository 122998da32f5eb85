"""Targets measured at once, some of which fail."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from benchmarks import session
from benchmarks.errors import DeviceGoneError, StoppedError
from benchmarks.plan import Plan
from benchmarks.record import Record
from benchmarks.results import Run
from converters.errors import ExportError

PLAN = Plan((), np.zeros((1, 32, 32, 3), np.float32))


@dataclass(frozen=True)
class Scripted:
    """A target that keeps some runs, then raises."""

    name: str = "a"
    error: BaseException | None = None
    keeps: tuple[str, ...] = ()
    run_suffix: str = ""
    formats: frozenset = frozenset({"tflite"})
    observations: frozenset = frozenset({"latency"})
    waits: Any = None

    def measure(self, plan, record, stop):
        for name in self.keeps:
            record.keep(Run(name, (1.0,), ()))
        if self.waits is not None:
            self.waits.wait(20)
        if self.error is not None:
            raise self.error


@dataclass
class Watched:
    """A watcher that remembers what it was told."""

    stages: list[tuple[str, str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def __call__(self, target, stage, done=0, total=0, /):
        self.stages.append((target, stage))

    def latest(self, run, /):
        self.runs.append(run.name)


def test_all_targets_run_at_once():
    barrier = threading.Barrier(3)
    result = session.measure([Scripted(name, keeps=(name,), waits=barrier) for name in "abc"], PLAN, Record())
    assert sorted(run.name for run in result.runs) == ["a", "b", "c"]


def test_one_target_that_fails_leaves_the_others(capsys):
    watched = Watched()
    targets = [Scripted("a", ExportError("no\nway", where="x")), Scripted("b", keeps=("m",))]
    result = session.measure(targets, PLAN, Record(watcher=watched))
    assert [run.name for run in result.runs] == watched.runs == ["m"]
    assert [(item.name, item.reason) for item in result.failures] == [("a", "no\nway\n  where:    x")]
    assert ("a", "failed: no") in watched.stages
    assert ("b", "done") in watched.stages


def test_the_only_target_raises_its_error():
    with pytest.raises(ExportError, match="no way"):
        session.measure([Scripted(error=ExportError("no way"))], PLAN, Record())


@pytest.mark.parametrize("keeps", [(), ("m",)])
def test_a_device_that_went_away_raises_only_where_it_left_nothing(keeps):
    target = Scripted(error=DeviceGoneError("it is gone"), keeps=keeps)
    if keeps:
        assert session.measure([target], PLAN, Record()).failures[0].reason == "it is gone"
    else:
        with pytest.raises(DeviceGoneError):
            session.measure([target], PLAN, Record())


def test_a_target_that_was_stopped_has_not_failed():
    watched = Watched()
    assert session.measure([Scripted(error=StoppedError())], PLAN, Record(watcher=watched)).failures == ()
    assert watched.stages == [("a", "stopped")]


def test_an_error_of_our_own_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError):
        session.measure([Scripted(error=ZeroDivisionError()), Scripted("b")], PLAN, Record())


@pytest.mark.parametrize(
    ("plan", "taken", "taken_ms", "elapsed_s", "more"),
    [
        ({"runs": 5}, 4, 9e9, 9e9, True),
        ({"runs": 5}, 5, 0, 0, False),
        ({"runs": 5, "seconds": 1}, 9, 999, 9e9, True),
        ({"runs": 5, "seconds": 1}, 1, 1000, 0, False),
        ({"runs": 5, "sustained_minutes": 1}, 0, 0, 61, True),
        ({"runs": 5, "sustained_minutes": 1}, 9, 9e9, 59, True),
        ({"runs": 5, "sustained_minutes": 1}, 1, 0, 60, False),
    ],
)
def test_how_long_a_plan_measures(plan, taken, taken_ms, elapsed_s, more):
    found = Plan((), PLAN.image_nhwc, **plan).wants_more(taken=taken, taken_ms=taken_ms, elapsed_s=elapsed_s)
    assert found is more
