"""fp16 safety of a TFLite graph, without a GPU: its largest numbers, and a run rounded to fp16 after every op.

A phone GPU's delegate computes in fp16, whose largest number is 65504. Beyond it can be an element of an activation, or
a sum inside a convolution (``converters.tflite.fp16_sums``, which also tells what such sums lose). What a mean adds up
is in fp32 there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converters.progress import silent
from converters.tflite import builder as fb
from converters.tflite.fp16_sums import SumError, Sums
from converters.tflite.interpreter import runs

FP16_MAX = 65504.0
# Sampled sums of a few images tell as much as those of many.
_IMAGES_OF_SUMS = 4


@dataclass(frozen=True)
class Magnitude:
    """The largest magnitude that one op reached."""

    op: str
    """The operator, for example ``MEAN``."""
    tensor: str
    """The name of the op's output."""
    largest: float
    what: Literal["element", "sum"]
    """An element of the output, or a partial sum inside a convolution."""


@dataclass(frozen=True)
class Numbers:
    """What a graph's numbers ask of fp16, over some images."""

    magnitudes: list[Magnitude]
    """Of every activation and of every convolution's partial sums, in the order of the graph."""
    sums: list[SumError]
    """Of every convolution, in the order of the graph."""


def round_activations(data: bytes) -> bytes:
    """The same graph with every activation rounded to fp16.

    Given:  OP(x) -> y -> READERS
    Result: OP(x) -> y' -> CAST(fp16) -> CAST(fp32) -> y -> READERS

    The graph's inputs are rounded too. Values beyond fp16 become infinite, as they do in fp16.
    """
    builder = fb.Builder(fb.read(data))
    graph = builder.graph
    operators: list[Any] = []

    def cast(source: int, target: int) -> None:
        options = fb.schema.CastOptionsT()
        options.inDataType, options.outDataType = builder.tensor(source).type, builder.tensor(target).type
        operators.append(builder.op("CAST", [source], target, options=options))

    def through_fp16(source: int, target: int) -> None:
        rounded = builder.add_like(source, b"/fp16", fb.TensorType.FLOAT16)
        cast(source, rounded)
        cast(rounded, target)

    renamed: dict[int, int] = {}
    for index in map(int, graph.inputs):
        if builder.tensor(index).type == fb.TensorType.FLOAT32:
            renamed[index] = builder.add_like(index, b"/rounded", fb.TensorType.FLOAT32)
            through_fp16(index, renamed[index])
    for op in graph.operators:
        unpacks_a_weight = fb.reads_only_constants(builder.model, graph, op)
        op.inputs = [renamed.get(int(item), int(item)) for item in op.inputs]
        operators.append(op)
        if unpacks_a_weight:
            continue
        for position, index in enumerate(map(int, op.outputs)):
            if builder.tensor(index).type == fb.TensorType.FLOAT32:
                exact = builder.add_like(index, b"/exact", fb.TensorType.FLOAT32)
                op.outputs = [exact if at == position else item for at, item in enumerate(op.outputs)]
                through_fp16(exact, index)
    graph.operators = operators
    return builder.write()


def numbers(data: bytes, images: Iterable[npt.NDArray[Any]]) -> Numbers:
    """The largest magnitudes in a graph, and what its convolutions lose, over all ``images``.

    Each image is as the model's input takes it; a magnitude is infinite where something is not a number.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    largest: dict[tuple[str, str], float] = {}
    sums = Sums(model)
    for count, loaded in enumerate(runs(data, images, "looking for the largest numbers", silent)):
        if count < _IMAGES_OF_SUMS:
            sums.add(loaded)
        for op in graph.operators:
            if fb.reads_only_constants(model, graph, op):
                continue
            operator, tensor = fb.op_name(model, op), graph.tensors[op.outputs[0]]
            key = (operator, tensor.name.decode())
            value = float(np.abs(fb.real_values(tensor, loaded.get_tensor(op.outputs[0]))).max())
            largest[key] = max(largest.get(key, 0.0), value) if value == value else float("inf")
    found = [Magnitude(op, tensor, value, "element") for (op, tensor), value in largest.items()]
    errors = sums.errors()
    found += [Magnitude(item.op, item.tensor, item.largest, "sum") for item in errors]
    return Numbers(found, errors)
