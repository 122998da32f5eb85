"""fp16 safety of a TFLite graph, without a GPU: its largest numbers, and a run rounded to fp16 after every op.

A phone GPU's delegate computes in fp16, whose largest number is 65504. Beyond it can be an element of an activation, or
a sum that an op adds up inside: a mean over a map adds thousands of terms before it divides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converters.progress import silent
from converters.tflite import builder as fb
from converters.tflite.interpreter import runs

FP16_MAX = 65504.0
_REDUCTIONS = ("MEAN", "SUM", "AVERAGE_POOL_2D")


@dataclass(frozen=True)
class Magnitude:
    """The largest magnitude that one op reached."""

    op: str
    """The operator, for example ``MEAN``."""
    tensor: str
    """The name of the op's output."""
    largest: float
    what: Literal["element", "sum"]
    """An element of the output, or a sum inside the op."""


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


def _sum(op: Any, operator: str, values: npt.NDArray[np.float32], axes: npt.NDArray[Any] | None) -> float:
    """The largest sum of magnitudes that a reduction adds up; in no order of adding does a partial sum exceed it."""
    magnitudes = np.abs(values.astype(np.float64))
    if operator == "AVERAGE_POOL_2D":
        options = op.builtinOptions
        rows, columns = options.filterHeight, options.filterWidth
        windows = np.lib.stride_tricks.sliding_window_view(magnitudes, (rows, columns), axis=(1, 2))
        return float(windows[:, :: options.strideH, :: options.strideW].sum(axis=(-2, -1)).max())
    along = None if axes is None else tuple(int(axis) % values.ndim for axis in axes.ravel())
    return float(magnitudes.sum(axis=along).max())


def magnitudes(data: bytes, images: Iterable[npt.NDArray[Any]]) -> list[Magnitude]:
    """The largest magnitude of every activation and of every reduction's sum, in the order of the graph.

    Over all ``images``, each as the model's input takes it; infinite where something is not a number.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    largest: dict[tuple[str, str, Literal["element", "sum"]], float] = {}
    for loaded in runs(data, images, "looking for the largest numbers", silent):
        for op in graph.operators:
            if fb.reads_only_constants(model, graph, op):
                continue
            operator, tensor = fb.op_name(model, op), graph.tensors[op.outputs[0]]
            name = tensor.name.decode()
            found: dict[Literal["element", "sum"], float] = {
                "element": float(np.abs(fb.real_values(tensor, loaded.get_tensor(op.outputs[0]))).max())
            }
            if operator in _REDUCTIONS:
                source = fb.real_values(graph.tensors[op.inputs[0]], loaded.get_tensor(op.inputs[0]))
                axes = None if operator == "AVERAGE_POOL_2D" else fb.constant(model, graph.tensors[op.inputs[1]])
                found["sum"] = _sum(op, operator, source, axes)
            for what, value in found.items():
                key = (operator, name, what)
                largest[key] = max(largest.get(key, 0.0), value) if value == value else float("inf")
    return [Magnitude(op, tensor, value, what) for (op, tensor, what), value in largest.items()]
