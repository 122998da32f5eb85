"""Summaries and verdicts, on simulated machines that are as unsteady as real ones; many more in test_simulate.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from benchmarks.statistics import (
    FEWEST,
    FEWEST_BLOCKS,
    Comparison,
    compare_models,
    compare_sessions,
    corrected,
    fewest_for_percentile,
    is_regression,
    latency_ratio,
    summarise,
)

latencies = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=60)


def noise(seed, count, deviation=0.03):
    """A steady machine: samples around 100 ms."""
    return list(100 * np.random.default_rng(seed).lognormal(0, deviation, count))


def autoregression(rng, count, coefficient, deviation):
    steps = rng.normal(0, deviation * (1 - coefficient**2) ** 0.5, 500 + count)
    return 100 * np.exp(lfilter([1.0], [1.0, -coefficient], steps)[500:])


class TestSummary:
    @given(samples=latencies)
    def test_it_is_ordered_and_within_the_samples(self, samples):
        found = summarise(samples)
        assert found.count == len(samples)
        assert min(samples) == found.min_ms <= found.median_ms <= max(samples)
        for percentile in (found.p90_ms, found.p99_ms):
            assert percentile is None or found.median_ms <= percentile <= max(samples)
        assert (found.mean_low_ms is None) == (found.mean_high_ms is None)
        if found.mean_low_ms is not None:
            assert found.mean_low_ms < found.mean_ms < found.mean_high_ms

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 10, 20, 49])
    def test_too_few_samples_have_no_interval_of_the_mean_rather_than_a_narrow_one(self, count):
        found = summarise(noise(0, count))
        assert (found.mean_low_ms, found.mean_high_ms) == (None, None)

    def test_identical_samples_do_not_tell_how_they_vary(self):
        assert summarise([7.0] * 100).mean_low_ms is None

    def test_interval_of_a_steady_machine_is_students(self):
        samples = noise(1, 200)
        found = summarise(samples)
        low, high = stats.t.interval(0.95, 199, np.mean(samples), stats.sem(samples))
        assert (found.mean_low_ms, found.mean_high_ms) == pytest.approx((low, high), abs=0.25)
        assert found.mean_high_ms - found.mean_low_ms >= high - low  # it allows for some dependence

    def test_hiccups_stretch_the_interval_upwards(self):
        samples = noise(1, 100)
        samples[::20] = [200.0] * 5
        found = summarise(samples)
        assert found.mean_high_ms - found.mean_ms > 1.5 * (found.mean_ms - found.mean_low_ms)

    @pytest.mark.parametrize(
        "samples",
        [
            100 + np.cumsum(np.random.default_rng(0).normal(0, 1, 200)),
            np.linspace(100, 110, 200) + np.random.default_rng(0).normal(0, 1, 200),
            np.repeat([100.0, 105.0], 100) + np.random.default_rng(0).normal(0, 1, 200),
        ],
        ids=["random walk", "drift", "jump"],
    )
    def test_a_level_that_moves_has_no_interval(self, samples):
        found = summarise(samples)
        assert (found.mean_low_ms, found.p90_ms) == (None, None)

    def test_alike_neighbours_widen_the_interval(self):
        alike = autoregression(np.random.default_rng(0), 200, 0.7, 0.03)
        shuffled = np.random.default_rng(0).permutation(alike)
        widths = [found.mean_high_ms - found.mean_low_ms for found in map(summarise, (alike, shuffled))]
        assert widths[0] > 1.8 * widths[1]

    @pytest.mark.parametrize(("name", "share", "fewest"), [("p90_ms", 0.9, 29), ("p99_ms", 0.99, 299)])
    def test_percentiles_need_samples_beyond_them(self, name, share, fewest):
        assert fewest_for_percentile(share) == fewest
        assert 1 - share**fewest >= 0.95 > 1 - share ** (fewest - 1)
        alternating = [100.0 + (-1) ** i * (1 + i % 5) for i in range(fewest)]  # each unlike the one before
        assert getattr(summarise(alternating), name) is not None
        assert getattr(summarise(alternating[:-1]), name) is None

    def test_means_of_blocks_have_no_percentiles_and_need_eight(self):
        samples = [100.0 + (-1) ** i * (1 + i % 5) for i in range(400)]
        assert summarise(samples, of_blocks=True).p90_ms is None
        assert summarise(samples[:8], of_blocks=True).mean_low_ms is not None
        assert summarise(samples[:7], of_blocks=True).mean_low_ms is None


class TestRefused:
    @pytest.mark.parametrize("samples", [([], [1.0]), ([1.0], [])])
    @pytest.mark.parametrize("paired", [True, False])
    def test_no_samples(self, samples, paired):
        with pytest.raises(ValueError, match="no samples"):
            latency_ratio(*samples, paired=paired)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
    def test_samples_that_are_not_latencies(self, value):
        samples = [*noise(0, 9), value]
        for call in (
            lambda: summarise(samples),
            lambda: latency_ratio(samples, noise(0, 10)),
            lambda: latency_ratio(noise(0, 10), samples, paired=True),
        ):
            with pytest.raises(ValueError, match="finite and above 0"):
                call()

    def test_interleaved_runs_of_different_lengths(self):
        with pytest.raises(ValueError, match="equally many"):
            latency_ratio(noise(0, 10), noise(0, 11), paired=True)

    def test_a_side_without_sessions(self):
        with pytest.raises(ValueError, match="no sessions"):
            compare_sessions([], [[1.0]])


class TestComparison:
    @given(samples=latencies, factor=st.floats(0.2, 5))
    def test_ratio_is_that_of_the_medians_and_turns_around(self, samples, factor):
        other = [value * factor for value in samples]
        assert latency_ratio(samples, other).ratio == pytest.approx(factor)
        assert latency_ratio(other, samples).ratio == pytest.approx(1 / factor)
        found = latency_ratio(samples, other, paired=True)
        assert found.ratio == pytest.approx(factor)
        assert (found.low, found.high) == ((None, None) if len(samples) < FEWEST else pytest.approx((factor, factor)))

    @given(samples=latencies, other=latencies)
    def test_interval_has_the_ratio_in_it_and_turns_around(self, samples, other):
        count = min(len(samples), len(other))
        for paired in (True, False):
            found = latency_ratio(samples[:count], other[:count], paired=paired)
            back = latency_ratio(other[:count], samples[:count], paired=paired)
            assert found.p_value == pytest.approx(back.p_value)
            if found.low is None:
                assert back.low is None
                assert found.verdict == "cannot tell"
            else:
                assert found.low <= found.ratio * (1 + 1e-9)
                assert found.ratio <= found.high * (1 + 1e-9)
                assert (back.low, back.high) == pytest.approx((1 / found.high, 1 / found.low))

    @given(samples=latencies)
    def test_a_run_cannot_be_told_from_itself(self, samples):
        assert latency_ratio(samples, samples).verdict == "cannot tell"
        assert latency_ratio(samples, samples, paired=True).verdict == "cannot tell"

    @pytest.mark.parametrize(("of_blocks", "fewest"), [(False, FEWEST), (True, FEWEST_BLOCKS)])
    @pytest.mark.parametrize("paired", [True, False])
    def test_below_six_rounds_or_eight_blocks_it_cannot_be_told(self, of_blocks, fewest, paired):
        samples = [100.0 + (-1) ** i for i in range(fewest)]
        twice = [2 * value for value in samples]
        assert latency_ratio(samples, twice, paired=paired, of_blocks=of_blocks).verdict == "slower"
        found = latency_ratio(samples[1:], twice[1:], paired=paired, of_blocks=of_blocks)
        assert (found.verdict, found.low, found.p_value) == ("cannot tell", None, 1.0)
        assert f"at least {fewest} are needed" in found.reason

    @pytest.mark.parametrize(
        ("rounds", "below", "p_value"),
        [
            (6, 0, 2 / 64),
            (8, 0, 2 / 256),
            (12, 2, stats.wilcoxon([*range(-2, 0), *range(3, 13)], method="exact").pvalue),
            (20, 5, 2 * stats.binom.cdf(5, 20, 0.5)),
            (20, 6, 2 * stats.binom.cdf(6, 20, 0.5)),
        ],
    )
    def test_p_value_is_exact(self, rounds, below, p_value):
        """In an order in which neighbours are unlike, so that all rounds count."""
        ratios = np.concatenate([np.linspace(0.98, 0.97, below), np.linspace(1.1, 1.2, rounds - below)])
        orders = (np.random.default_rng(seed).permutation(ratios) for seed in range(100))
        comparisons = (latency_ratio([100.0] * rounds, 100 * order, paired=True) for order in orders)
        found = next(item for item in comparisons if item.reason == f"{rounds} rounds")
        assert found.p_value == pytest.approx(p_value)
        assert (found.low > 1) == (found.p_value <= 0.05)

    @pytest.mark.parametrize(("slowdown", "verdict"), [(1.0, "cannot tell"), (1.5, "slower")])
    def test_a_ratio_that_moves_is_told_only_beyond_its_movement(self, slowdown, verdict):
        """A model that heats the phone must not pass because it does so; nor is 10 % of heat a verdict."""
        moving = [slowdown * value * (1 + 0.001 * i) for i, value in enumerate(noise(0, 100, 0.01))]
        found = latency_ratio(noise(1, 100, 0.01), moving, paired=True)
        assert found.verdict == verdict
        assert "the ratio itself moved in the course of 100 rounds" in found.reason

    def test_what_equal_models_differ_by_is_no_verdict(self):
        found = latency_ratio([100.0] * 50, [101.0] * 50, paired=True)
        assert (found.low, found.verdict) == (pytest.approx(1.01), "cannot tell")
        assert "equal models differ by up to 1.5%" in found.reason

    @pytest.mark.parametrize(("ratio", "regression"), [(1.04, False), (1.06, True), (0.9, False)])
    def test_regression_is_slower_beyond_the_threshold(self, ratio, regression):
        found = latency_ratio([100.0] * 50, [100 * ratio] * 50, paired=True)
        assert is_regression(found, 0.05) == regression


class TestSessions:
    def test_two_sessions_are_given_what_a_machine_does_between_them(self):
        """5 % of drift, of another temperature, of another place in memory: no sample of either session shows it."""
        found = latency_ratio(noise(0, 200, 0.001), [1.045 * value for value in noise(1, 200, 0.001)])
        assert found.verdict == "cannot tell"
        assert found.low < 1 < 1.045 < found.high
        assert "5% is allowed" in found.reason
        assert latency_ratio(noise(0, 200, 0.001), [1.1 * value for value in noise(1, 200, 0.001)]).verdict == "slower"

    def test_several_sessions_tell_their_own_spread(self):
        steady = [noise(seed, 50, 0.01) for seed in range(5)]
        found = compare_sessions(steady, [[1.03 * value for value in noise(9, 50, 0.01)]])
        assert (found.verdict, "6 sessions" in found.reason) == ("slower", True)
        unsteady = [[factor * value for value in steady[0]] for factor in (1.0, 1.04, 0.97, 1.02, 0.95)]
        assert compare_sessions(unsteady, [[1.06 * value for value in noise(9, 50, 0.01)]]).verdict == "cannot tell"

    @pytest.mark.parametrize("sessions", [1, 5])
    @pytest.mark.parametrize(("slowdown", "verdict"), [(1.1, "cannot tell"), (2.0, "slower")])
    def test_sessions_whose_level_moved_are_told_only_beyond_their_movement(self, sessions, slowdown, verdict):
        walks = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (6, 100)), axis=1))
        found = compare_sessions(list(walks[:sessions]), [slowdown * walks[5]])
        assert found.verdict == verdict
        assert "what the latency itself moved" in found.reason


class TestTogether:
    def comparison(self, p_value, verdict="slower"):
        return Comparison(ratio=1.1, low=1.05, high=1.2, p_value=p_value, verdict=verdict, reason="50 rounds")

    def test_holms_correction(self):
        """The example's p-values against scipy's false discovery control by hand: 0.01 * 3, 0.02 * 2, 0.04 * 1."""
        found = corrected([self.comparison(p) for p in (0.04, 0.01, 0.02)])
        assert [item.p_value for item in found] == pytest.approx([0.04, 0.03, 0.04])
        assert [item.verdict for item in found] == ["slower"] * 3
        found = corrected([self.comparison(p) for p in (0.04, 0.03)])
        assert [item.p_value for item in found] == pytest.approx([0.06, 0.06])
        assert [item.verdict for item in found] == ["cannot tell"] * 2
        assert found[0].reason == "50 rounds; not certain enough among 2 comparisons"

    @given(p_values=st.lists(st.floats(0, 1), max_size=12))
    def test_correction_keeps_the_order_and_only_raises(self, p_values):
        found = [item.p_value for item in corrected([self.comparison(p) for p in p_values])]
        assert all(after >= before for after, before in zip(found, p_values, strict=True))
        assert sorted(found) == [found[i] for i in np.argsort(p_values, kind="stable")]

    def test_rounds_that_are_alike_for_most_pairs_count_so_for_all(self):
        rng = np.random.default_rng(0)
        first = [100.0] * 12
        alike = [list(autoregression(rng, 12, 0.97, 0.03)) for _ in range(8)]
        one = [110.0 + (-1) ** i for i in range(12)]
        assert latency_ratio(first, one, paired=True).reason == "12 rounds"
        found = compare_models([(first, one), *((first, other) for other in alike)])
        assert "depend on each other" in found[0].reason


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


@pytest.mark.parametrize(("slowdown", "verdict", "at_least"), [(1.0, "cannot tell", 95), (1.15, "slower", 90)])
def test_consecutive_runs_are_told_apart_when_they_differ_much_and_only_then(slowdown, verdict, at_least):
    """One after the other on one machine: its drift goes on from the first to the second."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        (both,) = machine(rng, 400, [100])
        found.append(latency_ratio(both[:200], [value * slowdown for value in both[200:]]).verdict)
    assert found.count(verdict) >= at_least


