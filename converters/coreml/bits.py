"""Integers of fewer than eight bits, as Core ML packs them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BITS = {"INT4": 4, "UINT1": 1, "UINT2": 2, "UINT3": 3, "UINT4": 4, "UINT6": 6}
"""Width of each element type narrower than a byte, by its name in MIL.proto."""


def unpack_bits(data: npt.NDArray[np.uint8], bits: int, count: int) -> npt.NDArray[np.uint8]:
    """``count`` unsigned fields of ``bits`` bits each, packed one after the other from the least significant bit."""
    stream = np.unpackbits(data, bitorder="little")[: bits * count].reshape(count, bits)
    return np.packbits(stream, axis=1, bitorder="little")[:, 0]
