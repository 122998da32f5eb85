"""What samples of a latency say, and whether two runs differ: intervals that hold, or the answer that it is unknown.

What each claim needs, and how often it holds on simulated machines, stands in docs/statistics.md, made by
``python -m benchmarks.simulate``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import special

from benchmarks.dependence import Dependence, Values, dependence, ranks, shared

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
FEWEST = 6
"""Of six independent values the smallest and the largest enclose the median in 96.9 % of cases; of five in 93.8 %."""
FEWEST_BLOCKS = 8
"""Where every sample is itself the mean of a block of runs."""
FEWEST_FOR_MEAN = 50
"""Fewer runs often miss what happens in one run of 15 and moves the mean; 97 % of fifty have one such run."""
_FEWEST_EFFECTIVE_FOR_MEAN = 8
_PERMUTED_BELOW = 20
"""Independent values: below, all changes of sign are counted; from here on the interval's own test, that of signs."""
FLOOR_PAIRED, FLOOR_APART = 0.015, 0.05
"""Equal models differ by so much: in one session by their place in a round, between two as machines change."""
_FEWEST_FREEDOM = 2
"""Degrees of freedom from which the spread between sessions is taken from them: three sessions of one run."""
_ROUNDING = 9
"""Decimals of a logarithm of ratios; what follows is the arithmetic's noise."""

Verdict = Literal["faster", "slower", "cannot tell"]


class Summary(BaseModel):
    """Derived from the samples, never kept instead of them. None: the samples cannot tell."""

    model_config = ConfigDict(frozen=True)

    count: int
    min_ms: float
    median_ms: float
    p90_ms: float | None
    """From 29 independent runs: fewer do not enclose it with 95 % confidence (Wilks 1941)."""
    p99_ms: float | None
    """From 299 independent runs."""
    mean_ms: float
    mean_low_ms: float | None
    mean_high_ms: float | None
    """95 % confidence interval of the mean, from 50 runs or 8 blocks of runs."""


class Comparison(BaseModel):
    """``ratio`` of the medians, the second run's over the first's, with its 95 % interval where there is one."""

    model_config = ConfigDict(frozen=True)

    ratio: float
    low: float | None
    high: float | None
    p_value: float
    """How often equal models would differ so much; 1 where the samples cannot tell."""
    verdict: Verdict
    """Of the second run against the first."""
    reason: str
    """What the verdict rests on, or why there is none."""


def summarise(samples_ms: Sequence[float], *, of_blocks: bool = False) -> Summary:
    """Raises ValueError without samples, or for samples that are not finite and above 0.

    ``of_blocks``: every sample is the mean of a block of runs, which has no percentiles of single runs.
    """
    samples = _latencies(samples_ms)
    worth = dependence(samples).count
    p90, p99 = (
        None if of_blocks or worth < fewest_for_percentile(share) else float(np.quantile(samples, share))
        for share in (0.9, 0.99)
    )
    enough = len(samples) >= (FEWEST_BLOCKS if of_blocks else FEWEST_FOR_MEAN) and worth >= _FEWEST_EFFECTIVE_FOR_MEAN
    low, high = _mean_interval(samples, worth) if enough and np.ptp(samples) else (None, None)
    return Summary(
        count=len(samples),
        min_ms=float(samples.min()),
        median_ms=float(np.median(samples)),
        p90_ms=p90,
        p99_ms=p99,
        mean_ms=float(samples.mean()),
        mean_low_ms=low,
        mean_high_ms=high,
    )


def latency_ratio(
    first_ms: Sequence[float], second_ms: Sequence[float], *, paired: bool = False, of_blocks: bool = False
) -> Comparison:
    """Whether the second run is faster or slower than the first.

    ``paired``: sample i of both was taken in the same round; what slowed one slowed the other, and each round
    gives a ratio of its own. Otherwise the two are sessions, see ``compare_sessions``. ``of_blocks``: every sample is
    the mean of a block of runs. Raises ValueError without samples, for samples that are not finite and above 0, or for
    interleaved runs of different lengths.
    """
    if not paired:
        return compare_sessions([first_ms], [second_ms], of_blocks=of_blocks)
    ratios = _ratios(first_ms, second_ms)
    return _in_turn(ratios, dependence(ratios), of_blocks)


