"""Signal-to-noise ratios (SNR) between the tensors of two graphs, in decibels."""

from __future__ import annotations

import math

import numpy as np

from converters.diagnose.tracing import Tensor


def snr_db(found: Tensor, expected: Tensor) -> float:
    """10 log10(|expected|^2 / |found - expected|^2).

    Infinite where the tensors are equal, minus infinity where their shapes differ, they are not finite at the same
    places or all that is expected is 0. What is infinite in both is left out.
    """
    if found.shape != expected.shape:
        return -math.inf
    mine, should = found.values.astype(np.float64), expected.values.astype(np.float64)
    finite = np.isfinite(mine)
    if not finite.all() or not np.isfinite(should).all():
        if not np.array_equal(mine[~finite], should[~finite], equal_nan=True) or not np.isfinite(should[finite]).all():
            return -math.inf
        mine, should = mine[finite], should[finite]
    noise, signal = float(np.square(mine - should).sum()), float(np.square(should).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
