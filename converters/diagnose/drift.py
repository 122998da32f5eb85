"""How far every op of a compressed graph is from the same op of the graph that it was made from, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from converters.diagnose.bisect import by_name, inputs_db
from converters.diagnose.tracing import Step, Tensor
from converters.errors import ExportError

Reason = Literal["accumulated drift", "outlier channel", "range", "rounding"]
_EXACT_DB = 120.0
# Less than this is lost here, the rest was lost before.
_LOSS_DB = 1.0
# A channel that holds more of the noise than this is an outlier.
_SHARE = 0.4
# A tensor whose largest value is so many deviations away spends most of its steps on a few values.
_PEAK = 20.0
# An int8 graph has ops of its own, and vectors whose scale cannot be told.
_MOST_OF_INTEGER = 0.5


@dataclass(frozen=True)
class Drift:
    """One op. ``snr_db``: of its output against the parent's, at most 120; ``loss_db``: how far that is below its
    worst input's; ``added``: the noise that it adds itself, as a share of its output's power.
    """

    name: str
    op: str
    snr_db: float
    loss_db: float
    added: float
    reason: Reason
    detail: str


def _worst_channel(found: Tensor, expected: Tensor) -> tuple[int, float] | None:
    """The channel (first axis of a sampled C x H x W tensor) with the most noise, and its share of it."""
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
    """A step of an int8 graph with every channel at the parent's scale: equalisation gave it another.

    What has no map to tell that scale from is given a name of its own, that no step of the parent has.
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
    integer = any(step.op == "QUANTIZE" for step in graph)
    if integer:
        graph = [_aligned(step, named.get(step.origin)) for step in graph]
    nearest = by_name(graph, parent, *([_MOST_OF_INTEGER] if integer else []))
    if nearest is None:
        raise ExportError(
            "these two models do not have the same ops",
            expected="a compressed model and the one that it was made from",
            next_step="name the float model of the same format: --against MODEL",
        )
    found: list[Drift] = []
    for step, snr, inputs in zip(graph, nearest, inputs_db(graph, nearest), strict=True):
        if math.isnan(snr):
            continue
        snr, inputs = (min(max(value, -_EXACT_DB), _EXACT_DB) for value in (snr, inputs))
        loss, added = max(inputs - snr, 0.0), max(10 ** (-snr / 10) - 10 ** (-inputs / 10), 0.0)
        reason, detail = _why(step.output, named[step.origin], loss)
        found.append(Drift(step.name, step.op, snr, loss, added, reason, detail))
    return found
