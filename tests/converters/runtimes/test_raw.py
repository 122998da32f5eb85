"""Ports of any model: what they hold, and what is stored of real numbers."""

from __future__ import annotations

import numpy as np
import pytest

from converters.runtimes.raw import Port


@pytest.mark.parametrize(
    ("port", "bounds"),
    [
        (Port("x", (), "float32"), None),
        (Port("x", (), "float16"), None),
        (Port("x", (), "int32"), None),
        (Port("x", (), "image"), (0, 255)),
        (Port("x", (), "uint8"), (0, 255)),
        (Port("x", (), "uint8", 1 / 255), (0, 1)),
        (Port("x", (), "int8", 2 / 255, -1), (-254 / 255, 256 / 255)),
    ],
)
def test_a_port_holds_what_its_type_and_quantization_say(port, bounds):
    assert port.bounds == (None if bounds is None else pytest.approx(bounds))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16"])
def test_what_is_stored_is_read_again_to_half_a_step(dtype):
    limits = np.iinfo(dtype)
    port = Port("x", (), dtype, 1 / (limits.max - limits.min), limits.min)
    real = np.linspace(0, 1, 999, dtype=np.float32)
    stored = port.stored(real)
    assert stored.dtype == dtype
    assert np.abs(port.real(stored) - real).max() <= port.scale * 0.51
    assert (port.stored(np.float32([-9, 9])) == [limits.min, limits.max]).all()


def test_a_picture_is_rounded_to_its_levels():
    port = Port("x", (), "image", colour="RGB")
    assert port.stored(np.float32([-1, 0.4, 254.6, 300])).tolist() == [0, 0, 255, 255]
    assert str(Port("x", (1, 3, None, 2), "image", colour="RGB")) == "x (RGB image 1x3x?x2)"
