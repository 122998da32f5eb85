from __future__ import annotations

import numpy as np
import pytest

from tests.converters.tflite.int8.prepared import Prepared
from tests.converters.tflite.networks import small_network, smooth, tflite


@pytest.fixture(scope="session")
def images():
    """Not photographs, but smooth: enough to see what a graph does with numbers."""
    rng = np.random.default_rng(0)
    return [np.kron(rng.uniform(0, 1, (6, 8, 3)).astype(np.float32), np.ones((16, 16, 1), np.float32))[None]] + [
        np.kron(rng.uniform(0, 1, (12, 16, 3)).astype(np.float32), np.ones((8, 8, 1), np.float32))[None]
        for _ in range(2)
    ]


@pytest.fixture(scope="session")
def prepared(modnet_fp32, images):
    return Prepared(modnet_fp32, images)


@pytest.fixture(scope="session")
def small():
    rng = np.random.default_rng(0)
    return Prepared(tflite(small_network(rng)), smooth(rng))
