from __future__ import annotations

from functools import cache

import onnx_ir as ir
import pytest

from converters.onnx.passes import optimise
from converters.tflite.convert import convert


@pytest.fixture(scope="session")
def converted(small_onnx, shared):
    """MODNet's fp32 flatbuffer, tuned for a processor; each is made once for all processes."""

    @cache
    def get(tuning):
        def make(folder):
            (folder / "modnet.tflite").write_bytes(convert(optimise(ir.from_proto(small_onnx), tuning)))

        return (shared(f"converted-{tuning}", make) / "modnet.tflite").read_bytes()

    return get


@pytest.fixture(scope="session", params=["cpu", "gpu"])
def flatbuffer(request, converted):
    return converted(request.param)


@pytest.fixture(scope="session")
def modnet_fp32(converted):
    return converted("cpu")
