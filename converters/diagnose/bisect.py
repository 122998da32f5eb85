"""Where two graphs part: the first op of one whose output is not among the other's tensors.

The graphs need not have the same ops or names. Tensors correspond when they have the same shape (after ``tracing``'s
canonical form) and nearly the same values on the same input. An op whose output corresponds to nothing is fine as long
as something that depends on it does: it is a part of a step that is written differently here. The first op for which
nothing that follows corresponds, although all that it reads is fine, is where the difference begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converters.diagnose.tracing import Step, Tensor

_EXACT_DB = 120.0
"""What equal float32 computations reach; more is chance."""
_MARGIN_DB = 30.0
"""How far above the limit precision is still worth something."""
_MOST = 0.8
_TELLING = 512
"""Elements from which on a tensor's values say what it is."""


@dataclass(frozen=True)
class Divergence:
    """The op at which ``graph`` leaves ``parent``.

    ``parent_op`` is the parent's step that has no counterpart in the graph although what it reads
    has; None where there is none. SNRs are those of the best counterparts, in dB.
    """

    op: Step
    reader: Step | None
    """What reads the op first: where an op only moves numbers, its reader may be the one to blame."""
    parent_op: Step | None
    snr_db: float
    inputs_snr_db: float
    kind: str
    """``leaves``: what follows never comes back; ``scales``: it does, but this result is a multiple of the
    parent's (a norm behind it may hide that); ``drops``: the largest loss of precision is here."""


def snr_db(found: Tensor, expected: Tensor) -> float:
    """10 log10(|expected|^2 / |found - expected|^2); infinite for equal tensors, -inf where either is not finite."""
    noise = float(np.square(found.values.astype(np.float64) - expected.values).sum())
    signal = float(np.square(expected.values, dtype=np.float64).sum())
    if not math.isfinite(noise) or not math.isfinite(signal):
        return -math.inf
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def _up_to_scale_db(found: Tensor, expected: Tensor) -> float:
    """``snr_db`` after the best single factor: what a scale leaves that is multiplied in elsewhere."""
    f, e = found.values.astype(np.float64), expected.values.astype(np.float64)
    product, energy = float((f * e).sum()), float(np.square(f).sum())
    if not math.isfinite(product) or not math.isfinite(energy) or energy == 0:
        return -math.inf
    return snr_db(Tensor(found.shape, (f * (product / energy)).astype(np.float32)), expected)


class _Matches:
    """For every step of a graph, how near the other graph's nearest tensor is."""

    def __init__(self, steps: Sequence[Step], others: Sequence[Step], limit_db: float) -> None:
        by_shape: dict[tuple[int, ...], list[Tensor]] = {}
        for other in others:
            by_shape.setdefault(other.output.shape, []).append(other.output)
        self.steps = steps
        self.nearest_db: list[float] = []
        explained: list[bool] = []
        for step in steps:
            same = by_shape.get(step.output.shape, [])
            nearest = max((snr_db(step.output, other) for other in same), default=-math.inf)
            self.nearest_db.append(nearest)
            # A few numbers, or all zeros, may agree by chance.
            telling = step.output.values.size >= _TELLING and bool(step.output.values.any())
            explained.append(telling and nearest >= limit_db)
        self._recovered = self._spread(explained)
        self._proportional = [
            max(
                (_up_to_scale_db(step.output, other) for other in by_shape.get(step.output.shape, [])),
                default=-math.inf,
            )
            >= limit_db
            for step in steps
        ]
        self._explained = [a or b for a, b in zip(self._recovered, self._proportional, strict=True)]
        self._limit_db = limit_db

    def _spread(self, good: Sequence[bool]) -> list[bool]:
        """Good, or read by something that is."""
        recovered = list(good)
        for index in range(len(self.steps) - 1, -1, -1):
            if recovered[index]:
                for source in self.steps[index].inputs:
                    recovered[source] = True
        return recovered

    def scaled(self) -> int | None:
        """The first step that is a multiple of its counterpart although what it reads is equal to its own."""
        return next(
            (
                index
                for index, step in enumerate(self.steps)
                if self._proportional[index]
                and self.nearest_db[index] < self._limit_db
                and all(self.nearest_db[source] >= self._limit_db for source in step.inputs)
            ),
            None,
        )

    def begins(self) -> int | None:
        """The first step that nothing explains although everything explains what it reads."""
        return next(
            (
                index
                for index, step in enumerate(self.steps)
                if not self._explained[index] and all(self._explained[source] for source in step.inputs)
            ),
            None,
        )


