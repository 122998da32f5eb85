"""How far every op of a compressed graph is from the same op of the graph that it was made from, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from converters.diagnose.snr import EXACT_DB, by_name, inputs_db
from converters.diagnose.tracing import Step, Tensor
from converters.errors import ExportError

Reason = Literal["accumulated drift", "outlier channel", "range", "rounding"]
# An op that loses less than this is as near as what it reads: the rest was lost before.
_LOSS_DB = 1.0
# A channel that holds more than this share of the noise is an outlier.
_SHARE = 0.4
# A tensor whose largest value is this many standard deviations away spends most of its 255 steps on a few values.
_PEAK = 20.0
# The share of an int8 graph's ops that the parent must have too. It has no QUANTIZE and DEQUANTIZE, and ``_aligned``
# leaves vectors out.
_MOST_OF_INT8 = 0.5


@dataclass(frozen=True)
class Drift:
    """One op of a compressed graph."""

    name: str
    op: str
    snr_db: float
    """Of its output against the parent's, from -120 to 120."""
    loss_db: float
    """How far that is below the least SNR of what it reads; at least 0."""
    added: float
    """The noise that the op itself adds, as a share of its output's power."""
    reason: Reason
    detail: str


def _worst_channel(found: Tensor, expected: Tensor) -> tuple[int, float] | None:
    """The channel of a C x H x W tensor with the most noise, and its share; None for others, and for exact ones."""
    if len(found.shape) != 3:
        return None
    count, area = math.prod(found.shape), found.shape[1] * found.shape[2]
    channel = found.places(count) // area
    noise = np.square(found.values.astype(np.float64) - expected.values)
    if not noise.sum() > 0:
        return None
    shares = np.bincount(channel, noise, found.shape[0]) / noise.sum()
    return int(shares.argmax()), float(shares.max())


def _why(mine: Tensor, parents: Tensor, loss_db: float) -> tuple[Reason, str]:
    """The reason for the difference between an op's output and its parent's, and what shows it."""
    if loss_db < _LOSS_DB:
        return "accumulated drift", "its inputs are as far off"
    worst = _worst_channel(mine, parents)
    if worst is not None and worst[1] > max(_SHARE, 4 / mine.shape[0]):
        return "outlier channel", f"channel {worst[0]} of {mine.shape[0]} holds {worst[1]:.0%} of the noise"
    spread = float(parents.values.std())
    peak = float(np.abs(parents.values).max()) / spread if spread > 0 else 0.0
    if peak > _PEAK:
        return "range", f"the largest value is {peak:.0f} deviations away"
    return "rounding", "spread over the whole tensor"


def _aligned(step: Step, expected: Tensor | None) -> Step:
    """A step of an int8 graph with every channel brought to the parent's scale: equalisation has changed it.

    The scale is taken from a channel's map. A step without maps gets a name that no step of the parent has.
    """
    found = step.output
    if expected is None or found.shape != expected.shape:
        return step
    if len(found.shape) != 3:
        return replace(step, name=f"{step.name}/evened")
    channel = found.places(math.prod(found.shape)) // (found.shape[1] * found.shape[2])
    own, other = found.values.astype(np.float64), expected.values.astype(np.float64)
    power = np.bincount(channel, own * own, found.shape[0])
    factor = np.bincount(channel, own * other, found.shape[0]) / np.where(power > 0, power, 1)
    return replace(step, output=Tensor(found.shape, (own * factor[channel]).astype(np.float32)))


def drift(graph: Sequence[Step], parent: Sequence[Step]) -> list[Drift]:
    """Every op that both graphs have, in order; raises ExportError when they are not two forms of one graph."""
    named = {step.name: step.output for step in parent}
    if any(step.op == "QUANTIZE" for step in graph):
        graph = [_aligned(step, named.get(step.origin)) for step in graph]
        own_db = by_name(graph, parent, _MOST_OF_INT8)
    else:
        own_db = by_name(graph, parent)
    if own_db is None:
        raise ExportError(
            "these two models do not have the same ops",
            expected="a compressed model and the one that it was made from",
            next_step="choose the float model of the same format as `against`",
        )
    found: list[Drift] = []
    for step, snr, inputs in zip(graph, own_db, inputs_db(graph, own_db), strict=True):
        if math.isnan(snr):
            continue
        snr, inputs = (min(max(value, -EXACT_DB), EXACT_DB) for value in (snr, inputs))
        loss, added = max(inputs - snr, 0.0), max(10 ** (-snr / 10) - 10 ** (-inputs / 10), 0.0)
        reason, detail = _why(step.output, named[step.origin], loss)
        found.append(Drift(step.name, step.op, snr, loss, added, reason, detail))
    return found
