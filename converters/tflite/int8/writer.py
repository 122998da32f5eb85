"""A float graph's ops anew, some of them in integers: what int8 and int16 models are written by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from converters.tflite import builder as fb
from converters.tflite.int8.graph import Graph


class Writer(ABC):
    """The ops anew and in order, each tensor in the form that its reader takes."""

    def __init__(self, graph: Graph, builder: fb.Builder) -> None:
        self._graph, self._builder = graph, builder
        self._float = {int(item) for item in builder.graph.inputs}
        self.operators: list[Any] = []

    @abstractmethod
    def _in_integers(self, index: int) -> bool:
        """Whether the op of this index computes in integers."""

    @abstractmethod
    def _rewrite(self, index: int, op: Any, maps: set[int]) -> bool:
        """Give such an op, which reads ``maps``, its integer inputs and output; False: it is left out."""

    @abstractmethod
    def _computed_form(self, tensor: int) -> int:
        """The integer form that an op gives of its result."""

    def add_op(self, name: str, source: int, target: int) -> None:
        self.operators.append(self._builder.op(name, [source], target))

    def in_float(self, tensor: int) -> int:
        """The float form of a tensor, dequantized from its integer form where it is not there."""
        if tensor not in self._float:
            self.add_op("DEQUANTIZE", self._computed_form(tensor), tensor)
            self._float.add(tensor)
        return tensor

    def write(self, index: int) -> None:
        """The op of this index, and what brings its inputs into the form that it takes."""
        op, maps = self._graph.ops[index], set(self._graph.inputs(index))
        if not self._in_integers(index):
            op.inputs = [self.in_float(item) if item in maps else item for item in map(int, op.inputs)]
            self._float |= set(map(int, op.outputs))
        elif not self._rewrite(index, op, maps):
            return
        self.operators.append(op)
