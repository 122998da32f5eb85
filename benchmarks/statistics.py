"""Summaries of latency samples, and whether two runs differ.

Intervals come from a bootstrap, because latencies follow no known distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from benchmarks.choices import Verdict

_RESAMPLES = 2000
_CONFIDENCE = 0.95
_FLOOR_PAIRED, _FLOOR_APART = 0.015, 0.025
"""Two runs of the same model differ by as much; by more where they ran one after the other."""


class Summary(BaseModel):
    """What the samples of one run come to. Times in ms."""

    model_config = ConfigDict(frozen=True)

    count: int
    min_ms: float
    median_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    mean_low_ms: float
    """With ``mean_high_ms`` the 95 % confidence interval of the mean."""
    mean_high_ms: float


class Comparison(BaseModel):
    """The ratio of the medians, the second run's over the first's, and what it says of the second run."""

    model_config = ConfigDict(frozen=True)

    ratio: float
    low: float
    """With ``high`` the 95 % confidence interval of the ratio."""
    high: float
    verdict: Verdict


def _resampled(count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices for ``_RESAMPLES`` resamples of ``count`` samples, shape ``_RESAMPLES`` x ``count``.

    Whole blocks are drawn (Künsch 1989), because neighbouring samples are alike and must stay together.
    """
    block = max(1, round(2 * math.sqrt(count)))
    starts = rng.integers(0, count, (_RESAMPLES, math.ceil(count / block)))
    indices = (starts[..., None] + np.arange(block)) % count
    return np.asarray(indices.reshape(_RESAMPLES, -1)[:, :count], np.int64)


def _interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def summarise(samples_ms: Sequence[float]) -> Summary:
    """The summary of one run's samples, in ms. Raises ValueError without samples."""
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


def latency_ratio(first_ms: Sequence[float], second_ms: Sequence[float], *, paired: bool = False) -> Comparison:
    """The second run's latency over the first's, and whether the second is faster or slower. Samples are above 0 ms.

    ``paired``: sample i of both was taken in the same round, so what slowed one slowed the other too; then the
    ratio is the median of the rounds' own ratios. A verdict other than "cannot tell" needs the whole interval on
    one side of 1, and a ratio further from 1 than those of equal runs. Raises ValueError without samples, or for
    paired runs of different lengths.
    """
    if not first_ms or not second_ms:
        raise ValueError("no samples")
    first, second = np.asarray(first_ms, np.float64), np.asarray(second_ms, np.float64)
    rng = np.random.default_rng(0)
    if paired:
        if len(first) != len(second):
            raise ValueError(f"paired runs have equally many samples, not {len(first)} and {len(second)}")
        ratios = second / first
        ratio = float(np.median(ratios))
        spread = np.median(ratios[_resampled(len(ratios), rng)], axis=1)
    else:
        ratio = float(np.median(second) / np.median(first))
        medians = [np.median(samples[_resampled(len(samples), rng)], axis=1) for samples in (second, first)]
        spread = medians[0] / medians[1]
    low, high = _interval(spread)
    floor = _FLOOR_PAIRED if paired else _FLOOR_APART
    verdict: Verdict = "cannot tell"
    if low > 1 and ratio > 1 + floor:
        verdict = "slower"
    elif high < 1 and ratio < 1 / (1 + floor):
        verdict = "faster"
    return Comparison(ratio=ratio, low=low, high=high, verdict=verdict)
