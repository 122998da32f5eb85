"""Signal-to-noise ratios (SNR) between the tensors of two graphs, in decibels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from converters.diagnose.tracing import Step, Tensor

EXACT_DB = 120.0
"""What two float32 computations of the same values reach; more than this is chance."""
_MOST = 0.8


def snr_db(found: Tensor, expected: Tensor) -> float:
    """10 log10(|expected|^2 / |found - expected|^2).

    Infinite where the tensors are equal, minus infinity where one of them is not finite or all that is expected is 0.
    """
    noise = float(np.square(found.values.astype(np.float64) - expected.values).sum())
    signal = float(np.square(expected.values, dtype=np.float64).sum())
    if not math.isfinite(noise) or not math.isfinite(signal):
        return -math.inf
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def by_name(graph: Sequence[Step], parent: Sequence[Step], share: float = _MOST) -> list[float] | None:
    """The SNR of every step against the parent's step of the same name and shape, NaN where the parent has none.

    None where fewer than ``share`` of the steps have one: then the graphs are not two forms of one. (Compressing
    weights keeps a graph's ops and names.)
    """
    named = {step.name: step.output for step in parent}
    pairs = [(step.output, named.get(step.origin)) for step in graph]
    found = [
        snr_db(mine, other) if other is not None and other.shape == mine.shape else math.nan for mine, other in pairs
    ]
    return found if sum(not math.isnan(value) for value in found) >= share * len(graph) else None


def inputs_db(graph: Sequence[Step], own_db: Sequence[float]) -> list[float]:
    """For every step the least SNR among the steps that it reads, 120 where it reads none.

    ``own_db`` are the SNRs of the steps. A step without one (NaN or minus infinity) counts as the least of what it
    reads itself.
    """
    least: list[float] = []
    through: list[float] = []
    for step, own in zip(graph, own_db, strict=True):
        least.append(min((through[index] for index in step.inputs), default=EXACT_DB))
        through.append(least[-1] if math.isnan(own) or own == -math.inf else own)
    return least
