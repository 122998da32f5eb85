"""From an ONNX graph to a TFLite flatbuffer: nodes are lowered to TFLite's ops, which are written as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from converters.onnx.graph import static_shape
from converters.onnx.layout import nhwc_order
from converters.onnx.lowering import lower
from converters.tflite.assembly import flatbuffer
from converters.tflite.ops import TFLITE, to_nhwc
from converters.tflite.values import Value


def convert(model: ir.Model, description: str = "", *, for_gpu: bool = False) -> bytes:
    """The fp32 flatbuffer of an ONNX model of static shapes, with one signature, ``serving_default``.

    Inputs and outputs keep their ONNX names; those of rank 4 become NHWC. ``for_gpu``: ops are joined as a GPU
    computes them best, which a CPU runs as well (``converters.tflite.fusion``). Raises UnsupportedModelError naming
    every op, attribute and dynamic shape that has no lowering.
    """
    inputs = {
        str(value.name): Value(tuple(nhwc_order(static_shape(value) or ())), name=str(value.name))
        for value in model.graph.inputs
    }
    outputs = lower(TFLITE, model, inputs, lambda shape: Value(tuple(nhwc_order(shape))), _named)
    lowered = {name: to_nhwc(value) if isinstance(value, np.ndarray) else value for name, value in outputs.items()}
    return flatbuffer(inputs, lowered, description, for_gpu=for_gpu)


def _named(value: Any, name: str) -> None:
    if isinstance(value, Value) and not value.name:
        value.name = name
