"""From an ONNX graph to a TFLite flatbuffer: nodes are lowered, and TensorFlow's converter fuses and writes them."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import onnx_ir as ir

from converters.onnx.graph import static_shape
from converters.onnx.layout import nhwc_order
from converters.onnx.lowering import check, lower
from converters.quiet import native_stderr

with native_stderr():
    import tensorflow as tf

from converters.tflite import builder as fb
from converters.tflite.tensorflow.ops import TENSORFLOW, to_nhwc


def convert(model: ir.Model) -> bytes:
    """The fp32 flatbuffer of an ONNX model of static shapes, with one signature, ``serving_default``.

    Inputs and outputs keep their ONNX names; those of rank 4 become NHWC. Raises UnsupportedModelError naming every op,
    attribute and dynamic shape that has no lowering.
    """
    with tempfile.TemporaryDirectory(prefix="converters_") as folder, native_stderr():
        save(model, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        return _with_port_names(bytes(converter.convert()))


def save(model: ir.Model, folder: str) -> None:
    """The same as TensorFlow's saved model; raises UnsupportedModelError as ``convert``."""
    check(TENSORFLOW, model)
    specs = {
        str(value.name): tf.TensorSpec(nhwc_order(static_shape(value) or ()), tf.float32, str(value.name))
        for value in model.graph.inputs
    }

    def serve(**inputs: Any) -> dict[str, Any]:
        outputs = lower(TENSORFLOW, model, inputs, lambda shape: tf.zeros(nhwc_order(shape)))
        return {name: to_nhwc(value) if isinstance(value, np.ndarray) else value for name, value in outputs.items()}

    module = tf.Module()
    module.serve = tf.function(serve, autograph=False).get_concrete_function(**specs)
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})


def _with_port_names(data: bytes) -> bytes:
    """Input and output tensors renamed to what the signature calls them, for apps that look at tensors."""
    model = fb.read(data)
    (signature,) = model.signatureDefs
    for port in (*signature.inputs, *signature.outputs):
        model.subgraphs[0].tensors[port.tensorIndex].name = port.name
    return fb.write(model)
