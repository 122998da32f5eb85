from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest

from converters.diagnose.inspection import inspect
from converters.errors import UnsupportedModelError
from converters.onnx.passes import optimise
from converters.tflite import builder as fb
from converters.tflite.convert import convert
from converters.tflite.weights import fp16_weights
from tests.converters.lowered import interpreter, run_in_litert, to_lowered
from tests.converters.tflite.networks import operators
from tests.graphs import feeds, model, node, run


def test_unsupported_ops_attributes_and_types_are_listed_at_once():
    proto = model(
        [
            node("Resize", "x - scales", "cubic", mode="cubic"),
            node("Softplus", "cubic", "soft"),
            node("Celu", "soft", "celu"),
            node("MaxPool", "celu", "pooled", kernel_shape=[2, 2], dilations=[2, 2]),
            node("Relu", "pooled", "y"),
        ],
        inputs={"x": [1, 1, 8, 8]},
        outputs=["y"],
        constants={"scales": np.array([1, 1, 2, 2], np.float32)},
    )
    with pytest.raises(UnsupportedModelError) as missing:
        convert(ir.from_proto(proto))
    assert {(item.op_type, item.node) for item in missing.value.nodes} == {("Softplus", "soft"), ("Celu", "celu")}

    for name in ("soft", "celu"):
        index = next(i for i, item in enumerate(proto.graph.node) if item.name == name)
        proto.graph.node[index].op_type = "Relu"
    with pytest.raises(UnsupportedModelError) as refused:
        convert(ir.from_proto(proto))
    assert [item.node for item in refused.value.nodes] == ["cubic", "pooled"]
    assert "mode=cubic; supported: linear, nearest" in str(refused.value)


def test_dynamic_shape_names_the_value():
    proto = model([node("Relu", "x", "y")], inputs={"x": [1, 3, "height", 8]}, outputs=["y"])
    with pytest.raises(UnsupportedModelError, match="height"):
        convert(ir.from_proto(proto))


def test_computed_weight_is_refused_by_name():
    proto = model(
        [node("Relu", "w", "weight"), node("Conv", "x weight", "y")],
        inputs={"x": [1, 3, 8, 8], "w": [4, 3, 3, 3]},
        outputs=["y"],
    )
    with pytest.raises(UnsupportedModelError, match="input W is computed in the graph"):
        convert(ir.from_proto(proto))


def test_modnet_has_no_transpose_and_activations_are_fused(flatbuffer):
    loaded = fb.read(flatbuffer)
    names = Counter(fb.op_name(loaded, op) for op in loaded.subgraphs[0].operators)
    assert not {"TRANSPOSE", "RESHAPE", "RELU", "RELU6"} & set(names)
    assert names["CONV_2D"] >= 50


def test_xnnpack_runs_all_of_modnet(flatbuffer, tmp_path):
    for name, data in {"fp32": flatbuffer, "fp16": fp16_weights(flatbuffer)}.items():
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(data)
        summary = inspect(path)
        assert summary.delegated_ops == sum(summary.ops.values()) > 100
        assert summary.partitions == 1


def test_ports_keep_their_names(flatbuffer):
    loaded = interpreter(flatbuffer)
    assert loaded.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["matte"]}}
    assert loaded.get_input_details()[0]["name"] == "image"
    assert loaded.get_output_details()[0]["name"] == "matte"


def test_modnet_gives_the_matte_of_its_onnx(flatbuffer, small_onnx):
    image = np.random.default_rng(5).random((1, 3, 96, 128), np.float32)
    found = interpreter(flatbuffer).get_signature_runner()(image=to_lowered(image))["matte"]
    (expected,) = run(small_onnx, {"image": image})
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, atol=1e-4)


@pytest.mark.parametrize("tuning", ["cpu", "gpu"])
def test_tensorflows_converter_agrees_and_writes_no_fewer_ops_of_any_kind(small_onnx, converted, tuning):
    from converters.tflite.tensorflow.convert import convert as through_tensorflow

    theirs = through_tensorflow(optimise(ir.from_proto(small_onnx), tuning))
    ours, wanted = Counter(operators(converted(tuning))), Counter(operators(theirs))
    if (
        tuning == "gpu"
    ):  # norms subtract twice on purpose: a GPU joins each to what follows, and TensorFlow makes one of both
        ours["SUB"] = min(ours["SUB"], wanted["SUB"])
    assert ours <= wanted
    image = np.random.default_rng(6).random((1, 96, 128, 3), np.float32)
    found, expected = (
        interpreter(data).get_signature_runner()(image=image)["matte"] for data in (converted(tuning), theirs)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tuning", ["cpu", "gpu"])
def test_conversion_gives_the_same_bytes_again(small_onnx, converted, tuning):
    assert convert(optimise(ir.from_proto(small_onnx), tuning)) == converted(tuning)


def test_a_network_that_is_not_modnet_converts():
    from tests.graphs import encoder_decoder

    proto = encoder_decoder()
    inputs = feeds(proto)
    for found, expected in zip(run_in_litert(proto, inputs), run(proto, inputs), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
