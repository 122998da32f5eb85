"""Layout as a constant: activations of rank 4 are NCHW in ONNX and NHWC in TFLite; other ranks are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

NHWC_FROM_NCHW = (0, 2, 3, 1)
NCHW_FROM_NHWC = (0, 3, 1, 2)


def nhwc_axis(axis: int, rank: int) -> int:
    """The place of an ONNX ``axis`` (possibly negative) in the lowered tensor."""
    axis = axis % rank
    return NHWC_FROM_NCHW.index(axis) if rank == 4 else axis


def nhwc_order(per_axis: Sequence[T]) -> list[T]:
    """Reorder one value per ONNX axis (a shape, pads) to the lowered tensor's axes."""
    return [per_axis[axis] for axis in NHWC_FROM_NCHW] if len(per_axis) == 4 else list(per_axis)
