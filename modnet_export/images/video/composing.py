"""From a frame and its matte to what is shown: ``images.compositing`` with the time that a video has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from converters.eight_bit import from_bytes, to_bytes
from modnet_export.images.compositing import Background, blurred_background, coarse_colours, cover, fused
from modnet_export.images.frames import Bytes
from modnet_export.images.imaging import Pixels, read_image, resize, scaled_size

Indices = npt.NDArray[np.intp]

COARSE = 256
"""The longer side at which a frame's foreground and background colours are estimated."""
SURE = 4 / 255
"""Nearer to 0 or 1, a frame's own colours are taken for the foreground's."""
_NARROW_SIGMA = 4.0
"""A blur is computed on a frame so small that its sigma is no more pixels than this."""


def composer(background: Background | None) -> Callable[[Bytes, Pixels], Bytes]:
    """What makes pictures of a clip's frames (H x W x 3) and mattes (H x W in [0, 1]): the matte itself, RGBA or RGB.

    Other than an image, a frame has a phone's estimate of its colours (``fused_colours``), with means taken at a
    longer side of ``COARSE``, and only where the matte is more than ``SURE`` off 0 and 1: elsewhere an estimate would
    change the picture by less than that. A blurred background is the frame's own, as phones do it.
    """
    if background is None:
        return lambda _, matte: to_bytes(matte)
    picture: list[Bytes] = []  # the background at the frames' size, once it is known

    def behind(frame: Bytes, matte: Pixels) -> Bytes:
        if background.blur_sigma is not None:
            return _blurred(frame, matte, background.sigma(*matte.shape))
        if not picture or picture[0].shape != frame.shape:
            if background.image is not None:
                shown = to_bytes(cover(read_image(background.image), *matte.shape))
            else:
                shown = np.full(frame.shape, background.colour, np.uint8)
            picture[:] = [shown]
        return picture[0]

    def compose(frame: Bytes, matte: Pixels) -> Bytes:
        foreground = frame.copy()
        soft = np.nonzero((matte > SURE) & (matte < 1 - SURE))
        foreground[soft] = to_bytes(_foreground(frame, matte, *soft))
        if background.transparent:
            return np.dstack([foreground, to_bytes(matte)])
        return np.asarray(cv2.blendLinear(foreground, behind(frame, matte), matte, 1 - matte), np.uint8)

    return compose


def _foreground(frame: Bytes, matte: Pixels, rows: Indices, columns: Indices) -> Pixels:
    """The foreground's colours at some pixels, N x 3: as ``fused_colours`` has them for the whole image."""
    height, width = matte.shape
    scale = min(1.0, COARSE / max(height, width))
    coarse = scaled_size(height, width, scale)
    small = cv2.resize(frame, coarse[::-1], interpolation=cv2.INTER_AREA) / np.float32(255)
    where = [
        ((places + np.float32(0.5)) * np.float32(small.shape[axis] / matte.shape[axis]) - np.float32(0.5))
        for axis, places in ((1, columns), (0, rows))
    ]
    x, y = (np.asarray(item, np.float32)[:, None] for item in where)

    def at(colours: Pixels) -> Any:
        found = [
            cv2.remap(
                colours,
                x[start : start + 32000],
                y[start : start + 32000],
                cv2.INTER_LINEAR,
                None,
                cv2.BORDER_REPLICATE,
            )
            for start in range(0, len(x), 32000)  # OpenCV takes no more at once
        ]
        return np.concatenate(found)[:, 0] if found else np.zeros((0, 3), np.float32)

    foreground, background = map(at, coarse_colours(np.asarray(small, np.float32), resize(matte, *coarse)))
    seen, alpha = from_bytes(frame[rows, columns]), matte[rows, columns]
    return fused(seen, alpha, foreground, background)


def _blurred(frame: Bytes, matte: Pixels, sigma: float) -> Bytes:
    """The frame's own background, blurred."""
    height, width = matte.shape
    scale = min(1.0, _NARROW_SIGMA / sigma)
    small = scaled_size(height, width, scale)
    seen = cv2.resize(frame, small[::-1], interpolation=cv2.INTER_AREA) / np.float32(255)
    made = blurred_background(np.asarray(seen, np.float32), resize(matte, *small), sigma * scale)
    return np.asarray(cv2.resize(to_bytes(made), (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
