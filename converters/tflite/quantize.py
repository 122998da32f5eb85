"""Smaller weights on the finished fp32 flatbuffer."""

from __future__ import annotations

import numpy as np

from converters.errors import ExportError
from converters.tflite import flatbuffer as fb

# Early and depthwise weights are few and matter most: leaving weights of up to this many elements in
# fp32 adds 3 % to MODNet's fp16 file and divides its error by about five (docs/architecture.md).
_SMALL = 16384


def half_size_weights(fp32: bytes) -> bytes:
    """The same graph with its large convolution and matrix weights stored as fp16.

    Given:  CONV_2D(x, weight: fp32)
    Result: DEQUANTIZE(weight: fp16) -> CONV_2D(x, _)

    XNNPACK and the GPU delegates fold the DEQUANTIZE when they load the model: fp32 arithmetic on
    a CPU, fp16 on a GPU. Raises ExportError when a weight is beyond fp16's range.
    """
    model = fb.read(fp32)
    (graph,) = model.subgraphs
    dequantize = fb.builtin_code(model, fb.BuiltinOperator.DEQUANTIZE)
    casts = []
    weights = {
        op.inputs[1]
        for op in graph.operators
        if fb.builtin(model, op) in (fb.BuiltinOperator.CONV_2D, fb.BuiltinOperator.FULLY_CONNECTED)
    }
    for index in sorted(weights):
        tensor = graph.tensors[index]
        array = fb.constant(model, tensor)
        if array is None or array.dtype != np.float32 or array.size <= _SMALL:
            continue
        half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise ExportError(
                f"weight {tensor.name.decode()} is beyond fp16's largest number, 65504",
                expected="weights that fp16 can hold",
                next_step="leave fp16 out of --precisions, or check the checkpoint",
            )
        stored = fb.add_constant(model, graph, tensor.name + b"/fp16", half)
        fb.make_activation(model, graph, tensor)
        cast = fb.schema.OperatorT()
        cast.opcodeIndex, cast.inputs, cast.outputs = dequantize, [stored], [index]
        casts.append(cast)
    graph.operators = casts + list(graph.operators)
    return fb.write(model)