def compare_models(
    pairs_ms: Sequence[tuple[Sequence[float], Sequence[float]]], *, of_blocks: bool = False
) -> list[Comparison]:
    """Pairs of interleaved runs that were all taken in one session, such as each of some models with the first one.

    Not ``latency_ratio`` of each: with ten equal models one would look different far too often, and the pairs tell
    together how alike neighbouring rounds are. Raises ValueError as ``latency_ratio`` does.
    """
    ratios = [_ratios(first, second) for first, second in pairs_ms]
    found = shared([dependence(item) for item in ratios])
    return corrected([_in_turn(*both, of_blocks) for both in zip(ratios, found, strict=True)])


def compare_sessions(
    first_ms: Sequence[Sequence[float]], second_ms: Sequence[Sequence[float]], *, of_blocks: bool = False
) -> Comparison:
    """Whether one model's sessions are faster or slower than another's: sessions that were measured apart.

    The samples of one session cannot tell what the machine does between two. From three sessions of one run (or two
    of both) their own spread makes the interval; before that, ``FLOOR_APART`` widens it. Raises ValueError for a side
    without sessions and as ``latency_ratio`` does.
    """
    if not first_ms or not second_ms:
        raise ValueError("no sessions")
    sides = [[_latencies(samples) for samples in side] for side in (first_ms, second_ms)]
    every = [samples for side in sides for samples in side]
    medians = [np.log([np.median(samples) for samples in side]) for side in sides]
    ratio = float(medians[1].mean() - medians[0].mean())
    shortest = min(map(len, every))
    if why := _too_few(shortest, f"a session of {shortest} {'blocks' if of_blocks else 'runs'}", of_blocks):
        return _unknown(ratio, why)
    levels = [[_level(np.log(samples)) for samples in side] for side in sides]
    apart = f"sessions apart: {FLOOR_APART:.0%} is allowed for what a machine does between two of them"
    floor, reason = math.log1p(FLOOR_APART), apart
    error = _sum([(level.error / len(side), level.freedom) for side in levels for level in side])
    between = len(every) - 2
    if 2 * sum(level.moved for side in levels for level in side) >= len(every):
        floor += max(float(np.ptp(side)) for side in medians)
        error = _sum([max((level.error, level.freedom) for level in side) for side in levels])
        reason = f"{apart}, and what the latency itself moved in the course of each"
    elif between >= _FEWEST_FREEDOM:
        spread = math.sqrt(sum(float(np.var(side)) * len(side) for side in medians) / between)
        known = (spread * math.sqrt(sum(1 / len(side) for side in medians)), float(between))
        # What is larger: what the sessions say of each other, or what the samples say of the sessions.
        floor, error = 0.0, max(error, known, key=lambda item: item[0] * _t(item[1]))
        reason = f"{len(every)} sessions; those of one run differ by {math.expm1(spread):.1%} (standard deviation)"
    return _judged(_around(ratio, floor, *error, reason), 0.0)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons that are read together: their p-values by Holm (1979), and no verdict that does not outlast it.

    One of ten equal models would otherwise be called faster or slower far more often than in 5 % of cases.
    """
    found = list(comparisons)
    adjusted = 0.0
    for rank, index in enumerate(sorted(range(len(found)), key=lambda index: found[index].p_value)):
        item = found[index]
        adjusted = max(adjusted, min(1.0, item.p_value * (len(found) - rank)))
        found[index] = item.model_copy(update={"p_value": adjusted})
        if item.verdict != "cannot tell" and adjusted > 1 - CONFIDENCE:
            reason = f"{item.reason}; not certain enough among {len(found)} comparisons"
            found[index] = found[index].model_copy(update={"verdict": "cannot tell", "reason": reason})
    return found


def _ratios(first_ms: Sequence[float], second_ms: Sequence[float]) -> Values:
    """Logarithms of each round's ratio."""
    first, second = _latencies(first_ms), _latencies(second_ms)
    if len(first) != len(second):
        raise ValueError("interleaved runs have equally many samples")
    return np.round(np.log(second) - np.log(first), _ROUNDING)


