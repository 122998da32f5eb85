"""Lowerings of ONNX ops to TFLite's built-in ops.

A ``numpy.ndarray`` is a constant in ONNX's layout. A ``Value`` is an activation: NHWC where it has rank 4, ONNX's own
axis order otherwise. Every shape is static. Semantics are those of the ONNX operator specification
(onnx/docs/Operators.md) from the opset that each lowering is registered with, and of LiteRT's kernels
(tflite/kernels). Activations are float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from converters.errors import UnsupportedError
from converters.onnx import semantics
from converters.onnx.layout import NCHW_FROM_NHWC, NHWC_FROM_NCHW, nhwc_axis, nhwc_order
from converters.onnx.registry import Registry, require
from converters.onnx.semantics import (
    Pads,
    Pooling,
    Resizing,
    Transposing,
    averaged,
    ceil_pads,
    clip_bounds,
    constant,
    pad_amounts,
    reduced_axes,
    same_upper,
    slice_ranges,
    split_lengths,
    window_pads,
)
from converters.tflite import builder as fb
from converters.tflite.values import Value, op, options

TFLITE = Registry("TFLite")

Array: TypeAlias = npt.NDArray[Any]
Operand: TypeAlias = Value | Array
_PADDING: Any = fb.schema.Padding
_MIRROR: Any = fb.schema.MirrorPadMode


# Layout


def _rank(x: Operand) -> int:
    return len(x.shape)


def _integers(values: Sequence[int] | Sequence[tuple[int, int]]) -> Array:
    return np.array(values, np.int32)


def _scalar(value: float) -> Array:
    return np.array(value, np.float32)


def nchw_shape(x: Operand) -> list[int]:
    """The shape that ONNX gives this value."""
    shape = list(x.shape)
    return [shape[axis] for axis in NCHW_FROM_NHWC] if len(shape) == 4 and isinstance(x, Value) else shape


def _reshape(x: Operand, shape: Sequence[int]) -> Operand:
    """``x`` in another shape, as it lies in memory; of several in a row only the last."""
    if isinstance(x, np.ndarray):
        return x.reshape(shape)
    if x.op == "RESHAPE":
        return _reshape(x.inputs[0], shape)
    if list(x.shape) == list(shape):
        return x
    after = _integers(shape)
    return op("RESHAPE", shape, x, after, options=options("ReshapeOptions", newShape=after.tolist()))


def _transpose(x: Operand, order: Sequence[int]) -> Operand:
    """``x`` with its axes in another order; a reshape where no data moves, and nothing where another one is undone."""
    if isinstance(x, np.ndarray):
        return np.ascontiguousarray(x.transpose(order))
    if x.op == "TRANSPOSE":
        before, first = x.inputs
        assert isinstance(first, np.ndarray)
        return _transpose(before, [int(first[axis]) for axis in order])
    shape = [x.shape[axis] for axis in order]
    moved = [axis for axis in order if x.shape[axis] > 1]
    if moved == sorted(moved):
        return _reshape(x, shape)
    return op("TRANSPOSE", shape, x, _integers(order), options=options("TransposeOptions"))


def to_nhwc(x: Operand) -> Operand:
    """From ONNX's axis order to the lowered one."""
    return _transpose(x, NHWC_FROM_NCHW) if _rank(x) == 4 else x


def to_nchw(x: Operand) -> Operand:
    """From the lowered axis order to ONNX's, which a constant has already."""
    return x if isinstance(x, np.ndarray) or _rank(x) != 4 else _transpose(x, NCHW_FROM_NHWC)


def _lowered(x: Operand) -> Operand:
    """In the lowered axis order, constant or not."""
    return to_nhwc(x) if isinstance(x, np.ndarray) else x


def _broadcastable(x: Operand, rank: int) -> Operand:
    """``x`` so that it broadcasts to a lowered tensor of ``rank``."""
    if _rank(x) == rank:
        return _lowered(x)
    # Beside a tensor of rank 5, one of rank 4 has ONNX's axis order.
    return to_nhwc(_reshape(x, [1] * (4 - _rank(x)) + list(x.shape))) if rank == 4 else to_nchw(x)


