"""How many independent values a series is worth, where that is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from benchmarks.dependence import dependence, ranks, shared

series = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60)


def autoregression(seed, count, coefficient):
    steps = np.random.default_rng(seed).normal(size=count + 500)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], steps)[500:])


@given(values=series)
def test_ranks_are_scipys(values):
    assert ranks(np.array(values)) == pytest.approx(stats.rankdata(values) - 1)


@given(values=series)
def test_a_series_is_worth_its_length_at_most_and_depends_on_order_alone(values):
    found = dependence(np.array(values))
    assert found.time >= 1
    assert 0 <= found.count <= len(values)
    assert dependence(np.array(values) ** 3) == found or len(set(values)) != len({value**3 for value in values})
    assert dependence(np.array(values)[::-1]).time == pytest.approx(found.time)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [3.0] * 50])
def test_what_has_no_order_is_taken_as_it_is(values):
    assert dependence(np.array(values)).count == len(values)


@pytest.mark.parametrize("coefficient", [0.0, 0.3, 0.5, 0.8])
def test_time_is_that_of_an_autoregression_or_longer(coefficient):
    """(1 + c) / (1 - c); one standard error of caution lengthens it, all the more for short series."""
    times = [dependence(autoregression(seed, 1000, coefficient)).time for seed in range(20)]
    true = (1 + coefficient) / (1 - coefficient)
    assert true <= np.median(times) <= 1.4 * true


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_noise_does_not_hide_what_is_slow(noise):
    """Of the movement's time, or rather of the share that it has in the sum."""
    times = []
    for seed in range(20):
        slow = autoregression(seed, 2000, 0.95)
        white = np.random.default_rng(100 + seed).normal(0, noise * slow.std(), 2000)
        times.append(dependence(slow + white).time)
    share = 1 / (1 + noise**2)
    assert np.median(times) >= 0.7 * (1 + share * (1.95 / 0.05 - 1))


@pytest.mark.parametrize(
    ("level", "at_least", "at_most"),
    [
        (np.zeros(200), 0, 0.1),
        (np.linspace(0, 2, 200), 0.95, 1),
        (np.repeat([0.0, 1.5], 100), 0.95, 1),
        (np.cumsum(np.random.default_rng(0).normal(0, 0.5, 200)), 0.95, 1),
    ],
    ids=["steady", "drift", "jump", "random walk"],
)
def test_a_level_that_moves_is_noticed(level, at_least, at_most):
    moved = [dependence(level + np.random.default_rng(seed).normal(size=200)).moved for seed in range(200)]
    assert at_least <= np.mean(moved) <= at_most


def test_one_hiccup_hides_nothing():
    values = autoregression(0, 50, 0.9)
    values[20] = 1e4
    assert dependence(values).time == pytest.approx(dependence(autoregression(0, 50, 0.9)).time, rel=0.5)


def test_series_of_one_session_lend_each_other_what_they_know():
    alike = [dependence(autoregression(seed, 12, 0.97)) for seed in range(5)]
    unlike = dependence(np.array([(-1.0) ** i for i in range(12)]))
    assert unlike.count == 12
    assert shared([unlike, *alike])[0].count < 6
    assert shared([unlike] * 3) == [unlike] * 3
