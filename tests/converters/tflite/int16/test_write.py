"""int16 activations with int8 weights: symmetric, whole, near the float graph, and as NPUs' plugins take it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converters.diagnose.inspection import inspect
from converters.errors import ExportError
from converters.onnx.passes import optimise
from converters.tflite import builder as fb
from converters.tflite.convert import convert
from converters.tflite.placement import GPU_DELEGATE, MEDIATEK, QUALCOMM, XNNPACK_FP32, estimate
from converters.tflite.weights import int8_weights
from tests.converters.tflite.int16.prepared import evened, in_int16, tensors
from tests.converters.tflite.networks import operators, run, small_network, smooth, tflite, versions
from tests.graphs import model, node

RNG = np.random.default_rng(0)


def test_the_network_is_as_near_as_its_weights_let_it_be(network, images):
    """int16 itself adds a tenth of what 8-bit weights cost."""
    data, found = network
    weights = int8_weights(data, {}, compensate=False, keep_small=False)
    for image in images:
        cost = np.abs(run(weights, image) - run(data, image)).mean()
        assert np.abs(run(found, image) - run(weights, image)).mean() < max(0.2 * cost, 5e-4)


def test_every_zero_point_is_0_and_only_the_ports_are_floats(network):
    _, data = network
    kinds = fb.TensorType
    found = tensors(data)
    floats = [tensor for tensor, _ in found if tensor.type == kinds.FLOAT32]
    assert [tensor.name for tensor in floats] == [b"image", b"matte"]
    quantized = [tensor for tensor, _ in found if tensor.quantization is not None]
    assert all(not np.any(tensor.quantization.zeroPoint) for tensor in quantized)
    assert {tensor.type for tensor in quantized} == {kinds.INT8, kinds.INT16, kinds.INT64}
    assert operators(data).count("QUANTIZE") == operators(data).count("DEQUANTIZE") == 1


@pytest.mark.parametrize("accelerator", [QUALCOMM, MEDIATEK], ids=lambda item: item.key)
def test_plugins_of_npus_take_all_of_it_in_one_piece(network, accelerator):
    found = estimate(network[1], accelerator)
    assert (found.possible, found.partitions) == (found.ops, 1)
    assert "CAST" not in found.added
    assert "TRANSPOSE" not in found.added


def test_neither_xnnpack_nor_the_older_gpu_delegate_takes_any_of_it(network, tmp_path):
    assert [estimate(network[1], item).possible for item in (XNNPACK_FP32, GPU_DELEGATE)] == [0, 0]
    path = tmp_path / "model.tflite"
    path.write_bytes(network[1])
    assert inspect(path).delegated_ops == 0


def normalised(deviations):
    """A convolution whose first half of channels is normalised, beside as many that are not."""
    count = len(deviations)
    weight = RNG.standard_normal((2 * count, 3, 3, 3))
    weight[:count] *= deviations[:, None, None, None]
    constants = {
        "w": weight, "b": RNG.standard_normal(2 * count), "one": np.ones(count), "zero": np.zeros(count),
        "parts": np.array([count, count]),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("Split", "c parts", "p q", axis=1),
        node("InstanceNormalization", "p one zero", "n"),
        node("BatchNormalization", "q one zero zero one", "m"),
        node("Concat", "n m", "y", axis=1),
    ]
    return model(nodes, inputs={"x": [1, 3, 20, 28]}, outputs=["y"], constants=constants)


def optimised(proto):
    return convert(optimise(ir.from_proto(proto), "cpu"))


@pytest.mark.parametrize("even", [True, False])
def test_channels_of_very_different_variance_survive_the_norm(even):
    """Standard deviations from 0.03 to 100 in one tensor; rounded as the float graph is, the small ones are lost."""
    data, photos = optimised(normalised(np.logspace(-1.5, 2, 8))), smooth(np.random.default_rng(1), 4)
    made = in_int16(evened(data, photos) if even else data, photos)
    assert ("RSQRT" in operators(made)) == even
    expected = run(data, photos[0])
    error = np.sqrt(np.square(run(made, photos[0]) - expected).mean(axis=(0, 1, 2))[:8])
    assert (error.max() < 0.02) == even


@pytest.mark.parametrize(("epsilon", "added"), [(1e-5, 0), (0.5, 1)])
def test_an_epsilon_is_added_where_it_changes_a_step(epsilon, added):
    constants = {"one": np.ones(3), "zero": np.zeros(3), "w": RNG.standard_normal((3, 3, 1, 1)), "b": np.zeros(3)}
    nodes = [node("Conv", "x w b", "c"), node("InstanceNormalization", "c one zero", "y", epsilon=epsilon)]
    data, photos = (
        optimised(model(nodes, inputs={"x": [1, 3, 20, 28]}, outputs=["y"], constants=constants)),
        smooth(RNG),
    )
    made = in_int16(evened(data, photos), photos)
    assert operators(made).count("ADD") == 1 + added  # the convolution is computed in two
    assert np.abs(run(made, photos[0]) - run(data, photos[0])).mean() < 0.01


def test_an_op_without_an_int16_kernel_stays_float_between_those_that_have_one():
    constants = {"w": RNG.standard_normal((4, 3, 1, 1)), "b": np.zeros(4), "v": RNG.standard_normal((2, 4, 1, 1))}
    nodes = [node("Conv", "x w b", "c"), node("Abs", "c", "a"), node("Sub", "a c", "d"), node("Conv", "d v", "y")]
    data = tflite(model(nodes, inputs={"x": [1, 3, 20, 28]}, outputs=["y"], constants=constants))
    (photo, *_) = photos = smooth(np.random.default_rng(2))
    made = in_int16(data, photos)
    assert operators(made)[:5] == ["QUANTIZE", "CONV_2D", "DEQUANTIZE", "ABS", "QUANTIZE"]
    assert np.abs(run(made, photo) - run(data, photo)).max() < 0.02 * np.abs(run(data, photo)).max()


def test_what_a_sigmoid_gives_is_joined_to_a_wider_map():
    """Its int16 kernel has one scale, and a concatenation another."""
    constants = {"w": RNG.standard_normal((3, 3, 1, 1)) * 20, "b": np.zeros(3)}
    nodes = [node("Conv", "x w b", "c"), node("Sigmoid", "c", "s"), node("Concat", "s c", "y", axis=1)]
    data = tflite(model(nodes, inputs={"x": [1, 3, 20, 28]}, outputs=["y"], constants=constants))
    (photo, *_) = photos = smooth(np.random.default_rng(3))
    made = in_int16(data, photos)
    assert operators(made).count("QUANTIZE") == 2
    error, wide = np.abs(run(made, photo) - run(data, photo)), np.abs(run(data, photo)).max()
    assert error[..., :3].max() < 0.05
    assert error[..., 3:].max() < 0.02 * wide


def test_a_bias_beside_tiny_weights_stays_within_int32():
    """MediaTek's plugin refuses others."""
    proto = small_network(np.random.default_rng(0))
    data = tflite(proto)
    builder = fb.Builder(fb.read(data))
    weight = int(builder.graph.operators[-1].inputs[1])
    values = builder.constant(weight).copy()
    values[0] *= 1e-9
    builder.set_constant(weight, values)
    (photo, *_) = photos = smooth(np.random.default_rng(4))
    data = builder.write()
    made = in_int16(data, photos)
    biases = [stored for tensor, stored in tensors(made) if tensor.type == fb.TensorType.INT64]
    assert len(biases) == 3
    assert max(int(np.abs(item).max()) for item in biases) <= 2**31 - 1
    expected = run(data, photo)
    assert np.abs(run(made, photo) - expected)[..., 0].max() < 1e-3 * np.abs(expected).max()


def test_weights_that_are_not_finite_are_refused():
    builder = fb.Builder(fb.read(tflite(small_network(np.random.default_rng(0)))))
    weight = int(builder.graph.operators[-1].inputs[1])
    builder.set_constant(weight, np.full_like(builder.constant(weight), np.nan))
    photos = smooth(np.random.default_rng(0))
    with pytest.raises(ExportError, match="is not finite"):
        in_int16(builder.write(), photos)


def test_operators_have_the_versions_of_int16(network):
    assert {("CONV_2D", 4), ("DEPTHWISE_CONV_2D", 5), ("RSQRT", 3), ("QUANTIZE", 2), ("DEQUANTIZE", 3)} <= versions(
        network[1]
    )
