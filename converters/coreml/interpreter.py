"""Runs a saved Core ML package anywhere: reads its specification and weights, and executes its ML program op by op.

Semantics follow the MIL operator documentation of coremltools 9 (coremltools.converters.mil.mil.ops.defs). Every op
computes in float32 and rounds its result to the type that the program declares for it, so that fp16 programs show
fp16's rounding; what a device's own kernels round in between is not modelled.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as nnf

from converters.errors import ExportError
from converters.onnx.semantics import same_upper
from converters.quiet import native_stderr

with native_stderr():
    from coremltools.proto import MIL_pb2, Model_pb2

NEWEST_SPECIFICATION = 9
"""iOS 18 and macOS 15 (Model.proto)."""

_TYPES: dict[str, npt.DTypeLike] = {
    "BOOL": np.bool_,
    "FLOAT16": np.float16,
    "FLOAT32": np.float32,
    "INT32": np.int32,
    "INT16": np.int16,
    "INT8": np.int8,
    "UINT16": np.uint16,
    "UINT8": np.uint8,
    "UINT32": np.uint32,
}
_SUB_BYTE = {"INT4": 4, "UINT1": 1, "UINT2": 2, "UINT3": 3, "UINT4": 4, "UINT6": 6}

Value: TypeAlias = Any  # Tensor, or a Python value for strings
Op: TypeAlias = Callable[..., Value]
_OPS: dict[str, Op] = {}


def _unpack_bits(data: npt.NDArray[np.uint8], bits: int, count: int) -> npt.NDArray[np.uint8]:
    """Little-endian bit fields, the least significant bit first."""
    stream = np.unpackbits(data, bitorder="little")[: bits * count].reshape(count, bits)
    return np.packbits(stream, axis=1, bitorder="little")[:, 0]


class Package:
    """A saved ``.mlpackage``. Raises ExportError for anything that is not a whole one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            manifest = json.loads((path / "Manifest.json").read_text())
            entries = manifest["itemInfoEntries"]
            self._model = path / "Data" / entries[manifest["rootModelIdentifier"]]["path"]
            self.spec = Model_pb2.Model()
            self.spec.ParseFromString(self._model.read_bytes())
        except Exception as error:  # files, JSON and protobuf share no base class
            raise self._broken(f"cannot read {path.name}: {(str(error) or type(error).__name__)[:200]}") from error
        if self.spec.specificationVersion > NEWEST_SPECIFICATION:
            raise self._broken(
                f"{path.name} has specification version {self.spec.specificationVersion}",
                expected=f"at most {NEWEST_SPECIFICATION} (iOS 18)",
                next_step="export it for iOS 18 or older",
            )
        if self.spec.WhichOneof("Type") != "mlProgram":
            raise self._broken(f"{path.name} holds a {self.spec.WhichOneof('Type')}", expected="an ML program")
        self._blobs: dict[str, bytes] = {}

    def _broken(
        self, what: str, *, expected: str = "a whole .mlpackage", next_step: str = "export it again"
    ) -> ExportError:
        return ExportError(what, where=self.path, expected=expected, next_step=next_step)

    @property
    def operations(self) -> list[Any]:
        """The operations of the main function, in order."""
        function = self.spec.mlProgram.functions["main"]
        return list(function.block_specializations[function.opset].operations)

    @property
    def output_names(self) -> list[str]:
        function = self.spec.mlProgram.functions["main"]
        return list(function.block_specializations[function.opset].outputs)

    def value(self, value: Any) -> Value:
        """A constant of the program: from the specification, or from the weight file."""
        tensor_type = value.type.tensorType
        shape = [dimension.constant.size for dimension in tensor_type.dimensions]
        kind = MIL_pb2.DataType.Name(tensor_type.dataType)
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue, kind, shape)
        if value.immediateValue.WhichOneof("value") != "tensor":
            raise self._broken("a constant of the program is not a tensor", expected="tensors")
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        if kind == "STRING":
            return tensor.strings.values[0]
        if field == "bytes":
            data = np.frombuffer(tensor.bytes.values, np.uint8)
            return self._array(data, kind, shape)
        items = np.array(list(getattr(tensor, field).values), _TYPES[kind])
        return torch.from_numpy(items.reshape(shape) if items.size != 1 or shape else items.reshape(()))

    def _array(self, data: npt.NDArray[np.uint8], kind: str, shape: list[int]) -> Tensor:
        count = int(np.prod(shape, dtype=np.int64))
        if kind in _SUB_BYTE:
            bits = _SUB_BYTE[kind]
            fields = _unpack_bits(data, bits, count).astype(np.int16)
            if kind.startswith("INT"):
                fields = np.where(fields >= 1 << (bits - 1), fields - (1 << bits), fields)
            return torch.from_numpy(fields.astype(np.int32).reshape(shape))
        array = data[: count * np.dtype(_TYPES[kind]).itemsize].view(_TYPES[kind])
        if array.dtype in (np.uint16, np.uint32):
            array = array.astype(np.int64)
        return torch.from_numpy(array.reshape(shape).copy())

    def _blob(self, reference: Any, kind: str, shape: list[int]) -> Tensor:
        name, offset = str(reference.fileName), int(reference.offset)
        if name not in self._blobs:
            file = (self._model.parent / name.removeprefix("@model_path/")).resolve()
            try:
                if not file.is_relative_to(self.path.resolve()):
                    raise OSError("it lies outside the package")
                self._blobs[name] = file.read_bytes()
            except OSError as error:
                raise self._broken(f"the weight file {name} cannot be read: {error.strerror or error}") from error
        blob = self._blobs[name]
        header = blob[offset : offset + 24]
        # MILBlob format 2: sentinel, type, bytes and place of the data; 64 bytes in all.
        sentinel, _, size, start = struct.unpack("<IIQQ", header) if len(header) == 24 else (0, 0, 0, 0)
        bits = _SUB_BYTE.get(kind) or 8 * np.dtype(_TYPES[kind]).itemsize
        needed = -(-int(np.prod(shape, dtype=np.int64)) * bits // 8)
        if sentinel != 0xDEADBEEF or size < needed or start + size > len(blob):
            raise self._broken(f"the weight file is damaged at byte {offset}", expected=f"{needed} bytes of {kind}")
        return self._array(np.frombuffer(blob, np.uint8, int(size), int(start)), kind, shape)


def _op(*names: str) -> Callable[[Op], Op]:
    def register(function: Op) -> Op:
        for name in names:
            assert name not in _OPS, name
            _OPS[name] = function
        return function

    return register


def _ints(value: Value) -> list[int]:
    return [int(item) for item in torch.as_tensor(value).reshape(-1).tolist()]


def _pairs(pad: Value, dims: int) -> list[int]:
    """MIL's (before, after) per axis as torch's pad list, last axis first."""
    flat = _ints(pad)
    return [flat[2 * axis + side] for axis in reversed(range(dims)) for side in (0, 1)]


_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "relu6": nnf.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "abs": torch.abs,
    "square": torch.square,
    "silu": nnf.silu,
    "softplus": nnf.softplus,
    "erf": torch.erf,
    "identity": torch.clone,
}
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "pow": torch.pow,
}
_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "reduce_mean": torch.mean,
    "reduce_sum": torch.sum,
    "reduce_max": torch.amax,
    "reduce_min": torch.amin,
}


