"""Convolutions of the image that add their bias last, as PyTorch does: a finished fp32 flatbuffer for CPUs."""

from __future__ import annotations

import numpy as np

from converters.tflite import builder as fb

_COLOURS = 4
"""Input channels of an image. Further convolutions have sums too long for the bias to matter."""


def bias_last(fp32: bytes) -> bytes:
    """The same graph, with sums that begin at 0 where a convolution reads an image of at most four channels.

    Given:  CONV_2D(x, weight, bias, activation)
    Result: ADD(CONV_2D(x, weight, 0), bias, activation)

    XNNPACK begins each sum at the bias (its results are those of that order, bit for bit), so every partial sum is
    rounded at the bias's size, on flat colour by the same amount at every pixel. PyTorch adds the bias last. Of what
    separated LiteRT's matte from PyTorch's on the worst photographs, this was most (docs/verification.md).
    """
    builder = fb.Builder(fb.read(fp32))
    ops = []
    for op in builder.graph.operators:
        ops.append(op)
        if fb.op_name(builder.model, op) != "CONV_2D":
            continue
        x, weight, bias_index = op.inputs
        bias = builder.constant(bias_index)
        if bias is None or not bias.any() or builder.tensor(weight).shape[-1] > _COLOURS:
            continue
        (output,) = op.outputs
        options = fb.schema.AddOptionsT()
        options.fusedActivationFunction = op.builtinOptions.fusedActivationFunction
        op.builtinOptions.fusedActivationFunction = fb.schema.ActivationFunctionType.NONE
        summed = builder.add_like(output, b"/sum", fb.TensorType.FLOAT32)
        zeros = builder.add_constant(builder.tensor(summed).name + b"/bias", np.zeros_like(bias))
        op.inputs, op.outputs = [x, weight, zeros], [summed]
        ops.append(builder.op("ADD", [summed, bias_index], output, options))
    builder.graph.operators = ops
    return builder.write()
