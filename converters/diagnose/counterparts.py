"""Which tensor of the parent an op of another graph should compute: by its name, or by its values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from converters.diagnose.rerun import Graph
from converters.diagnose.snr import snr_db
from converters.diagnose.tracing import Step, Tensor, origin

_MOST = 0.5
"""The share of a graph's tensors that a parent of the same names has: one with int8 arithmetic has as many again."""


@dataclass(frozen=True)
class Counterpart:
    """What an op's output should be."""

    step: int
    """The step of the parent that computes it."""
    tensor: Tensor


class Counterparts(Protocol):
    """The tensors of a parent, for an op's outputs to be compared with."""

    parent: Sequence[Step]

    def of(self, name: str, found: Tensor, *, each_channel: bool = False, slack_db: float = 0.0) -> Counterpart | None:
        """The counterpart of a graph's tensor; None where the parent has none.

        ``each_channel``: no channel may be far from it, as what was moved there may be small beside the others.
        ``slack_db``: how much further away than others it may be.
        """
        ...


class ByValue:
    """For graphs of other ops or names: the nearest tensor of the same shape, if it is near enough."""

    def __init__(self, parent: Sequence[Step], limit_db: float) -> None:
        self.parent, self._limit_db = parent, limit_db
        self._by_shape: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
        for index, step in enumerate(parent):
            for tensor in (step.output, *step.inner):
                self._by_shape.setdefault(tensor.shape, []).append((index, tensor))

    def of(self, name: str, found: Tensor, *, each_channel: bool = False, slack_db: float = 0.0) -> Counterpart | None:
        del name
        limit_db = self._limit_db - slack_db
        near = [(snr_db(found, tensor), index, tensor) for index, tensor in self._by_shape.get(found.shape, [])]
        best_db, index, tensor = max(near, key=lambda item: item[0], default=(-math.inf, -1, found))
        if each_channel and best_db >= limit_db and len(found.shape) == 3:
            channels = zip(found.whole, tensor.whole, strict=True)
            best_db = min(snr_db(Tensor(mine), Tensor(other)) for mine, other in channels)
        return Counterpart(index, tensor) if best_db >= limit_db else None


class ByName:
    """For a compressed graph and the one that it was made from: they have the same ops under the same names."""

    def __init__(self, graph: Graph, parent: Sequence[Step]) -> None:
        self.parent, self._factors = parent, graph.factors
        self._named = {name: index for index, step in enumerate(parent) for name in (step.name, step.tensor)}

    def of(self, name: str, found: Tensor, *, each_channel: bool = False, slack_db: float = 0.0) -> Counterpart | None:
        del each_channel, slack_db
        index = self._named.get(origin(name))
        if index is None or self.parent[index].output.shape != found.shape:
            return None
        expected = self.parent[index].output
        if origin(name) in self._factors:
            factors = self._factors[origin(name)].reshape(-1, *[1] * (len(found.shape) - 1))
            expected = Tensor(np.asarray(expected.whole * factors, np.float32))
        return Counterpart(index, expected)

    def has_most_of(self, graph: Graph) -> bool:
        """Whether the two are forms of one graph."""
        names = [origin(name) for node in graph.nodes for name in node.outputs if name]
        return sum(name in self._named for name in names) >= _MOST * len(names)
