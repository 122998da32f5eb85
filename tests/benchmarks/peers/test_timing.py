from __future__ import annotations

from benchmarks.peers.timing import interleaved


def test_candidates_take_turns_and_warmups_are_kept_apart():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in "AB"}
    runs = interleaved(calls, rounds=3, warmup_rounds=2, conditions={"threads": 1})
    assert order == ["A", "B"] * 5
    assert [(run.name, len(run.samples_ms), len(run.warmup_ms)) for run in runs] == [("A", 3, 2), ("B", 3, 2)]
    assert all(run.min_ms <= run.median_ms for run in runs)
