"""Operators that resize a map."""

from __future__ import annotations

import torch
from torch import Tensor

from converters.coreml.semantics.table import Value, operator


def _sampled(x: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Linear interpolation of one axis at the given positions, clamped to the map."""
    size = x.shape[axis]
    positions = positions.clamp(0, size - 1)
    low = positions.floor().long()
    high = (low + 1).clamp(max=size - 1)
    share = (positions - low).to(x.dtype).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share


def _grid(size: int, target: int, mode: str) -> Tensor:
    """The positions in an axis of ``size`` at which a resize to ``target`` samples, by MIL's sampling mode."""
    index = torch.arange(target, dtype=torch.float64)
    if mode == "UNALIGN_CORNERS":
        return index * size / target + 0.5 * size / target - 0.5
    if mode == "ALIGN_CORNERS" and target == 1:
        return index + (size - 1) / 2
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        return index * (size - 1) / max(target - 1, 1)
    if mode == "DEFAULT":
        return index * (size - size / target) / max(target - 1, 1)
    delta = max(1, size - 1) / target
    return 0.5 * delta + index * (target - 1) * delta / max(target - 1, 1)


def _bilinear(x: Tensor, height: int, width: int, mode: str) -> Tensor:
    x = _sampled(x, -2, _grid(x.shape[-2], height, mode))
    return _sampled(x, -1, _grid(x.shape[-1], width, mode))


@operator("resize_bilinear")
def _resize_bilinear(
    x: Tensor, target_size_height: Value = 1, target_size_width: Value = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    return _bilinear(x, int(target_size_height), int(target_size_width), sampling_mode)


@operator("upsample_bilinear")
def _upsample_bilinear(
    x: Tensor,
    scale_factor_height: Value = 1,
    scale_factor_width: Value = 1,
    align_corners: Value = True,
    half_pixel_centers: Value = None,
) -> Tensor:
    height = int(x.shape[-2] * float(scale_factor_height))
    width = int(x.shape[-1] * float(scale_factor_width))
    half_pixel = not bool(align_corners) if half_pixel_centers is None else bool(half_pixel_centers)
    mode = "STRICT_ALIGN_CORNERS" if bool(align_corners) else "UNALIGN_CORNERS" if half_pixel else "DEFAULT"
    return _bilinear(x, height, width, mode)


@operator("upsample_nearest_neighbor")
def _upsample_nearest(x: Tensor, scale_factor_height: Value = 1, scale_factor_width: Value = 1) -> Tensor:
    for axis, factor in ((-2, float(scale_factor_height)), (-1, float(scale_factor_width))):
        target = int(x.shape[axis] * factor)
        positions = torch.arange(target) * x.shape[axis] // target
        x = x.index_select(axis, positions)
    return x
