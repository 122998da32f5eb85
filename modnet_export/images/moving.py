"""A clip whose true mattes are known: a portrait that moves and zooms over another picture, as a camera sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from converters.eight_bit import from_bytes, to_bytes
from modnet_export.images.foreground import estimate_colours
from modnet_export.images.framing import Portrait
from modnet_export.images.imaging import Pixels, resize


@dataclass(frozen=True)
class Motion:
    """How a clip moves, and what its camera adds.

    ``reach`` and ``zoom`` are shares of the frame's height, ``noise`` a standard deviation and ``light`` a swing of the
    exposure, of values in [0, 1].
    """

    frames: int = 48
    height: int = 360
    width: int = 640
    reach: float = 0.06
    zoom: float = 0.15
    noise: float = 0.03
    light: float = 0.03


def moving(portrait: Portrait, picture: Pixels, motion: Motion | None = None, seed: int = 0) -> Iterator[Portrait]:
    """The frames of such a clip, each with its true matte; the same ``seed`` gives the same clip.

    The person stands at the lower edge, sways, nods and comes nearer; ``picture`` drifts behind. Each frame is rounded
    to 8 bits, as a camera does it.
    """
    motion = motion or Motion()
    rng = np.random.default_rng(seed)
    height, width = motion.height, motion.width
    colours, _ = estimate_colours(portrait.photo, portrait.alpha)
    scale = 0.9 * height / portrait.alpha.shape[0]
    behind = resize(picture, round(1.2 * height), round(1.2 * width))
    phases = rng.uniform(0, 2 * np.pi, 5)
    pace = 2 * np.pi / 32  # a full sway in about a second
    for index in range(motion.frames):
        sway, nod, near, drift, light = np.sin(pace * index * np.array([1, 1.7, 0.6, 0.3, 5.1]) + phases)
        grown = scale * (1 + motion.zoom * (1 + near) / 2)
        turned = cv2.getRotationMatrix2D((portrait.alpha.shape[1] / 2, portrait.alpha.shape[0]), 2.0 * nod, grown)
        turned[:, 2] += (width / 2 + motion.reach * height * sway, height * (1 + motion.reach * (1 + nod) / 4))
        turned[:, 2] -= (portrait.alpha.shape[1] / 2, portrait.alpha.shape[0])
        alpha, photo = (
            np.asarray(cv2.warpAffine(item, turned, (width, height), borderMode=border), np.float32)
            for item, border in ((portrait.alpha, cv2.BORDER_CONSTANT), (colours, cv2.BORDER_REPLICATE))
        )
        moved = np.array([[1, 0, -(0.1 + 0.08 * drift) * width], [0, 1, -0.1 * height]])
        seen = cv2.warpAffine(behind, moved, (width, height), borderMode=cv2.BORDER_REPLICATE)
        alpha = alpha.clip(0, 1)
        frame = alpha[..., None] * photo + (1 - alpha[..., None]) * seen
        frame = frame * (1 + motion.light * light) + rng.normal(0, motion.noise, frame.shape)
        yield Portrait(from_bytes(to_bytes(frame)), alpha)
