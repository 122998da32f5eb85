"""Quantized activations and compressed weights (``constexpr_*`` operators)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from converters.coreml.bits import unpack_bits
from converters.coreml.semantics.table import Value, integers, operator


def _per_axis(value: Tensor, like: Tensor, axis: Value) -> Tensor:
    """One number for the whole of ``like``, or one for each place on its ``axis``, in a shape that broadcasts."""
    if value.numel() == 1:
        return value.float()
    return value.float().reshape([-1 if i == int(axis) else 1 for i in range(like.ndim)])


@operator("quantize")
def _quantize(input: Tensor, scale: Tensor, output_dtype: str, zero_point: Value = None, axis: Value = 0) -> Tensor:
    low, high = (-128, 127) if output_dtype == "int8" else (0, 255)
    zero = 0 if zero_point is None else _per_axis(zero_point, input, axis)
    return torch.clamp(torch.round(input / _per_axis(scale, input, axis)) + zero, low, high)


@operator("dequantize")
def _dequantize(input: Tensor, scale: Tensor, zero_point: Value = None, axis: Value = 0) -> Tensor:
    zero = 0 if zero_point is None else _per_axis(zero_point, input, axis)
    return (input.float() - zero) * _per_axis(scale, input, axis)


@operator("constexpr_cast")
def _constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    return source_val.float()


@operator("constexpr_affine_dequantize")
def _affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Value) -> Tensor:
    zero = _per_axis(zero_point, quantized_data, axis)
    return _per_axis(scale, quantized_data, axis) * (quantized_data.float() - zero)


@operator("constexpr_blockwise_shift_scale")
def _blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Value = None) -> Tensor:
    def spread(blocks: Tensor) -> Tensor:
        for axis, (full, count) in enumerate(zip(data.shape, blocks.shape, strict=True)):
            blocks = blocks.repeat_interleave(full // count, axis)
        return blocks.float()

    return spread(scale) * (data.float() - (0 if offset is None else spread(offset)))


@operator("constexpr_lut_to_dense")
def _lut_to_dense(indices: Tensor, lut: Tensor, shape: Value = None, vector_axis: Value = None) -> Tensor:
    if shape is not None:  # iOS 16: one table, packed indices
        sizes = integers(shape)
        bits = max(int(lut.numel()).bit_length() - 1, 1)
        unpacked = unpack_bits(indices.numpy().astype(np.uint8), bits, int(np.prod(sizes)))
        return lut.float()[torch.from_numpy(unpacked.astype(np.int64))].reshape(sizes)
    if lut.shape[-1] != 1:
        raise ValueError("constexpr_lut_to_dense with vector entries")
    tables = lut[..., 0].float()
    for axis in range(indices.ndim):  # iOS 18: a table for each group of indices
        tables = tables.repeat_interleave(indices.shape[axis] // tables.shape[axis], axis)
    return tables.gather(-1, indices.long().unsqueeze(-1)).squeeze(-1)
