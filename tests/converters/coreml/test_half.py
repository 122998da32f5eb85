"""Weights for fp16: their outputs change less than where each weight is rounded by itself."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converters.coreml.half import rounded_rows, with_half_weights
from converters.coreml.observed import observe
from converters.onnx.graph import constant
from tests.graphs import model, node, run


def error(rows, rounded, moments):
    change = rounded - rows
    return ((change @ moments) * change).sum()


@pytest.mark.parametrize("count", [9, 40], ids=["all combinations", "one by one"])
def test_rounded_rows_are_fp16_and_change_the_output_less(count):
    rng = np.random.default_rng(0)
    # What is multiplied is alike, as neighbouring pixels are.
    x = 3 + rng.standard_normal((500, 1)) + 0.05 * rng.standard_normal((500, count))
    moments, rows = x.T @ x / len(x), rng.standard_normal((6, count))
    found = rounded_rows(rows, moments)
    np.testing.assert_array_equal(found, found.astype(np.float16))
    assert error(rows, found, moments) < 0.05 * error(rows, rows.astype(np.float16), moments)


def test_fp16_weights_stay_as_they_are():
    rows = np.random.default_rng(1).standard_normal((4, 12)).astype(np.float16).astype(np.float64)
    np.testing.assert_array_equal(rounded_rows(rows, np.eye(12)), rows)


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(2)
    return model(
        [
            node("Conv", "image first b1", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
            node("Conv", "a depthwise b2", "b", pads=[1, 1, 1, 1], group=8),
            node("Conv", "b pointwise", "matte"),
        ],
        inputs={"image": [1, 3, 32, 48]},
        outputs=["matte"],
        constants={
            "first": rng.standard_normal((8, 3, 3, 3)),
            "b1": rng.standard_normal(8),
            "depthwise": rng.standard_normal((8, 1, 3, 3)),
            "b2": rng.standard_normal(8),
            "pointwise": rng.standard_normal((1, 8, 1, 1)),
        },
    )


def test_a_graphs_convolutions_hold_fp16_and_compute_nearer(network):
    rng = np.random.default_rng(3)
    images = [rng.random((1, 32, 48, 3), np.float32).cumsum(1).cumsum(2) / 200 for _ in range(4)]
    graph = ir.from_proto(network)
    found = with_half_weights(graph, observe(graph, images).moments)
    weights = [constant(value) for item in found.graph for value in item.inputs[1:]]
    assert all(np.array_equal(item, item.astype(np.float16)) for item in weights)
    plain = ir.from_proto(network)
    for value in plain.graph.initializers.values():
        value.const_value = ir.tensor(constant(value).astype(np.float16).astype(np.float32), name=value.name)
    image = {"image": images[0].transpose(0, 3, 1, 2)}
    (wanted,) = run(network, image)
    errors = [np.abs(run(ir.to_proto(item), image)[0] - wanted).mean() for item in (found, plain)]
    assert errors[0] < 0.5 * errors[1]


def test_moments_are_those_of_the_patches(network):
    """By torch's unfold, over every position of a map that has fewer than are drawn."""
    import torch

    image = np.random.default_rng(4).random((1, 32, 48, 3), np.float32)
    moments = observe(ir.from_proto(network), [image]).moments["a"]
    patches = torch.nn.functional.unfold(torch.from_numpy(image.transpose(0, 3, 1, 2)), 3, padding=1, stride=2)[0].T
    patches = np.concatenate([patches.double().numpy(), np.ones((len(patches), 1))], axis=1)
    np.testing.assert_allclose(moments[0], patches.T @ patches / len(patches), rtol=1e-6)
