"""An 8-bit image at the head of a graph, without float32 and without rounding.

Core ML's own scale of an image input becomes a float32 multiplication of the whole image (coremltools#2213), and
1/255 of a pixel is rounded in fp16. A pixel less 127.5 is exact in fp16, and so is 1/128 of that.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converters.onnx.graph import static_shape
from converters.onnx.passes.rewrite import Builder, Names, is_op, scalar
from converters.onnx.passes.sink_affine import SinkAffine

_STEP = 1 / 128


def takes_pixels(graph: ir.Model) -> ir.Model:
    """A copy of a graph of an image in [0, 1] that takes one in [0, 255] instead, and gives the same.

    Given:  image -> Sub(c) (or Add), the image's only reader
    Result: image -> Sub(255 c) -> Mul(1/128) -> ..., and 128/255 in the weights of the convolutions behind; with
            Mul(128/255) where these cannot take it
    Given:  any other graph
    Result: image -> Mul(1/255) -> ...
    """
    result = graph.clone()
    (image,) = result.graph.inputs
    uses, names, size = list(image.uses()), Names(result), static_shape(image)
    head = uses[0][0]
    build = Builder(head, names)
    shift = scalar(head.inputs[1]) if len(uses) == 1 and is_op(head, "Add", "Sub") and uses[0][1] == 0 else None
    if shift is None:
        scaled = build.op("Mul", image, build.constant(1 / 255), output=size)
        build.insert_before(head)
        for node, index in uses:
            node.replace_input_with(index, scaled)
        return result
    shifted = build.op(head.op_type, image, build.constant(np.float32(255) * np.float32(shift)), output=size)
    scaled = build.op("Mul", shifted, build.constant(_STEP), output=size)
    rest = build.op("Mul", scaled, build.constant(1 / 255 / _STEP), output=size)
    build.replace([head], rest)
    node = rest.producer() or head
    sink, found = SinkAffine(), SinkAffine().match(node)
    if found is not None:
        sink.rewrite(found, Builder(node, names))
    return result
