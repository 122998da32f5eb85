"""Smaller weights on the finished fp32 flatbuffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError
from converters.tflite import builder as fb
from converters.tflite.int8 import graph as integer
from converters.tflite.int8.ranges import Convolution, Moments, convolutions
from converters.tflite.rounding import Rounded, Rounding

# Early and depthwise weights are few and matter most: leaving weights of up to this many elements in
# fp32 adds 3 % to MODNet's fp16 file and divides its error by about five (docs/architecture.md).
_SMALL = 16384


# What the smallest weights may add to an int8 file by staying floats, as a share of the fp32 file. They are few, early
# and depthwise, and matter most. int8 itself leaves 0.265; the goal is 0.28.
_KEPT_SHARE = 0.0135
_KEPT_WHOLE = 4096
"""Elements up to which they stay fp32; larger ones become fp16."""
# The first versions of the operators that take a float input and int8 weights with a scale a channel
# (tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc).
_HYBRID_VERSIONS = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "DEQUANTIZE": 5}
_INT4_CONVOLUTION = 8
"""The version of CONV_2D that takes int4 weights."""


def kept_in_float(found: list[Convolution], file_size: int) -> set[int]:
    """The convolutions whose weights stay floats: the smallest ones, as far as the share goes."""
    budget, kept = _KEPT_SHARE * file_size, set[int]()
    for item in sorted(found, key=lambda item: item.weight.size):
        budget -= item.weight.size * (3 if item.weight.size <= _KEPT_WHOLE else 1)
        if budget < 0:
            break
        kept.add(item.index)
    return kept


def int8_weights(
    fp32: bytes,
    moments: Mapping[int, Moments],
    arithmetic: Literal["float", "dynamic"] = "float",
    *,
    compensate: bool = True,
    keep_small: bool = True,
    bits: Literal[4, 8] = 8,
) -> bytes:
    """The same graph with int8 convolution weights, a scale an output channel, float activations.

    ``bits`` 4, for ``dynamic``: large weights of CONV_2D, which LiteRT has int4 kernels for, are int4.

    Given:  CONV_2D(x, weight: fp32, bias)
    Result: CONV_2D(x, DEQUANTIZE(weight: int8), bias')     ``float``: XNNPACK and delegates unpack them once
            CONV_2D(x, weight: int8, bias')                 ``dynamic``: x is quantized at run time, integer sums

    Weights are rounded for the outputs that ``moments`` (of a representative dataset) tell of, see
    ``rounding``. ``compensate`` and ``keep_small`` switch that, and fp32 for the smallest weights,
    off for the ablation. Raises ExportError for weights that are not finite.
    """
    model = fb.read(fp32)
    (graph,) = model.subgraphs
    found = convolutions(model)
    kept = kept_in_float(found, len(fp32)) if keep_small else set[int]()
    rounding = Rounding(moments, compensate=compensate)
    unpacking = _compress(model, found, kept, rounding, arithmetic, bits)
    graph.operators = unpacking + list(graph.operators)
    return fb.write(model)


def mixed(
    fp32: bytes,
    rounding: Rounding,
    chosen: Mapping[int, integer.Parameters],
    *,
    bytes_in_and_out: bool,
    keep_small: bool = True,
) -> bytes:
    """The same graph computing in int8 where its tensors are ``chosen``, see ``integer``.

    Given:  CONV_2D(x, weight: fp32, bias)
    Result: CONV_2D(x: int8, weight: int8, bias': int32)    both x and the result are chosen
            CONV_2D(x, DEQUANTIZE(weight: int8), bias')     otherwise: float arithmetic, as in ``int8_weights``

    Raises ExportError for weights that are not finite.
    """
    model = fb.read(fp32)
    whole = integer.Graph(model)
    found = convolutions(model)
    static = {item.index for item in found if whole.static(item.index, chosen)}
    for item in found:
        if item.index in static:
            _statically(model, item, rounding(item), chosen)
    floats = [item for item in found if item.index not in static]
    kept = kept_in_float(floats, len(fp32)) if keep_small else set[int]()
    integer.lower(whole, chosen, bytes_in_and_out=bytes_in_and_out)
    unpacking = _compress(model, floats, kept, rounding, "float")
    whole.graph.operators = unpacking + list(whole.graph.operators)
    return fb.write(model)


def _finite(model: Any, item: Convolution) -> None:
    if not np.isfinite(item.weight).all():
        raise ExportError(
            f"weight {model.subgraphs[0].tensors[item.op.inputs[1]].name.decode()} is not finite",
            expected="numbers",
            next_step="check the checkpoint",
        )


def _statically(
    model: Any,
    item: Convolution,
    rounded: Rounded,
    chosen: Mapping[int, integer.Parameters],
) -> None:
    """Give a convolution int8 weights and an int32 bias, for an int8 input."""
    (graph,) = model.subgraphs
    _finite(model, item)
    name = graph.tensors[item.op.inputs[1]].name
    weight = _add_quantized(model, graph, name + b"/int8", rounded.weight, rounded.scale, item)
    assert item.bias is not None
    scale = chosen[int(item.op.inputs[0])].scale * rounded.scale.astype(np.float64)
    limit = np.iinfo(np.int32)
    stored = np.clip(np.rint((item.bias + rounded.bias_change) / scale), limit.min, limit.max).astype(np.int32)
    bias = fb.add_constant(model, graph, graph.tensors[item.op.inputs[2]].name + b"/int32", stored)
    graph.tensors[bias].quantization = integer.quantization(scale, np.zeros(len(scale)))
    fb.make_activation(model, graph, graph.tensors[item.op.inputs[1]])
    item.op.inputs = [item.op.inputs[0], weight, bias]


def _compress(
    model: Any,
    found: list[Convolution],
    kept: set[int],
    rounding: Rounding,
    arithmetic: Literal["float", "dynamic"],
    bits: Literal[4, 8] = 8,
) -> list[Any]:
    """int8 weights for convolutions of floats; the ops that unpack some of them."""
    (graph,) = model.subgraphs

    def versioned(name: str) -> int:
        return fb.builtin_code(model, getattr(fb.BuiltinOperator, name), _HYBRID_VERSIONS[name])

    unpacking: list[Any] = []
    for item in found:
        _finite(model, item)
        if item.index in kept:
            if item.weight.size > _KEPT_WHOLE:
                unpacking.append(_halved(model, graph, item.op.inputs[1]))
            continue
        coarse = bits == 4 and not item.depthwise and item.weight.size > _SMALL
        rounded = rounding(item, 4 if coarse else 8)
        index = item.op.inputs[1]
        readers = [op for op in graph.operators if index in op.inputs]
        stored = _add_quantized(model, graph, graph.tensors[index].name + b"/int8", rounded.weight, rounded.scale, item)
        if coarse:
            _pack(model, graph.tensors[stored], rounded.weight)
        if item.bias is not None and len(readers) == 1 and rounded.bias_change.any():
            name = graph.tensors[item.op.inputs[2]].name + b"/corrected"
            corrected = fb.add_constant(model, graph, name, item.bias + rounded.bias_change)
            item.op.inputs = [*item.op.inputs[:2], corrected]
        if arithmetic == "dynamic":
            for op in readers:
                op.inputs = [stored if tensor == index else tensor for tensor in op.inputs]
                name = fb.operator_name(fb.builtin(model, op))
                op.opcodeIndex = (
                    fb.builtin_code(model, fb.BuiltinOperator.CONV_2D, _INT4_CONVOLUTION) if coarse else versioned(name)
                )
        else:
            unpack = fb.schema.OperatorT()
            unpack.opcodeIndex, unpack.inputs, unpack.outputs = versioned("DEQUANTIZE"), [stored], [index]
            unpacking.append(unpack)
        fb.make_activation(model, graph, graph.tensors[index])
    return unpacking


def _pack(model: Any, tensor: Any, weight: npt.NDArray[np.int8]) -> None:
    """Store a weight as int4: two a byte, the first in the lower half."""
    halves = np.append(weight.reshape(-1), np.zeros(weight.size % 2, np.int8)) & 15
    tensor.type, tensor.name = fb.TensorType.INT4, tensor.name.replace(b"/int8", b"/int4")
    model.buffers[tensor.buffer].data = (halves[0::2] | (halves[1::2] << 4)).astype(np.uint8)


def _add_quantized(
    model: Any,
    graph: Any,
    name: bytes,
    array: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    convolution: Convolution,
) -> int:
    index = fb.add_constant(model, graph, name, array)
    axis = 3 if convolution.depthwise else 0
    graph.tensors[index].quantization = integer.quantization(scale, np.zeros(len(scale)), axis)
    return index


def half_size_weights(fp32: bytes) -> bytes:
    """The same graph with its large convolution and matrix weights stored as fp16.

    Given:  CONV_2D(x, weight: fp32)
    Result: DEQUANTIZE(weight: fp16) -> CONV_2D(x, _)

    XNNPACK and the GPU delegates fold the DEQUANTIZE when they load the model: fp32 arithmetic on
    a CPU, fp16 on a GPU. Raises ExportError when a weight is beyond fp16's range.
    """
    model = fb.read(fp32)
    (graph,) = model.subgraphs
    weights = {
        op.inputs[1]
        for op in graph.operators
        if fb.builtin(model, op) in (fb.BuiltinOperator.CONV_2D, fb.BuiltinOperator.FULLY_CONNECTED)
    }
    casts = []
    for index in sorted(weights):
        array = fb.constant(model, graph.tensors[index])
        if array is not None and array.dtype == np.float32 and array.size > _SMALL:
            casts.append(_halved(model, graph, index))
    graph.operators = casts + list(graph.operators)
    return fb.write(model)


def _halved(model: Any, graph: Any, index: int) -> Any:
    """Store a weight as fp16; returns the DEQUANTIZE that brings it back. Raises ExportError beyond fp16."""
    tensor = graph.tensors[index]
    half = np.asarray(fb.constant(model, tensor), np.float16)
    if not np.isfinite(half).all():
        raise ExportError(
            f"weight {tensor.name.decode()} is beyond fp16's largest number, 65504",
            expected="weights that fp16 can hold",
            next_step="leave fp16 out of --precisions, or check the checkpoint",
        )
    cast = fb.schema.OperatorT()
    cast.inputs = [fb.add_constant(model, graph, tensor.name + b"/fp16", half)]
    cast.opcodeIndex, cast.outputs = fb.builtin_code(model, fb.BuiltinOperator.DEQUANTIZE), [index]
    fb.make_activation(model, graph, tensor)
    return cast
