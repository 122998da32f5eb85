"""How many independent values a series of measurements is worth: neighbours in time are alike, and levels move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_MOVED = 0.463
"""The 5 % critical value of the KPSS statistic for a steady level (Kwiatkowski et al. 1992, table 1)."""
_CAUTION = 1.0
"""Standard errors that are added to the estimated coefficient: to take values for independent is the worse mistake."""
_NEARLY_ONE = 0.999


@dataclass(frozen=True)
class Dependence:
    """What the order of ``length`` values says of them."""

    length: int
    time: float
    """The integrated autocorrelation time (Sokal 1997), at least 1: so many values tell as much as one independent."""
    moved: bool
    """Whether the level itself wandered, drifted or jumped, so that the values have no common mean."""

    @property
    def count(self) -> int:
        """The effective number of values: as many independent ones would tell as much. 0 where the level moved."""
        return 0 if self.moved else int(self.length / self.time + 1e-9)


def dependence(values: Values) -> Dependence:
    """Estimate it from the ranks of ``values`` (in the order of time), which a single slow run cannot distort."""
    length = len(values)
    centred = ranks(values)
    centred -= centred.mean()
    if length < 3 or not np.any(centred):
        return Dependence(length, 1.0, moved=False)
    correlations = _autocorrelations(centred)
    estimates = (_autoregressive_time, _time_under_noise, _summed_time)  # for short, noisy and long series
    time = max(estimate(correlations, length) for estimate in estimates)
    return Dependence(length, time, moved=_kpss(centred, correlations) > _MOVED)


def shared(found: Sequence[Dependence]) -> list[Dependence]:
    """Series of one session: none counts as less dependent than they usually are, as one short series tells little."""
    time = median(item.time for item in found)
    moved = median(item.moved for item in found) > 0.5
    return [Dependence(item.length, max(item.time, time), item.moved or moved) for item in found]


def ranks(values: Values) -> Values:
    """From 0; equal values share the mean of theirs. Faster than ``scipy.stats.rankdata`` for short series."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[inverse], np.float64)


def _autocorrelations(centred: Values) -> Values:
    """Of every lag from 0, by the Fourier transform: runs of minutes have hundreds of thousands of samples."""
    length = len(centred)
    spectrum = np.fft.rfft(centred, 2 * length)
    products = np.fft.irfft(spectrum * spectrum.conj(), 2 * length)[:length]
    return np.asarray(products / products[0], np.float64)


def _autoregressive_time(correlations: Values, length: int) -> float:
    """Of a first-order autoregression, whose estimated coefficient is too small by (1 + 4 c) / n (Kendall 1954)."""
    first = float(correlations[1])
    coefficient = first + (1 + 4 * max(first, 0.0)) / length
    coefficient += _CAUTION * math.sqrt(max(1 - coefficient**2, 0.0) / length)
    if coefficient <= 0:
        return 1.0
    bounded = min(coefficient, _NEARLY_ONE)
    return (1 + bounded) / (1 - bounded)


def _time_under_noise(correlations: Values, length: int) -> float:
    """Of an autoregression under noise, which lowers all correlations but not their ratio (Box & Jenkins 1976)."""
    first, second = (float(value) + 1 / length for value in correlations[1:3])
    if first * math.sqrt(length) < 1 or second <= 0:  # the first one is not certain enough to divide by
        return 1.0
    return 1 + 2 * first / (1 - min(second / first + 2 / length, _NEARLY_ONE))


def _summed_time(correlations: Values, length: int) -> float:
    """The correlations' sum, as long as that of two neighbouring lags is positive (Geyer 1992)."""
    even = length // 2 * 2
    pairs = correlations[:even:2] + correlations[1:even:2]
    ends = np.flatnonzero(pairs <= 0)
    time = float(2 * pairs[: ends[0] if len(ends) else len(pairs)].sum() - 1)
    return time * (1 + 2 * time / length)  # the estimated mean takes so much away


def _kpss(centred: Values, correlations: Values) -> float:
    """The KPSS statistic: the sums' mean square, over the long-run variance with the authors' l4 lags."""
    length = len(centred)
    lags = min(int(4 * (length / 100) ** 0.25), length - 1)
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    long_run = max(1.0, 1 + 2 * float(weights @ correlations[1 : lags + 1]))
    sums = np.cumsum(centred)
    return float(sums @ sums / length / (centred @ centred * long_run))
