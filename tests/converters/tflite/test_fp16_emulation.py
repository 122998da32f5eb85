"""fp16 arithmetic, emulated: against scalar loops in NumPy's float16, and against LiteRT where nothing is added up."""

from __future__ import annotations

import numpy as np
import pytest

from converters.errors import ExportError
from converters.tflite.fp16_emulation import emulated
from converters.tflite.fp16_safety import round_activations
from converters.tflite.weights import fp16_weights
from tests.converters.tflite.networks import run, small_network, smooth, tflite
from tests.converters.tflite.test_fp16_safety import sum_of_ones
from tests.graphs import model, node

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("group", [1, 4], ids=["dense", "depthwise"])
@pytest.mark.parametrize("strides", [[1, 1], [2, 1]], ids=str)
def test_a_convolution_adds_term_by_term_in_fp16(group, strides):
    weight = RNG.standard_normal((4, 4 // group, 3, 3)).astype(np.float32)
    bias = RNG.standard_normal(4).astype(np.float32)
    graph = model(
        [node("Conv", "x w b", "c", pads=[1, 1, 1, 1], strides=strides, group=group), node("Relu", "c", "y")],
        inputs={"x": [1, 4, 5, 5]},
        outputs=["y"],
        constants={"w": weight, "b": bias},
    )
    image = RNG.uniform(0, 1, (1, 5, 5, 4)).astype(np.float32)
    found = emulated(tflite(graph))(image)[0]
    padded = np.pad(image[0].astype(np.float16), [(1, 1), (1, 1), (0, 0)])
    for row, column, output in np.ndindex(found.shape):
        total = np.float16(0)
        for y, x, c in np.ndindex(3, 3, 4 // group):
            value = padded[row * strides[0] + y, column * strides[1] + x, c if group == 1 else output]
            total = np.float16(float(total) + float(value) * float(np.float16(weight[output, c, y, x])))
        assert found[row, column, output] == max(np.float16(float(total) + float(np.float16(bias[output]))), 0)


def test_a_long_sum_stops_growing():
    assert (emulated(sum_of_ones(4096))(np.ones((1, 6, 6, 4096), np.float32)) == 2048).all()


def test_a_wide_sum_does_not():
    ones = np.ones((1, 6, 6, 4096), np.float32)
    assert (emulated(sum_of_ones(4096), wide_sums=True)(ones) == 4096).all()


def test_other_ops_are_the_runtimes_own_rounded():
    graph = model(
        [
            node("Sub", "x half", "s"),
            node("Sigmoid", "s", "g"),
            node("ReduceMean", "g axes", "m"),
            node("Mul", "g m", "p"),
            node("Concat", "p x", "y", axis=1),
        ],
        inputs={"x": [1, 3, 20, 28]},
        outputs=["y"],
        constants={"half": np.float32(0.5), "axes": np.array([2, 3])},
    )
    (image,) = smooth(RNG, 1)
    np.testing.assert_array_equal(emulated(tflite(graph))(image), run(round_activations(tflite(graph)), image))


def test_weights_in_fp16_are_unpacked_and_the_whole_stays_near():
    data = fp16_weights(tflite(small_network(np.random.default_rng(0))))
    (image,) = smooth(RNG, 1)
    expected = run(data, image)
    found = emulated(data)(image)
    assert 0 < np.abs(found - expected).max() < 2e-2 * np.abs(expected).max()


def test_a_grouped_convolution_is_refused():
    graph = model(
        [node("Conv", "x w", "y", group=2)],
        inputs={"x": [1, 4, 5, 5]},
        outputs=["y"],
        constants={"w": RNG.standard_normal((4, 2, 3, 3)).astype(np.float32)},
    )
    with pytest.raises(ExportError, match="grouped"):
        emulated(tflite(graph))
