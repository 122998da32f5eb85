"""Smaller weights: what the runtime makes of the result."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converters.errors import ExportError
from converters.tflite import builder as fb
from converters.tflite.convert import convert
from converters.tflite.convolutions import convolutions
from converters.tflite.moments import collect
from converters.tflite.weights import PRECISION_KEY, fp16_weights, int8_weights
from tests.converters.lowered import interpreter
from tests.converters.tflite.networks import operators, run, small_network, smooth, tflite
from tests.graphs import model, node


@pytest.mark.parametrize("arithmetic", ["float", "dynamic"])
def test_runtime_gives_nearly_the_same_with_weights_of_a_quarter(arithmetic):
    rng = np.random.default_rng(0)
    data = tflite(small_network(rng))
    moments = collect(data, smooth(rng))
    (image,) = smooth(rng, 1)
    small = int8_weights(data, moments, arithmetic, keep_small=False)
    expected, found = run(data, image), run(small, image)
    assert np.abs(found - expected).max() < (0.02 if arithmetic == "float" else 0.05) * np.abs(expected).max()
    types = [tensor.type for tensor in fb.read(small).subgraphs[0].tensors if len(tensor.shape) == 4]
    assert types.count(fb.TensorType.INT8) == 3


def test_compensation_and_small_floats_each_help():
    """The ablation, on images that calibration has not seen."""
    rng = np.random.default_rng(3)
    data = tflite(small_network(rng))
    moments = collect(data, smooth(rng, 12))
    images = smooth(rng, 4)

    def error(**switches):
        small = int8_weights(data, moments, **switches)
        return np.mean([np.square(run(small, image) - run(data, image)).mean() for image in images])

    assert error(keep_small=False) < 0.5 * error(compensate=False, keep_small=False)


def test_constant_input_and_zero_weights_are_no_problem():
    rng = np.random.default_rng(7)
    data = tflite(small_network(rng, scale=0.0))
    small = int8_weights(data, collect(data, [np.full((1, 20, 28, 3), 0.5, np.float32)]), keep_small=False)
    image = smooth(rng, 1)[0]
    np.testing.assert_allclose(run(small, image), run(data, image), atol=0.3)


def test_weight_that_is_not_finite_is_refused():
    rng = np.random.default_rng(9)
    data = fb.read(tflite(small_network(rng)))
    item = convolutions(data)[2]
    broken = item.weight.copy()
    broken.flat[3] = np.nan
    data.buffers[data.subgraphs[0].tensors[item.op.inputs[1]].buffer].data = broken.reshape(-1).view(np.uint8)
    with pytest.raises(ExportError, match="is not finite"):
        int8_weights(fb.write(data), {}, keep_small=False)


def test_result_is_the_same_again():
    rng = np.random.default_rng(11)
    data = tflite(small_network(rng))
    images = smooth(rng)
    assert int8_weights(data, collect(data, images)) == int8_weights(data, collect(data, images))


class TestFp16Weights:
    def test_halves_the_file_and_keeps_the_graph(self, flatbuffer):
        half = fp16_weights(flatbuffer)
        assert len(half) < 0.53 * len(flatbuffer)
        names = [operators(data) for data in (flatbuffer, half)]
        assert [name for name in names[1] if name != "DEQUANTIZE"] == names[0]

    def test_keeps_small_weights_exactly(self):
        proto = model(
            [node("Conv", "x w", "y")],
            inputs={"x": [1, 3, 4, 4]},
            outputs=["y"],
            constants={"w": np.random.default_rng(0).random((4, 3, 1, 1), np.float32)},
        )
        fp32 = convert(ir.from_proto(proto))
        image = np.ones((1, 4, 4, 3), np.float32)
        one, other = (interpreter(m).get_signature_runner()(x=image)["y"] for m in (fp32, fp16_weights(fp32)))
        np.testing.assert_array_equal(one, other)

    def test_refuses_a_weight_beyond_fp16(self):
        proto = model(
            [node("Conv", "x w", "y")],
            inputs={"x": [1, 200, 2, 2]},
            outputs=["y"],
            constants={"w": np.full((100, 200, 1, 1), 1e6, np.float32)},
        )
        with pytest.raises(ExportError, match="65504"):
            fp16_weights(convert(ir.from_proto(proto)))


@pytest.mark.long
def test_a_file_asks_for_fp16_arithmetic_as_tensorflows_do():
    tensorflow = pytest.importorskip("tensorflow")
    spec = tensorflow.TensorSpec([1, 4], tensorflow.float32)
    function = tensorflow.function(tensorflow.nn.relu, input_signature=[spec]).get_concrete_function()
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tensorflow.float16]
    converter.target_spec._experimental_supported_accumulation_type = tensorflow.dtypes.float16
    theirs = fb.read_metadata(fb.read(converter.convert()), PRECISION_KEY)
    data = tflite(small_network(np.random.default_rng(0)))
    assert theirs is not None
    assert fb.read_metadata(fb.read(fp16_weights(data, cpu_fp16=True)), PRECISION_KEY) == theirs
    assert fb.read_metadata(fb.read(fp16_weights(data)), PRECISION_KEY) is None