def _map(x: Operand) -> Operand:
    """A batch of maps, NHWC."""
    if _rank(x) != 4:
        raise UnsupportedError(f"input has rank {_rank(x)}; supported: 4")
    return _lowered(x)


# Element by element


_BINARY_OPTIONS = {
    "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions", "POW": "PowOptions",
}  # fmt: skip


def _binary(name: str, A: Operand, B: Operand) -> Operand:
    rank = max(_rank(A), _rank(B))
    a, b = _broadcastable(A, rank), _broadcastable(B, rank)
    made = options(_BINARY_OPTIONS.get(name, "MaximumMinimumOptions"))
    return op(name, np.broadcast_shapes(a.shape, b.shape), a, b, options=made)


def _lower_binary(name: str) -> Callable[[Operand, Operand], Operand]:
    return lambda A, B: _binary(name, A, B)


for _op_type in ("Add", "Sub", "Mul", "Div"):
    TFLITE.lowering(_op_type, since=7)(_lower_binary(_op_type.upper()))


@TFLITE.lowering("Pow", since=7)
def pow_(X: Operand, Y: Operand) -> Operand:
    # ONNX takes integers as exponents of floats.
    return _binary("POW", X, Y.astype(np.float32) if isinstance(Y, np.ndarray) else Y)


def _lower_variadic(name: str) -> Callable[..., Operand]:
    return lambda *data_0: reduce(partial(_binary, name), data_0)


for _op_type, _name in {"Max": "MAXIMUM", "Min": "MINIMUM"}.items():
    TFLITE.lowering(_op_type, since=8)(_lower_variadic(_name))


def _unary(name: str, x: Operand, options: Any = None) -> Operand:
    return op(name, _lowered(x).shape, _lowered(x), options=options)


def _lower_unary(name: str) -> Callable[[Operand], Operand]:
    return lambda X: _unary(name, X)


def _lower_unary_input(name: str) -> Callable[[Operand], Operand]:
    """The same for an op whose schema calls what it takes ``input``."""

    def lower(input: Operand) -> Operand:
        return _unary(name, input)

    return lower


for _op_type, _name in {
    "Abs": "ABS", "Floor": "FLOOR", "Neg": "NEG", "Relu": "RELU", "Sigmoid": "LOGISTIC", "Sqrt": "SQRT",
}.items():  # fmt: skip
    TFLITE.lowering(_op_type, since=6)(_lower_unary(_name))
for _op_type in ("Exp", "Log", "Tanh"):
    TFLITE.lowering(_op_type, since=6)(_lower_unary_input(_op_type.upper()))


@TFLITE.lowering("Reciprocal", since=6)
def reciprocal(X: Operand) -> Operand:
    return _binary("DIV", _scalar(1), X)


def _compare(name: str, A: Operand, B: Operand) -> Operand:
    y = _binary(name, A, B)
    assert isinstance(y, Value)
    y.options, y.boolean = options(f"{name.title().replace('_', '')}Options"), True
    return y


for _op_type, _name in {"Greater": "GREATER", "Less": "LESS"}.items():
    TFLITE.lowering(_op_type, since=9)(partial(_compare, _name))
    TFLITE.lowering(f"{_op_type}OrEqual", since=12)(partial(_compare, f"{_name}_EQUAL"))


@TFLITE.lowering("Where", since=9)
def where(condition: Operand, X: Operand, Y: Operand) -> Operand:
    rank = max(map(_rank, (condition, X, Y)))
    read = [_broadcastable(x, rank) for x in (condition, X, Y)]
    return op("SELECT_V2", np.broadcast_shapes(*(x.shape for x in read)), *read, options=options("SelectV2Options"))


@TFLITE.lowering("LeakyRelu", since=6)
def leaky_relu(X: Operand, *, alpha: float = 0.01) -> Operand:
    return _unary("LEAKY_RELU", X, options("LeakyReluOptions", alpha=alpha))


@TFLITE.lowering("PRelu", since=9)
def prelu(X: Operand, slope: Operand) -> Operand:
    x, factor = _lowered(X), _broadcastable(constant("slope", slope), _rank(X))
    return op("PRELU", x.shape, x, factor)