def _unary(x: Tensor, *, function: Callable[[Tensor], Tensor]) -> Tensor:
    return function(x)


def _binary(x: Value, y: Value, *, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    return function(torch.as_tensor(x), torch.as_tensor(y))


def _reduce(x: Tensor, axes: Value = None, keep_dims: Value = False, *, function: Callable[..., Tensor]) -> Tensor:
    return function(x, dim=_ints(axes) if axes is not None else list(range(x.ndim)), keepdim=bool(keep_dims))


_OPS.update({name: partial(_unary, function=function) for name, function in _UNARY.items()})
_OPS.update({name: partial(_binary, function=function) for name, function in _BINARY.items()})
_OPS.update({name: partial(_reduce, function=function) for name, function in _REDUCTIONS.items()})


@_op("inverse")
def _inverse(x: Tensor, epsilon: Value = 1e-4) -> Tensor:
    return 1 / (x + float(epsilon))


@_op("rsqrt")
def _rsqrt(x: Tensor, epsilon: Value = 1e-12) -> Tensor:
    return torch.rsqrt(x + float(epsilon))


@_op("clip")
def _clip(x: Tensor, alpha: Value, beta: Value) -> Tensor:
    return x.clamp(float(alpha), float(beta))


@_op("leaky_relu")
def _leaky_relu(x: Tensor, alpha: Value) -> Tensor:
    return nnf.leaky_relu(x, float(alpha))


@_op("prelu")
def _prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return nnf.prelu(x, alpha)


@_op("elu")
def _elu(x: Tensor, alpha: Value = 1.0) -> Tensor:
    return nnf.elu(x, float(alpha))


@_op("gelu")
def _gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return nnf.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@_op("sigmoid_hard")
def _sigmoid_hard(x: Tensor, alpha: Value = 0.2, beta: Value = 0.5) -> Tensor:
    return (x * float(alpha) + float(beta)).clamp(0, 1)


@_op("softmax")
def _softmax(x: Tensor, axis: Value = -1) -> Tensor:
    return x.softmax(int(axis))


@_op("cast")
def _cast(x: Tensor, dtype: str) -> Tensor:
    if dtype.startswith(("int", "uint")):
        return x.trunc().to(torch.int32)
    return x.to(torch.bool) if dtype == "bool" else x.float()


@_op("batch_norm")
def _batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Value = None, beta: Value = None, epsilon: Value = 1e-5
) -> Tensor:
    return nnf.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


