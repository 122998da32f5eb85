"""Lowerings of ONNX ops to MIL, Core ML's intermediate language (coremltools' builder).

A ``numpy.ndarray`` is a constant, a MIL ``Var`` an activation; both are in ONNX's layout, which is MIL's too. Every
shape is static. Signatures and opsets are those of ``converters.tflite.ops``, which has more ops and forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from converters.coreml.quiet import mb
from converters.errors import UnsupportedError
from converters.onnx import semantics
from converters.onnx.registry import Registry, require
from converters.onnx.semantics import constant

COREML = Registry("Core ML")

Operand: TypeAlias = Any  # MIL Var | np.ndarray; coremltools ships no usable types


def _shape(x: Operand) -> list[int]:
    return [int(size) for size in x.shape]


def _image(x: Operand) -> Operand:
    if len(x.shape) != 4:
        raise UnsupportedError(f"input has rank {len(x.shape)}; supported: 4")
    return x


# Element by element


def _unary(function: Callable[..., Operand]) -> Callable[[Operand], Operand]:
    def lower(X: Operand) -> Operand:
        return function(x=X)

    return lower


for _name, _function in {"Abs": mb.abs, "Relu": mb.relu, "Sigmoid": mb.sigmoid, "Sqrt": mb.sqrt}.items():
    COREML.lowering(_name, since=6)(_unary(_function))


@COREML.lowering("Reciprocal", since=6)
def reciprocal(X: Operand) -> Operand:
    # MIL's inverse adds 1e-4 to its argument unless told otherwise.
    return mb.inverse(x=X, epsilon=np.float32(0))


@COREML.lowering("Identity", since=1)
def identity(input: Operand) -> Operand:
    return mb.identity(x=input)


def _binary(function: Callable[..., Operand]) -> Callable[[Operand, Operand], Operand]:
    def lower(A: Operand, B: Operand) -> Operand:
        return function(x=A, y=B)

    return lower


for _name, _function in {"Add": mb.add, "Sub": mb.sub, "Mul": mb.mul, "Div": mb.real_div}.items():
    COREML.lowering(_name, since=7)(_binary(_function))


@COREML.lowering("Clip", since=11)
def clip(input: Operand, min: Operand | None = None, max: Operand | None = None) -> Operand:
    low, high = semantics.clip_bounds(min, max)
    if (low, high) == (0, 6):
        return mb.relu6(x=input)
    if (low, high) == (0, math.inf):
        return mb.relu(x=input)
    x = input if low == -math.inf else mb.maximum(x=input, y=np.float32(low))
    return x if high == math.inf else mb.minimum(x=x, y=np.float32(high))


@COREML.lowering("Sum", since=6)
def sum_(*data_0: Operand) -> Operand:
    terms = list(data_0)
    if len(terms) == 1:
        return mb.identity(x=terms[0])
    while len(terms) > 1:
        pairs = [mb.add(x=a, y=b) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
    return terms[0]


# Convolution and pooling


def _flat(pads: semantics.Pads) -> list[int]:
    return [amount for pair in pads for amount in pair]


@COREML.lowering("Conv", since=1)
def conv(
    X: Operand,
    W: Operand,
    B: Operand | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Operand:
    x, weight = _image(X), constant("W", W)
    strides, dilations = list(strides or (1, 1)), list(dilations or (1, 1))
    wanted = semantics.window_pads(
        _shape(x)[2:], weight.shape[2:], auto_pad=auto_pad, pads=pads, strides=strides, dilations=dilations
    )
    bias = {} if B is None else {"bias": constant("B", B)}
    return mb.conv(
        x=x,
        weight=weight,
        strides=strides,
        pad_type="custom",
        pad=_flat(wanted),
        dilations=dilations,
        groups=group,
        **bias,
    )


def _pool(
    function: Callable[..., Operand],
    X: Operand,
    *,
    auto_pad: str,
    ceil_mode: int,
    dilations: Sequence[int] | None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
    **options: Any,
) -> Operand:
    x = _image(X)
    strides, dilations = list(strides or (1, 1)), list(dilations or (1, 1))
    require("dilations", dilations, ([1, 1],))
    size = _shape(x)[2:]
    wanted = semantics.window_pads(
        size, kernel_shape, auto_pad=auto_pad, pads=pads, strides=strides, dilations=dilations
    )
    semantics.check_ceil_mode(ceil_mode, size, wanted, kernel_shape, strides)
    return function(
        x=x, kernel_sizes=list(kernel_shape), strides=strides, pad_type="custom", pad=_flat(wanted), **options
    )


@COREML.lowering("AveragePool", since=7)
def average_pool(
    X: Operand,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Operand:
    return _pool(
        mb.avg_pool,
        X,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        dilations=dilations,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
        exclude_padding_from_average=not count_include_pad,
    )


@COREML.lowering("MaxPool", since=1)
def max_pool(
    X: Operand,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Operand:
    return _pool(
        mb.max_pool,
        X,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        dilations=dilations,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )


@COREML.lowering("GlobalAveragePool", since=1)
def global_average_pool(X: Operand) -> Operand:
    return mb.reduce_mean(x=_image(X), axes=[2, 3], keep_dims=True)


# By docs of MIL's resize_bilinear: DEFAULT samples at i * before / after.
_SAMPLING = {"half_pixel": "UNALIGN_CORNERS", "align_corners": "STRICT_ALIGN_CORNERS", "asymmetric": "DEFAULT"}


@COREML.lowering("Resize", since=11)
def resize(
    X: Operand,
    roi: Operand | None = None,
    scales: Operand | None = None,
    sizes: Operand | None = None,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Operand:
    x = _image(X)
    resizing = semantics.Resizing(
        mode, antialias, keep_aspect_ratio_policy, coordinate_transformation_mode, nearest_mode
    )
    after, factors, transform = resizing.checked(_shape(x), scales, sizes, axes)
    if mode == "nearest":
        if any(factor != int(factor) for factor in factors):
            raise UnsupportedError(f"uses mode=nearest with factors {factors[2:]}; supported: whole factors")
        return mb.upsample_nearest_neighbor(
            x=x, scale_factor_height=int(factors[2]), scale_factor_width=int(factors[3])
        )
    if transform == "asymmetric" and 1 in after[2:]:
        raise UnsupportedError("uses asymmetric sampling to a single pixel, where Core ML divides by 0")
    return mb.resize_bilinear(
        x=x, target_size_height=after[2], target_size_width=after[3], sampling_mode=_SAMPLING[transform]
    )


# Normalisation


@COREML.lowering("BatchNormalization", since=9)
def batch_normalization(
    X: Operand,
    scale: Operand,
    B: Operand,
    input_mean: Operand,
    input_var: Operand,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Operand:
    require("training_mode", training_mode, (0,))
    return mb.batch_norm(
        x=_image(X),
        mean=constant("input_mean", input_mean),
        variance=constant("input_var", input_var),
        gamma=constant("scale", scale),
        beta=constant("B", B),
        epsilon=np.float32(epsilon),
    )


@COREML.lowering("InstanceNormalization", since=6)
def instance_normalization(input: Operand, scale: Operand, B: Operand, *, epsilon: float = 1e-5) -> Operand:
    return mb.instance_norm(
        x=_image(input), gamma=constant("scale", scale), beta=constant("B", B), epsilon=np.float32(epsilon)
    )


# Reduction


def _reduce(
    function: Callable[..., Operand], data: Operand, axes: Operand | None, keepdims: int, noop_with_empty_axes: int
) -> Operand:
    reduced = semantics.reduced_axes(len(data.shape), axes, noop_with_empty_axes)
    if not reduced:
        return mb.identity(x=data)
    return function(x=data, axes=reduced, keep_dims=bool(keepdims))


@COREML.lowering("ReduceMean", since=18)
def reduce_mean(
    data: Operand, axes: Operand | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Operand:
    return _reduce(mb.reduce_mean, data, axes, keepdims, noop_with_empty_axes)


@COREML.lowering("ReduceMax", since=18)
def reduce_max(
    data: Operand, axes: Operand | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Operand:
    return _reduce(mb.reduce_max, data, axes, keepdims, noop_with_empty_axes)


# Matrices


@COREML.lowering("Gemm", since=7)
def gemm(
    A: Operand,
    B: Operand,
    C: Operand | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Operand:
    y = mb.matmul(x=A, y=B, transpose_x=bool(transA), transpose_y=bool(transB))
    y = y if alpha == 1 else mb.mul(x=y, y=np.float32(alpha))
    if C is None or beta == 0:
        return y
    return mb.add(x=y, y=C if beta == 1 else mb.mul(x=C, y=np.float32(beta)))


@COREML.lowering("MatMul", since=1)
def matmul(A: Operand, B: Operand) -> Operand:
    if min(len(A.shape), len(B.shape)) < 2:
        raise UnsupportedError("multiplies a vector; supported: matrices")
    return mb.matmul(x=A, y=B)


# Shape


@COREML.lowering("Concat", since=4)
def concat(*inputs: Operand, axis: int) -> Operand:
    return mb.concat(values=list(inputs), axis=axis)


@COREML.lowering("Slice", since=10)
def slice_(
    data: Operand, starts: Operand, ends: Operand, axes: Operand | None = None, steps: Operand | None = None
) -> Operand:
    ranges = semantics.slice_ranges(_shape(data), starts, ends, axes, steps)
    if any(len(each) == 0 for each in ranges):
        raise UnsupportedError("gives an empty tensor; supported: at least one element")
    return mb.slice_by_index(
        x=data,
        begin=[each.start for each in ranges],
        end=[each[-1] + 1 for each in ranges],
        stride=[each.step for each in ranges],
    )


@COREML.lowering("Split", since=13)
def split(
    input: Operand, split: Operand | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> list[Operand]:
    lengths = semantics.split_lengths(_shape(input)[axis], split, num_outputs)
    if len(lengths) == 1:
        return [mb.identity(x=input)]
    return list(mb.split(x=input, split_sizes=lengths, axis=axis))


@COREML.lowering("Pad", since=11)
def pad(
    data: Operand,
    pads: Operand,
    constant_value: Operand | None = None,
    axes: Operand | None = None,
    *,
    mode: str = "constant",
) -> Operand:
    require("mode", mode, ("constant", "reflect"))
    around = semantics.pad_amounts(len(data.shape), pads, axes)
    if mode == "reflect" and any(amount for pair in around[:-2] for amount in pair):
        raise UnsupportedError("reflects more than the last two axes; supported: height and width")
    value = 0.0 if constant_value is None else float(constant("constant_value", constant_value))
    flat = _flat(around[-2:] if mode == "reflect" else around)
    return mb.pad(x=data, pad=flat, mode=mode, constant_val=np.float32(value))


@COREML.lowering("Reshape", since=5)
def reshape(data: Operand, shape: Operand, *, allowzero: int = 0) -> Operand:
    return mb.reshape(x=data, shape=semantics.reshaped(_shape(data), shape, allowzero))


@COREML.lowering("Flatten", since=1)
def flatten(input: Operand, *, axis: int = 1) -> Operand:
    return mb.reshape(x=input, shape=semantics.flattened(_shape(input), axis))


@COREML.lowering("Squeeze", since=13)
def squeeze(data: Operand, axes: Operand | None = None) -> Operand:
    return mb.reshape(x=data, shape=semantics.squeezed(_shape(data), axes))


@COREML.lowering("Unsqueeze", since=13)
def unsqueeze(data: Operand, axes: Operand) -> Operand:
    return mb.reshape(x=data, shape=semantics.unsqueezed(_shape(data), axes))


@COREML.lowering("Expand", since=8)
def expand(input: Operand, shape: Operand) -> Operand:
    after = semantics.expanded(_shape(input), shape)
    before = [1] * (len(after) - len(input.shape)) + _shape(input)
    x = mb.reshape(x=input, shape=before) if len(before) != len(input.shape) else input
    return mb.tile(x=x, reps=[new // old for new, old in zip(after, before, strict=True)])


@COREML.lowering("Transpose", since=1)
def transpose(data: Operand, *, perm: Sequence[int] | None = None) -> Operand:
    return mb.transpose(x=data, perm=list(perm) if perm is not None else list(range(len(data.shape)))[::-1])
