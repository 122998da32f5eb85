"""Weights in int8: what compensated rounding promises, and what the runtime makes of the result."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.errors import ExportError
from converters.runtimes.litert import interpreter
from converters.tflite import builder as fb
from converters.tflite import rounding
from converters.tflite.convert import convert
from converters.tflite.int8.ranges import collect, convolutions
from converters.tflite.weights import int8_weights
from tests.graphs import model, node


def covariance(rng, size, rank):
    """Of neighbouring pixels: they are alike."""
    factors = rng.standard_normal((size, rank)) + 2 * rng.standard_normal((1, rank))
    return factors @ factors.T / rank + 1e-3 * np.eye(size)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6), size=st.integers(2, 70))
def test_integers_are_in_range_and_representable_weights_stay(seed, rows, size):
    rng = np.random.default_rng(seed)
    exact = rng.integers(-127, 128, (rows, size)).astype(np.float64)
    scale = rng.uniform(0.01, 2, rows)
    found = rounding.compensated(exact * scale[:, None], covariance(rng, size, size), scale)
    np.testing.assert_array_equal(found, exact)
    found = rounding.compensated(rng.standard_normal((rows, size)) * 9, covariance(rng, size, size), scale)
    assert (np.abs(found) <= 127).all()
    assert (found == np.rint(found)).all()


@pytest.mark.parametrize("size", [9, 64, 150])
def test_compensation_changes_the_output_less_than_nearest_rounding(size):
    rng = np.random.default_rng(size)
    for _ in range(5):
        spread = covariance(rng, size, 2 * size)
        weights = rng.standard_normal((8, size))
        scale = np.abs(weights).max(axis=1) / 7
        nearest = np.rint(weights / scale[:, None])
        found = rounding.compensated(weights, spread, scale)
        errors = [rounding.output_error(weights - q * scale[:, None], spread).sum() for q in (found, nearest)]
        assert errors[0] < 0.8 * errors[1]


def test_depthwise_channels_are_each_compensated_by_their_own_data():
    rng = np.random.default_rng(1)
    spreads = np.stack([covariance(rng, 9, 20) for _ in range(5)])
    weights = rng.standard_normal((5, 9))
    scale = np.abs(weights).max(axis=1) / 30
    together = rounding.compensated(weights, spreads, scale)
    # The order of columns is common to all channels; within one it is the same as by itself with that order.
    errors = rounding.output_error(weights - together * scale[:, None], spreads)
    nearest = rounding.output_error(weights - np.rint(weights / scale[:, None]) * scale[:, None], spreads)
    assert errors.sum() < nearest.sum()


def small_network(rng, scale=1.0):
    """A convolution, a depthwise one and a pointwise one, all of them larger than what stays float."""
    constants = {
        "w1": rng.standard_normal((24, 3, 3, 3)) * scale,
        "b1": rng.standard_normal(24),
        "w2": rng.standard_normal((24, 1, 3, 3)),
        "b2": rng.standard_normal(24),
        "w3": rng.standard_normal((16, 24, 1, 1)),
        "b3": rng.standard_normal(16),
    }
    return model(
        [
            node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
            node("Relu", "a", "r"),
            node("Conv", "r w2 b2", "d", pads=[1, 1, 1, 1], group=24),
            node("Conv", "d w3 b3", "y"),
        ],
        inputs={"x": [1, 3, 20, 28]},
        outputs=["y"],
        constants=constants,
    )


def tflite(proto):
    return convert(ir.from_proto(proto))


def smooth(rng, count=6):
    """Images whose neighbouring pixels are alike."""
    coarse = rng.uniform(0, 1, (count, 6, 8, 3)).astype(np.float32)
    return [np.kron(image, np.ones((4, 4, 1), np.float32))[None, :20, :28] for image in coarse]


def run(data, image):
    loaded, _ = interpreter(data, 1)
    loaded.set_tensor(loaded.get_input_details()[0]["index"], image)
    loaded.invoke()
    return loaded.get_tensor(loaded.get_output_details()[0]["index"])


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


def test_moments_are_those_of_the_patches():
    """Against the convolution itself: its mean and power over all positions follow from them."""
    rng = np.random.default_rng(5)
    data = tflite(small_network(rng))
    image = smooth(rng, 1)[0]
    graph = fb.read(data)
    moments = collect(data, [image])
    loaded, _ = interpreter(data, 1, xnnpack=False, preserve=True)
    loaded.set_tensor(loaded.get_input_details()[0]["index"], image)
    loaded.invoke()
    for item in convolutions(graph):
        output = loaded.get_tensor(item.op.outputs[0]).reshape(-1, item.rows.shape[0])
        found = moments[item.index]
        mean = (item.rows * found.mean).sum(axis=1) + item.bias
        if item.op.builtinOptions.fusedActivationFunction:
            continue
        np.testing.assert_allclose(mean, output.mean(axis=0), rtol=1e-4, atol=1e-4)
        power = rounding.output_error(item.rows.astype(np.float64), found.second)
        np.testing.assert_allclose(power, np.square(output - item.bias).mean(axis=0), rtol=1e-3)


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