@_op("instance_norm")
def _instance_norm(x: Tensor, gamma: Value = None, beta: Value = None, epsilon: Value = 1e-5) -> Tensor:
    return nnf.instance_norm(x, weight=gamma, bias=beta, eps=float(epsilon))


@_op("layer_norm")
def _layer_norm(x: Tensor, axes: Value, gamma: Value = None, beta: Value = None, epsilon: Value = 1e-5) -> Tensor:
    shape = [x.shape[axis] for axis in _ints(axes)]
    return nnf.layer_norm(x, shape, gamma, beta, float(epsilon))


def _window_pads(
    x: Tensor, kernel: list[int], strides: list[int], dilations: list[int], pad_type: str, pad: Value
) -> list[int]:
    if pad_type == "valid":
        return [0, 0] * len(kernel)
    if pad_type == "custom":
        return _ints(pad)
    flat: list[int] = []
    for each in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        small, large = same_upper(*each)
        flat += [large, small] if pad_type == "same_lower" else [small, large]
    return flat


@_op("conv")
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
    stride = _ints(strides) if strides is not None else [1] * dims
    dilation = _ints(dilations) if dilations is not None else [1] * dims
    pads = _window_pads(x, list(weight.shape[2:]), stride, dilation, pad_type, pad)
    if pads[::2] == pads[1::2]:
        padding = pads[::2]
    else:
        x, padding = nnf.pad(x, _pairs(torch.tensor(pads), dims)), [0] * dims
    convolve = {1: nnf.conv1d, 2: nnf.conv2d, 3: nnf.conv3d}[dims]
    return convolve(x, weight, bias, stride, padding, dilation, int(groups))


@_op("conv_transpose")
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
    stride, dilation = (_ints(value) if value is not None else [1, 1] for value in (strides, dilations))
    pads = _ints(pad) if pad_type == "custom" else [0, 0, 0, 0]
    full = nnf.conv_transpose2d(x, weight, bias, stride, groups=int(groups), dilation=dilation)
    height, width = full.shape[2] - pads[0] - pads[1], full.shape[3] - pads[2] - pads[3]
    if output_shape is not None:
        height, width = _ints(output_shape)[2:]
    full = nnf.pad(full, [0, max(pads[2] + width - full.shape[3], 0), 0, max(pads[0] + height - full.shape[2], 0)])
    return full[:, :, pads[0] : pads[0] + height, pads[2] : pads[2] + width]


