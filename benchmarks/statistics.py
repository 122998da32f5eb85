"""What samples of a latency say, and whether two runs differ: by bootstrap, as latencies follow no known law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

_RESAMPLES = 2000
_CONFIDENCE = 0.95
_FLOOR_INTERLEAVED, _FLOOR_APART = 0.015, 0.025
"""Smaller differences are what a machine does to equal runs; more so where one comes after the other."""

Verdict = Literal["faster", "slower", "cannot tell"]


class Summary(BaseModel):
    """Derived from the samples, never kept instead of them."""

    model_config = ConfigDict(frozen=True)

    count: int
    min_ms: float
    median_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    mean_low_ms: float
    mean_high_ms: float
    """95 % confidence interval of the mean."""


class Comparison(BaseModel):
    """``ratio`` of the medians, the second run's over the first's, with its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    ratio: float
    low: float
    high: float
    verdict: Verdict
    """Of the second run against the first."""


def _resampled(count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices for resampling in blocks (Künsch 1989): neighbouring samples are alike, and must stay together."""
    block = max(1, round(2 * math.sqrt(count)))
    starts = rng.integers(0, count, (_RESAMPLES, math.ceil(count / block)))
    indices = (starts[..., None] + np.arange(block)) % count
    return np.asarray(indices.reshape(_RESAMPLES, -1)[:, :count], np.int64)


def _interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def summarise(samples_ms: Sequence[float]) -> Summary:
    """Raises ValueError without samples."""
    if not samples_ms:
        raise ValueError("no samples")
    samples = np.asarray(samples_ms, np.float64)
    low, high = _interval(samples[_resampled(len(samples), np.random.default_rng(0))].mean(axis=1))
    p90, p99 = np.quantile(samples, [0.9, 0.99])
    return Summary(
        count=len(samples),
        min_ms=float(samples.min()),
        median_ms=float(np.median(samples)),
        p90_ms=float(p90),
        p99_ms=float(p99),
        mean_ms=float(samples.mean()),
        mean_low_ms=low,
        mean_high_ms=high,
    )


def compare(first_ms: Sequence[float], second_ms: Sequence[float], *, interleaved: bool = False) -> Comparison:
    """Whether the second run is faster or slower than the first.

    ``interleaved``: sample i of both was taken in the same round; what slowed one slowed the other,
    and each round gives a ratio of its own. A verdict other than "cannot tell" needs the whole
    interval on one side of 1, and a ratio beyond what equal runs differ by. Raises ValueError
    without samples, or for interleaved runs of different lengths.
    """
    if not first_ms or not second_ms:
        raise ValueError("no samples")
    first, second = np.asarray(first_ms, np.float64), np.asarray(second_ms, np.float64)
    rng = np.random.default_rng(0)
    if interleaved:
        if len(first) != len(second):
            raise ValueError("interleaved runs have equally many samples")
        ratios = second / first
        ratio = float(np.median(ratios))
        spread = np.median(ratios[_resampled(len(ratios), rng)], axis=1)
    else:
        ratio = float(np.median(second) / np.median(first))
        medians = [np.median(samples[_resampled(len(samples), rng)], axis=1) for samples in (second, first)]
        spread = medians[0] / medians[1]
    low, high = _interval(spread)
    floor = _FLOOR_INTERLEAVED if interleaved else _FLOOR_APART
    verdict: Verdict = "cannot tell"
    if low > 1 and ratio > 1 + floor:
        verdict = "slower"
    elif high < 1 and ratio < 1 / (1 + floor):
        verdict = "faster"
    return Comparison(ratio=ratio, low=low, high=high, verdict=verdict)
