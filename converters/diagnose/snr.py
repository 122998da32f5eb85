"""Signal-to-noise ratios (SNR) between the tensors of two graphs, in decibels."""

from __future__ import annotations

import math

import numpy as np

from converters.diagnose.tracing import Tensor

EXACT_DB = 120.0
"""What two float32 computations of the same values reach; more than this is chance."""


def snr_db(found: Tensor, expected: Tensor) -> float:
    """10 log10(|expected|^2 / |found - expected|^2).

    Infinite where the tensors are equal, minus infinity where their shapes differ, one of them is not finite or all
    that is expected is 0.
    """
    if found.shape != expected.shape:
        return -math.inf
    noise = float(np.square(found.values.astype(np.float64) - expected.values).sum())
    signal = float(np.square(expected.values, dtype=np.float64).sum())
    if not math.isfinite(noise) or not math.isfinite(signal):
        return -math.inf
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
