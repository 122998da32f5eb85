"""Palettes for the outputs: these change less than with plain k-means, and coremltools finds the palettes again."""

from __future__ import annotations

import numpy as np
import pytest
from coremltools.models.neural_network.quantization_utils import _get_kmeans_lookup_table_and_weight

from converters.coreml.palettes import palette_rows


@pytest.fixture
def layer():
    """Weights of outputs of many sizes, and the moments of what they are multiplied with."""
    rng = np.random.default_rng(0)
    x = 1 + rng.standard_normal((800, 1)) + 0.3 * rng.standard_normal((800, 120)) * np.logspace(-1, 1, 120)
    x = np.append(x, np.ones((800, 1)), axis=1)
    return rng.standard_normal((128, 121)) * np.logspace(-1, 0, 128)[:, None], x.T @ x / len(x)


def k_means(weights, bits):
    """As coremltools stores them: the entries, and the weights in entries."""
    entries, indices = _get_kmeans_lookup_table_and_weight(bits, weights.astype(np.float16))
    return entries, entries.astype(np.float16)[indices].reshape(weights.shape)


def error(change, moments):
    return ((change @ moments) * change).sum()


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_outputs_change_less_than_with_k_means(layer, bits):
    rows, moments = layer
    found = palette_rows(rows, moments, 1 << bits)
    plain = np.append(k_means(rows[:, :-1], bits)[1], rows[:, -1:], axis=1)
    assert error(found - rows, moments) < 0.5 * error(plain - rows, moments)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_weights_are_found_again_by_coremltools(layer, bits):
    found = palette_rows(*layer, 1 << bits)
    np.testing.assert_array_equal(found, found.astype(np.float16))
    assert len(np.unique(found[:, :-1])) <= 1 << bits
    np.testing.assert_array_equal(k_means(found[:, :-1], bits)[1], found[:, :-1])


def test_weights_that_are_all_the_same_stay_so():
    """As those of a mean over a map."""
    rows = np.append(np.full((1, 16), 1 / 16), [[0.0]], axis=1)
    np.testing.assert_array_equal(palette_rows(rows, np.eye(17), 16), rows)
