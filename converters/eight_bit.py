"""Between values in [0, 1] and the bytes of an 8-bit image: the one place that rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def to_bytes(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """The nearest of the 256 levels, 0 to 255, of values in [0, 1]; values beyond that are clipped.

    A value half way between two levels goes to the even one, as ``np.rint`` rounds.
    """
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)


def from_bytes(levels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """float32 values in [0, 1] of levels 0 to 255; ``to_bytes`` gives the same levels back."""
    return np.asarray(levels, np.float32) / np.float32(255)
