"""A camera's frames as apps get them: rows of RGBA with padding between them, turned, and mirrored."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError

Bytes = npt.NDArray[np.uint8]
Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise by which a frame is turned to stand upright, as CameraX's ``rotationDegrees`` has it."""


def from_rows(buffer: bytes, height: int, width: int, row_stride: int) -> Bytes:
    """A plane of RGBA_8888 as H x W x 4.

    ``row_stride`` is the bytes from the beginning of one row to that of the next; the last row may end without its
    padding, as Android's do. Raises ExportError for a buffer that is shorter.
    """
    needed = row_stride * (height - 1) + 4 * width
    if row_stride < 4 * width or len(buffer) < needed:
        raise ExportError(
            f"{len(buffer)} bytes in rows of {row_stride} hold no frame of {height} x {width}",
            expected=f"rows of {4 * width} bytes or more, {needed} bytes in all",
        )
    padded = np.zeros(row_stride * height, np.uint8)
    padded[:needed] = np.frombuffer(buffer, np.uint8, needed)
    return padded.reshape(height, row_stride)[:, : 4 * width].reshape(height, width, 4)


def upright(frame: npt.NDArray[np.uint8], rotation: Rotation, *, mirrored: bool = False) -> Bytes:
    """A frame (H x W x channels) turned clockwise by ``rotation``, then mirrored left to right.

    Front cameras are mirrored for the eye, not in a file that is saved.
    """
    turned = np.rot90(frame, -rotation // 90)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
