from __future__ import annotations

import numpy as np
import pytest

from converters.tflite.interpreter import decode, encode, function, runs
from tests.converters.tflite.networks import run, small_network, smooth, tflite


@pytest.fixture(scope="module")
def small():
    return tflite(small_network(np.random.default_rng(0)))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_ports_of_both_types_carry_the_same_values(dtype):
    values = np.linspace(0, 1, 256, dtype=np.float32)
    stored = encode(values, dtype)
    assert stored.dtype == dtype
    np.testing.assert_allclose(decode(stored), values, atol=1e-6)


def test_a_model_is_a_function(small):
    for image in smooth(np.random.default_rng(1), 2):
        np.testing.assert_array_equal(function(small)(image), run(small, image))


def test_every_tensor_can_be_read_after_each_run(small):
    images, told, means = smooth(np.random.default_rng(2), 3), [], []
    for loaded in runs(small, images, "looking", lambda *seen: told.append(seen)):
        means.append(float(loaded.get_tensor(loaded.get_input_details()[0]["index"]).mean()))
    assert means == [pytest.approx(float(image.mean())) for image in images]
    assert told == [("looking", done, 3) for done in (1, 2, 3)]
