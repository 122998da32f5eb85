from __future__ import annotations

import numpy as np
import pytest

from converters.tflite.fp16_safety import FP16_MAX, numbers, round_activations
from tests.converters.tflite.networks import operators, run, small_network, smooth, tflite
from tests.graphs import model, node


def test_every_activation_and_the_input_is_rounded_to_fp16():
    data = tflite(small_network(np.random.default_rng(0)))
    (image,) = smooth(np.random.default_rng(1), 1)
    rounded = round_activations(data)
    found, names = run(rounded, image), operators(rounded)
    assert names.count("CAST") == 2 * (1 + len(operators(data)))
    np.testing.assert_array_equal(found, found.astype(np.float16))
    np.testing.assert_allclose(found, run(data, image), rtol=2e-2, atol=2e-2 * np.abs(found).max())


def scaled_mean(factor=2000.0):
    return model(
        [node("Mul", "x factor", "scaled"), node("ReduceMean", "scaled axes", "y", keepdims=1)],
        inputs={"x": [1, 1, 20, 28]},
        outputs=["y"],
        constants={"factor": np.float32(factor), "axes": np.array([2, 3])},
    )


def test_the_largest_numbers_are_those_of_elements_not_of_what_a_mean_adds_up():
    """20 x 28 numbers of 4000 have a sum beyond fp16, which a GPU adds up in fp32."""
    image = np.ones((1, 20, 28, 1), np.float32)
    found = numbers(tflite(scaled_mean()), [image, -2 * image]).magnitudes
    assert {item.what for item in found} == {"element"}
    assert {item.op: item.largest for item in found} == {"MUL": 4000, "MEAN": 4000}


def convolution(weight, **attributes):
    outputs, inputs = weight.shape[0], weight.shape[1] * attributes.get("group", 1)
    return tflite(
        model(
            [node("Conv", "x w", "y", **attributes)],
            inputs={"x": [1, inputs, 6, 6]},
            outputs=["y"],
            constants={"w": weight.reshape(outputs, -1, *weight.shape[2:])},
        )
    )


def sum_of_ones(terms):
    """One output channel, ``terms`` products of 1."""
    return convolution(np.ones((1, terms, 1, 1), np.float32))


@pytest.mark.parametrize(
    ("terms", "relative"),
    [
        pytest.param(2048, 0, id="all whole numbers up to 2048 are numbers of fp16"),
        pytest.param(4096, 0.5, id="2048 + 1 is 2048 there"),
    ],
)
def test_a_long_sum_stops_growing_in_fp16(terms, relative):
    (found,) = numbers(sum_of_ones(terms), [np.ones((1, 6, 6, terms), np.float32)]).sums
    assert (found.op, found.terms) == ("CONV_2D", terms)
    assert found.relative == pytest.approx(relative)
    assert found.largest == 2048


def test_a_partial_sum_beyond_fp16_is_found_though_the_result_fits():
    weight = np.array([60000.0, 60000.0, -60000.0]).reshape(1, 3, 1, 1).astype(np.float32)
    found = numbers(convolution(weight), [np.ones((1, 6, 6, 3), np.float32)])
    assert {item.what: item.largest > FP16_MAX for item in found.magnitudes} == {"element": False, "sum": True}
    assert found.sums[0].relative == np.inf


@pytest.mark.parametrize("depthwise", [False, True])
def test_what_a_sum_loses_is_what_a_plain_loop_over_its_terms_loses(depthwise):
    rng = np.random.default_rng(5)
    weight = rng.standard_normal((4, 1 if depthwise else 4, 3, 3)).astype(np.float32)
    image = rng.uniform(0.5, 1.5, (1, 6, 6, 4)).astype(np.float32)
    (found,) = numbers(convolution(weight, group=4 if depthwise else 1), [image]).sums
    errors, exacts = [], []
    for row, column, output in np.ndindex(4, 4, 4):
        window = image[0, row : row + 3, column : column + 3].astype(np.float16)
        total, exact = np.float16(0), 0.0
        for y, x, c in np.ndindex(3, 3, 1 if depthwise else 4):
            product = float(window[y, x, output if depthwise else c]) * float(np.float16(weight[output, c, y, x]))
            total, exact = np.float16(float(total) + product), exact + product
        errors.append(float(total) - exact)
        exacts.append(exact)
    assert found.terms == (9 if depthwise else 36)
    assert found.relative == pytest.approx(np.linalg.norm(errors) / np.linalg.norm(exacts), rel=1e-3)
    assert found.relative > 1e-5
