from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from converters.errors import ExportError
from modnet_export.images.frames import from_rows, upright

# Pillow turns counterclockwise; Android clockwise.
PILLOW = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_turned_and_mirrored_as_pillow_does(rotation, mirrored):
    frame = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    expected = Image.fromarray(frame)
    if rotation:
        expected = expected.transpose(PILLOW[rotation])
    if mirrored:
        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = upright(frame, rotation, mirrored=mirrored)
    np.testing.assert_array_equal(found, np.asarray(expected))
    assert found.flags.c_contiguous


@given(height=st.integers(1, 5), width=st.integers(1, 5), padding=st.integers(0, 9), last=st.booleans())
def test_padding_between_rows_is_left_out(height, width, padding, last):
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)
    rows = [row.tobytes() + b"\xff" * padding for row in frame]
    buffer = b"".join(rows)
    if not last and padding:  # Android's planes may end with the last pixel
        buffer = buffer[:-padding]
    np.testing.assert_array_equal(from_rows(buffer, height, width, 4 * width + padding), frame)


@pytest.mark.parametrize(("size", "stride"), [(95, 16), (96, 15)])
def test_too_few_bytes_are_refused(size, stride):
    with pytest.raises(ExportError, match="hold no frame of 6 x 4"):
        from_rows(bytes(size), 6, 4, stride)