def _in_turn(ratios: Values, found: Dependence, of_blocks: bool) -> Comparison:
    ratio, rounds = float(np.median(ratios)), f"{len(ratios)} rounds"
    if why := _too_few(len(ratios), rounds, of_blocks):
        return _unknown(ratio, why)
    if found.count < FEWEST:
        why = f"the ratio itself moved in the course of {rounds}" if found.moved else f"{rounds} depend on each other"
        error, freedom = _movement(ratios)
        reason = f"{why}: {FLOOR_APART:.0%} is allowed besides that"
        return _judged(_around(ratio, math.log1p(FLOOR_APART), error, freedom, reason), 0.0)
    low, high = _median_interval(ratios, found.count)
    return _judged(
        Comparison(
            ratio=math.exp(ratio),
            low=math.exp(low),
            high=math.exp(high),
            p_value=_p_of_ratios(ratios, found.count),
            verdict="cannot tell",
            reason=rounds if found.count == len(ratios) else f"{rounds}, worth {found.count} independent ones",
        ),
        FLOOR_PAIRED,
    )


def is_regression(found: Comparison, threshold: float) -> bool:
    """Whether the second run is slower, by more than a share that one tolerates."""
    return found.verdict == "slower" and found.ratio > 1 + threshold


def fewest_for_percentile(share: float) -> int:
    """How many independent samples have one above the percentile in 95 of 100 cases (Wilks 1941): 29 for 0.9."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(share))


class _Level(NamedTuple):
    """How well a session's logarithmic median is known by the session's own samples."""

    error: float
    freedom: float
    moved: bool
    """Whether it moved, or the samples depend on each other so much that they tell no more than its movement."""


def _level(values: Values) -> _Level:
    found = dependence(values)
    if found.count < FEWEST:
        return _Level(*_movement(values), moved=True)
    low, high = _median_interval(values, found.count)
    # The median's standard error, from its interval (McKean & Schrader 1984).
    return _Level((high - low) / 2 / _t(found.count - 1), found.count - 1, moved=False)


def _movement(values: Values) -> tuple[float, float]:
    """How far a level moves in the course of a session, as a standard deviation with its degrees of freedom.

    By six parts, and not divided by their number: where they depend on each other, they may tell no more than one.
    """
    parts = [float(np.median(part)) for part in np.array_split(values, FEWEST)]
    return float(np.std(parts, ddof=1)), FEWEST - 1.0


def _latencies(samples_ms: Sequence[float]) -> Values:
    samples = np.asarray(samples_ms, np.float64)
    if not len(samples):
        raise ValueError("no samples")
    if not np.all(np.isfinite(samples) & (samples > 0)):
        raise ValueError("latencies are finite and above 0")
    return samples


def _too_few(length: int, what: str, of_blocks: bool) -> str | None:
    fewest = FEWEST_BLOCKS if of_blocks else FEWEST
    return f"{what}: at least {fewest} are needed" if length < fewest else None


def _unknown(ratio: float, reason: str) -> Comparison:
    return Comparison(ratio=math.exp(ratio), low=None, high=None, p_value=1.0, verdict="cannot tell", reason=reason)


def _around(ratio: float, floor: float, error: float, freedom: float, reason: str) -> Comparison:
    """A logarithmic ratio with Student's interval, widened by a floor on both sides."""
    reach = floor + error * _t(freedom)
    beyond = max(abs(ratio) - floor, 0.0)
    return Comparison(
        ratio=math.exp(ratio),
        low=math.exp(ratio - reach),
        high=math.exp(ratio + reach),
        p_value=_p_of_t(beyond / error, freedom) if error else float(not beyond),
        verdict="cannot tell",
        reason=reason,
    )


