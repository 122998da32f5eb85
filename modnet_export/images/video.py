"""Reading the frames of video files with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.eight_bit import from_bytes
from converters.errors import ExportError
from modnet_export.images.imaging import Pixels

_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")


def _capture(path: Path) -> Any:
    import cv2

    capture = cv2.VideoCapture(str(path))
    if not path.exists() or not capture.isOpened():
        raise ExportError(
            f"cannot read {path.name} as a video",
            where=path,
            expected=f"a video ({', '.join(_SUFFIXES)}) that OpenCV can decode, or a folder of frames",
            next_step="check that the file plays, or turn it into a folder of images",
        )
    return capture


def count_frames(path: Path) -> int:
    """How many frames a file holds, by going through them; raises ExportError for a file without any."""
    capture, count = _capture(path), 0
    while capture.grab():
        count += 1
    if not count:
        raise ExportError(
            f"{path.name} holds no frame",
            where=path,
            expected="a video with pictures",
            next_step="check that the file plays",
        )
    return count


def read_frames(path: Path, indices: Sequence[int]) -> Iterator[Pixels]:
    """The frames at ascending ``indices``, each RGB in [0, 1], H x W x 3; raises ExportError for a missing one.

    The file is decoded from its start: seeking is not exact in every format.
    """
    capture, position = _capture(path), 0
    for index in indices:
        while position < index and capture.grab():
            position += 1
        read, picture = capture.read()
        if not read:
            raise ExportError(
                f"cannot decode frame {index} of {path.name}",
                where=path,
                expected="a whole video",
                next_step="copy or encode the file again",
            )
        position += 1
        yield from_bytes(np.asarray(picture[:, :, ::-1]))
