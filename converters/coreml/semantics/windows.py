"""Operators that move a window over a map: convolutions and pools; and products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from converters.coreml.semantics.table import Value, integers, operator, torch_pads
from converters.onnx.semantics import same_upper


def _window_pads(
    x: Tensor, kernel: list[int], strides: list[int], dilations: list[int], pad_type: str, pad: Value
) -> list[int]:
    """(before, after) of each spatial axis in turn, flattened."""
    if pad_type == "valid":
        return [0, 0] * len(kernel)
    if pad_type == "custom":
        return integers(pad)
    flat: list[int] = []
    for each in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        small, large = same_upper(*each)
        flat += [large, small] if pad_type == "same_lower" else [small, large]
    return flat


@operator("conv")
def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Value = None,
    strides: Value = None,
    pad_type: str = "valid",
    pad: Value = None,
    dilations: Value = None,
    groups: Value = 1,
) -> Tensor:
    dims = x.ndim - 2
    stride = integers(strides) if strides is not None else [1] * dims
    dilation = integers(dilations) if dilations is not None else [1] * dims
    pads = _window_pads(x, list(weight.shape[2:]), stride, dilation, pad_type, pad)
    if pads[::2] == pads[1::2]:
        padding = pads[::2]
    else:
        x, padding = nnf.pad(x, torch_pads(torch.tensor(pads), dims)), [0] * dims
    convolve = {1: nnf.conv1d, 2: nnf.conv2d, 3: nnf.conv3d}[dims]
    return convolve(x, weight, bias, stride, padding, dilation, int(groups))


@operator("conv_transpose")
def _conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Value = None,
    pad: Value = None,
    output_shape: Value = None,
    pad_type: str = "valid",
    strides: Value = None,
    dilations: Value = None,
    groups: Value = 1,
) -> Tensor:
    stride, dilation = (integers(value) if value is not None else [1, 1] for value in (strides, dilations))
    pads = integers(pad) if pad_type == "custom" else [0, 0, 0, 0]
    full = nnf.conv_transpose2d(x, weight, bias, stride, groups=int(groups), dilation=dilation)
    height, width = full.shape[2] - pads[0] - pads[1], full.shape[3] - pads[2] - pads[3]
    if output_shape is not None:
        height, width = integers(output_shape)[2:]
    full = nnf.pad(full, [0, max(pads[2] + width - full.shape[3], 0), 0, max(pads[0] + height - full.shape[2], 0)])
    return full[:, :, pads[0] : pads[0] + height, pads[2] : pads[2] + width]


def _pool_window(
    x: Tensor, kernel_sizes: Value, strides: Value, pad_type: str, pad: Value
) -> tuple[list[int], list[int], list[int]]:
    """Kernel, strides and torch's pad list of a pool."""
    kernel = integers(kernel_sizes)
    stride = integers(strides) if strides is not None else [1] * len(kernel)
    pads = _window_pads(x, kernel, stride, [1] * len(kernel), pad_type, pad)
    return kernel, stride, torch_pads(torch.tensor(pads), len(kernel))


@operator("avg_pool")
def _avg_pool(
    x: Tensor,
    kernel_sizes: Value,
    strides: Value = None,
    pad_type: str = "valid",
    pad: Value = None,
    exclude_padding_from_average: Value = False,
    ceil_mode: Value = False,
) -> Tensor:
    kernel, stride, pads = _pool_window(x, kernel_sizes, strides, pad_type, pad)
    padded = nnf.pad(x, pads)
    y = nnf.avg_pool2d(padded, kernel, stride, ceil_mode=bool(ceil_mode))
    if bool(exclude_padding_from_average) and any(pads):
        share = nnf.avg_pool2d(nnf.pad(torch.ones_like(x), pads), kernel, stride, ceil_mode=bool(ceil_mode))
        y = y / share
    return y


@operator("max_pool")
def _max_pool(
    x: Tensor,
    kernel_sizes: Value,
    strides: Value = None,
    pad_type: str = "valid",
    pad: Value = None,
    ceil_mode: Value = False,
) -> Tensor:
    kernel, stride, pads = _pool_window(x, kernel_sizes, strides, pad_type, pad)
    return nnf.max_pool2d(nnf.pad(x, pads, value=-torch.inf), kernel, stride, ceil_mode=bool(ceil_mode))


@operator("linear")
def _linear(x: Tensor, weight: Tensor, bias: Value = None) -> Tensor:
    return nnf.linear(x, weight, bias)


@operator("matmul")
def _matmul(x: Tensor, y: Tensor, transpose_x: Value = False, transpose_y: Value = False) -> Tensor:
    return (x.mT if bool(transpose_x) else x) @ (y.mT if bool(transpose_y) else y)
