"""What accelerators take of a TFLite file: the rules, the partitions, and how a GPU joins ops to kernels."""

from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.inspection import inspect
from converters.tflite import builder as fb
from converters.tflite.moments import collect
from converters.tflite.placement import ACCELERATORS, ML_DRIFT, XNNPACK_FP32, estimate
from converters.tflite.weights import fp16_weights, int8_weights
from tests.converters.tflite.networks import small_network, tflite
from tests.graphs import model, node

RNG = np.random.default_rng(0)
CONSTANTS = {
    "w": RNG.standard_normal((8, 8, 3, 3)),
    "large": RNG.standard_normal((256, 8, 3, 3)),
    "b": RNG.standard_normal(8),
    "shift": RNG.standard_normal((1, 8, 1, 1)),
}


def graph(*nodes, outputs=("y",)):
    return tflite(model(list(nodes), inputs={"x": [1, 8, 16, 16]}, outputs=list(outputs), constants=CONSTANTS))


CONV = node("Conv", "x w b", "c", pads=[1, 1, 1, 1])


@pytest.mark.parametrize(
    ("nodes", "kernels"),
    [
        pytest.param([CONV, node("Sigmoid", "c", "y")], 1, id="an activation after a convolution"),
        pytest.param([CONV, node("Add", "c x", "y")], 1, id="a residual"),
        pytest.param([CONV, node("Sub", "x c", "y")], 2, id="the other operand of a difference"),
        pytest.param(
            [CONV, node("Sigmoid", "c", "s"), node("Mul", "c s", "y")], 1, id="a convolution and its own gate"
        ),
        pytest.param(
            [node("Sqrt", "x", "a"), node("Abs", "x", "b0"), CONV, node("Mul", "a b0", "m"), node("Add", "m c", "y")],
            4,
            id="two ways from the graph's input, which no node makes",
        ),
        pytest.param(
            [CONV, node("Sqrt", "c", "a"), node("Abs", "c", "d"), node("Mul", "a d", "y")], 1, id="two ways that meet"
        ),
        pytest.param([CONV, node("Relu", "c", "r"), node("Mul", "r r", "y")], 2, id="a square"),
        pytest.param([node("Sub", "x shift", "s"), node("Conv", "s w b", "y", pads=[1, 1, 2, 2])], 2, id="a padding"),
    ],
)
def test_a_gpu_joins_what_the_source_joins(nodes, kernels):
    assert estimate(graph(*nodes), ML_DRIFT).launches == kernels


def test_a_tensor_that_the_model_gives_is_written():
    nodes = CONV, node("Sigmoid", "c", "y")
    assert estimate(graph(*nodes, outputs=("c", "y")), ML_DRIFT).launches == 2


def test_bytes_are_those_of_fp16_in_groups_of_four_channels():
    data = tflite(model([node("Abs", "x", "y")], inputs={"x": [1, 3, 16, 16]}, outputs=["y"]))
    assert estimate(data, ML_DRIFT).bytes_moved == 2 * (16 * 16 * 4 * 2)
    assert estimate(data, XNNPACK_FP32).bytes_moved == 2 * (16 * 16 * 3 * 4)


def test_an_op_of_a_newer_version_splits_the_graph_and_is_named():
    builder = fb.Builder(fb.read(graph(CONV, node("Sqrt", "c", "s"), node("Abs", "s", "y"))))
    next(code for code in builder.model.operatorCodes if code.builtinCode == fb.BuiltinOperator.SQRT).version = 3
    found = estimate(builder.write(), ML_DRIFT)
    assert (found.possible, found.ops, found.partitions, found.launches) == (2, 3, 2, 2)
    ((reason, count),) = found.excluded.items()
    assert count == 1
    assert "SQRT of version 3, above 2" in reason
    assert "model_builder.cc" in reason


@pytest.mark.parametrize(("version", "taken"), [(3, True), (5, False)])
def test_weights_that_only_a_newer_version_unpacks_are_named(version, taken):
    builder = fb.Builder(fb.read(fp16_weights(graph(node("Conv", "x large", "y")))))
    code = next(item for item in builder.model.operatorCodes if item.builtinCode == fb.BuiltinOperator.DEQUANTIZE)
    code.version = version
    found = estimate(builder.write(), ML_DRIFT)
    assert (found.possible == found.ops) == taken
    assert taken or "DEQUANTIZE of version 5, above 3" in next(iter(found.excluded))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tflite(small_network(np.random.default_rng(0))), id="taken whole"),
        pytest.param(graph(CONV, node("Transpose", "c", "t", perm=[0, 1, 3, 2]), node("Abs", "t", "y")), id="rows"),
        pytest.param(
            graph(CONV, node("MaxPool", "c", "p", kernel_shape=[1, 1], strides=[2, 2]), node("Abs", "p", "y")),
            id="a pool that leaves pixels out",
        ),
    ],
)
def test_the_estimate_for_xnnpack_is_what_xnnpack_takes(data, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    seen, estimated = inspect(path), estimate(data, XNNPACK_FP32)
    assert (estimated.possible, estimated.partitions) == (seen.delegated_ops, seen.partitions)


def test_weights_with_a_scale_for_each_channel_are_taken():
    """As LiteRT's accelerator was seen to do with int8-weights, int8-mixed and int8 files of the whole network."""
    data = graph(node("Conv", "x large", "c"), node("Abs", "c", "y"))
    images = [np.zeros((1, 16, 16, 8), np.float32)] * 2
    found = estimate(int8_weights(data, collect(data, images), "float"), ML_DRIFT)
    assert (found.possible, found.ops, found.launches) == (2, 2, 1)


def test_every_rule_and_every_list_names_its_source():
    sources = [(item.source, *(rule.source for rule in item.rules)) for item in ACCELERATORS]
    assert all("/" in source and source.count(",") >= 1 for each in sources for source in each)
    assert len({item.key for item in ACCELERATORS}) == len(ACCELERATORS)
