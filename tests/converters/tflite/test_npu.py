"""What the compiler plugins of NPUs take of a TFLite file, and what they add to it."""

from __future__ import annotations

import numpy as np
import pytest

from converters.tflite import builder as fb
from converters.tflite.moments import collect
from converters.tflite.placement import MEDIATEK, QUALCOMM, estimate
from converters.tflite.placement.accelerator import independent_sets
from converters.tflite.placement.graph import read
from converters.tflite.placement.npu import in_order
from converters.tflite.weights import fp16_weights, int8_weights
from tests.converters.tflite.networks import tflite
from tests.graphs import model, node

RNG = np.random.default_rng(0)
CONSTANTS = {"large": RNG.standard_normal((256, 8, 3, 3)), "rows": RNG.standard_normal((256, 1, 3, 3))}


def graph(*nodes, outputs=("y",)):
    return tflite(model(list(nodes), inputs={"x": [1, 8, 16, 16]}, outputs=list(outputs), constants=CONSTANTS))


CONVOLUTIONS = graph(node("Conv", "x large", "c"), node("Relu", "c", "r"), node("Conv", "r rows", "y", group=256))


def as_int8(arithmetic):
    images = [np.zeros((1, 16, 16, 8), np.float32)] * 2
    return int8_weights(CONVOLUTIONS, collect(CONVOLUTIONS, images), arithmetic, keep_small=False)


@pytest.mark.parametrize(
    ("data", "added"),
    [
        pytest.param(CONVOLUTIONS, {"TRANSPOSE": 1, "activation": 1}, id="fp32"),
        pytest.param(fp16_weights(CONVOLUTIONS), {"CAST": 1, "TRANSPOSE": 1, "activation": 1}, id="fp16"),
        pytest.param(as_int8("float"), {"DEQUANTIZE": 2, "TRANSPOSE": 1, "activation": 1, "RESHAPE": 1}, id="int8"),
        pytest.param(as_int8("dynamic"), {"activation": 1}, id="stored as QNN wants it"),
    ],
)
def test_qualcomms_plugin_adds_what_its_builders_add(data, added):
    found = estimate(data, QUALCOMM)
    assert (found.possible, found.partitions, found.added) == (found.ops, 1, added)
    assert found.launches == 2 + sum(added.values())
    assert all(f"{count} added: {what}" in str(found) for what, count in added.items())


def test_an_op_that_mediatek_has_not_splits_the_graph_and_is_named():
    found = estimate(graph(node("Abs", "x", "a"), node("Neg", "a", "n"), node("Sqrt", "n", "y")), MEDIATEK)
    (reason,) = found.excluded
    assert (found.possible, found.ops, found.partitions) == (2, 3, 2)
    assert reason.startswith("no NEG (google-ai-edge/LiteRT, litert/vendors/mediatek/compiler/compiler_plugin.cc")


@pytest.mark.parametrize("kind", [fb.TensorType.INT16, fb.TensorType.INT8, fb.TensorType.BFLOAT16])
def test_a_type_that_mediatek_has_not_is_named(kind):
    builder = fb.Builder(fb.read(graph(node("Abs", "x", "a"), node("Sqrt", "a", "y"))))
    builder.tensor(int(builder.graph.operators[0].outputs[0])).type = kind
    found = estimate(builder.write(), MEDIATEK)
    assert found.possible == 0
    assert "neuron_utils.cc" in next(iter(found.excluded))


def test_plugins_take_runs_of_ops_as_the_file_has_them():
    """Where TFLite itself would gather both ways around an op into one part."""
    data = graph(node("Abs", "x", "a"), node("Neg", "x", "n"), node("Sqrt", "a", "s"), outputs=("n", "s"))
    found = read(data)
    taken = [op.name != "NEG" for op in found.ops]
    assert [len(part) for part in in_order(found, taken)] == [1, 1]
    assert [len(part) for part in independent_sets(found, taken)] == [2]


@pytest.mark.parametrize("accelerator", [QUALCOMM, MEDIATEK], ids=lambda item: item.key)
def test_the_portrait_network_written_for_cpus_is_taken_whole(modnet_fp32, accelerator):
    for data in (modnet_fp32, fp16_weights(modnet_fp32)):
        found = estimate(data, accelerator)
        assert (found.possible, found.partitions) == (found.ops, 1)


def test_mediatek_has_no_square_which_norms_for_gpus_have(dist):
    found = estimate((dist / "modnet_fp16.tflite").read_bytes(), MEDIATEK)
    assert [reason.split(" (")[0] for reason in found.excluded] == ["no SQUARE"]
    assert found.partitions == 1 + found.excluded.popitem()[1]