def by_name(graph: Sequence[Step], parent: Sequence[Step], share: float = _MOST) -> list[float] | None:
    """Every step's SNR against the parent's of the same name, NaN without one; None unless ``share`` of them have one.

    Compressing weights keeps a graph's ops and names.
    """
    named = {step.name: step.output for step in parent}
    pairs = [(step.output, named.get(step.origin)) for step in graph]
    found = [
        snr_db(mine, other) if other is not None and other.shape == mine.shape else math.nan for mine, other in pairs
    ]
    return found if sum(not math.isnan(value) for value in found) >= share * len(graph) else None


def diverge(graph: Sequence[Step], parent: Sequence[Step], limit_db: float) -> Divergence | None:
    """Where ``graph`` leaves ``parent``; None when no op loses anything worth naming."""
    named = by_name(graph, parent)
    if named is not None:
        return _largest_loss(graph, parent, named, limit_db)
    matches = _Matches(graph, parent, limit_db)
    begin = matches.begins()
    if begin is not None:
        missing = _Matches(parent, graph, limit_db).begins()
        counterpart = None if missing is None else parent[missing]
        return _divergence(graph, begin, counterpart, matches.nearest_db, "leaves")
    scaled = matches.scaled()
    if scaled is not None:
        return _divergence(graph, scaled, None, matches.nearest_db, "scales")
    # What has no counterpart is written differently here, and loses nothing.
    near = [value if value >= limit_db else math.nan for value in matches.nearest_db]
    return _largest_loss(graph, parent, near, limit_db)


def inputs_db(graph: Sequence[Step], nearest_db: Sequence[float]) -> list[float]:
    """For every step that of the worst of its inputs, looking through those that have no counterpart."""
    worst: list[float] = []
    through: list[float] = []
    for step, own in zip(graph, nearest_db, strict=True):
        worst.append(min((through[index] for index in step.inputs), default=_EXACT_DB))
        through.append(worst[-1] if math.isnan(own) or own == -math.inf else own)
    return worst


def _divergence(
    graph: Sequence[Step], index: int, counterpart: Step | None, nearest_db: Sequence[float], kind: str
) -> Divergence:
    step = graph[index]
    reader = next((item for item in graph if index in item.inputs), None)
    return Divergence(step, reader, counterpart, nearest_db[index], inputs_db(graph, nearest_db)[index], kind)


def _largest_loss(
    graph: Sequence[Step], parent: Sequence[Step], nearest_db: Sequence[float], limit_db: float
) -> Divergence | None:
    """The op whose result is furthest below the worst of what it reads, first among those that read sound tensors."""
    losses = [
        (inputs >= limit_db, min(inputs, limit_db + _MARGIN_DB) - max(value, -_EXACT_DB), index)
        for index, (inputs, value) in enumerate(zip(inputs_db(graph, nearest_db), nearest_db, strict=True))
        if not math.isnan(value)
    ]
    _, loss, index = max(losses, default=(False, 0.0, 0))
    if loss <= 0:
        return None
    counterpart = next((item for item in parent if item.name == graph[index].origin), None)
    kind = "leaves" if nearest_db[index] < limit_db else "drops"
    return _divergence(graph, index, counterpart, nearest_db, kind)