# What the bootstrap of two thousand resamples gave before, as shares of equal models that were called faster or slower.
@pytest.mark.parametrize(
    ("take", "paired", "before"),
    [
        (lambda rng: rng.lognormal(0, 0.03, (2, 3)), True, 0.58),
        (lambda rng: rng.lognormal(0, 0.03, (2, 5)), True, 0.28),
        (lambda rng: rng.lognormal(0, 0.03, (2, 10)), True, 0.17),
        (lambda rng: rng.lognormal(0, 0.1, (2, 10)), False, 0.19),
        (lambda rng: [autoregression(rng, 30, 0.9, 0.03) for _ in range(2)], True, 0.49),
        (lambda rng: (rng.lognormal(0, 0.03, 100) * np.linspace(1, 1.05, 100)).reshape(2, 50), False, 0.45),
    ],
    ids=["3 rounds", "5 rounds", "10 rounds", "apart", "autocorrelated", "apart, drift"],
)
def test_equal_models_are_hardly_ever_called_faster_or_slower(take, paired, before):
    verdicts = [latency_ratio(*take(np.random.default_rng(seed)), paired=paired).verdict for seed in range(200)]
    called = 1 - verdicts.count("cannot tell") / 200
    assert called <= 0.05 < before


def test_ten_equal_models_are_hardly_ever_told_apart():
    """Compared one by one, some pair of ten looked different in 31 % of cases."""
    called = 0
    for seed in range(100):
        first, *others = np.random.default_rng(seed).lognormal(0, 0.03, (10, 30))
        found = compare_models([(first, other) for other in others])
        called += any(item.verdict != "cannot tell" for item in found)
    assert called <= 5