@TFLITE.lowering("Elu", since=6)
def elu(X: Operand, *, alpha: float = 1.0) -> Operand:
    require("alpha", alpha, (1.0,))
    return _unary("ELU", X)


@TFLITE.lowering("HardSwish", since=14)
def hard_swish(X: Operand) -> Operand:
    return _unary("HARD_SWISH", X)


@TFLITE.lowering("HardSigmoid", since=6)
def hard_sigmoid(X: Operand, *, alpha: float = 0.2, beta: float = 0.5) -> Operand:
    line = _binary("ADD", _binary("MUL", X, _scalar(alpha)), _scalar(beta))
    return _binary("MINIMUM", _unary("RELU", line), _scalar(1))


@TFLITE.lowering("Softmax", since=13)
def softmax(input: Operand, *, axis: int = -1) -> Operand:
    x = _lowered(input)
    place = nhwc_axis(axis, _rank(x))
    # TFLite's is over the last axis.
    order = [index for index in range(_rank(x)) if index != place] + [place]
    moved = _transpose(x, order)
    y = op("SOFTMAX", moved.shape, moved, options=options("SoftmaxOptions", beta=1.0))
    return _transpose(y, [order.index(index) for index in range(_rank(x))])


@TFLITE.lowering("Identity", since=1)
def identity(input: Operand) -> Operand:
    return input


@TFLITE.lowering("Clip", since=11)
def clip(input: Operand, min: Operand | None = None, max: Operand | None = None) -> Operand:
    low, high = clip_bounds(min, max)
    # These two forms are the activations that fuse into the op before them.
    if low == 0 and high in (6, math.inf):
        return _unary("RELU6" if high == 6 else "RELU", input)
    x = input
    for name, bound in (("MAXIMUM", low), ("MINIMUM", high)):
        if not math.isinf(bound):
            x = _binary(name, x, _scalar(bound))
    return x


