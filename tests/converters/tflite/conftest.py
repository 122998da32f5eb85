from __future__ import annotations

from functools import cache

import onnx_ir as ir
import pytest

from converters.onnx.passes import optimise
from converters.tflite.convert import convert


@pytest.fixture(scope="session")
def converted(small_onnx):
    """MODNet's fp32 flatbuffer, tuned for a processor; each is made once."""
    return cache(lambda tuning: convert(optimise(ir.from_proto(small_onnx), tuning)))


@pytest.fixture(scope="session", params=["cpu", "gpu"])
def flatbuffer(request, converted):
    return converted(request.param)


@pytest.fixture(scope="session")
def modnet_fp32(converted):
    return converted("cpu")
