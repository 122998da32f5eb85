from __future__ import annotations

import numpy as np

from converters.tflite import builder as fb
from converters.tflite import rounding
from converters.tflite.convolutions import convolutions
from converters.tflite.interpreter import interpreter
from converters.tflite.moments import collect
from tests.converters.tflite.networks import small_network, smooth, tflite


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
