from __future__ import annotations

import time

from benchmarks.peers.timing import interleaved


def calls_of(order, names="AB"):
    return {name: (lambda name=name: order.append(name)) for name in names}


def test_candidates_take_turns_and_warmups_are_kept_apart():
    order = []
    runs = interleaved(calls_of(order), rounds=3, warmup_rounds=2, conditions={"threads": 1})
    assert order == ["A", "B"] * 5
    assert [(run.name, len(run.samples_ms), len(run.warmup_ms)) for run in runs] == [("A", 3, 2), ("B", 3, 2)]
    assert all(run.min_ms <= run.median_ms for run in runs)


def test_the_time_is_up_between_rounds_and_never_before_the_first(monkeypatch):
    order, clock = [], iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))  # a second passes at every look
    runs = interleaved(calls_of(order), rounds=50, warmup_rounds=1, conditions={}, seconds=18)
    assert order == ["A", "B"] * 4
    assert [len(run.samples_ms) for run in runs] == [3, 3]
    order.clear()
    assert [len(run.samples_ms) for run in interleaved(calls_of(order), rounds=50, conditions={}, seconds=0)] == [1, 1]


def test_a_rest_comes_before_every_turn_and_is_not_timed(monkeypatch):
    order = []
    monkeypatch.setattr(time, "sleep", order.append)
    monkeypatch.setattr(time, "perf_counter", lambda: order.append("clock") or float(len(order)))
    interleaved(calls_of(order, "A"), rounds=1, warmup_rounds=0, conditions={}, rest_s=0.5)
    assert order == ["clock", 0.5, "clock", "A", "clock"]
