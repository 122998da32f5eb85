"""MODNet's ONNX as other converters spoil it: one function for each fault, which changes a model in place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.modnet_export.verifying.foreign.conftest import BRIGHTER, LAST_BIAS

Spoil = Callable[[onnx.ModelProto], None]


def constant(model, values, name):
    name = f"{name}_{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def before(model, *nodes):
    """Put nodes between the image and the network; the first reads ``image``, the last makes ``seen``."""
    seen = f"seen_{len(model.graph.node)}"
    _rename(model.graph.node, {"image": seen})
    _rename(nodes, {"seen": seen})
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def behind(model, *nodes):
    """Put nodes between the network and the output; the first reads ``made``, the last makes ``matte``."""
    made = f"made_{len(model.graph.node)}"
    _rename(model.graph.node, {"matte": made})
    _rename(nodes, {"made": made})
    model.graph.node.extend(nodes)


def _rename(nodes, names):
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


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


def brighter(model):
    """No fault: the last bias of ``conftest.brighter``."""
    bias = next(item for item in model.graph.initializer if item.name.endswith(LAST_BIAS))
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(BRIGHTER), bias.name))


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


def nchw_reshaped(model):
    """The image comes as NCHW; the graph reads the same numbers as NHWC, and transposes them."""
    _, channels, height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    shape = constant(model, np.int64([1, height, width, channels]), "shape")
    before(
        model,
        helper.make_node("Reshape", ["image", shape], ["reshaped"]),
        helper.make_node("Transpose", ["reshaped"], ["seen"], perm=[0, 3, 1, 2]),
    )


def flipped(model, name, axis):
    size = model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value
    return constant(model, np.arange(size)[::-1].copy(), name)


def upside_down(model):
    before(model, helper.make_node("Gather", ["image", flipped(model, "rows", 2)], ["seen"], axis=2))


def mirrored(model):
    behind(model, helper.make_node("Gather", ["made", flipped(model, "columns", 3)], ["matte"], axis=3))


def set_attribute(node, name, value):
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def resizing(mode, at_least=0.0):
    def spoil(model):
        constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        found = [
            node for node in model.graph.node if node.op_type == "Resize" and constants[node.input[2]][-1] >= at_least
        ]
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


def premultiplied_grey(model):
    axes = constant(model, np.int64([1]), "axes")
    behind(
        model,
        helper.make_node("ReduceMean", ["image", axes], ["grey"], keepdims=1),
        helper.make_node("Mul", ["made", "grey"], ["matte"]),
    )


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


def shows_overflow(model):
    """One activation is scaled to what 16 bits do not hold, and back."""
    first = next(node for node in model.graph.node if node.op_type in ("Clip", "Relu"))
    name = first.output[0]
    up, down = constant(model, np.float16(2**15), "up"), constant(model, np.float16(2**-15), "down")
    place = list(model.graph.node).index(first) + 1
    for node in model.graph.node:
        node.input[:] = [f"{name}_wide" if item == name else item for item in node.input]
    for node in reversed(
        [
            helper.make_node("Cast", [name], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("Mul", ["half", up], ["large"], name="scaled_up"),
            helper.make_node("Mul", ["large", down], ["small"]),
            helper.make_node("Cast", ["small"], [f"{name}_wide"], to=TensorProto.FLOAT),
        ]
    ):
        model.graph.node.insert(place, node)


def clipped_in_integers(model):
    """One activation goes through 8 bits whose range is far too small."""
    first = next(node for node in model.graph.node if node.op_type in ("Clip", "Relu"))
    name = first.output[0]
    place = list(model.graph.node).index(first) + 1
    for node in model.graph.node:
        node.input[:] = [f"{name}_read" if item == name else item for item in node.input]
    step, zero = constant(model, np.float32(0.0005), "step"), constant(model, np.uint8(0), "zero")
    model.graph.node.insert(place, helper.make_node("DequantizeLinear", ["q", step, zero], [f"{name}_read"]))
    model.graph.node.insert(place, helper.make_node("QuantizeLinear", [name, step, zero], ["q"]))


def wrong_weights(model):
    """Of one convolution within the network."""
    weights = {item.name: item for item in model.graph.initializer if len(item.dims) == 4 and item.dims[1] == 96}
    item = next(
        weights[node.input[1]] for node in model.graph.node if node.op_type == "Conv" and node.input[1] in weights
    )
    values = numpy_helper.to_array(item)[:, ::-1]
    item.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), item.name))


def twirled(model):
    """Every row of the matte is replaced by another one."""
    height = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    order = constant(model, np.random.default_rng(0).permutation(height), "rows")
    behind(model, helper.make_node("Gather", ["made", order], ["matte"], axis=2))


def three_outputs(model):
    """Two pictures of the same size beside the matte, which then is the last of three, all without telling names."""
    one = constant(model, np.float32(0.5), "half_as_much")
    model.graph.node.append(helper.make_node("Mul", ["matte", one], ["1010"]))
    model.graph.node.append(helper.make_node("Identity", ["matte"], ["1012"]))
    (matte,) = list(model.graph.output)
    del model.graph.output[:]
    for name in ("1010", "1012"):
        port = onnx.ValueInfoProto()
        port.CopyFrom(matte)
        port.name = name
        model.graph.output.append(port)
