"""A TFLite graph as accelerators see it: ops, the versions that they ask for, and tensors with shapes and types."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from converters.tflite import builder as fb

_TYPES = {code: name for name, code in vars(fb.TensorType).items() if isinstance(code, int)}


@dataclass(frozen=True)
class Tensor:
    """What an op reads or makes."""

    index: int
    shape: tuple[int, ...]
    kind: str
    """The element type, for example ``FLOAT32``; of a constant that an op unpacks, the stored one."""
    constant: bool
    scales: int
    """How many scales it is quantized with; 0: not quantized."""
    unpacked: bool = False
    """Whether it is a constant that an op of the file turns into float32."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Op:
    """One op of the graph that computes an activation."""

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: Any
    """The schema's, for example ``Conv2DOptionsT``; None where the operator has none."""
    value: Any = None
    """The second input where it is constant: axes, paddings, a kernel."""

    @property
    def moving(self) -> tuple[Tensor, ...]:
        """The activations that it reads, each once."""
        return tuple(dict.fromkeys(item for item in self.inputs if not item.constant))

    @property
    def constants(self) -> tuple[Tensor, ...]:
        return tuple(dict.fromkeys(item for item in self.inputs if item.constant))

    @property
    def activation(self) -> bool:
        """Whether an activation is fused into it."""
        return bool(getattr(self.options, "fusedActivationFunction", 0))


@dataclass(frozen=True)
class Graph:
    ops: tuple[Op, ...]
    unpacking: tuple[Op, ...]
    """Those that compute no activation: DEQUANTIZE of a weight. Most accelerators do so when they load the model."""
    outputs: frozenset[int]
    """The indices of the tensors that the model gives."""


def read(data: bytes) -> Graph:
    """The ops of a flatbuffer's graph, in order."""
    model = fb.read(data)
    graph = model.subgraphs[0]
    tensors: dict[int, Tensor] = {}

    def tensor(index: int) -> Tensor:
        if index not in tensors:
            item = graph.tensors[index]
            scale = None if item.quantization is None else item.quantization.scale
            shape = () if item.shape is None else tuple(map(int, item.shape))
            stored = item.buffer != 0 and model.buffers[item.buffer].data is not None
            tensors[index] = Tensor(index, shape, _TYPES[item.type], stored, 0 if scale is None else len(scale))
        return tensors[index]

    ops, unpacking = list[Op](), list[Op]()
    for op in graph.operators:
        inputs = tuple(tensor(int(index)) for index in op.inputs if index >= 0)
        unpacks = bool(inputs) and all(item.constant for item in inputs)
        if unpacks:
            for index in map(int, op.outputs):
                tensors[index] = Tensor(index, tensor(index).shape, inputs[0].kind, True, inputs[0].scales, True)
        second = fb.constant(model, graph.tensors[op.inputs[1]]) if len(op.inputs) > 1 and op.inputs[1] >= 0 else None
        version = int(model.operatorCodes[op.opcodeIndex].version)
        outputs = tuple(tensor(int(index)) for index in op.outputs)
        found = unpacking if unpacks else ops
        found.append(Op(fb.op_name(model, op), version, inputs, outputs, op.builtinOptions, second))
    return Graph(tuple(ops), tuple(unpacking), frozenset(map(int, graph.outputs)))
