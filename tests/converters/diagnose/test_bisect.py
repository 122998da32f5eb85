"""Which op is blamed: small graphs, each with one fault that judging by accumulated errors gets wrong."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from converters.diagnose import EXACT_DB
from converters.diagnose.bisect import diverge
from converters.diagnose.rerun import open_graph
from converters.diagnose.tracing import trace
from tests.converters.diagnose.nets import CHAIN, IMAGE, Net, at, normal, rounded
from tests.graphs import node


def found(tmp_path, graph, parent, limit_db=EXACT_DB, **changes):
    """What is blamed in a graph with some constants changed."""
    parent_steps = trace(parent.save(tmp_path / "parent.onnx"), IMAGE)
    return diverge(open_graph(graph.save(tmp_path / "graph.onnx", **changes)), parent_steps, IMAGE, limit_db)


def blamed(*arguments, **changes):
    result = found(*arguments, **changes)
    assert result is not None
    return result.op.name, result.kind


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_the_op_that_makes_infinity_comes_before_any_other(tmp_path, value):
    spoiled = at(CHAIN.constants["w2"], (2, 3, 1, 1), value)
    assert blamed(tmp_path, CHAIN, CHAIN, w2=spoiled) == ("b", "not finite")


def test_infinity_that_the_parent_has_too_is_no_fault(tmp_path):
    masked = Net(
        [node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1]), node("Add", "a mask", "m"), node("Sigmoid", "m", "y")]
    )
    masked.constants = {**CHAIN.constants, "mask": at(np.zeros((1, 8, 1, 1)), (0, 2), -np.inf)}
    spoiled = CHAIN.constants["w1"] * np.float32(1.1)
    assert blamed(tmp_path, masked, masked, w1=spoiled) == ("a", "leaves")


@pytest.mark.parametrize("weight", ["w1", "w2", "w3"])
@pytest.mark.parametrize("factor", [1.0005, 3, -1])
def test_a_wrong_scale_is_placed_at_its_op_and_not_the_next(tmp_path, weight, factor):
    spoiled = CHAIN.constants[weight] * np.float32(factor)
    assert blamed(tmp_path, CHAIN, CHAIN, **{weight: spoiled}) == ({"w1": "a", "w2": "b", "w3": "c"}[weight], "leaves")


def test_an_op_before_which_precision_returns_is_not_blamed(tmp_path):
    """The error of ``a`` is 66 dB; joined with what is right and large it is 90 dB, and the last op loses 24 again."""
    net = Net(
        [
            node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1]),
            node("Mul", "a small", "faint"),
            node("Conv", "x w1 b1", "right", pads=[1, 1, 1, 1]),
            node("Concat", "right faint", "joined", axis=1),
            node("Conv", "joined w b3", "c"),
            node("Sigmoid", "c", "y"),
        ],
        {
            **CHAIN.constants,
            "small": np.float32(0.05),
            "w": normal(1, 16, 1, 1) * np.repeat(np.float32([1, 40]), 8).reshape(1, 16, 1, 1),
        },
    )
    spoiled = Net([node("Conv", "x w4 b1", "a", pads=[1, 1, 1, 1]), *net.nodes[1:]], net.constants)
    w4 = net.constants["w1"] * np.float32(1.0005)
    assert blamed(tmp_path, spoiled, net, w4=w4) == ("a", "leaves")


PADDED = Net(
    [
        node("Pad", "x pads", "p"),
        node("Conv", "p w1 b1", "a"),
        *CHAIN.nodes[1:],
    ],
    {**CHAIN.constants, "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
)


def test_a_pad_is_not_blamed_for_the_convolution_behind_it(tmp_path):
    spoiled = CHAIN.constants["w1"][:, [2, 1, 0]]
    assert blamed(tmp_path, PADDED, CHAIN, w1=spoiled) == ("a", "leaves")


def test_a_pad_that_moves_wrongly_is_blamed(tmp_path):
    assert blamed(tmp_path, PADDED, CHAIN, pads=np.array([0, 0, 2, 1, 0, 0, 0, 1])) == ("p", "leaves")


def test_what_is_done_to_the_image_before_all_else_is_blamed(tmp_path):
    """Several ops read the image: only what changed it before all of them heals all."""
    nodes = [
        node("Sub", "x half", "centred"),
        node("Conv", "centred w1 b1", "a"),
        node("Conv", "x w1 b1", "b"),
        node("Add", "a b", "sum"),
        node("Sigmoid", "sum", "y"),
    ]
    constants = {"half": np.float32(0.5), "w1": normal(1, 3, 1, 1), "b1": normal(1), "order": np.array([2, 1, 0])}
    parent = Net(nodes, constants)
    wrong = [node("Sub", "bgr half", "centred"), nodes[1], node("Conv", "bgr w1 b1", "b"), *nodes[3:]]
    graph = Net([node("Gather", "x order", "bgr", axis=1), *wrong], constants)
    assert blamed(tmp_path, graph, parent) == ("bgr", "leaves")


def test_an_op_without_its_activation_is_blamed_though_the_parent_has_what_it_gives(tmp_path):
    nodes = [node("Identity", "a", "r") if item.op_type == "Relu" else item for item in CHAIN.nodes]
    assert blamed(tmp_path, Net(nodes, CHAIN.constants), CHAIN) == ("r", "leaves")


def test_an_activation_that_clips_elsewhere_is_blamed_and_not_the_convolution_before(tmp_path):
    nodes = [node("Clip", "a low high", "r") if item.op_type == "Relu" else item for item in CHAIN.nodes]
    net = Net(nodes, {**CHAIN.constants, "low": np.float32(0), "high": np.float32(0.5)})
    assert blamed(tmp_path, CHAIN, net) == ("r", "leaves")


def test_inputs_in_the_wrong_order_are_found_where_the_parent_has_no_such_tensor(tmp_path):
    """The graph has the scale of one input in the weights behind: its joined tensor is none of the parent's."""
    nodes = [
        node("AveragePool", "x", "half", kernel_shape=[1, 1]),
        node("Conv", "x w1 b1", "a"),
        node("Concat", "half a", "joined", axis=1),
        node("Conv", "joined w b2", "b"),
        node("Sigmoid", "b", "y"),
    ]
    weights = {
        "w1": normal(3, 3, 1, 1),
        "b1": normal(3),
        "w": normal(8, 6, 1, 1),
        "b2": normal(8),
        "two": np.float32(2),
    }
    sunk = at(weights["w"], np.s_[:, :3], 2 * weights["w"][:, :3])
    parent = Net(
        [node("Mul", "x two", "x2"), node("AveragePool", "x2", "half", kernel_shape=[1, 1]), *nodes[1:]], weights
    )
    assert found(tmp_path, Net(nodes, weights), parent, w=sunk) is None
    wrong = [*nodes[:2], node("Concat", "a half", "joined", axis=1), *nodes[3:]]
    assert blamed(tmp_path, Net(wrong, weights), parent, w=sunk) == ("joined", "leaves")
    assert blamed(tmp_path, Net(nodes, weights), parent, w=sunk * np.float32(1.01)) == ("b", "leaves")


