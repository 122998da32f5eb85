"""MODNet's ONNX as other converters spoil it: one function for each fault, which changes a model in place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Spoil = Callable[[onnx.ModelProto], None]


def constant(model, values, name):
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def before(model, *nodes):
    """Put nodes between the image and the network; the first reads ``image``, the last makes ``seen``."""
    for node in model.graph.node:
        node.input[:] = ["seen" if name == "image" else name for name in node.input]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def behind(model, *nodes):
    """Put nodes between the network and the output; the first reads ``made``, the last makes ``matte``."""
    for node in model.graph.node:
        node.input[:] = ["made" if name == "matte" else name for name in node.input]
        node.output[:] = ["made" if name == "matte" else name for name in node.output]
    model.graph.node.extend(nodes)


def affine(scale, shift):
    """The network is given scale * image + shift."""

    def spoil(model):
        shape = (1, -1, 1, 1)
        before(
            model,
            helper.make_node("Mul", ["image", constant(model, np.float32(scale).reshape(shape), "a")], ["scaled"]),
            helper.make_node("Add", ["scaled", constant(model, np.float32(shift).reshape(shape), "b")], ["seen"]),
        )

    return spoil


def bgr(model):
    before(
        model, helper.make_node("Gather", ["image", constant(model, np.int64([2, 1, 0]), "order")], ["seen"], axis=1)
    )


def nhwc(model, *, reshaped=False):
    """The image comes as NHWC; ``reshaped``: and is reshaped where it has to be transposed."""
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    _, channels, height, width = shape
    if reshaped:
        before(model, helper.make_node("Reshape", ["image", constant(model, np.int64(shape), "shape")], ["seen"]))
    else:
        before(model, helper.make_node("Transpose", ["image"], ["seen"], perm=[0, 3, 1, 2]))
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, height, width, channels])
    )


def set_attribute(node, name, value):
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def resizing(mode):
    def spoil(model):
        found = [node for node in model.graph.node if node.op_type == "Resize"]
        assert found
        for node in found:
            if mode == "nearest":
                set_attribute(node, "mode", "nearest")
                set_attribute(node, "nearest_mode", "floor")
            set_attribute(node, "coordinate_transformation_mode", "asymmetric" if mode == "nearest" else mode)

    return spoil


def same_padding(model):
    strided = [
        node
        for node in model.graph.node
        if node.op_type == "Conv"
        and any(item.name == "strides" and list(item.ints) == [2, 2] for item in node.attribute)
    ]
    assert len(strided) > 3
    for node in strided:
        set_attribute(node, "auto_pad", "SAME_UPPER")
        node.attribute.remove(next(item for item in node.attribute if item.name == "pads"))


def elementwise(operator, value, *, first=False):
    def spoil(model):
        name = constant(model, np.float32(value), "c")
        behind(model, helper.make_node(operator, [name, "made"] if first else ["made", name], ["matte"]))

    return spoil


def logits(model):
    last = next(node for node in model.graph.node if "matte" in node.output)
    assert last.op_type == "Sigmoid"
    last.op_type = "Identity"


def sigmoid_twice(model):
    behind(model, helper.make_node("Sigmoid", ["made"], ["matte"]))


def from_minus_one(model):
    twice, one = constant(model, np.float32(2), "two"), constant(model, np.float32(1), "one")
    behind(
        model, helper.make_node("Mul", ["made", twice], ["double"]), helper.make_node("Sub", ["double", one], ["matte"])
    )


def squared(model):
    behind(model, helper.make_node("Mul", ["made", "made"], ["matte"]))


def premultiplied(model):
    behind(model, helper.make_node("Mul", ["made", "image"], ["matte"]))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3


def shifted(model):
    """One pixel down."""
    padded = constant(model, np.int64([0, 0, 1, 0, 0, 0, -1, 0]), "pads")
    behind(model, helper.make_node("Pad", ["made", padded], ["matte"], mode="edge"))


def other_weights(model):
    """Of another checkpoint."""
    rng = np.random.default_rng(0)
    for item in model.graph.initializer:
        values = numpy_helper.to_array(item)
        if values.ndim == 4 and values.size > 8:
            other = rng.permutation(values.reshape(-1)).reshape(values.shape)
            item.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(other), item.name))
