"""Convolutions of an image that add their bias last: as exact as PyTorch's, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.numpy_helper import to_array

from converters.tflite import builder as fb
from converters.tflite.bias_last import bias_last
from tests.converters.tflite.networks import operators, run, small_network, tflite
from tests.graphs import model, node


def convolution(channels=3, bias=4.0, seed=0):
    """Weights that cancel on flat colour, as a backbone's first ones do, and a bias beside which their sum is small."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((16, channels, 3, 3))
    weights -= weights.mean(axis=(1, 2, 3), keepdims=True)
    return model(
        [node("Conv", "x w b", "c", pads=[1, 1, 1, 1], strides=[2, 2]), node("Relu", "c", "y")],
        inputs={"x": [1, channels, 24, 32]},
        outputs=["y"],
        constants={"w": weights, "b": np.full(16, bias)},
    )


def flat_image(seed):
    colour = np.random.default_rng(seed).uniform(0, 1, 3).astype(np.float32)
    return np.broadcast_to(colour, (1, 24, 32, 3)).copy()


def exactly(proto, image_nhwc):
    """In float64."""
    weights, bias = (torch.from_numpy(to_array(item).copy()).double() for item in proto.graph.initializer)
    image_nchw = torch.from_numpy(image_nhwc.transpose(0, 3, 1, 2)).double()
    found = torch.relu(torch.conv2d(image_nchw, weights, bias, stride=2, padding=1))
    return found.numpy().transpose(0, 2, 3, 1)


def test_sums_of_images_are_more_exact():
    squares = np.zeros(2)
    for seed in range(12):
        proto, image_nhwc = convolution(seed=seed), flat_image(seed=seed)
        before, exact = tflite(proto), exactly(proto, image_nhwc)
        squares += [np.square(run(data, image_nhwc) - exact).sum() for data in (before, bias_last(before))]
    assert squares[1] < 0.4 * squares[0]


def test_the_sum_takes_over_the_activation_and_the_name():
    data = bias_last(tflite(convolution()))
    assert operators(data)[-2:] == ["CONV_2D", "ADD"]
    graph = fb.read(data).subgraphs[0]
    convolved, added = graph.operators[-2:]
    activation = fb.schema.ActivationFunctionType
    assert convolved.builtinOptions.fusedActivationFunction == activation.NONE
    assert added.builtinOptions.fusedActivationFunction == activation.RELU
    assert list(added.outputs) == list(graph.outputs)
    assert graph.tensors[added.outputs[0]].name == b"y"


@pytest.mark.parametrize("proto", [convolution(channels=8), convolution(bias=0.0)], ids=["of maps", "without bias"])
def test_other_convolutions_stay_as_they_are(proto):
    data = tflite(proto)
    assert operators(bias_last(data)) == operators(data)


def test_a_network_computes_the_same():
    rng = np.random.default_rng(2)
    data = tflite(small_network(rng))
    image_nhwc = rng.uniform(0, 1, (1, 20, 28, 3)).astype(np.float32)
    again = bias_last(data)
    assert operators(again).count("ADD") == operators(data).count("ADD") + 1
    np.testing.assert_allclose(run(again, image_nhwc), run(data, image_nhwc), rtol=1e-4, atol=1e-4)
