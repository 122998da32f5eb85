"""A float TFLite graph as a GPU computes it in fp16, sums of convolutions included: exact to the bit order, and slow.

Every op's result is rounded to fp16. A convolution adds its products one by one in fp16, as ``fp16_sums`` says; all
other ops are LiteRT's own, in float32 on what was rounded. A 512x512 portrait takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError
from converters.onnx.semantics import same_upper
from converters.tflite import builder as fb
from converters.tflite.interpreter import interpreter

Array = npt.NDArray[np.float32]
# Sums that are added up at a time: as many as stay in a CPU's cache.
_AT_ONCE = 1 << 16


def emulated(data: bytes) -> Callable[[Array], Array]:
    """The model as a function of an image, as its only input takes it, to its only output in fp16 arithmetic.

    Raises ExportError for a model with quantized or grouped convolutions.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    constants = _constants(data, model)
    steps = [_step(model, op, constants) for op in graph.operators if not fb.reads_only_constants(model, graph, op)]
    (source,), (target,) = graph.inputs, graph.outputs

    def run(image: Array) -> Array:
        values: dict[int, Array] = {int(source): _half(image)}
        for step in steps:
            step(values)
        return values[int(target)]

    return run


def _half(values: npt.NDArray[Any]) -> Array:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _constants(data: bytes, model: Any) -> dict[int, npt.NDArray[Any]]:
    """What ops that read only constants make: unpacked weights."""
    (graph,) = model.subgraphs
    loaded, _ = interpreter(data, None, xnnpack=False, preserve=True)
    loaded.invoke()
    made = [int(op.outputs[0]) for op in graph.operators if fb.reads_only_constants(model, graph, op)]
    return {index: loaded.get_tensor(index).copy() for index in made}


def _step(model: Any, op: Any, constants: dict[int, npt.NDArray[Any]]) -> Callable[[dict[int, Array]], None]:
    (graph,) = model.subgraphs
    name, target = fb.op_name(model, op), int(op.outputs[0])

    def fixed(index: int) -> npt.NDArray[Any] | None:
        return constants.get(index, fb.constant(model, graph.tensors[index]))

    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        weight, bias = fixed(int(op.inputs[1])), fixed(int(op.inputs[2]))
        channels = int(graph.tensors[op.inputs[0]].shape[3])
        if weight is None or bias is None or channels != weight.shape[3]:
            raise ExportError(f"{name} {target} of the graph is grouped, or its weights are not constant")
        depthwise = name.startswith("DEPTHWISE")

        def convolve(values: dict[int, Array]) -> None:
            made = _convolved(values[int(op.inputs[0])], _half(weight), _half(bias), op, depthwise)
            values[target] = _activated(made, op)

        return convolve
    loaded, _ = interpreter(fb.cut(model, [op]), 1, xnnpack=False)
    ports = [item["index"] for item in loaded.get_input_details()]
    # As ``cut`` orders them: what has no data of its own, in the order in which it is read.
    read = [int(item) for item in op.inputs if item >= 0 and fb.constant(model, graph.tensors[item]) is None]
    reads = list(dict.fromkeys(read))

    def compute(values: dict[int, Array]) -> None:
        for port, index in zip(ports, reads, strict=True):
            loaded.set_tensor(port, values[index] if index in values else _half(constants[index]))
        loaded.invoke()
        values[target] = _half(loaded.get_tensor(loaded.get_output_details()[0]["index"]))

    return compute


def _activated(values: Array, op: Any) -> Array:
    kinds = fb.schema.ActivationFunctionType
    kind = op.builtinOptions.fusedActivationFunction
    if kind == kinds.NONE:
        return values
    if kind not in (kinds.RELU, kinds.RELU6):
        raise ExportError(f"the activation {kind} of a convolution is not known here")
    return np.clip(values, 0, 6 if kind == kinds.RELU6 else None)


def _convolved(image: Array, weight: Array, bias: Array, op: Any, depthwise: bool) -> Array:
    """N x H x W x C with O x h x w x C, or 1 x h x w x C: kernel positions outside, channels inside."""
    options = op.builtinOptions
    rows, columns = weight.shape[1:3]
    step, dilation = (options.strideH, options.strideW), (options.dilationHFactor or 1, options.dilationWFactor or 1)
    spans = [(size - 1) * each + 1 for size, each in zip((rows, columns), dilation, strict=True)]
    pads = [(0, 0), (0, 0)]
    if options.padding == fb.schema.Padding.SAME:
        pads = [same_upper(*each) for each in zip(image.shape[1:3], (rows, columns), step, dilation, strict=True)]
    padded = np.pad(image[0], [*pads, (0, 0)])
    height, width = ((size - span) // each + 1 for size, span, each in zip(padded.shape, spans, step, strict=False))
    outputs = weight.shape[3] if depthwise else weight.shape[0]
    total = np.empty((height, width, outputs), np.float32)
    block = max(_AT_ONCE // (width * outputs), 1)
    for start in range(0, height, block):
        lines = min(block, height - start)
        part = np.zeros((lines, width, outputs), np.float32)
        for row, column in np.ndindex(rows, columns):
            top, left = start * step[0] + row * dilation[0], column * dilation[1]
            bottom, right = top + (lines - 1) * step[0] + 1, left + (width - 1) * step[1] + 1
            window = padded[top : bottom : step[0], left : right : step[1]]
            if depthwise:
                part = _half(part + window * weight[0, row, column])
                continue
            for channel in range(window.shape[2]):
                part = _half(part + window[..., channel, None] * weight[:, row, column, channel])
        total[start : start + lines] = part
    return _half(total + bias)[None]