def norm_in_parts(epsilon=1e-5):
    """An instance norm of half of the channels, as the parent has it, and as one norm of all of them."""
    constants = {**CHAIN.constants, "gain": np.ones(4), "zero": np.zeros(4), "halves": np.array([4, 4])}
    conv = node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1])
    last = [node("Conv", "n w3 b3", "c"), node("Sigmoid", "c", "y")]
    parent = Net(
        [
            conv,
            node("Split", "a halves", "first second", axis=1),
            node("Relu", "first", "f"),
            node("InstanceNormalization", "second gain zero", "i"),
            node("Concat", "f i", "n", axis=1),
            *last,
        ],
        constants,
    )
    mask = np.r_[np.zeros(4), np.ones(4)].reshape(1, 8, 1, 1)
    graph = Net(
        [
            conv,
            node("PRelu", "a slope", "k"),
            node("ReduceMean", "k axes", "mean"),
            node("Mul", "mean mask", "masked"),
            node("Sub", "k masked", "centred"),
            node("Mul", "centred centred", "squares"),
            node("ReduceMean", "squares axes", "power"),
            node("Mul", "power mask", "variance"),
            node("Add", "variance epsilon", "shifted"),
            node("Sqrt", "shifted", "deviation"),
            node("Div", "centred deviation", "n"),
            *last,
        ],
        {
            **constants, "axes": np.array([2, 3]), "mask": mask, "slope": mask.reshape(8, 1, 1),
            "epsilon": np.where(mask == 0, 1, epsilon),
        },
    )  # fmt: skip
    return parent, graph