def _judged(found: Comparison, floor: float) -> Comparison:
    """With its verdict: one needs the whole interval on one side of 1, and a ratio beyond what equal runs differ by."""
    assert found.low is not None
    assert found.high is not None
    if found.p_value > 1 - CONFIDENCE or found.low <= 1 <= found.high:
        return found
    if 1 / (1 + floor) <= found.ratio <= 1 + floor:
        return found.model_copy(update={"reason": f"{found.reason}; equal models differ by up to {floor:.1%}"})
    return found.model_copy(update={"verdict": "slower" if found.low > 1 else "faster"})


def _mean_interval(samples: Values, worth: int) -> tuple[float, float]:
    """Student's t with ``worth`` values, and Hall's (1992) transformation for latencies' long upper tail."""
    centred = samples - samples.mean()
    variance = float(centred @ centred) / len(samples)
    skewness = float(np.mean(centred**3)) / variance**1.5
    # Values that are alike also lie closer together than independent ones.
    deviation = math.sqrt(variance / (1 - 1 / worth))
    root, reach = math.sqrt(worth), _t(worth - 1)
    bias = skewness / (6 * root)

    def bound(quantile: float) -> float:
        scaled = quantile
        if abs(skewness) > 1e-6:
            scaled = float(np.cbrt(1 + skewness * (quantile - bias) / root) - 1) * 3 * root / skewness
        return float(samples.mean()) - scaled * deviation / root

    return bound(reach), bound(-reach)


def _median_interval(values: Values, worth: int) -> tuple[float, float]:
    """Two order statistics that enclose the median with at least 95 % (David & Nagaraja 2003, section 7.1).

    Exact for independent values. Fewer count where neighbours are alike: as if the values were thinned to ``worth``,
    averaged over all ways to do so.
    """
    rank = (_enclosing_rank(worth) - 0.5) * len(values) / worth + 0.5
    index = max(int(rank), 1) - 1
    ordered = np.sort(values)
    return float(ordered[index]), float(ordered[-1 - index])


@cache
def _enclosing_rank(count: int) -> int:
    """The largest k for which the k-th smallest and the k-th largest of ``count`` enclose the median with 95 %."""
    ranks = np.arange(1, count // 2 + 1)
    return int(ranks[special.bdtr(ranks - 1, count, 0.5) <= _TAIL][-1])


def _p_of_ratios(ratios: Values, worth: int) -> float:
    """How often equal models differ so much: by the signed ranks of ``worth`` blocks, by the sign test from 20 on.

    Two equal models may change places in every round, which changes a logarithm's sign and nothing else.
    """
    if worth < _PERMUTED_BELOW:
        return _p_of_signed_ranks(np.array([part.mean() for part in np.array_split(ratios, worth)]))
    rarer = len(ratios) - max(int(np.sum(ratios < 0)), int(np.sum(ratios > 0)))
    return min(1.0, 2 * float(special.bdtr(rarer * worth // len(ratios), worth, 0.5)))


def _p_of_signed_ranks(values: Values) -> float:
    """Exact over all changes of sign, with ties (Wilcoxon 1945, Pratt 1959): a hiccup counts as one rank, no more."""
    twice = (2 * (ranks(np.abs(values)) + 1)).astype(int)  # whole numbers: ties share the mean of their ranks
    ways = np.ones(1)
    for rank, value in zip(twice, values, strict=True):
        if value:
            ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    least = min(twice[values < 0].sum(), twice[values > 0].sum())
    return min(1.0, 2 * float(ways[: least + 1].sum() / ways.sum()))


def _t(freedom: float) -> float:
    """Student's quantile for a two-sided 95 % interval."""
    return float(special.stdtrit(freedom, 1 - _TAIL))


def _p_of_t(statistic: float, freedom: float) -> float:
    return 2 * float(special.stdtr(freedom, -statistic))


def _sum(errors: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A sum's standard error and degrees of freedom, from those of its parts (Welch 1947)."""
    total = sum(error**2 for error, _ in errors)
    if not total:
        return 0.0, sum(freedom for _, freedom in errors)
    return math.sqrt(total), total**2 / sum(error**4 / freedom for error, freedom in errors)
