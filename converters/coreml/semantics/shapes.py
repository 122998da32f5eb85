"""Operators that join, cut, pad and rearrange tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from converters.coreml.semantics.table import Value, integers, operator, torch_pads


@operator("concat")
def _concat(values: list[Tensor], axis: Value, interleave: Value = False) -> Tensor:
    if bool(interleave):
        raise ValueError("concat with interleave=True")
    return torch.cat(values, int(axis))


@operator("stack")
def _stack(values: list[Tensor], axis: Value) -> Tensor:
    return torch.stack(values, int(axis))


@operator("split")
def _split(x: Tensor, axis: Value, num_splits: Value = None, split_sizes: Value = None) -> list[Tensor]:
    if split_sizes is not None:
        return list(x.split(integers(split_sizes), int(axis)))
    return list(x.chunk(int(num_splits), int(axis)))


@operator("slice_by_index")
def _slice_by_index(
    x: Tensor,
    begin: Value,
    end: Value,
    stride: Value = None,
    begin_mask: Value = None,
    end_mask: Value = None,
    squeeze_mask: Value = None,
) -> Tensor:
    def flags(value: Value) -> list[bool]:
        return [False] * x.ndim if value is None else [bool(item) for item in value.reshape(-1)]

    strides = [1] * x.ndim if stride is None else integers(stride)
    keys: list[int | slice] = []
    rows = zip(
        integers(begin), integers(end), strides, flags(begin_mask), flags(end_mask), flags(squeeze_mask), strict=True
    )
    for first, last, step, open_begin, open_end, squeezed in rows:
        if step < 0:
            raise ValueError("slice_by_index with a negative stride")
        keys.append(first if squeezed else slice(None if open_begin else first, None if open_end else last, step))
    return x[tuple(keys)]


@operator("slice_by_size")
def _slice_by_size(x: Tensor, begin: Value, size: Value) -> Tensor:
    rows = zip(integers(begin), integers(size), x.shape, strict=True)
    return x[tuple(slice(first, full if length == -1 else first + length) for first, length, full in rows)]


@operator("crop")
def _crop(x: Tensor, crop_height: Value, crop_width: Value) -> Tensor:
    (top, bottom), (left, right) = integers(crop_height), integers(crop_width)
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


@operator("pad")
def _pad(x: Tensor, pad: Value, mode: str = "constant", constant_val: Value = 0.0) -> Tensor:
    pads = torch_pads(pad, len(integers(pad)) // 2)
    if mode == "constant":
        return nnf.pad(x, pads, value=float(constant_val))
    while len(pads) > 4 and not any(pads[-2:]):
        pads = pads[:-2]
    return nnf.pad(x, pads, mode={"reflect": "reflect", "replicate": "replicate"}[mode])


@operator("reshape")
def _reshape(x: Tensor, shape: Value) -> Tensor:
    wanted = [x.shape[axis] if size == 0 else size for axis, size in enumerate(integers(shape))]
    return x.reshape(wanted)


@operator("expand_dims")
def _expand_dims(x: Tensor, axes: Value) -> Tensor:
    rank = x.ndim + len(integers(axes))
    for axis in sorted(axis % rank for axis in integers(axes)):
        x = x.unsqueeze(axis)
    return x


@operator("squeeze")
def _squeeze(x: Tensor, axes: Value = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(integers(axes))


@operator("transpose")
def _transpose(x: Tensor, perm: Value) -> Tensor:
    return x.permute(integers(perm))


@operator("tile")
def _tile(x: Tensor, reps: Value) -> Tensor:
    return x.repeat(integers(reps))


@operator("fill")
def _fill(shape: Value, value: Value = 0.0) -> Tensor:
    return torch.full(integers(shape), float(value))


@operator("pixel_shuffle")
def _pixel_shuffle(x: Tensor, upscale_factor: Value) -> Tensor:
    return nnf.pixel_shuffle(x, int(upscale_factor))
