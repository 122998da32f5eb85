from __future__ import annotations

import numpy as np
import pytest

from converters.errors import ExportError
from modnet_export.record.contract import PRESETS, Contract, Size
from modnet_export.record.recipes import recipe


@pytest.mark.parametrize("text", ["512", "512X384", "32x32"])
def test_size_is_parsed(text):
    size = Size.parse(text)
    assert f"{size}" in (f"{text}x{text}", text.lower())


@pytest.mark.parametrize("name", PRESETS)
def test_preset_has_the_shape_that_its_name_says(name):
    size = Size.parse(name.upper())
    across, down = map(int, name.rpartition("-")[2].split("x")) if "-" in name else (1, 1)
    assert size.width * down == size.height * across
    assert max(size.width, size.height) == 512
    assert (size.height > size.width) == name.startswith("portrait")


@pytest.mark.parametrize(
    "text",
    ["", "0", "500x512", "512x", "x512", "512x512x3", "-32x32", "32.0", "١٢٨", "64x99999968", "4128", "9" * 5000],
)
def test_impossible_size_is_refused(text):
    with pytest.raises(ExportError, match="is not a size"):
        Size.parse(text)


def test_contract_keeps_height_and_width_apart():
    size = Size(height=96, width=128)
    assert Contract.of("onnx", size).image.shape == (1, 3, 96, 128)
    assert Contract.of("tflite", size).matte.shape == (1, 96, 128, 1)


class TestBytes:
    """Ports of bytes, as int8 models have them."""

    port = Contract.of("tflite", Size(height=32, width=32), eight_bit=True).matte

    @pytest.mark.parametrize(
        ("value", "byte"), [(0, 0), (1, 255), (0.5, 128), (1.004, 255), (-0.004, 0), (300, 255)], ids=str
    )
    def test_values_beyond_the_range_are_clipped_not_wrapped(self, value, byte):
        found = self.port.encoded(np.full((1, 2, 2, 1), value, np.float32))
        assert found.dtype == np.uint8
        assert (found == byte).all()

    def test_every_byte_comes_back(self):
        values = np.arange(256, dtype=np.uint8)
        np.testing.assert_array_equal(self.port.encoded(self.port.decoded(values)), values)


def test_floats_are_handed_on_as_they_are():
    port = Contract.of("onnx", Size(height=32, width=32)).image
    values = np.array([-1, 0.5, 1.004], np.float32)
    np.testing.assert_array_equal(port.encoded(values), values)


@pytest.mark.parametrize(
    ("ports", "half", "kinds"),
    [
        ("image", True, ("image", "uint8", 255, "uint8", 255)),
        ("image-fp16", True, ("image", "uint8", 255, "float16", 1)),
        ("multiarray", True, ("NCHW", "float16", 1, "float16", 1)),
        ("multiarray", False, ("NCHW", "float32", 1, "float32", 1)),
    ],
)
def test_ports_of_a_core_ml_package(ports, half, kinds):
    found = Contract.of("coreml", Size(height=32, width=64), ports=ports, half=half)
    image, matte = found.image, found.matte
    assert (image.layout, image.dtype, image.maximum, matte.dtype, matte.maximum) == kinds
    assert matte.layout == image.layout


@pytest.mark.parametrize(
    ("format", "precision", "asked", "tuning"),
    [
        ("coreml", "fp16", None, "ane"),
        ("coreml", "fp32", "cpu", "cpu"),
        ("tflite", "fp32", "ane", "cpu"),
        ("tflite", "fp16", "ane", "gpu"),
        ("tflite", "fp16", "cpu", "cpu"),
    ],
)
def test_the_neural_engine_is_core_mls_alone(format, precision, asked, tuning):
    assert recipe(format, precision).tuned(asked) == tuning