def _pool_window(
    x: Tensor, kernel_sizes: Value, strides: Value, pad_type: str, pad: Value
) -> tuple[list[int], list[int], list[int]]:
    """Kernel, strides and torch's pad list of a pool."""
    kernel = _ints(kernel_sizes)
    stride = _ints(strides) if strides is not None else [1] * len(kernel)
    pads = _window_pads(x, kernel, stride, [1] * len(kernel), pad_type, pad)
    return kernel, stride, _pairs(torch.tensor(pads), len(kernel))


@_op("avg_pool")
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


@_op("max_pool")
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


def _sampled(x: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Linear interpolation of one axis at the given positions, clamped to the map."""
    size = x.shape[axis]
    positions = positions.clamp(0, size - 1)
    low = positions.floor().long()
    high = (low + 1).clamp(max=size - 1)
    share = (positions - low).to(x.dtype).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share


def _grid(size: int, target: int, mode: str) -> Tensor:
    """Where a resize samples, by MIL's sampling modes."""
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


@_op("resize_bilinear")
def _resize_bilinear(
    x: Tensor, target_size_height: Value = 1, target_size_width: Value = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    return _bilinear(x, int(target_size_height), int(target_size_width), sampling_mode)


@_op("upsample_bilinear")
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


@_op("upsample_nearest_neighbor")
def _upsample_nearest(x: Tensor, scale_factor_height: Value = 1, scale_factor_width: Value = 1) -> Tensor:
    for axis, factor in ((-2, float(scale_factor_height)), (-1, float(scale_factor_width))):
        target = int(x.shape[axis] * factor)
        positions = torch.arange(target) * x.shape[axis] // target
        x = x.index_select(axis, positions)
    return x


@_op("linear")
def _linear(x: Tensor, weight: Tensor, bias: Value = None) -> Tensor:
    return nnf.linear(x, weight, bias)


@_op("matmul")
def _matmul(x: Tensor, y: Tensor, transpose_x: Value = False, transpose_y: Value = False) -> Tensor:
    return (x.mT if bool(transpose_x) else x) @ (y.mT if bool(transpose_y) else y)


@_op("concat")
def _concat(values: list[Tensor], axis: Value, interleave: Value = False) -> Tensor:
    if bool(interleave):
        raise ValueError("concat with interleave=True")
    return torch.cat(values, int(axis))


@_op("stack")
def _stack(values: list[Tensor], axis: Value) -> Tensor:
    return torch.stack(values, int(axis))


@_op("split")
def _split(x: Tensor, axis: Value, num_splits: Value = None, split_sizes: Value = None) -> list[Tensor]:
    if split_sizes is not None:
        return list(x.split(_ints(split_sizes), int(axis)))
    return list(x.chunk(int(num_splits), int(axis)))


@_op("slice_by_index")
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

    strides = [1] * x.ndim if stride is None else _ints(stride)
    keys: list[int | slice] = []
    rows = zip(_ints(begin), _ints(end), strides, flags(begin_mask), flags(end_mask), flags(squeeze_mask), strict=True)
    for first, last, step, open_begin, open_end, squeezed in rows:
        if step < 0:
            raise ValueError("slice_by_index with a negative stride")
        keys.append(first if squeezed else slice(None if open_begin else first, None if open_end else last, step))
    return x[tuple(keys)]


@_op("slice_by_size")
def _slice_by_size(x: Tensor, begin: Value, size: Value) -> Tensor:
    rows = zip(_ints(begin), _ints(size), x.shape, strict=True)
    return x[tuple(slice(first, full if length == -1 else first + length) for first, length, full in rows)]


@_op("crop")
def _crop(x: Tensor, crop_height: Value, crop_width: Value) -> Tensor:
    (top, bottom), (left, right) = _ints(crop_height), _ints(crop_width)
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


@_op("pad")
def _pad(x: Tensor, pad: Value, mode: str = "constant", constant_val: Value = 0.0) -> Tensor:
    pads = _pairs(pad, len(_ints(pad)) // 2)
    if mode == "constant":
        return nnf.pad(x, pads, value=float(constant_val))
    while len(pads) > 4 and not any(pads[-2:]):
        pads = pads[:-2]
    return nnf.pad(x, pads, mode={"reflect": "reflect", "replicate": "replicate"}[mode])


@_op("reshape")
def _reshape(x: Tensor, shape: Value) -> Tensor:
    wanted = [x.shape[axis] if size == 0 else size for axis, size in enumerate(_ints(shape))]
    return x.reshape(wanted)


@_op("expand_dims")
def _expand_dims(x: Tensor, axes: Value) -> Tensor:
    rank = x.ndim + len(_ints(axes))
    for axis in sorted(axis % rank for axis in _ints(axes)):
        x = x.unsqueeze(axis)
    return x


@_op("squeeze")
def _squeeze(x: Tensor, axes: Value = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(_ints(axes))


@_op("transpose")
def _transpose(x: Tensor, perm: Value) -> Tensor:
    return x.permute(_ints(perm))


@_op("tile")
def _tile(x: Tensor, reps: Value) -> Tensor:
    return x.repeat(_ints(reps))


@_op("fill")
def _fill(shape: Value, value: Value = 0.0) -> Tensor:
    return torch.full(_ints(shape), float(value))


@_op("pixel_shuffle")
def _pixel_shuffle(x: Tensor, upscale_factor: Value) -> Tensor:
    return nnf.pixel_shuffle(x, int(upscale_factor))


def _per_axis(value: Tensor, like: Tensor, axis: Value) -> Tensor:
    return (
        value.float()
        if value.numel() == 1
        else value.float().reshape([-1 if i == int(axis) else 1 for i in range(like.ndim)])
    )


@_op("quantize")
def _quantize(input: Tensor, scale: Tensor, output_dtype: str, zero_point: Value = None, axis: Value = 0) -> Tensor:
    low, high = (-128, 127) if output_dtype == "int8" else (0, 255)
    zero = 0 if zero_point is None else _per_axis(zero_point, input, axis)
    return torch.clamp(torch.round(input / _per_axis(scale, input, axis)) + zero, low, high)


@_op("dequantize")
def _dequantize(input: Tensor, scale: Tensor, zero_point: Value = None, axis: Value = 0) -> Tensor:
    zero = 0 if zero_point is None else _per_axis(zero_point, input, axis)
    return (input.float() - zero) * _per_axis(scale, input, axis)


# Compressed weights


@_op("constexpr_cast")
def _constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    return source_val.float()


@_op("constexpr_affine_dequantize")
def _affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Value) -> Tensor:
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    scale = scale.float().reshape(shape) if scale.numel() > 1 else scale.float()
    zero = zero_point.float().reshape(shape) if zero_point.numel() > 1 else zero_point.float()
    return scale * (quantized_data.float() - zero)


@_op("constexpr_blockwise_shift_scale")
def _blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Value = None) -> Tensor:
    def spread(blocks: Tensor) -> Tensor:
        for axis, (full, count) in enumerate(zip(data.shape, blocks.shape, strict=True)):
            blocks = blocks.repeat_interleave(full // count, axis)
        return blocks.float()

    return spread(scale) * (data.float() - (0 if offset is None else spread(offset)))


@_op("constexpr_lut_to_dense")
def _lut_to_dense(indices: Tensor, lut: Tensor, shape: Value = None, vector_axis: Value = None) -> Tensor:
    if shape is not None:  # iOS 16: one table, packed indices
        sizes = _ints(shape)
        bits = max(int(lut.numel()).bit_length() - 1, 1)
        unpacked = _unpack_bits(indices.numpy().astype(np.uint8), bits, int(np.prod(sizes)))
        return lut.float()[torch.from_numpy(unpacked.astype(np.int64))].reshape(sizes)
    if lut.shape[-1] != 1:
        raise ValueError("constexpr_lut_to_dense with vector entries")
    tables = lut[..., 0].float()
    for axis in range(indices.ndim):  # iOS 18: a table for each group of indices
        tables = tables.repeat_interleave(indices.shape[axis] // tables.shape[axis], axis)
    return tables.gather(-1, indices.long().unsqueeze(-1)).squeeze(-1)


class Evaluator:
    """A loaded package, ready to run; raises ExportError when it is broken or has an op that is not known here."""

    def __init__(self, package: Package) -> None:
        self.package = package
        unknown = Counter(item.type for item in package.operations if item.type != "const" and item.type not in _OPS)
        if unknown:
            listing = ", ".join(f"{count} {name}" for name, count in sorted(unknown.items()))
            raise ExportError(
                f"the evaluator does not know these ops: {listing}",
                where=package.path,
                expected="ops of an image network",
                next_step="run the package with Core ML on a Mac",
            )
        self._constants = dict(self._load_constants())
        last = {
            binding.name: position
            for position, item in enumerate(package.operations)
            for argument in item.inputs.values()
            for binding in argument.arguments
            if binding.WhichOneof("binding") == "name"
        }
        self._last_read: dict[int, list[str]] = {}
        for name, position in last.items():
            if name not in self._constants and name not in package.output_names:
                self._last_read.setdefault(position, []).append(name)

    def _load_constants(self) -> Iterator[tuple[str, Value]]:
        known: dict[str, Value] = {}
        for item in self.package.operations:
            if item.type == "const":
                known[item.outputs[0].name] = self.package.value(item.attributes["val"])
            elif item.type.startswith("constexpr_"):
                # Compressed weights keep their data in attributes (iOS 16) or inputs (iOS 18).
                arguments = {key: self.package.value(value) for key, value in item.attributes.items() if key != "name"}
                arguments |= {key: self._argument(value, known) for key, value in item.inputs.items()}
                known[item.outputs[0].name] = self._rounded(item, 0, self._call(item.type, arguments))
        yield from known.items()

    def _argument(self, argument: Any, values: dict[str, Value]) -> Value:
        bindings = [
            values[binding.name] if binding.WhichOneof("binding") == "name" else self.package.value(binding.value)
            for binding in argument.arguments
        ]
        return bindings[0] if len(bindings) == 1 else bindings

    def _call(self, name: str, arguments: dict[str, Value]) -> Value:
        try:
            # Half-precision kernels differ by machine: every op computes in float32 and is rounded after.
            return _OPS[name](**{key: _wide(value) for key, value in arguments.items()})
        except (TypeError, ValueError, RuntimeError, KeyError) as error:
            raise ExportError(
                f"the evaluator cannot run this form of {name}: {str(error).splitlines()[0][:200]}",
                where=self.package.path,
                next_step="run the package with Core ML on a Mac",
            ) from error

    @staticmethod
    def _rounded(item: Any, index: int, value: Tensor) -> Tensor:
        kind = MIL_pb2.DataType.Name(item.outputs[index].type.tensorType.dataType)
        return value.to(torch.float16) if kind == "FLOAT16" else value

    def run(
        self, inputs: dict[str, Tensor], observe: Callable[[str, Tensor], None] = lambda name, value: None
    ) -> dict[str, Tensor]:
        """Execute the main function; float tensors in and out, as the program declares them.

        ``observe`` is given every op's outputs by name. A tensor is dropped after its last reader.
        """
        values = {**self._constants, **inputs}
        with torch.inference_mode():
            for position, item in enumerate(self.package.operations):
                if item.outputs[0].name in self._constants:
                    continue
                arguments = {key: self._argument(argument, values) for key, argument in item.inputs.items()}
                if item.type == "concat" and not isinstance(arguments["values"], list):
                    arguments["values"] = [arguments["values"]]
                result = self._call(item.type, arguments)
                outputs = result if isinstance(result, list) else [result]
                for index, output in enumerate(item.outputs):
                    values[output.name] = self._rounded(item, index, outputs[index])
                    observe(output.name, values[output.name])
                for name in self._last_read.get(position, ()):
                    values.pop(name, None)
        return {name: values[name].float() for name in self.package.output_names}


def _wide(value: Value) -> Value:
    if isinstance(value, list):
        return [_wide(item) for item in value]
    return value.float() if isinstance(value, Tensor) and value.dtype is torch.float16 else value
