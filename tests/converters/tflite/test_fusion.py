"""What joins the op before it, and what must not; and ports that no op computes."""

from __future__ import annotations

import numpy as np
import pytest

from converters.tflite import builder as fb
from tests.converters.lowered import interpreter, run_in_litert, to_lowered, to_tflite
from tests.converters.tflite.networks import operators
from tests.graphs import feeds, model, node, run

RNG = np.random.default_rng(3)
CONSTANTS = {
    "w": RNG.standard_normal((4, 3, 3, 3)),
    "depthwise": RNG.standard_normal((6, 1, 3, 3)),
    "transposed": RNG.standard_normal((3, 2, 2, 2)),
    "gain": RNG.standard_normal((1, 4, 1, 1)),
    "gains": RNG.standard_normal((6, 1, 1)),
    "shift": RNG.standard_normal((4, 1, 1)),
    "two": np.array(2.0),
    "map": RNG.standard_normal((4, 4, 5)),
    "one": np.array(1.0),
    "axes": np.array([2, 3]),
    "six": np.array(6.0),
    "zero": np.array(0.0),
}
CONV, DEPTHWISE = node("Conv", "x w", "c"), node("Conv", "x depthwise", "c", group=3)


def network(*nodes, outputs=("y",)):
    used = {name for item in nodes for name in item.input}
    return model(
        list(nodes),
        inputs={"x": [1, 3, 6, 7]},
        outputs=list(outputs),
        constants={name: value for name, value in CONSTANTS.items() if name in used},
    )


def assert_becomes(proto, wanted, *, for_gpu=False):
    data = to_tflite(proto, for_gpu=for_gpu)
    assert operators(data) == wanted
    inputs = feeds(proto)
    for found, expected in zip(run_in_litert(proto, inputs, data), run(proto, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "op"),
    [
        ([CONV, node("Mul", "c gain", "m"), node("Add", "shift m", "a"), node("Relu", "a", "y")], "CONV_2D"),
        ([CONV, node("Sub", "c shift", "s"), node("Clip", "s zero six", "y")], "CONV_2D"),
        ([DEPTHWISE, node("Mul", "gains c", "m"), node("Mul", "m two", "y")], "DEPTHWISE_CONV_2D"),
    ],
    ids=["gain and shift", "clipped", "depthwise"],
)
def test_constants_for_channels_and_activations_join_the_convolution(nodes, op):
    assert_becomes(network(*nodes), [op])


@pytest.mark.parametrize(
    ("nodes", "ops"),
    [
        ([CONV, node("Relu", "c", "m"), node("Mul", "m two", "y")], ["CONV_2D", "MUL"]),
        ([CONV, node("Sub", "shift c", "y")], ["CONV_2D", "SUB"]),
        ([CONV, node("Mul", "c map", "y")], ["CONV_2D", "MUL"]),
        ([CONV, node("Relu", "c", "r"), node("Add", "c r", "y")], ["CONV_2D", "RELU", "ADD"]),
        ([CONV, node("Mul", "c c", "y")], ["CONV_2D", "MUL"]),
        ([node("Concat", "x x", "c", axis=1), node("Relu", "c", "y")], ["CONCATENATION", "RELU"]),
        ([node("ConvTranspose", "x transposed", "c"), node("Relu", "c", "y")], ["TRANSPOSE_CONV", "RELU"]),
    ],
    ids=[
        "after an activation",
        "turned round",
        "for pixels",
        "read twice",
        "squared",
        "no place for it",
        "only in new runtimes",
    ],
)
def test_others_stay(nodes, ops):
    assert_becomes(network(*nodes), ops)


def test_what_is_an_output_as_well_stays():
    assert_becomes(network(CONV, node("Relu", "c", "y"), outputs=("c", "y")), ["CONV_2D", "RELU"])


def test_an_activation_joins_a_sum():
    assert_becomes(network(node("Add", "x x", "s"), node("Relu", "s", "y")), ["ADD"])


def test_what_no_output_needs_is_not_written():
    assert_becomes(network(CONV, node("Relu", "x", "y")), ["RELU"])


def test_reshapes_and_transposes_that_undo_each_other_go():
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
        node("Transpose", "t", "back", perm=[0, 3, 1, 2]),
        node("Flatten", "back", "f"),
        node("Relu", "f", "y"),
    ]
    assert_becomes(network(*nodes), ["TRANSPOSE", "RESHAPE", "RELU"])


def test_ports_that_no_op_computes_are_copied():
    proto = network(
        node("Identity", "x", "same"), node("Relu", "x", "r"), node("Identity", "r", "y"), node("Identity", "map", "k"),
        outputs=("same", "r", "y", "k"),
    )  # fmt: skip
    assert_becomes(proto, ["RELU", "RESHAPE", "RESHAPE", "RESHAPE"])


def test_a_constant_of_rank_4_leaves_in_the_lowered_layout():
    proto = network(node("Identity", "w", "y"))
    found = interpreter(to_tflite(proto)).get_signature_runner()(x=np.zeros((1, 6, 7, 3), np.float32))["y"]
    np.testing.assert_array_equal(found, to_lowered(CONSTANTS["w"].astype(np.float32)))


def test_equal_constants_are_stored_once_and_every_tensor_has_a_name_of_its_own():
    nodes = [node("Mul", "x two", "a"), node("Mul", "a two", "b"), node("GlobalAveragePool", "b", "y")]
    graph = fb.read(to_tflite(network(*nodes))).subgraphs[0]
    names = [tensor.name for tensor in graph.tensors]
    assert len(set(names)) == len(names)
    assert {b"x", b"a", b"b", b"y", b"y/mean"} < set(names)
    assert len(names) == 8  # these, the factor, and the two axes


SQUARED = node("Mul", "x x", "s")


@pytest.mark.parametrize(
    ("nodes", "on_cpu", "on_gpu"),
    [
        ([node("ReduceMean", "x axes", "y")], ["MEAN", "MEAN"], ["MEAN"]),
        ([SQUARED, node("Relu", "s", "y")], ["MUL"], ["SQUARE", "RELU"]),
        ([SQUARED, node("Sqrt", "s", "r"), node("Div", "one r", "y")], ["MUL", "SQRT", "DIV"], ["SQUARE", "RSQRT"]),
        (
            [SQUARED, node("Sqrt", "s", "r"), node("Div", "two r", "y")],
            ["MUL", "SQRT", "DIV"],
            ["SQUARE", "SQRT", "DIV"],
        ),
        (
            [SQUARED, node("Sqrt", "s", "r"), node("Div", "one r", "d"), node("Add", "d r", "y")],
            ["MUL", "SQRT", "DIV", "ADD"],
            ["SQUARE", "SQRT", "DIV", "ADD"],
        ),
    ],
    ids=["mean", "square", "inverse root", "twice the inverse root", "a root that is read again"],
)
def test_what_a_gpu_computes_in_one_step_is_one_op_there(nodes, on_cpu, on_gpu):
    assert_becomes(network(*nodes), on_cpu)
    assert_becomes(network(*nodes), on_gpu, for_gpu=True)
