"""How much noise every op of a compressed graph adds to what the float graph computes, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converters.diagnose.counterparts import ByName, ByValue
from converters.diagnose.rerun import Graph
from converters.diagnose.snr import snr_db
from converters.diagnose.tracing import Step, Tensor, tensor
from converters.diagnose.walk import Walk, like
from converters.errors import ExportError
from converters.runtimes.protocol import Image

Reason = Literal["accumulated drift", "outlier channel", "range", "rounding"]
# An op whose own noise is this far below what its result has in the whole graph inherited the rest.
_INHERITED_DB = 6.0
# A channel that holds more than this share of the noise is an outlier.
_SHARE = 0.4
# A factor explains a channel's noise when less than this share of it is left.
_LEFT = 0.1
# A tensor whose largest value is this many standard deviations away spends most of its 255 steps on a few values.
_PEAK = 20.0
# What two float32 computations of the same values reach; more than this is chance.
_MOST_DB = 120.0
# How near a tensor of another graph is for it to be the same one: fp16 reaches 60 dB.
SAME_DB = 40.0


@dataclass(frozen=True)
class Drift:
    """One op of a compressed graph."""

    name: str
    op: str
    snr_db: float
    """Of its output against the parent's when the whole graph runs, from -120 to 120."""
    own_db: float
    """The same when the op alone runs, on the parent's values: what it loses itself."""
    added: float
    """The noise that the op itself adds, as a share of its output's power."""
    reason: Reason
    detail: str


def drift(graph: Graph, parent: Sequence[Step], image_nhwc: Image, same_db: float = SAME_DB) -> list[Drift]:
    """Every op of ``graph`` that the parent has a counterpart of, in order. ``parent``: its steps on the same image.

    ``same_db``: how near a tensor is to its counterpart where names do not tell.

    Raises ExportError when the two are not forms of one graph: their results are not alike, and their ops have other
    names.
    """
    named = ByName(graph, parent)
    walk = Walk(graph, named if named.has_most_of(graph) else ByValue(parent, same_db), image_nhwc)
    if walk.judged[-1].is_open:
        raise ExportError(
            "these two models do not compute the same",
            expected="a compressed model and the one that it was made from",
            next_step="choose the float model of the same checkpoint and size as `against`; "
            "verify says what is wrong with a model that somebody else converted",
        )
    values: dict[str, npt.NDArray[Any]] = graph.feed(image_nhwc)
    rows: list[Drift] = []
    for index, item in enumerate(walk.judged):
        found = graph.run(item.node, values)
        values |= dict(zip(item.node.outputs, found, strict=True))
        counterpart = item.counterparts[0]
        if counterpart is None:
            continue
        whole_db = min(max(snr_db(tensor(found[0]), counterpart.tensor), -_MOST_DB), _MOST_DB)
        own_db = min(max(item.own_db, -_MOST_DB), _MOST_DB)
        own = tensor(walk.result(index)[0])
        reason: Reason = "accumulated drift"
        detail = "its inputs are as far off"
        if own_db < whole_db + _INHERITED_DB:
            reason, detail = why(own, Tensor(np.asarray(like(counterpart.tensor, own.whole), np.float32)))
        rows.append(Drift(item.node.name, item.node.op, whole_db, own_db, item.added, reason, detail))
    return rows


def why(own: Tensor, expected: Tensor) -> tuple[Reason, str]:
    """The reason for what an op adds itself, and what shows it."""
    mine, should = own.whole.astype(np.float64), expected.whole.astype(np.float64)
    noise = np.square(mine - should)
    if mine.ndim == 3 and noise.sum() > 0:
        shares = noise.sum((1, 2)) / noise.sum()
        channel = int(shares.argmax())
        if shares[channel] > max(_SHARE, 4 / len(shares)):
            text = f"channel {channel} of {len(shares)} holds {shares[channel]:.0%} of the noise"
            power = float(np.square(should[channel]).sum())
            factor = float((mine[channel] * should[channel]).sum()) / (power or math.inf)
            left = np.square(mine[channel] - factor * should[channel]).sum()
            if left < _LEFT * noise[channel].sum():
                text += f": it is {factor:.3g} times what it should be"
            return "outlier channel", text
    spread = float(should.std())
    peak = float(np.abs(should).max()) / spread if spread > 0 else 0.0
    if peak > _PEAK:
        return "range", f"the largest value is {peak:.0f} deviations away"
    return "rounding", "spread over the whole tensor"
