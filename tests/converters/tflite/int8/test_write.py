"""int8 arithmetic in part of a graph: what is exact stays exact, and what is rounded is rounded as promised."""

from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.inspection import inspect
from converters.errors import ExportError
from converters.tflite import builder as fb
from converters.tflite.int8.write import mixed
from converters.tflite.interpreter import interpreter
from converters.tflite.rounding import Rounding
from tests.converters.tflite.networks import operators, run, smooth


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


def test_weights_that_are_not_finite_are_refused(small):
    found = fb.read(small.data)
    (graph,) = found.subgraphs
    weight = next(op.inputs[1] for op in graph.operators if fb.op_name(found, op) == "CONV_2D")
    values = fb.constant(found, graph.tensors[weight]).copy()
    values.flat[0] = np.nan
    found.buffers[graph.tensors[weight].buffer].data = values.reshape(-1).view(np.uint8)
    with pytest.raises(ExportError, match="is not finite"):
        mixed(fb.write(found), Rounding({}), small.scales, bytes_in_and_out=False)
