"""What the graph of a user's model tells of the image that it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from converters.errors import ExportError
from modnet_export.model.onnx_ports import ports
from tests.graphs import model, node

CONSTANTS = {
    "half": np.array(0.5),
    "two": np.array(2.0),
    "one": np.array([1.0]),
    "byte": np.array(255.0),
    "mean": np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1),
    "std": np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1),
    "mean3": np.array([0.485, 0.456, 0.406]),
    "std3": np.array([0.229, 0.224, 0.225]),
    "weight": np.ones((1, 3, 1, 1)),
}


def graph(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Some ops, and a convolution that reads ``x``, or what they made of it: ``y``."""
    nodes = (*nodes, node("Conv", "y weight" if nodes else "x weight", "matte"))
    used = {name for item in nodes for name in item.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    return model(list(nodes), inputs={"x": [1, 3, "h", "w"]}, outputs=["matte"], constants=constants)


NORMALISED = {
    "(x - 0.5) / 0.5": [node("Sub", "x half", "a"), node("Div", "a half", "y")],
    "2 x - 1": [node("Mul", "two x", "a"), node("Sub", "a one", "y")],
    "mean and deviation": [node("Sub", "x mean", "a"), node("Div", "a std", "y")],
    "batch normalization": [node("BatchNormalization", "x std3 mean3 mean3 std3", "y")],
    "after a copy": [node("Identity", "x", "a"), node("Sub", "a half", "y")],
}


@pytest.mark.parametrize("case", NORMALISED)
def test_a_graph_that_normalises_takes_0_to_1(case):
    found = ports(graph(*NORMALISED[case]), Path("user.onnx"))
    assert (found.input_range, found.normalises) == ("0..1", True)


@pytest.mark.parametrize("nodes", [[], [node("Identity", "x", "y")], [node("Mul", "x one", "y")]], ids=str)
def test_any_other_graph_takes_what_the_released_one_takes(nodes):
    found = ports(graph(*nodes), Path("user.onnx"))
    assert (found.input_range, found.normalises) == ("-1..1", False)


@pytest.mark.parametrize("tuning", ["fp32", "opt_fp32"])
def test_our_own_artefacts_take_0_to_1(dist, tuning):
    found = ports(onnx.load(dist / f"modnet_{tuning}.onnx"), Path("own.onnx"))
    assert (found.input_range, found.image, found.matte, found.size) == ("0..1", "image", "matte", (96, 128))


def test_a_range_that_was_asked_for_stands():
    assert ports(graph(*NORMALISED["2 x - 1"]), Path("user.onnx"), "-1..1").input_range == "-1..1"


def test_bytes_are_refused_unless_their_range_is_given():
    proto = graph(node("Div", "x byte", "y"))
    with pytest.raises(ExportError, match="divides its input by about 255"):
        ports(proto, Path("user.onnx"))
    assert ports(proto, Path("user.onnx"), "0..1").input_range == "0..1"


def with_input(elem_type: int, shape: list[int | str]) -> onnx.ModelProto:
    proto = graph()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", elem_type, shape))
    return proto


def test_halves_are_taken_as_they_are():
    assert ports(with_input(TensorProto.FLOAT16, [1, 3, "h", "w"]), Path("half.onnx")).dtype == np.float16


@pytest.mark.parametrize(
    ("elem_type", "shape", "named"),
    [
        (TensorProto.UINT8, [1, 3, 64, 64], r"x \(uint8 1 x 3 x 64 x 64\)"),
        (TensorProto.FLOAT, [1, 64, 64, 3], r"x \(float 1 x 64 x 64 x 3\)"),
        (TensorProto.FLOAT, [3, "h", "w"], r"x \(float 3 x h x w\)"),
    ],
)
def test_another_input_is_refused_by_name_type_and_shape(elem_type, shape, named):
    with pytest.raises(ExportError, match=f"user.onnx takes {named}"):
        ports(with_input(elem_type, shape), Path("user.onnx"))


def test_a_model_that_gives_nothing_is_refused():
    proto = graph()
    del proto.graph.output[:]
    with pytest.raises(ExportError, match="an image of shape"):
        ports(proto, Path("user.onnx"))
