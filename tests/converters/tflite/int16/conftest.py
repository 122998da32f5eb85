from __future__ import annotations

import numpy as np
import pytest

from tests.converters.tflite.int16.prepared import evened, in_int16


@pytest.fixture(scope="session")
def images():
    """Not photographs, but smooth: enough to see what a graph does with numbers."""
    rng = np.random.default_rng(0)
    return [
        np.kron(rng.uniform(0, 1, (6, 8, 3)).astype(np.float32), np.ones((16, 16, 1), np.float32))[None]
        for _ in range(3)
    ]


@pytest.fixture(scope="session")
def network(modnet_fp32, images):
    """The portrait network at 96x128: evened, and in int16."""
    data = evened(modnet_fp32, images)
    return data, in_int16(data, images)
