"""Small networks, images for them, and a run: what several tests of TFLite graphs need."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converters.tflite import builder as fb
from converters.tflite.convert import convert
from converters.tflite.interpreter import interpreter
from tests.graphs import model, node


def small_network(rng, scale=1.0):
    """A convolution, a depthwise one and a pointwise one, all of them larger than what stays float."""
    constants = {
        "w1": rng.standard_normal((24, 3, 3, 3)) * scale,
        "b1": rng.standard_normal(24),
        "w2": rng.standard_normal((24, 1, 3, 3)),
        "b2": rng.standard_normal(24),
        "w3": rng.standard_normal((16, 24, 1, 1)),
        "b3": rng.standard_normal(16),
    }
    return model(
        [
            node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
            node("Relu", "a", "r"),
            node("Conv", "r w2 b2", "d", pads=[1, 1, 1, 1], group=24),
            node("Conv", "d w3 b3", "y"),
        ],
        inputs={"x": [1, 3, 20, 28]},
        outputs=["y"],
        constants=constants,
    )


def tflite(proto):
    return convert(ir.from_proto(proto))


def smooth(rng, count=6):
    """Images whose neighbouring pixels are alike."""
    coarse = rng.uniform(0, 1, (count, 6, 8, 3)).astype(np.float32)
    return [np.kron(image, np.ones((4, 4, 1), np.float32))[None, :20, :28] for image in coarse]


def run(data, image):
    loaded, _ = interpreter(data, 1)
    loaded.set_tensor(loaded.get_input_details()[0]["index"], image)
    loaded.invoke()
    return loaded.get_tensor(loaded.get_output_details()[0]["index"])


def operators(data):
    """The names of a flatbuffer's ops, in order."""
    found = fb.read(data)
    return [fb.op_name(found, op) for op in found.subgraphs[0].operators]


def versions(data):
    """The operators of a flatbuffer, each with the version that it asks for."""
    return fb.operators(fb.read(data))
