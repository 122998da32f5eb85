from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from converters.onnx.passes.remove_identity import RemoveIdentity
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, ops, run


def graph(nodes, outputs, **constants):
    return model(nodes, inputs={"x": [2]}, outputs=outputs, constants=constants)


def in_a_branch(*nodes):
    """A Relu outside and nodes in a branch, which give ``then``."""
    branches = {
        "then_branch": helper.make_graph(
            list(nodes), "then", [], [helper.make_tensor_value_info("then", TensorProto.FLOAT, [2])]
        ),
        "else_branch": helper.make_graph(
            [node("Abs", "r", "else")], "else", [], [helper.make_tensor_value_info("else", TensorProto.FLOAT, [2])]
        ),
    }
    return graph([node("Relu", "x", "r"), node("If", "flag", "y", **branches)], ["y"], flag=np.array(True))


@pytest.mark.parametrize(
    ("nodes", "outputs", "left"),
    [
        ([node("Identity", "x", "i"), node("Relu", "i", "y")], ["y"], ["Relu"]),
        ([node("Relu", "x", "r"), node("Identity", "r", "y")], ["y"], ["Relu"]),
        ([node("Relu", "x", "r"), node("Identity", "r", "i"), node("Mul", "i i", "y")], ["y"], ["Relu", "Mul"]),
        ([node("Relu", "x", "r"), node("Identity", "r", "y"), node("Abs", "r", "z")], ["y", "z"], ["Relu", "Abs"]),
        ([node("Identity", "x", "i"), node("Identity", "i", "j"), node("Abs", "j", "y")], ["y"], ["Abs"]),
    ],
    ids=["first", "last", "read twice", "output that is read too", "two in a row"],
)
def test_readers_read_what_the_identity_read(nodes, outputs, left):
    before = graph(nodes, outputs)
    after, modified = apply(RemoveIdentity(), before)
    assert modified
    assert ops(after) == left
    assert_equal_outputs(before, after)


@pytest.mark.parametrize(
    ("nodes", "outputs", "constants"),
    [
        ([node("Identity", "x", "y")], ["y"], {}),
        ([node("Relu", "x", "r"), node("Identity", "r", "y")], ["r", "y"], {}),
        ([node("Identity", "c", "y")], ["y"], {"c": np.ones(2, np.float32)}),
    ],
    ids=["input", "another output", "constant"],
)
def test_identity_that_gives_a_value_a_second_name_is_kept(nodes, outputs, constants):
    assert_untouched(RemoveIdentity(), graph(nodes, outputs, **constants))


def test_identity_that_gives_a_branch_a_value_from_outside_is_kept():
    """A branch may read what is made outside, but what it gives must be made inside."""
    assert_untouched(RemoveIdentity(), in_a_branch(node("Identity", "r", "then")))


def test_identity_within_a_branch_goes():
    before = in_a_branch(node("Identity", "r", "i"), node("Sigmoid", "i", "then"))
    after, modified = apply(RemoveIdentity(), before)
    assert modified
    branch = next(item.g for item in after.graph.node[1].attribute if item.name == "then_branch")
    assert [item.op_type for item in branch.node] == ["Sigmoid"]
    inputs = {"x": np.array([-1, 2], np.float32)}
    np.testing.assert_array_equal(run(after, inputs), run(before, inputs))
