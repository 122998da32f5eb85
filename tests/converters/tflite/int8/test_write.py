"""int8 arithmetic in part of a graph: what is exact stays exact, and what is rounded is rounded as promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from converters.diagnose.inspection import inspect
from converters.errors import ExportError
from converters.tflite import builder as fb
from converters.tflite.int8.write import mixed
from converters.tflite.interpreter import interpreter
from converters.tflite.rounding import Rounding
from tests.converters.tflite.int8.prepared import Prepared
from tests.converters.tflite.networks import operators, run, smooth, tflite
from tests.graphs import model, node


def test_nothing_chosen_is_the_float_graph(prepared):
    data = prepared.build({})
    (image, *_) = prepared.images
    assert "QUANTIZE" not in operators(data)
    assert np.abs(run(data, image) - run(prepared.data, image)).mean() < 0.02  # of its weights


def test_everything_chosen_leaves_no_float_convolution(prepared):
    found = fb.read(prepared.build(prepared.scales))
    (graph,) = found.subgraphs
    kinds = {
        graph.tensors[op.inputs[0]].type
        for op in graph.operators
        if fb.op_name(found, op) in ("CONV_2D", "DEPTHWISE_CONV_2D") and graph.tensors[op.outputs[0]].shape[1] > 1
    }
    assert kinds == {fb.TensorType.INT8}
    # The norms' statistics have no int8 form here.
    sqrt = next(op for op in graph.operators if fb.op_name(found, op) == "SQRT")
    assert graph.tensors[sqrt.inputs[0]].type == fb.TensorType.FLOAT32


def test_the_small_network_in_int8_is_near_the_float_one(small):
    rng = np.random.default_rng(7)
    (image,) = smooth(rng, 1)
    data = small.build(small.scales)
    expected = run(small.data, image)
    assert np.abs(run(data, image) - expected).mean() < 0.02 * np.abs(expected).mean()
    assert operators(data).count("QUANTIZE") == 1
    assert operators(data).count("DEQUANTIZE") == 1


def test_two_runs_give_the_same_bytes(small):
    assert small.build(small.scales) == small.build(small.scales)


def test_bytes_in_and_out_are_those_of_the_contract(prepared):
    loaded, _ = interpreter(prepared.build(prepared.scales, ports=True), 1)
    for port in (loaded.get_input_details()[0], loaded.get_output_details()[0]):
        assert np.dtype(port["dtype"]) == np.uint8
        assert port["quantization"] == (pytest.approx(1 / 255), 0)
    signature = loaded.get_signature_list()["serving_default"]
    assert (signature["inputs"], signature["outputs"]) == (["image"], ["matte"])
    assert [loaded.get_input_details()[0]["name"], loaded.get_output_details()[0]["name"]] == ["image", "matte"]
    runner = loaded.get_signature_runner("serving_default")
    matte = runner(image=np.rint(prepared.images[0] * 255).astype(np.uint8))["matte"]
    assert matte.dtype == np.uint8
    assert matte.min() < matte.max()


def test_xnnpack_runs_all_of_it(prepared, tmp_path):
    """No op is left to reference kernels."""
    for chosen in (prepared.scales, dict(list(prepared.scales.items())[::2])):
        path = tmp_path / "model.tflite"
        path.write_bytes(prepared.build(chosen, ports=True))
        report = inspect(path)
        assert (report.delegated_ops, report.partitions) == (sum(report.ops.values()), 1)


def joined(rng):
    """A map that is read with its own scale, and joined to another one with that one's."""
    constants = {
        "w1": rng.standard_normal((24, 3, 3, 3)),
        "b1": rng.standard_normal(24),
        "w2": rng.standard_normal((24, 24, 3, 3)) * 3,
        "b2": rng.standard_normal(24),
        "w3": rng.standard_normal((8, 48, 1, 1)),
        "b3": rng.standard_normal(8),
    }
    nodes = [
        node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1]),
        node("Conv", "a w2 b2", "b", pads=[1, 1, 1, 1]),
        node("Concat", "a b", "c", axis=1),
        node("Conv", "c w3 b3", "y"),
    ]
    return model(nodes, inputs={"x": [1, 3, 20, 28]}, outputs=["y"], constants=constants)


@pytest.mark.parametrize(("finer", "unpacked"), [(1, 1), (1e-3, 2)])
def test_an_int8_map_that_is_needed_with_another_scale_is_not_unpacked(tmp_path, finer, unpacked):
    """Unless the scales are too far apart for XNNPACK's QUANTIZE."""
    rng = np.random.default_rng(0)
    found = Prepared(tflite(joined(rng)), smooth(rng))
    index = found.graph.names.index("CONCATENATION")
    first, _ = found.graph.inputs(index)
    assert found.scales[first] != found.scales[found.graph.output(index)]
    found.scales[first] = replace(found.scales[first], scale=found.scales[first].scale * finer)
    data = found.build(found.scales)
    assert (operators(data).count("QUANTIZE"), operators(data).count("DEQUANTIZE")) == (2, unpacked)
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    report = inspect(path)
    assert (report.delegated_ops, report.partitions) == (sum(report.ops.values()), 1)
    if finer == 1:
        (image,) = smooth(np.random.default_rng(7), 1)
        expected = run(found.data, image)
        assert np.abs(run(data, image) - expected).mean() < 0.02 * np.abs(expected).mean()


def test_weights_that_are_not_finite_are_refused(small):
    found = fb.read(small.data)
    (graph,) = found.subgraphs
    weight = next(op.inputs[1] for op in graph.operators if fb.op_name(found, op) == "CONV_2D")
    values = fb.constant(found, graph.tensors[weight]).copy()
    values.flat[0] = np.nan
    found.buffers[graph.tensors[weight].buffer].data = values.reshape(-1).view(np.uint8)
    with pytest.raises(ExportError, match="is not finite"):
        mixed(fb.write(found), Rounding({}), small.scales, bytes_in_and_out=False)
