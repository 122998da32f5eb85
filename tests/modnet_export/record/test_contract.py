from __future__ import annotations

import numpy as np
import pytest

from converters.errors import ExportError
from modnet_export.record.contract import Contract, Size


@pytest.mark.parametrize("text", ["512", "512X384", "32x32"])
def test_size_is_parsed(text):
    size = Size.parse(text)
    assert f"{size}" in (f"{text}x{text}", text.lower())


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
