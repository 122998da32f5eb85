"""Weights for fp16: their outputs change less than where each weight is rounded by itself."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converters.coreml.half import integer_rows, rounded_rows, with_half_weights
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


def test_integers_are_found_again_by_coremltools_and_change_the_output_less():
    """Weights of all sizes: fp16 scales of small ones have few bits."""
    from coremltools.optimize.coreml._quantization_passes import linear_quantize_weights

    rng = np.random.default_rng(5)
    x = np.append(1 + rng.standard_normal((500, 1)) + 0.2 * rng.standard_normal((500, 40)), np.ones((500, 1)), axis=1)
    moments, rows = x.T @ x / len(x), rng.standard_normal((64, 41)) * np.logspace(-3, 1, 64)[:, None]
    found = integer_rows(rows, moments)
    found_weights = found[:, :-1].astype(np.float16)
    stored = linear_quantize_weights.blockwise_compress(found_weights, 8, "LINEAR_SYMMETRIC", True, [1, 0])
    np.testing.assert_allclose(linear_quantize_weights.decompress(stored), found[:, :-1], rtol=2**-10)
    np.testing.assert_array_equal(np.abs(stored.data).max(axis=1), 127)
    nearest = linear_quantize_weights.blockwise_compress(
        rows[:, :-1].astype(np.float16), 8, "LINEAR_SYMMETRIC", True, [1, 0]
    )
    plain = np.append(linear_quantize_weights.decompress(nearest), rows[:, -1:], axis=1)
    for one in range(0, 64, 8):
        part = slice(one, one + 8)
        assert error(rows[part], found[part], moments) < 0.2 * error(rows[part], plain[part], moments)
