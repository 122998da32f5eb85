from __future__ import annotations

import pytest


@pytest.fixture(scope="session", params=["cpu", "gpu"])
def flatbuffer(request, small_tflite):
    return small_tflite(request.param)


@pytest.fixture(scope="session")
def modnet_fp32(small_tflite):
    return small_tflite("cpu")
