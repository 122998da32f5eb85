"""fp16 safety of a TFLite graph, without a GPU: its largest numbers, and a run rounded to fp16 after every op.

A phone GPU's delegate computes in fp16, whose largest number is 65504. What can leave it is an element of an
activation, or a sum that an op adds up inside (a mean over a map adds thousands of terms before it divides).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converters.runtimes.litert import interpreter
from converters.tflite import builder as fb

FP16_MAX = 65504.0
_REDUCTIONS = ("MEAN", "SUM", "AVERAGE_POOL_2D")


@dataclass(frozen=True)
class Magnitude:
    """The largest magnitude that one op reached: of its output's elements, or of a sum inside."""

    op: str
    tensor: str
    largest: float
    what: Literal["element", "sum"]


def round_activations(data: bytes) -> bytes:
    """The same graph with every activation rounded to fp16.

    Given:  OP(x) -> y -> READERS
    Result: OP(x) -> y' -> CAST(fp16) -> CAST(fp32) -> y -> READERS

    The graph's inputs are rounded too. Values beyond fp16 become infinite, as they do in fp16.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    cast = fb.builtin_code(model, fb.BuiltinOperator.CAST)
    model.operatorCodes[cast].version = max(model.operatorCodes[cast].version, 1)

    def new_tensor(like: int, suffix: bytes, kind: int) -> int:
        tensor = fb.schema.TensorT()
        source = graph.tensors[like]
        tensor.name, tensor.shape, tensor.type, tensor.buffer = source.name + suffix, source.shape, kind, 0
        tensor.hasRank = True
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def cast_op(source: int, target: int) -> Any:
        op = fb.schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = cast, [source], [target]
        options = fb.schema.CastOptionsT()
        options.inDataType, options.outDataType = graph.tensors[source].type, graph.tensors[target].type
        op.builtinOptionsType, op.builtinOptions = fb.schema.BuiltinOptions.CastOptions, options
        return op

    def rounding(source: int, target: int) -> list[Any]:
        half = new_tensor(source, b"/fp16", fb.TensorType.FLOAT16)
        return [cast_op(source, half), cast_op(half, target)]

    operators: list[Any] = []
    renamed: dict[int, int] = {}
    for index in graph.inputs:
        if graph.tensors[index].type == fb.TensorType.FLOAT32:
            renamed[index] = new_tensor(index, b"/rounded", fb.TensorType.FLOAT32)
            operators += rounding(index, renamed[index])
    for op in list(graph.operators):
        weights_only = fb.reads_only_constants(model, graph, op)
        op.inputs = [renamed.get(item, item) for item in op.inputs]
        operators.append(op)
        if weights_only:
            continue
        for position, index in enumerate(op.outputs):
            if graph.tensors[index].type == fb.TensorType.FLOAT32:
                exact = new_tensor(index, b"/exact", fb.TensorType.FLOAT32)
                op.outputs = [exact if at == position else item for at, item in enumerate(op.outputs)]
                operators += rounding(exact, index)
    graph.operators = operators
    return fb.write(model)


def _sum(op: Any, operator: str, values: npt.NDArray[np.float32], axes: npt.NDArray[Any] | None) -> float:
    """The largest sum of magnitudes that a reduction adds up: no order of adding can exceed it."""
    magnitudes = np.abs(values.astype(np.float64))
    if operator == "AVERAGE_POOL_2D":
        options = op.builtinOptions
        rows, columns = options.filterHeight, options.filterWidth
        windows = np.lib.stride_tricks.sliding_window_view(magnitudes, (rows, columns), axis=(1, 2))
        return float(windows[:, :: options.strideH, :: options.strideW].sum(axis=(-2, -1)).max())
    along = None if axes is None else tuple(int(axis) % values.ndim for axis in axes.ravel())
    return float(magnitudes.sum(axis=along).max())


def magnitudes(data: bytes, images: Iterable[npt.NDArray[Any]]) -> list[Magnitude]:
    """The largest magnitude of every activation and of every reduction's sum over all ``images`` (as the input
    takes them), in the order of the graph."""
    model = fb.read(data)
    (graph,) = model.subgraphs
    loaded, _ = interpreter(data, None, xnnpack=False, preserve=True)
    port = loaded.get_input_details()[0]["index"]
    largest: dict[tuple[str, str, Literal["element", "sum"]], float] = {}
    for image in images:
        loaded.set_tensor(port, image)
        loaded.invoke()
        for op in graph.operators:
            if fb.reads_only_constants(model, graph, op):
                continue
            operator, tensor = fb.operator_name(fb.builtin(model, op)), graph.tensors[op.outputs[0]]
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