def test_a_norm_that_is_written_in_parts_is_sound(tmp_path):
    parent, graph = norm_in_parts()
    assert blamed(tmp_path, graph, parent)[1] == "rounding"


@pytest.mark.parametrize(
    ("constant", "op"), [("w1", "a"), ("b1", "a"), ("mask", "masked"), ("epsilon", "shifted"), ("w3", "c")]
)
def test_a_fault_within_a_norm_that_the_parent_has_whole_is_placed(tmp_path, constant, op):
    parent, graph = norm_in_parts(epsilon=0.1)
    for step in parent.nodes:
        if step.op_type == "InstanceNormalization":
            step.attribute.append(onnx.helper.make_attribute("epsilon", 0.1))
    spoiled = np.asarray(graph.constants[constant], np.float32) * np.float32(1.5)
    assert blamed(tmp_path, graph, parent, **{constant: spoiled}) == (op, "leaves")


def test_rounding_is_called_rounding_and_placed_where_it_moves_the_output_most(tmp_path):
    result = found(tmp_path, CHAIN, CHAIN, 20, w2=rounded(CHAIN.constants["w2"], 60))
    assert result is not None
    assert (result.op.name, result.kind) == ("b", "rounding")
    assert 20 < result.own_db < 60


def test_nothing_is_blamed_where_nothing_is_lost(tmp_path):
    assert found(tmp_path, CHAIN, CHAIN) is None


def test_a_silent_relu_and_a_difference_that_cancels_are_not_blamed_for_a_loss_elsewhere(tmp_path):
    """Both have an SNR of minus infinity or nearly so, and move nothing."""
    net = Net(
        [
            node("Conv", "x w1 low", "a", pads=[1, 1, 1, 1]),
            node("Clip", "a zero", "dead"),
            node("Conv", "x w2 b2", "b"),
            node("Sub", "b near", "s"),
            node("Add", "s dead", "sum"),
            node("Conv", "sum w3 b3", "c"),
            node("Sigmoid", "c", "y"),
        ],
        {
            **CHAIN.constants,
            "low": np.full(8, -50.0),
            "zero": np.float32(0),
            "w2": normal(8, 3, 1, 1),
            "near": np.float32(0),
        },
    )
    spoiled = rounded(net.constants["w3"], 3)
    assert blamed(tmp_path, net, net, 20, zero=np.float32(1e-6), w3=spoiled)[0] == "c"


def test_factors_that_the_model_records_are_no_loss(tmp_path):
    factors = np.geomspace(1, 30, 8).astype(np.float32)
    steps = trace(CHAIN.save(tmp_path / "parent.onnx"), IMAGE)
    w1, b1 = (CHAIN.constants[name] * factors.reshape(-1, *[1] * n) for name, n in (("w1", 3), ("b1", 0)))
    even = {"w1": w1, "b1": b1, "w2": CHAIN.constants["w2"] / factors[:, None, None]}
    graph = open_graph(CHAIN.save(tmp_path / "graph.onnx", **even, w3=-CHAIN.constants["w3"]))
    graph.factors = {"a": factors, "r": factors}
    result = diverge(graph, steps, IMAGE, 20)
    assert result is not None
    assert (result.op.name, result.kind) == ("c", "leaves")


@pytest.mark.parametrize("factor", [3, -1])
def test_one_faint_channel_is_told_from_rounding(tmp_path, factor):
    w1 = at(CHAIN.constants["w1"], 5, 0.1 * CHAIN.constants["w1"][5])
    net = Net(CHAIN.nodes, {**CHAIN.constants, "w1": w1, "b1": np.zeros(8)})
    spoiled = at(rounded(w1, 120), 5, factor * w1[5])
    result = found(tmp_path, net, net, 20, w1=spoiled)
    assert result is not None
    assert (result.op.name, result.kind, result.channel) == ("a", "leaves", 5)
    assert result.own_db > 20


def test_the_first_of_two_faults_is_named(tmp_path):
    changes = {"w1": CHAIN.constants["w1"][:, ::-1].copy(), "w3": -CHAIN.constants["w3"]}
    assert blamed(tmp_path, CHAIN, CHAIN, **changes) == ("a", "leaves")
