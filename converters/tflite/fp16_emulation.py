"""A float TFLite graph as a GPU computes it in fp16, sums of convolutions included, to the bit.

Every op's result is rounded to fp16. A convolution adds its products one by one in fp16, as ``fp16_sums`` says; all
other ops are LiteRT's own, in float32 on what was rounded.
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


def emulated(data: bytes, *, wide_sums: bool = False) -> Callable[[Array], Array]:
    """The model as a function of an image, as its only input takes it, to its only output in fp16 arithmetic.

    ``wide_sums``: convolutions add up in float32, as an app can ask of LiteRT (FP16_WITH_FP32_ACCUM).
    Raises ExportError for a model with quantized or grouped convolutions.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    constants = _constants(data, model)
    ops = [op for op in graph.operators if not fb.reads_only_constants(model, graph, op)]
    steps = [_step(model, op, constants, wide_sums) for op in ops]
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


def _step(
    model: Any, op: Any, constants: dict[int, npt.NDArray[Any]], wide_sums: bool
) -> Callable[[dict[int, Array]], None]:
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
            total = _sums(values[int(op.inputs[0])], _half(weight), op, depthwise, wide_sums)
            values[target] = _activated(_half(_half(total) + _half(bias))[None], op)

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


def _sums(image: Array, weight: Array, op: Any, depthwise: bool, wide: bool) -> Array:
    """1 x H x W x C with O x h x w x C, or 1 x h x w x C: kernel positions outside, channels inside; H x W x O."""
    import torch

    options = op.builtinOptions
    rows, columns = weight.shape[1:3]
    step, dilation = (options.strideH, options.strideW), (options.dilationHFactor or 1, options.dilationWFactor or 1)
    spans = [(size - 1) * each + 1 for size, each in zip((rows, columns), dilation, strict=True)]
    pads = [(0, 0), (0, 0)]
    if options.padding == fb.schema.Padding.SAME:
        pads = [same_upper(*each) for each in zip(image.shape[1:3], (rows, columns), step, dilation, strict=True)]
    # torch's halves are multiplied and added in float32 and rounded once, as a fused multiply-add does; NumPy takes
    # twenty times as long.
    kind = torch.float if wide else torch.half
    padded, weights = (torch.from_numpy(item).to(kind) for item in (np.pad(image[0], [*pads, (0, 0)]), weight))
    height, width = ((size - span) // each + 1 for size, span, each in zip(padded.shape, spans, step, strict=False))
    outputs = weight.shape[3] if depthwise else weight.shape[0]
    total = torch.zeros((height, width, outputs), dtype=kind)
    block = max(_AT_ONCE // (width * outputs), 1)
    for start in range(0, height, block):
        part = total[start : start + block]
        for row, column in np.ndindex(rows, columns):
            top, left = start * step[0] + row * dilation[0], column * dilation[1]
            bottom, right = top + (len(part) - 1) * step[0] + 1, left + (width - 1) * step[1] + 1
            window = padded[top : bottom : step[0], left : right : step[1]]
            if depthwise:
                part.addcmul_(window, weights[0, row, column])
                continue
            terms, factors = window.permute(2, 0, 1).contiguous(), weights[:, row, column].T.contiguous()
            for term, factor in zip(terms, factors, strict=True):
                part.addcmul_(term[..., None], factor)
    return np.asarray(total.float().numpy())
