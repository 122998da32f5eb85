"""The float graph that int16 is written from: the same function, in operators with int16 kernels."""

from __future__ import annotations

import numpy as np
import pytest

from converters.tflite import builder as fb
from converters.tflite.int8.graph import Graph
from converters.tflite.int8.ranges import observe
from converters.tflite.int16.form import for_int16
from tests.converters.tflite.int16.prepared import in_int16
from tests.converters.tflite.networks import operators, run, tflite
from tests.graphs import model, node


def test_the_function_stays_and_every_op_has_an_int16_kernel(modnet_fp32, network, images):
    data, _ = network
    for image in images:
        assert np.abs(run(data, image) - run(modnet_fp32, image)).max() < 1e-4
    before, after = operators(modnet_fp32), operators(data)
    assert {"SQRT", "DIV"} & set(after) == set()
    assert after.count("RSQRT") == before.count("SQRT") > 10
    assert after.count("MEAN") < before.count("MEAN")


def test_the_table_of_roots_spans_nothing_but_variances_and_these_are_alike(network, images):
    """What is not normalised has a constant in place of a variance: behind the root, it takes none of its steps."""
    data, _ = network
    graph = Graph(fb.read(data))
    roots = [index for index, name in enumerate(graph.names) if name == "RSQRT"]
    spreads = observe(data, [graph.inputs(index)[0] for index in roots], images)
    uneven = []
    for index in roots:
        (variance,) = graph.inputs(index)
        (reader,) = graph.readers[graph.output(index)]
        kept = fb.constant(graph.model, graph.model.subgraphs[0].tensors[int(graph.ops[reader].inputs[1])])
        largest = spreads[variance].high[kept.reshape(-1) == 1]
        uneven.append(largest.max() / np.median(largest))
    # The first norm reads a sum of 25 slices of a convolution, whose channels are not scaled.
    assert max(uneven[1:]) < 1.01
    assert uneven[0] < 5


@pytest.mark.parametrize(("side", "means"), [(256, 1), (288, 2)])
def test_a_mean_of_more_than_int32_can_add_up_is_taken_axis_by_axis(side, means):
    """LiteRT's sum of int16 overflows: at 288x288 it made a negative number of these ones."""
    nodes = [node("ReduceMean", "x axes", "y", keepdims=1)]
    constants = {"axes": np.array([2, 3])}
    data = for_int16(tflite(model(nodes, inputs={"x": [1, 1, side, side]}, outputs=["y"], constants=constants)))
    assert operators(data).count("MEAN") == means
    image = np.ones((1, side, side, 1), np.float32)
    made = in_int16(data, [image], margin=1.0)
    assert np.abs(run(made, image) - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        pytest.param([node("Sqrt", "x", "s"), node("Reciprocal", "s", "y")], ["RSQRT"], id="an inverse root"),
        pytest.param([node("Sqrt", "x", "s"), node("Div", "two s", "y")], ["SQRT", "DIV"], id="another numerator"),
        pytest.param(
            [node("ReduceMean", "x axes", "y", keepdims=1)], ["MEAN"], id="a mean over both axes, one after the other"
        ),
    ],
)
def test_what_is_rewritten_computes_the_same(nodes, wanted):
    constants = {"two": np.float32(2), "axes": np.array([2, 3])}
    data = tflite(model(nodes, inputs={"x": [1, 3, 8, 12]}, outputs=["y"], constants=constants))
    image = np.random.default_rng(0).uniform(0.5, 2, (1, 8, 12, 3)).astype(np.float32)
    made = for_int16(data)
    assert operators(made) == wanted
    assert np.allclose(run(made, image), run(data, image), rtol=1e-5)
