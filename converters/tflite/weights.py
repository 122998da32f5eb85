"""Smaller weights on a finished fp32 flatbuffer; activations stay float."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from converters.errors import ExportError
from converters.tflite import builder as fb
from converters.tflite.convolutions import Convolution, convolutions
from converters.tflite.moments import Moments
from converters.tflite.rounding import Rounded, Rounding

Arithmetic = Literal["float", "dynamic"]
Bits = Literal[4, 8]

# Early and depthwise weights are few and matter most. Leaving weights of up to this many elements in fp32 adds 3 % to
# the fp16 file and divides its error by about five (measured on a portrait matting network, docs/architecture.md).
_SMALL = 16384
# For the same reason the smallest weights stay floats in an int8 file. This is how much they may add to it, as a share
# of the fp32 file. On that network int8 itself leaves 0.265 of the file, and the goal is 0.28.
_KEPT_SHARE = 0.0135
_KEPT_WHOLE = 4096
"""Elements up to which such weights stay fp32; larger ones become fp16."""


# google-ai-edge/LiteRT, tflite/converter/tools/optimize/reduced_precision_metadata.h. XNNPACK wants fp16 sums to be
# allowed as well (xnnpack_delegate.cc, Subgraph::Create).
PRECISION_KEY, FP16_WITH_FP16_SUMS = "reduced_precision_support", b"fp16accfp16"


def fp16_weights(fp32: bytes, *, cpu_fp16: bool = False) -> bytes:
    """The same graph with its large convolution and matrix weights stored as fp16.

    Given:  CONV_2D(x, weight: fp32)
    Result: DEQUANTIZE(weight: fp16) -> CONV_2D(x, _)

    XNNPACK and the GPU delegates fold the DEQUANTIZE when they load the model: fp32 arithmetic on
    a CPU, fp16 on a GPU. ``cpu_fp16``: XNNPACK computes in fp16, too, on a CPU that has such arithmetic (ARM's since
    v8.2). Raises ExportError when a weight is beyond fp16's range.
    """
    builder = fb.Builder(fb.read(fp32))
    weights = {
        op.inputs[1]
        for op in builder.graph.operators
        if fb.op_name(builder.model, op) in ("CONV_2D", "FULLY_CONNECTED")
    }
    unpacking = []
    for index in sorted(weights):
        array = builder.constant(index)
        if array is not None and array.dtype == np.float32 and array.size > _SMALL:
            unpacking.append(_as_fp16(builder, index))
    builder.graph.operators = unpacking + list(builder.graph.operators)
    if cpu_fp16:
        builder.add_metadata(PRECISION_KEY, FP16_WITH_FP16_SUMS)
    return builder.write()


def int8_weights(
    fp32: bytes,
    moments: Mapping[int, Moments],
    arithmetic: Arithmetic = "float",
    *,
    compensate: bool = True,
    keep_small: bool = True,
    bits: Bits = 8,
) -> bytes:
    """The same graph with int8 convolution weights, one scale for each output channel, and float activations.

    Given:  CONV_2D(x, weight: fp32, bias)
    Result: CONV_2D(x, DEQUANTIZE(weight: int8), bias')     ``float``: XNNPACK and delegates unpack them once
            CONV_2D(x, weight: int8, bias')                 ``dynamic``: x is quantized at run time, integer sums

    ``bits`` 4, for ``dynamic`` only: the large weights of CONV_2D, which LiteRT has int4 kernels for, are int4.
    Weights are rounded so that the outputs change least on the representative dataset that ``moments`` are taken from
    (see ``rounding``), and the smallest ones stay floats. For the ablation, ``compensate`` and ``keep_small`` switch
    these off. Raises ExportError for weights that are not finite.
    """
    builder = fb.Builder(fb.read(fp32))
    found = convolutions(builder.model)
    kept = kept_in_float(found, len(fp32)) if keep_small else set[int]()
    unpacking = compress(builder, found, kept, Rounding(moments, compensate=compensate), arithmetic, bits)
    builder.graph.operators = unpacking + list(builder.graph.operators)
    return builder.write()


def kept_in_float(found: Sequence[Convolution], file_size: int) -> set[int]:
    """The convolutions, by their place in the graph, whose weights stay floats: the smallest that the share allows.

    ``file_size``: that of the fp32 file in bytes.
    """
    budget, kept = _KEPT_SHARE * file_size, set[int]()
    for item in sorted(found, key=lambda item: item.weight.size):
        # Beyond int8's one byte, fp32 takes three more for each element, and fp16 one more.
        budget -= item.weight.size * (3 if item.weight.size <= _KEPT_WHOLE else 1)
        if budget < 0:
            break
        kept.add(item.index)
    return kept


def compress(
    builder: fb.Builder,
    found: Sequence[Convolution],
    kept: Collection[int],
    rounding: Rounding,
    arithmetic: Arithmetic,
    bits: Bits = 8,
) -> list[Any]:
    """Give convolutions of floats the weights that ``int8_weights`` describes; returns the ops that unpack them.

    These ops belong before all others. Raises ExportError for weights that are not finite.
    """
    unpacking: list[Any] = []
    for item in found:
        check_finite(builder, item)
        index = item.op.inputs[1]
        if item.index in kept:
            if item.weight.size > _KEPT_WHOLE:
                unpacking.append(_as_fp16(builder, index))
            continue
        coarse = bits == 4 and not item.depthwise and item.weight.size > _SMALL
        readers = [op for op in builder.graph.operators if index in op.inputs]
        rounded = rounding(item, 4 if coarse else 8)
        stored = add_weights(builder, item, rounded, 4 if coarse else 8)
        if item.bias is not None and len(readers) == 1 and rounded.bias_change.any():
            name = builder.tensor(item.op.inputs[2]).name + b"/corrected"
            item.op.inputs = [*item.op.inputs[:2], builder.add_constant(name, item.bias + rounded.bias_change)]
        if arithmetic == "dynamic":
            for op in readers:
                op.inputs = [stored if tensor == index else tensor for tensor in op.inputs]
        else:
            unpacking.append(builder.op("DEQUANTIZE", [stored], index))
        builder.make_activation(index)
    return unpacking


def add_weights(builder: fb.Builder, convolution: Convolution, rounded: Rounded, bits: Bits = 8) -> int:
    """Add a convolution's integer weights to the graph as a constant; returns its tensor."""
    name = builder.tensor(convolution.op.inputs[1]).name
    quantized = fb.quantization(rounded.scale, axis=3 if convolution.depthwise else 0)
    if bits == 4:
        return builder.add_int4(name + b"/int4", rounded.weight, quantized)
    return builder.add_constant(name + b"/int8", rounded.weight, quantized)


def check_finite(builder: fb.Builder, convolution: Convolution) -> None:
    """Raises ExportError for a convolution with a weight that is infinite or not a number."""
    if not np.isfinite(convolution.weight).all():
        raise ExportError(
            f"weight {builder.tensor(convolution.op.inputs[1]).name.decode()} is not finite",
            expected="numbers",
            next_step="check the checkpoint",
        )


def _as_fp16(builder: fb.Builder, index: int) -> Any:
    """Store a weight as fp16; returns the DEQUANTIZE that unpacks it. Raises ExportError beyond fp16's range."""
    name = builder.tensor(index).name
    with np.errstate(over="ignore"):  # told below, by name
        stored = np.asarray(builder.constant(index), np.float16)
    if not np.isfinite(stored).all():
        raise ExportError(
            f"weight {name.decode()} is beyond fp16's largest number, 65504",
            expected="weights that fp16 can hold",
            next_step="leave fp16 out of `precisions`, or check the checkpoint",
        )
    unpack = builder.op("DEQUANTIZE", [builder.add_constant(name + b"/fp16", stored)], index)
    builder.make_activation(index)
    return unpack
