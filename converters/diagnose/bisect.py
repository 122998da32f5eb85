"""Where two graphs diverge: the first op of one of them that computes something else than the other graph does.

The graphs need not have the same ops or names. A step's *counterpart* is a tensor of the other graph that has the same
shape (as ``tracing`` gives shapes) and nearly the same values on the same input. A step without a counterpart is not
wrong for that alone: the other graph may write the same computation with other ops. But then something that depends on
the step has a counterpart again, because right values were passed on. So a step is *sound* when it has a counterpart or
something that depends on it has one. A step that is a tensor of the other graph times some number is sound too, as a
norm behind it may take the number out again. The graphs diverge at the first step that is not sound although all steps
that it reads are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from converters.diagnose.snr import EXACT_DB, by_name, inputs_db, snr_db
from converters.diagnose.tracing import Step, Tensor

_MARGIN_DB = 30.0
"""Precision further above the limit than this is not missed when it is lost."""
_TELLING = 512
"""The least number of elements whose values identify a tensor: fewer may agree by chance."""

Kind = Literal["leaves", "scales", "drops"]


@dataclass(frozen=True)
class Divergence:
    """The op at which a graph leaves its parent. SNRs are in dB."""

    op: Step
    reader: Step | None
    """The first step that reads the result; the one to blame where the op only moves numbers."""
    parent_op: Step | None
    """The first unsound step of the parent, compared with the graph; None where there is none."""
    snr_db: float
    """Of the op's result against its nearest tensor in the parent."""
    inputs_snr_db: float
    """The least SNR of what the op reads."""
    kind: Kind
    """``leaves``: neither the result nor anything that depends on it has a counterpart. ``scales``: the result is a
    multiple of what the parent has. ``drops``: all is sound, and the largest loss of precision is in this op."""


def diverge(graph: Sequence[Step], parent: Sequence[Step], limit_db: float) -> Divergence | None:
    """Where ``graph`` leaves ``parent``; None where no op loses precision.

    ``limit_db``: the least SNR at which two tensors are taken for the same.
    """
    named = by_name(graph, parent)
    if named is not None:
        return _largest_loss(graph, parent, named, limit_db)
    compared = _Comparison(graph, parent, limit_db)
    first = compared.first_unsound()
    if first is not None:
        missing = _Comparison(parent, graph, limit_db).first_unsound()
        return _divergence(graph, first, None if missing is None else parent[missing], compared.nearest_db, "leaves")
    scaled = compared.first_scaled()
    if scaled is not None:
        return _divergence(graph, scaled, None, compared.nearest_db, "scales")
    # All is sound, so a step without a counterpart is only written differently, and loses nothing.
    near = [value if value >= limit_db else math.nan for value in compared.nearest_db]
    return _largest_loss(graph, parent, near, limit_db)


class _Comparison:
    """Every step of a graph beside the other graph's tensors of the same shape."""

    def __init__(self, steps: Sequence[Step], others: Sequence[Step], limit_db: float) -> None:
        by_shape: dict[tuple[int, ...], list[Tensor]] = {}
        for other in others:
            by_shape.setdefault(other.output.shape, []).append(other.output)
        self._steps, self._limit_db = steps, limit_db
        self.nearest_db: list[float] = []
        """The SNR of every step against the nearest tensor; minus infinity where none has its shape."""
        self._multiple: list[bool] = []
        """Whether the step is a tensor of the other graph times some number."""
        for step in steps:
            same = by_shape.get(step.output.shape, [])
            self.nearest_db.append(max((snr_db(step.output, other) for other in same), default=-math.inf))
            scaled = max((_up_to_scale_db(step.output, other) for other in same), default=-math.inf)
            self._multiple.append(scaled >= limit_db)
        sound = self._passed_on()
        self._sound = [one or other for one, other in zip(sound, self._multiple, strict=True)]

    def _passed_on(self) -> list[bool]:
        """Whether a step, or one that depends on it, has a counterpart whose values identify it."""
        sound = [
            value >= self._limit_db and step.output.values.size >= _TELLING and bool(step.output.values.any())
            for step, value in zip(self._steps, self.nearest_db, strict=True)
        ]
        for index in range(len(self._steps) - 1, -1, -1):
            if sound[index]:
                for source in self._steps[index].inputs:
                    sound[source] = True
        return sound

    def first_unsound(self) -> int | None:
        """The first step that is not sound although all steps that it reads are."""
        return next(
            (
                index
                for index, step in enumerate(self._steps)
                if not self._sound[index] and all(self._sound[source] for source in step.inputs)
            ),
            None,
        )

    def first_scaled(self) -> int | None:
        """The first step that is only a multiple of its counterpart although all that it reads has counterparts."""
        return next(
            (
                index
                for index, step in enumerate(self._steps)
                if self._multiple[index]
                and self.nearest_db[index] < self._limit_db
                and all(self.nearest_db[source] >= self._limit_db for source in step.inputs)
            ),
            None,
        )


def _up_to_scale_db(found: Tensor, expected: Tensor) -> float:
    """``snr_db`` after multiplying ``found`` with the factor that brings it nearest to ``expected``."""
    f, e = found.values.astype(np.float64), expected.values.astype(np.float64)
    product, energy = float((f * e).sum()), float(np.square(f).sum())
    if not math.isfinite(product) or not math.isfinite(energy) or energy == 0:
        return -math.inf
    return snr_db(Tensor(found.shape, (f * (product / energy)).astype(np.float32)), expected)


def _largest_loss(
    graph: Sequence[Step], parent: Sequence[Step], own_db: Sequence[float], limit_db: float
) -> Divergence | None:
    """The op whose SNR is furthest below the least of what it reads; None where no op's is.

    Ops that read only tensors above the limit come before all others.
    """
    losses = [
        (inputs >= limit_db, min(inputs, limit_db + _MARGIN_DB) - max(own, -EXACT_DB), index)
        for index, (inputs, own) in enumerate(zip(inputs_db(graph, own_db), own_db, strict=True))
        if not math.isnan(own)
    ]
    _, loss, index = max(losses, default=(False, 0.0, 0))
    if loss <= 0:
        return None
    counterpart = next((item for item in parent if item.name == graph[index].origin), None)
    return _divergence(graph, index, counterpart, own_db, "leaves" if own_db[index] < limit_db else "drops")


def _divergence(
    graph: Sequence[Step], index: int, counterpart: Step | None, own_db: Sequence[float], kind: Kind
) -> Divergence:
    reader = next((item for item in graph if index in item.inputs), None)
    return Divergence(graph[index], reader, counterpart, own_db[index], inputs_db(graph, own_db)[index], kind)