@TFLITE.lowering("Sum", since=6)
def sum_(*data_0: Operand) -> Operand:
    terms = list(data_0)
    while len(terms) > 1:
        pairs = [_binary("ADD", a, b) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
    return terms[0]


# Convolution and pooling


def _window(
    x: Operand,
    kernel: Sequence[int],
    *,
    auto_pad: str,
    pads: Sequence[int] | None,
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[Pads, int | None]:
    """Pads of height and width, and TFLite's code for them where it has one."""
    sizes = x.shape[1:3]
    wanted = window_pads(sizes, kernel, auto_pad=auto_pad, pads=pads, strides=strides, dilations=dilations)
    if wanted == [(0, 0), (0, 0)]:
        return wanted, _PADDING.VALID
    same = [same_upper(*each) for each in zip(sizes, kernel, strides, dilations, strict=True)]
    return wanted, _PADDING.SAME if wanted == same else None


def _pad(x: Operand, around: Pads, value: float = 0.0) -> Operand:
    """``around`` and ``x`` in the lowered axis order."""
    shape = [size + sum(pads) for size, pads in zip(x.shape, around, strict=True)]
    if value == 0:
        return op("PAD", shape, x, _integers(around), options=options("PadOptions"))
    return op("PADV2", shape, x, _integers(around), np.array(value, np.float32), options=options("PadV2Options"))


def _map_shape(x: Operand, pads: Pads, kernel: Sequence[int], strides: Sequence[int], channels: int) -> list[int]:
    """What a window that covers ``kernel`` pixels, dilated, makes of a map."""
    sizes = [
        (size + sum(pad) - side) // stride + 1
        for size, pad, side, stride in zip(x.shape[1:3], pads, kernel, strides, strict=True)
    ]
    return [x.shape[0], *sizes, channels]


@TFLITE.lowering("Conv", since=1)
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
    x, weight = _map(X), constant("W", W)
    strides, dilations, kernel = list(strides or (1, 1)), list(dilations or (1, 1)), list(weight.shape[2:])
    wanted, padding = _window(x, kernel, auto_pad=auto_pad, pads=pads, strides=strides, dilations=dilations)
    covered = [(side - 1) * dilation + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    outputs = weight.shape[0]
    shape = _map_shape(x, wanted, covered, strides, outputs)
    if padding is None:
        # XNNPACK fuses a PAD into the convolution that follows.
        x, padding = _pad(x, [(0, 0), *wanted, (0, 0)]), _PADDING.VALID
    # Kernels of every age and delegates take a bias for granted.
    bias = np.zeros(outputs, np.float32) if B is None else constant("B", B)
    window = {
        "padding": padding,
        "strideH": strides[0],
        "strideW": strides[1],
        "dilationHFactor": dilations[0],
        "dilationWFactor": dilations[1],
    }
    if group > 1 and weight.shape[1] == 1:
        # Depthwise: ONNX's output channel g * multiplier + m is TFLite's own order.
        made = options("DepthwiseConv2DOptions", depthMultiplier=outputs // group, **window)
        return op("DEPTHWISE_CONV_2D", shape, x, weight.transpose(1, 2, 3, 0), bias, options=made)
    return op("CONV_2D", shape, x, weight.transpose(0, 2, 3, 1), bias, options=options("Conv2DOptions", **window))


def _pool(name: str, X: Operand, pooling: Pooling, *, pad_counts: bool) -> Operand:
    x, kernel, pads = _map(X), list(pooling.kernel_shape), pooling.pads
    strides, dilations = list(pooling.strides or (1, 1)), list(pooling.dilations or (1, 1))
    require("dilations", dilations, ([1, 1],))
    wanted, padding = _window(x, kernel, auto_pad=pooling.auto_pad, pads=pads, strides=strides, dilations=dilations)
    sizes = x.shape[1:3]
    reached = ceil_pads(pooling.ceil_mode, sizes, wanted, kernel, strides)
    shape = _map_shape(x, reached, kernel, strides, x.shape[3])
    average = name == "AVERAGE_POOL_2D"
    factor: Array | None = None
    # SAME leaves the padding out of what it averages.
    if padding is None or reached != wanted or (pad_counts and padding == _PADDING.SAME):
        value = 0.0 if average else float(np.finfo(np.float32).min)
        x, padding = _pad(x, [(0, 0), *reached, (0, 0)], value), _PADDING.VALID
        each = zip(sizes, wanted, reached, kernel, strides, strict=True)
        rows, columns = (axis[3] / averaged(*axis, pad_counts) for axis in each)
        factor = np.multiply.outer(rows, columns) if average else None
    made = options(
        "Pool2DOptions",
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
    )
    y = op(name, shape, x, options=made)
    return y if factor is None or (factor == 1).all() else _binary("MUL", y, factor[None, None])


@TFLITE.lowering("ConvTranspose", since=1)
def conv_transpose(
    X: Operand,
    W: Operand,
    B: Operand | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Operand:
    x, weight = _map(X), constant("W", W)
    kernel, strides = list(weight.shape[2:]), list(strides or (1, 1))
    transposing = Transposing(auto_pad, dilations, group, output_padding, output_shape, pads)
    sizes, cut = transposing.checked(x.shape[1:3], kernel, strides)
    # SAME gives a multiple of the sizes, and cuts as it would pad the other way.
    same = [same_upper(*each, 1) for each in zip(sizes, kernel, strides, strict=True)]
    whole = [size * stride for size, stride in zip(x.shape[1:3], strides, strict=True)]
    padding = _PADDING.SAME if (sizes, cut) == (whole, same) else _PADDING.VALID
    if padding == _PADDING.VALID:
        whole = [size + sum(each) for size, each in zip(sizes, cut, strict=True)]
    shape = [x.shape[0], *whole, weight.shape[1]]
    made = options("TransposeConvOptions", padding=padding, strideH=strides[0], strideW=strides[1])
    y: Operand = op("TRANSPOSE_CONV", shape, _integers(shape), weight.transpose(1, 2, 3, 0), x, options=made)
    if padding == _PADDING.VALID:
        added = [(0, max(-after, 0)) for _, after in cut]
        y = y if not any(map(any, added)) else _pad(y, [(0, 0), *added, (0, 0)])
        kept = [range(before, before + size) for (before, _), size in zip(cut, sizes, strict=True)]
        if y.shape[1:3] != tuple(sizes):
            y = _slice(y, [range(y.shape[0]), *kept, range(y.shape[3])])
    return y if B is None else _binary("ADD", y, _per_channel(constant("B", B)))


@TFLITE.lowering("AveragePool", since=7)
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
    pooling = Pooling(kernel_shape, auto_pad, ceil_mode, dilations, pads, strides)
    return _pool("AVERAGE_POOL_2D", X, pooling, pad_counts=bool(count_include_pad))


@TFLITE.lowering("MaxPool", since=1)
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
    pooling = Pooling(kernel_shape, auto_pad, ceil_mode, dilations, pads, strides)
    return _pool("MAX_POOL_2D", X, pooling, pad_counts=False)


@TFLITE.lowering("GlobalAveragePool", since=1)
def global_average_pool(X: Operand) -> Operand:
    return _mean(_map(X), [1, 2])


@TFLITE.lowering("Resize", since=11)
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
    x = _map(X)
    resizing = Resizing(mode, antialias, keep_aspect_ratio_policy, coordinate_transformation_mode, nearest_mode)
    after, _, transform = resizing.checked([x.shape[axis] for axis in NCHW_FROM_NHWC], scales, sizes, axes)
    places = {"alignCorners": transform == "align_corners", "halfPixelCenters": transform == "half_pixel"}
    if mode == "linear":
        name, made = "RESIZE_BILINEAR", options("ResizeBilinearOptions", **places)
    else:
        name, made = "RESIZE_NEAREST_NEIGHBOR", options("ResizeNearestNeighborOptions", **places)
    return op(name, nhwc_order(after), x, _integers(after[2:]), options=made)


# Normalisation


@TFLITE.lowering("BatchNormalization", since=9)
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
    gain = constant("scale", scale) / np.sqrt(constant("input_var", input_var) + np.float32(epsilon))
    shift = constant("B", B) - constant("input_mean", input_mean) * gain
    return _binary("ADD", _binary("MUL", _map(X), _per_channel(gain)), _per_channel(shift))


def _per_channel(values: Array) -> Array:
    """One value for each channel, in ONNX's layout."""
    return values.reshape(1, -1, 1, 1)


@TFLITE.lowering("InstanceNormalization", since=6)
def instance_normalization(input: Operand, scale: Operand, B: Operand, *, epsilon: float = 1e-5) -> Operand:
    # Two-pass variance: as many passes over memory as E[x^2] - E[x]^2, without its cancellation.
    x, gain, shift = _map(input), constant("scale", scale), constant("B", B)
    centred = _binary("SUB", x, _mean(x, [1, 2]))
    variance = _mean(_binary("MUL", centred, centred), [1, 2])
    factor = _unary("RSQRT", _binary("ADD", variance, _scalar(epsilon)))
    if (gain != 1).any():
        factor = _binary("MUL", factor, _per_channel(gain))
    y = _binary("MUL", centred, factor)
    return _binary("ADD", y, _per_channel(shift)) if shift.any() else y


# Reduction


def _reduction(name: str, x: Operand, axes: Sequence[int]) -> Operand:
    """Over axes of the lowered tensor, which stay with size 1."""
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return op(name, shape, x, _integers(axes), options=options("ReducerOptions", keepDims=True))


def _mean(x: Operand, axes: Sequence[int]) -> Operand:
    """A mean, over one axis after the other.

    LiteRT adds all numbers of one MEAN in a single float32 sum: of 65,536 numbers its relative error is up to 1.1e-4.
    """
    for axis in sorted(axes, reverse=True):
        x = _reduction("MEAN", x, [axis])
    return x


def _reduce(
    function: Callable[[Operand, Sequence[int]], Operand],
    data: Operand,
    axes: Operand | None,
    keepdims: int,
    noop_with_empty_axes: int,
) -> Operand:
    x = _lowered(data)
    rank = _rank(x)
    reduced = reduced_axes(rank, axes, noop_with_empty_axes)
    if not reduced:
        return data
    y = function(x, [nhwc_axis(axis, rank) for axis in reduced])
    if keepdims:
        return y
    kept = [size for axis, size in enumerate(nchw_shape(y)) if axis not in reduced]
    return _reshaped(y, kept)


def _lower_reduction(function: Callable[[Operand, Sequence[int]], Operand]) -> Callable[..., Operand]:
    def lower(
        data: Operand, axes: Operand | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Operand:
        return _reduce(function, data, axes, keepdims, noop_with_empty_axes)

    return lower


def _sum(x: Operand, axes: Sequence[int]) -> Operand:
    """A sum, over one axis after the other, as ``_mean``."""
    for axis in sorted(axes, reverse=True):
        x = _reduction("SUM", x, [axis])
    return x


def _sum_square(x: Operand, axes: Sequence[int]) -> Operand:
    return _sum(_binary("MUL", x, x), axes)


_REDUCTIONS: dict[str, Callable[[Operand, Sequence[int]], Operand]] = {
    "ReduceMean": _mean,
    "ReduceMax": partial(_reduction, "REDUCE_MAX"),
    "ReduceMin": partial(_reduction, "REDUCE_MIN"),
    "ReduceProd": partial(_reduction, "REDUCE_PROD"),
    "ReduceL1": lambda x, axes: _sum(_unary("ABS", x), axes),
    "ReduceL2": lambda x, axes: _unary("SQRT", _sum_square(x, axes)),
    "ReduceSumSquare": _sum_square,
}
TFLITE.lowering("ReduceSum", since=13)(_lower_reduction(_sum))
for _op_type, _function in _REDUCTIONS.items():
    TFLITE.lowering(_op_type, since=18)(_lower_reduction(_function))


# Matrices


@TFLITE.lowering("Gemm", since=7)
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
    a = _transpose(A, (1, 0)) if transA else A
    b = _transpose(B, (1, 0)) if transB else B
    y = _scaled(_product(a, b), alpha)
    return y if C is None or beta == 0 else _binary("ADD", y, _scaled(C, beta))


def _scaled(x: Operand, factor: float) -> Operand:
    if factor == 1:
        return x
    return x * np.float32(factor) if isinstance(x, np.ndarray) else _binary("MUL", x, _scalar(factor))


def _product(a: Operand, b: Operand) -> Operand:
    """The product of (stacks of) matrices in ONNX's layout."""
    shape = [*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]]
    if isinstance(b, np.ndarray) and _rank(a) == _rank(b) == 2:
        bias, made = np.zeros(shape[-1], np.float32), options("FullyConnectedOptions")
        return op("FULLY_CONNECTED", shape, a, np.ascontiguousarray(b.T), bias, options=made)
    return op("BATCH_MATMUL", shape, a, b, options=options("BatchMatMulOptions"))


@TFLITE.lowering("MatMul", since=1)
def matmul(A: Operand, B: Operand) -> Operand:
    if min(_rank(A), _rank(B)) < 2:
        raise UnsupportedError("multiplies a vector; supported: matrices")
    return to_nhwc(_product(to_nchw(A), to_nchw(B)))


# Shape


@TFLITE.lowering("Concat", since=4)
def concat(*inputs: Operand, axis: int) -> Operand:
    parts = [_lowered(x) for x in inputs]
    place = nhwc_axis(axis, _rank(parts[0]))
    if len(parts) == 1:
        return inputs[0]
    shape = list(parts[0].shape)
    shape[place] = sum(part.shape[place] for part in parts)
    return op("CONCATENATION", shape, *parts, options=options("ConcatenationOptions", axis=place))


def _slice(x: Operand, kept: Sequence[range]) -> Operand:
    """The part of a lowered tensor that these ranges of its axes name."""
    begin, shape = [each.start for each in kept], [len(each) for each in kept]
    if all(each.step == 1 for each in kept):
        return op("SLICE", shape, x, _integers(begin), _integers(shape), options=options("SliceOptions"))
    end, step = [each[-1] + 1 for each in kept], [each.step for each in kept]
    made = options("StridedSliceOptions")
    return op("STRIDED_SLICE", shape, x, _integers(begin), _integers(end), _integers(step), options=made)


@TFLITE.lowering("Slice", since=10)
def slice_(
    data: Operand, starts: Operand, ends: Operand, axes: Operand | None = None, steps: Operand | None = None
) -> Operand:
    ranges = slice_ranges(nchw_shape(data), starts, ends, axes, steps)
    if any(len(each) == 0 for each in ranges):
        raise UnsupportedError("gives an empty tensor; supported: at least one element")
    return _slice(_lowered(data), nhwc_order(ranges))


@TFLITE.lowering("Split", since=13)
def split(
    input: Operand, split: Operand | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> list[Operand]:
    x = _lowered(input)
    place = nhwc_axis(axis, _rank(x))
    lengths = split_lengths(x.shape[place], split, num_outputs)
    starts = np.cumsum([0, *lengths]).tolist()
    # One SLICE per part: XNNPACK runs it for any number of uneven parts, SPLIT_V not at all.
    whole = [range(size) for size in x.shape]
    parts = [range(*ends) for ends in pairwise(starts)]
    return [_slice(x, [*whole[:place], part, *whole[place + 1 :]]) for part in parts]


@TFLITE.lowering("Pad", since=11)
def pad(
    data: Operand,
    pads: Operand,
    constant_value: Operand | None = None,
    axes: Operand | None = None,
    *,
    mode: str = "constant",
) -> Operand:
    require("mode", mode, ("constant", "reflect", "edge"))
    x = _lowered(data)
    around = nhwc_order(pad_amounts(_rank(x), pads, axes))
    if mode == "constant":
        return _pad(x, around, 0 if constant_value is None else constant("constant_value", constant_value).item())
    if mode == "edge":
        return _edged(x, around)
    if any(max(amounts) >= size for amounts, size in zip(around, x.shape, strict=True)):
        raise UnsupportedError(f"reflects {around} beyond the shape {list(x.shape)}; supported: pads below the size")
    shape = [size + sum(amounts) for size, amounts in zip(x.shape, around, strict=True)]
    return op("MIRROR_PAD", shape, x, _integers(around), options=options("MirrorPadOptions", mode=_MIRROR.REFLECT))


def _edged(x: Operand, around: Pads) -> Operand:
    """The outermost rows once more for each pad, as parts of one CONCATENATION an axis."""
    for axis, (before, after) in enumerate(around):
        if before or after:
            whole = [range(size) for size in x.shape]
            first, last = (
                _slice(x, [*whole[:axis], place, *whole[axis + 1 :]]) for place in (whole[axis][:1], whole[axis][-1:])
            )
            shape = [*x.shape[:axis], before + x.shape[axis] + after, *x.shape[axis + 1 :]]
            made = options("ConcatenationOptions", axis=axis)
            x = op("CONCATENATION", shape, *[first] * before, x, *[last] * after, options=made)
    return x


def _reshaped(x: Operand, shape: Sequence[int]) -> Operand:
    return to_nhwc(_reshape(to_nchw(x), list(shape)))


@TFLITE.lowering("Reshape", since=5)
def reshape(data: Operand, shape: Operand, *, allowzero: int = 0) -> Operand:
    return _reshaped(data, semantics.reshaped(nchw_shape(data), shape, allowzero))


@TFLITE.lowering("Flatten", since=1)
def flatten(input: Operand, *, axis: int = 1) -> Operand:
    return _reshaped(input, semantics.flattened(nchw_shape(input), axis))


@TFLITE.lowering("Squeeze", since=13)
def squeeze(data: Operand, axes: Operand | None = None) -> Operand:
    return _reshaped(data, semantics.squeezed(nchw_shape(data), axes))


@TFLITE.lowering("Unsqueeze", since=13)
def unsqueeze(data: Operand, axes: Operand) -> Operand:
    return _reshaped(data, semantics.unsqueezed(nchw_shape(data), axes))


@TFLITE.lowering("Expand", since=8)
def expand(input: Operand, shape: Operand) -> Operand:
    after = semantics.expanded(nchw_shape(input), shape)
    lowered = nhwc_order(after)
    x = _broadcastable(input, len(after))
    return op("BROADCAST_TO", lowered, x, _integers(lowered), options=options("BroadcastToOptions"))


@TFLITE.lowering("Transpose", since=1)
def transpose(data: Operand, *, perm: Sequence[int] | None = None) -> Operand:
    rank = _rank(data)
    return to_nhwc(_transpose(to_nchw(data), list(perm) if perm is not None else list(range(rank))[::-1]))
