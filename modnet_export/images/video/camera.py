"""A webcam as a clip without an end, read with OpenCV, which knows every system's cameras by a number."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from converters.errors import ExportError
from modnet_export.images.video.reading import Colour, Frame

_TIME_BASE = Fraction(1, 1000)


class Camera:
    """An open camera; its frames are timed by the clock when they arrive. Raises ExportError where it gives no picture.

    Has what a ``Clip`` says of its pictures, but no sound and no duration.
    """

    rotation, mirrored = 0, False
    shape = Fraction(1)
    time_base = _TIME_BASE
    colour = Colour()
    duration_s: Fraction | None = None

    def __init__(self, number: int) -> None:
        self.path = Path(f"camera {number}")
        self._capture: Any = cv2.VideoCapture(number)
        found: tuple[bool, Any] = self._capture.read() if self._capture.isOpened() else (False, None)
        read, first = found
        if not read:
            self._capture.release()
            raise ExportError(
                f"camera {number} gives no picture: {_why(number)}",
                where="`camera`",
                expected="the number of a camera that no other program uses, from 0 on",
                next_step="end other programs that use it, allow this one to, or try another number",
            )
        self.height, self.width = first.shape[:2]
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(rate).limit_denominator(1001) if 1 <= rate <= 240 else Fraction(30)

    def frames(self, start_s: Fraction = Fraction(0), end_s: Fraction | None = None) -> Iterator[Frame]:
        """The frames from now on, until ``end_s`` seconds have passed or the camera ends."""
        begun, last = time.monotonic(), Fraction(-1)
        try:
            while True:
                read, picture = self._capture.read()
                time_s = max(Fraction(round((time.monotonic() - begun) * 1000), 1000), last + _TIME_BASE)
                if not read or (end_s is not None and time_s >= end_s):
                    return
                if time_s >= start_s:
                    last = time_s
                    yield Frame(np.ascontiguousarray(picture[:, :, ::-1]), time_s)
        finally:
            self._capture.release()


def _why(number: int) -> str:
    """What is known of a camera that cannot be read."""
    device = Path(f"/dev/video{number}")
    if not sys.platform.startswith("linux"):
        return "it is not there, it is in use, or the system denies it"
    if not device.exists():
        return f"there is no {device}"
    return "it is in use, or no camera" if os.access(device, os.R_OK | os.W_OK) else f"you may not read {device}"
