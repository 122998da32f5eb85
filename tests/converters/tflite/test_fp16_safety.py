from __future__ import annotations

import numpy as np
import pytest

from converters.tflite.fp16_safety import FP16_MAX, magnitudes, round_activations
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


def test_the_largest_numbers_are_those_of_elements_and_of_sums():
    proto = model(
        [node("Mul", "x factor", "scaled"), node("ReduceMean", "scaled axes", "y", keepdims=1)],
        inputs={"x": [1, 1, 20, 28]},
        outputs=["y"],
        constants={"factor": np.float32(2000), "axes": np.array([2, 3])},
    )
    image = np.ones((1, 20, 28, 1), np.float32)
    found = {(item.op, item.what): item.largest for item in magnitudes(tflite(proto), [image, -2 * image])}
    assert found["MUL", "element"] == pytest.approx(4000)
    assert found["MEAN", "element"] == pytest.approx(4000)
    assert found["MEAN", "sum"] == pytest.approx(4000 * 20)  # of the second MEAN: over the height
    assert found["MEAN", "sum"] > FP16_MAX
