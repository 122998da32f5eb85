"""Summaries and verdicts, on simulated machines that are as unsteady as real ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statistics import latency_ratio, summarise

latencies = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=60)


@given(samples=latencies)
def test_summary_is_ordered_and_within_the_samples(samples):
    found = summarise(samples)
    assert found.count == len(samples)
    assert min(samples) == found.min_ms <= found.median_ms <= found.p90_ms <= found.p99_ms <= max(samples)
    assert found.min_ms - 1e-9 <= found.mean_low_ms <= found.mean_high_ms <= max(samples) + 1e-9


@given(samples=latencies, factor=st.floats(0.2, 5))
def test_ratio_is_that_of_the_medians_and_turns_around(samples, factor):
    other = [value * factor for value in samples]
    assert latency_ratio(samples, other).ratio == pytest.approx(factor)
    assert latency_ratio(other, samples).ratio == pytest.approx(1 / factor)
    assert latency_ratio(samples, other, paired=True).low == pytest.approx(factor)


@given(samples=latencies)
def test_a_run_cannot_be_told_from_itself(samples):
    assert latency_ratio(samples, samples).verdict == "cannot tell"
    assert latency_ratio(samples, samples, paired=True).verdict == "cannot tell"


@pytest.mark.parametrize("samples", [([], [1.0]), ([1.0], [])])
def test_no_samples_are_refused(samples):
    with pytest.raises(ValueError, match="no samples"):
        latency_ratio(*samples)


def machine(rng, rounds, candidates):
    """Latencies of candidates that take turns: drift that lasts for many rounds, noise, and now and then a hiccup."""
    drift = np.zeros(rounds * len(candidates))
    for index in range(1, len(drift)):
        drift[index] = 0.97 * drift[index - 1] + rng.normal(0, 0.003)
    noise = rng.lognormal(0, 0.03, len(drift))
    hiccup = np.where(rng.random(len(drift)) < 0.05, rng.uniform(1.2, 2.5, len(drift)), 1)
    taken = (1 + drift) * noise * hiccup
    return [list(cost * taken[index :: len(candidates)]) for index, cost in enumerate(candidates)]


@pytest.mark.parametrize(("slowdown", "verdict", "at_least"), [(1.0, "cannot tell", 95), (1.05, "slower", 90)])
def test_interleaved_runs_are_told_apart_when_they_differ_and_only_then(slowdown, verdict, at_least):
    found = [
        latency_ratio(*machine(np.random.default_rng(seed), 100, [100, 100 * slowdown]), paired=True).verdict
        for seed in range(100)
    ]
    assert found.count(verdict) >= at_least


@pytest.mark.parametrize(("slowdown", "verdict", "at_least"), [(1.0, "cannot tell", 95), (1.05, "slower", 90)])
def test_consecutive_runs_are_told_apart_when_they_differ_and_only_then(slowdown, verdict, at_least):
    """One after the other on one machine: its drift goes on from the first to the second."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        (both,) = machine(rng, 400, [100])
        found.append(latency_ratio(both[:200], [value * slowdown for value in both[200:]]).verdict)
    assert found.count(verdict) >= at_least


def test_paired_runs_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="not 1 and 2"):
        latency_ratio([1.0], [1.0, 2.0], paired=True)
