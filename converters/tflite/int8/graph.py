"""Which ops of a float graph can compute in int8, and which of its tensors must share a scale.

A tensor is quantized or stays float. An op whose result is quantized computes in int8 where it can (``Graph.in_int8``);
the others stay as they are, and ``write`` puts QUANTIZE and DEQUANTIZE where the two meet. The statistics of a norm, a
sigmoid or the first layers can so stay float without being treated as special cases.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from converters.tflite import builder as fb

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
SAME_SCALE = ("PAD", "CONCATENATION", "RESIZE_BILINEAR", "SLICE")
"""Operators whose int8 kernels do not rescale: their results have the scale of their inputs.

AVERAGE_POOL_2D is not among them, because XNNPACK leaves its int8 form to the reference kernel."""


@dataclass(frozen=True)
class Group:
    """Tensors that share one scale, because the ops between them do not rescale: all are quantized, or none is."""

    tensors: tuple[int, ...]
    macs: int
    """Multiplications of the convolutions that read or write one of them."""


class Graph:
    """A float model's graph, and who makes and reads its tensors. Ops and tensors are named by their index."""

    def __init__(self, model: Any) -> None:
        self.model = model
        (graph,) = model.subgraphs
        self.ops: list[Any] = list(graph.operators)
        self.names = [fb.op_name(model, op) for op in self.ops]
        self.outputs = {*map(int, graph.outputs)}
        self.ports = {*map(int, graph.inputs), *self.outputs}
        """The tensors that are inputs or outputs of the graph."""
        self._tensors = graph.tensors
        self.indices = range(len(self.ops))
        self.maker: dict[int, int] = {}
        """The op that computes a tensor."""
        self.readers: dict[int, list[int]] = {}
        """The ops that read an activation."""
        for index, op in enumerate(self.ops):
            for tensor in op.outputs:
                self.maker[int(tensor)] = index
            for tensor in op.inputs:
                if tensor >= 0 and not self.is_constant(int(tensor)):
                    self.readers.setdefault(int(tensor), []).append(index)
        self.activations = {*self.ports, *self.maker, *self.readers}

    def is_constant(self, tensor: int) -> bool:
        return fb.constant(self.model, self._tensors[tensor]) is not None

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(map(int, self._tensors[tensor].shape))

    def size(self, tensor: int) -> int:
        """How many elements a tensor has."""
        return math.prod(self.shape(tensor))

    def elements(self, index: int) -> int:
        """How many elements an op reads and writes, its constants included."""
        op = self.ops[index]
        return sum(self.size(int(item)) for item in [*op.inputs, *op.outputs] if item >= 0)

    def inputs(self, index: int) -> list[int]:
        """The activations that an op reads."""
        return [int(item) for item in self.ops[index].inputs if item >= 0 and not self.is_constant(item)]

    def output(self, index: int) -> int:
        """The first tensor that an op computes."""
        return int(self.ops[index].outputs[0])

    def macs(self, index: int) -> int:
        """The multiplications of a convolution; 0 for any other op."""
        if self.names[index] not in CONVOLUTIONS:
            return 0
        op = self.ops[index]
        weight, (_, height, width, channels) = self.shape(op.inputs[1]), self.shape(self.output(index))
        window = weight[1] * weight[2]
        return height * width * channels * window * (1 if self.names[index] == "DEPTHWISE_CONV_2D" else weight[3])

    def macs_in_int8(self, quantized: Collection[int]) -> float:
        """The share of all multiplications that compute in int8 when these tensors are quantized."""
        found = sum(self.macs(index) for index in self.indices if self.in_int8(index, quantized))
        return found / (sum(map(self.macs, self.indices)) or 1)

    def converted(self, quantized: Collection[int]) -> list[int]:
        """The tensors that a QUANTIZE or a DEQUANTIZE converts when these are quantized."""
        int8 = {index for index in self.indices if self.in_int8(index, quantized)}
        found = []
        for tensor in sorted(self.activations):
            readers = {index in int8 for index in self.readers.get(tensor, [])} | (
                {False} if tensor in self.outputs else set()
            )
            if readers - {self.maker.get(tensor) in int8}:
                found.append(tensor)
        return found

    def islands(self, quantized: Collection[int]) -> list[set[int]]:
        """The sets of neighbouring ops that compute in int8 when these tensors are quantized."""
        left = {index for index in self.indices if self.in_int8(index, quantized)}
        found = []
        while left:
            island: set[int] = set()
            waiting = {left.pop()}
            while waiting:
                index = waiting.pop()
                island.add(index)
                makers = {self.maker[tensor] for tensor in self.inputs(index) if tensor in self.maker}
                near = left & {*self.readers.get(self.output(index), []), *makers}
                left -= near
                waiting |= near
            found.append(island)
        return found

    def beside(self, island: Collection[int]) -> set[int]:
        """The activations that these ops read and write."""
        return {tensor for index in island for tensor in [*self.inputs(index), self.output(index)]}

    def has_int8_form(self, index: int) -> bool:
        """Whether ``write`` has an int8 form of the op: it computes a map, with constant weights and a bias."""
        op, name = self.ops[index], self.names[index]
        shape = self.shape(self.output(index))
        if len(shape) != 4 or shape[1] * shape[2] == 1:
            return False
        if name in CONVOLUTIONS:
            return len(op.inputs) > 2 and op.inputs[2] >= 0 and self.is_constant(op.inputs[1])
        if name == "ADD":
            maps = self.inputs(index)
            return len(maps) == 2 and all(self.shape(item) == shape for item in maps)
        return name in SAME_SCALE

    def in_int8(self, index: int, quantized: Collection[int]) -> bool:
        """Whether the op computes in int8 when these tensors are quantized."""
        # An op that does not rescale can take a float input too: it is quantized with the result's scale.
        return self.has_int8_form(index) and all(tensor in quantized for tensor in self.rounded(index))

    def rounded(self, index: int) -> list[int]:
        """The tensors that must be quantized for the op to compute in int8, its result first."""
        return [self.output(index), *([] if self.names[index] in SAME_SCALE else self.inputs(index))]

    def has_int8_reader(self, tensor: int) -> bool:
        """Whether an op with an int8 form reads the tensor."""
        return any(self.has_int8_form(index) for index in self.readers.get(tensor, []))

    def groups(self) -> list[Group]:
        """The tensors that may be quantized: those that an op with an int8 form reads or writes."""
        found = {
            tensor
            for index in self.indices
            if self.has_int8_form(index)
            for tensor in [*self.inputs(index), self.output(index)]
        }
        root = {tensor: tensor for tensor in found}

        def top(tensor: int) -> int:
            while root[tensor] != tensor:
                tensor = root[tensor]
            return tensor

        shared = self._read_by_several()
        for index, name in enumerate(self.names):
            if name in SAME_SCALE and self.has_int8_form(index):
                # An image that a concatenation joins to features must not widen their range everywhere else.
                joined = [item for item in self.inputs(index) if item not in shared or name != "CONCATENATION"]
                for tensor in joined:
                    root[top(tensor)] = top(self.output(index))
        members: dict[int, list[int]] = {}
        for tensor in sorted(found):
            members.setdefault(top(tensor), []).append(tensor)
        return [self._group(tensors) for tensors in members.values()]

    def _group(self, tensors: list[int]) -> Group:
        touching = {
            index
            for tensor in tensors
            for index in [*self.readers.get(tensor, []), *([self.maker[tensor]] if tensor in self.maker else [])]
        }
        return Group(tuple(tensors), sum(self.macs(index) for index in touching))

    def _read_by_several(self) -> set[int]:
        """Tensors that more than one op reads: they have a scale of their own."""
        return {tensor for tensor, readers in self.readers.items() if len(readers) > 1}
