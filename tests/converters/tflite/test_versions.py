"""Versions of operators. Against TensorFlow's own they are compared in ``test_onnx_backend``."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx_ir as ir
import pytest

from converters.onnx.passes import optimise
from converters.tflite import builder as fb
from converters.tflite.convert import convert
from converters.tflite.moments import collect
from converters.tflite.versions import lowest, minimum_runtime
from converters.tflite.weights import fp16_weights, int8_weights
from tests.converters.tflite.networks import small_network, smooth, tflite, versions
from tests.graphs import model, node


def tensor(kind, *shape, scales=0):
    made = fb.schema.TensorT()
    made.type, made.shape = getattr(fb.TensorType, kind), list(shape)
    made.quantization = fb.quantization(np.ones(scales)) if scales else None
    return made


MAP, INT8_MAP = tensor("FLOAT32", 1, 4, 4, 8), tensor("INT8", 1, 4, 4, 8, scales=1)
INT16_MAP = tensor("INT16", 1, 4, 4, 8, scales=1)
FORMS = [
    ("CONV_2D", [MAP, tensor("FLOAT32", 6, 3, 3, 8)], {}, 1),
    ("CONV_2D", [MAP, tensor("FLOAT32", 6, 3, 3, 4)], {}, 6),
    ("CONV_2D", [INT8_MAP, tensor("INT8", 6, 3, 3, 8, scales=6)], {}, 3),
    ("CONV_2D", [MAP, tensor("INT8", 6, 3, 3, 8, scales=1)], {}, 2),
    ("CONV_2D", [MAP, tensor("INT8", 6, 3, 3, 8, scales=6)], {}, 5),
    ("CONV_2D", [MAP, tensor("INT4", 6, 3, 3, 8, scales=6)], {}, 8),
    ("CONV_2D", [INT16_MAP, tensor("INT8", 6, 3, 3, 8, scales=6)], {}, 4),
    ("CONV_2D", [INT16_MAP, tensor("INT8", 6, 3, 3, 4, scales=6)], {}, 6),
    ("DEPTHWISE_CONV_2D", [INT16_MAP, tensor("INT8", 1, 3, 3, 8, scales=8)], {}, 5),
    ("DEPTHWISE_CONV_2D", [MAP, tensor("FLOAT32", 1, 3, 3, 8)], {"dilationWFactor": 1}, 1),
    ("DEPTHWISE_CONV_2D", [MAP, tensor("FLOAT32", 1, 3, 3, 8)], {"dilationWFactor": 2}, 2),
    ("DEPTHWISE_CONV_2D", [MAP, tensor("INT8", 1, 3, 3, 8, scales=8)], {}, 6),
    ("DEQUANTIZE", [tensor("FLOAT16", 8)], {}, 3),
    ("DEQUANTIZE", [INT8_MAP], {}, 2),
    ("DEQUANTIZE", [INT16_MAP], {}, 3),
    ("QUANTIZE", [MAP], {}, 1),
    ("RSQRT", [INT16_MAP], {}, 3),
    ("RESIZE_BILINEAR", [INT16_MAP], {"halfPixelCenters": True}, 4),
    ("ADD", [INT16_MAP, INT16_MAP], {"potScaleInt16": False}, 3),
    ("SUB", [INT16_MAP, INT16_MAP], {"potScaleInt16": False}, 5),
    ("MUL", [INT16_MAP, INT16_MAP], {}, 4),
    ("RESIZE_BILINEAR", [MAP], {"alignCorners": True}, 1),
    ("RESIZE_BILINEAR", [INT8_MAP], {}, 2),
    ("RESIZE_BILINEAR", [INT8_MAP], {"halfPixelCenters": True}, 3),
    ("RESIZE_NEAREST_NEIGHBOR", [MAP], {"alignCorners": True}, 3),
    ("ADD", [INT8_MAP, INT8_MAP], {}, 2),
    ("SUB", [tensor("FLOAT32", 1, 2, 3, 4, 5), tensor("FLOAT32", 1)], {}, 3),
    ("SUB", [tensor("FLOAT32", 1, 2, 3, 4, 5)] * 2, {}, 1),
    ("TRANSPOSE", [tensor("FLOAT32", 1, 2, 3, 4, 5)], {}, 4),
    ("CAST", [tensor("FLOAT16", 8)], {}, 5),
    ("BROADCAST_TO", [MAP], {}, 2),
]


@pytest.mark.parametrize(("name", "inputs", "options", "version"), FORMS)
def test_the_lowest_version_is_that_of_litert(name, inputs, options, version):
    """Numbers of GetBuiltinOperatorVersion in LiteRT's op_version.cc."""
    assert lowest(name, inputs, [MAP], type("Options", (), options)()) == version


def test_every_precision_unpacks_weights_with_a_version_that_the_gpu_takes():
    """LiteRT's GPU accelerator refuses a file with a DEQUANTIZE above 3, the number for one scale a channel."""
    rng = np.random.default_rng(0)
    data = tflite(small_network(rng))
    moments = collect(data, smooth(rng))
    wide = model(
        [node("Conv", "x w", "y")],
        inputs={"x": [1, 200, 2, 2]},
        outputs=["y"],
        constants={"w": rng.random((100, 200, 1, 1), np.float32)},
    )
    for made in (fp16_weights(tflite(wide)), int8_weights(data, moments, keep_small=False)):
        assert ("DEQUANTIZE", 3) in versions(made)


def test_two_forms_of_an_operator_have_a_version_each():
    """Integer arithmetic in one place asks no more of the runtime elsewhere."""
    builder = fb.Builder.empty("")
    first, second, third = (builder.add_activation(name, (1, 2)) for name in (b"a", b"b", b"c"))
    for index in (second, third):
        builder.tensor(index).type, builder.tensor(index).quantization = fb.TensorType.INT8, fb.quantization(1)
    builder.graph.operators = [
        builder.op("DEQUANTIZE", [source], target) for source, target in pairwise([third, first])
    ] + [builder.op("DEQUANTIZE", [builder.add_constant(b"half", np.ones(2, np.float16))], first)]
    assert versions(builder.write()) == {("DEQUANTIZE", 2), ("DEQUANTIZE", 3)}


def test_a_model_carries_the_first_runtime_that_has_its_operators(small_onnx):
    data = convert(optimise(ir.from_proto(small_onnx), "cpu"))
    found = fb.read(data)
    assert fb.read_metadata(found, "min_runtime_version").rstrip(b"\0") == b"2.2.0"  # a half-pixel resize
    int8 = fb.read(int8_weights(data, {}, "dynamic"))
    assert fb.read_metadata(int8, "min_runtime_version").rstrip(b"\0") == b"2.4.0"
    assert [item.name for item in int8.metadata] == [b"min_runtime_version"]


def test_the_runtime_of_no_operator_is_the_oldest():
    assert minimum_runtime([]) == "2.0.0"
