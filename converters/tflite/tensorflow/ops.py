"""Lowerings of ONNX ops to TensorFlow ops that TFLite has as built-ins.

A ``numpy.ndarray`` is a constant in ONNX's layout. A ``tf.Tensor`` is an activation: NHWC where
it has rank 4, ONNX's own axis order otherwise. Every shape is static. Semantics are those of the
ONNX operator specification (onnx/docs/Operators.md) from the opset that each lowering is registered
with. Activations are float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

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

TENSORFLOW = Registry("TensorFlow")

Array: TypeAlias = npt.NDArray[Any]
Operand: TypeAlias = Any  # tf.Tensor | np.ndarray; TensorFlow ships no usable types


# Layout


def _rank(x: Operand) -> int:
    return len(x.shape)


def _nhwc_shape(nchw_shape: Sequence[int]) -> list[int]:
    return nhwc_order(list(nchw_shape))


def nchw_shape(x: Operand) -> list[int]:
    """The shape that ONNX gives this value."""
    shape = [int(size) for size in x.shape]
    return [shape[axis] for axis in NCHW_FROM_NHWC] if len(shape) == 4 and not isinstance(x, np.ndarray) else shape


def to_nhwc(x: Operand) -> Operand:
    """From ONNX's axis order to the lowered one; a reshape where no data moves."""
    if _rank(x) != 4:
        return x if not isinstance(x, np.ndarray) else tf.constant(x)
    if isinstance(x, np.ndarray):
        return tf.constant(np.ascontiguousarray(x.transpose(NHWC_FROM_NCHW)))
    _, channels, height, width = x.shape
    if channels == 1 or height == width == 1:
        return tf.reshape(x, _nhwc_shape(x.shape))
    return tf.transpose(x, NHWC_FROM_NCHW)


def to_nchw(x: Operand) -> Operand:
    """From the lowered axis order to ONNX's; a reshape where no data moves."""
    if isinstance(x, np.ndarray) or _rank(x) != 4:
        return x
    _, height, width, channels = x.shape
    if channels == 1 or height == width == 1:
        return tf.reshape(x, nchw_shape(x))
    return tf.transpose(x, NCHW_FROM_NHWC)


def _broadcastable(x: Operand, rank: int) -> Operand:
    """``x`` with leading axes of size 1 up to ``rank``, in the lowered layout."""
    missing = rank - _rank(x)
    if missing == 0:
        return to_nhwc(x) if isinstance(x, np.ndarray) else x
    if rank != 4:
        return to_nchw(x)
    if isinstance(x, np.ndarray):
        return to_nhwc(x.reshape([1] * missing + list(x.shape)))
    return to_nhwc(tf.reshape(x, [1] * missing + list(x.shape)))


def _activation(x: Operand, op_rank: int = 4) -> Operand:
    if _rank(x) != op_rank:
        raise UnsupportedError(f"input has rank {_rank(x)}; supported: {op_rank}")
    return to_nhwc(x) if isinstance(x, np.ndarray) else x


def _lowered(x: Operand) -> Operand:
    """In the lowered axis order, constant or not."""
    return to_nhwc(x) if isinstance(x, np.ndarray) else x


# Element by element


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[Operand, Operand], Operand]:
    def lower(A: Operand, B: Operand) -> Operand:
        rank = max(_rank(A), _rank(B))
        return function(_broadcastable(A, rank), _broadcastable(B, rank))

    return lower


for _name, _function in {"Add": tf.add, "Sub": tf.subtract, "Mul": tf.multiply, "Div": tf.divide}.items():
    TENSORFLOW.lowering(_name, since=7)(_binary(_function))
TENSORFLOW.lowering("Pow", since=7)(
    lambda X, Y: _binary(tf.pow)(X, Y.astype(np.float32) if isinstance(Y, np.ndarray) else Y)
)
TENSORFLOW.lowering("Max", since=8)(lambda *data_0: reduce(_binary(tf.maximum), data_0))
TENSORFLOW.lowering("Min", since=8)(lambda *data_0: reduce(_binary(tf.minimum), data_0))


def _unary(function: Callable[[Any], Any]) -> Callable[[Operand], Operand]:
    def lower(X: Operand) -> Operand:
        return function(to_nhwc(X) if isinstance(X, np.ndarray) else X)

    return lower


for _name, _function in {
    "Abs": tf.abs,
    "Floor": tf.floor,
    "Neg": tf.negative,
    "Reciprocal": tf.math.reciprocal,
    "Relu": tf.nn.relu,
    "Sigmoid": tf.sigmoid,
    "Sqrt": tf.sqrt,
}.items():
    TENSORFLOW.lowering(_name, since=6)(_unary(_function))


def _unary_input(function: Callable[[Any], Any]) -> Callable[[Operand], Operand]:
    """The same for an op whose schema calls what it takes ``input``."""

    def lower(input: Operand) -> Operand:
        return _unary(function)(input)

    return lower


for _name, _function in {"Exp": tf.exp, "Log": tf.math.log, "Tanh": tf.tanh}.items():
    TENSORFLOW.lowering(_name, since=6)(_unary_input(_function))


TENSORFLOW.lowering("Greater", since=9)(_binary(tf.greater))
TENSORFLOW.lowering("GreaterOrEqual", since=12)(_binary(tf.greater_equal))
TENSORFLOW.lowering("Less", since=9)(_binary(tf.less))
TENSORFLOW.lowering("LessOrEqual", since=12)(_binary(tf.less_equal))


@TENSORFLOW.lowering("Where", since=9)
def where(condition: Operand, X: Operand, Y: Operand) -> Operand:
    rank = max(map(_rank, (condition, X, Y)))
    truth, x, y = (_broadcastable(each, rank) for each in (condition, X, Y))
    # After a node that failed, a condition is a placeholder of floats.
    return tf.where(tf.cast(truth, tf.bool), x, y)


@TENSORFLOW.lowering("LeakyRelu", since=6)
def leaky_relu(X: Operand, *, alpha: float = 0.01) -> Operand:
    return tf.nn.leaky_relu(_lowered(X), alpha)


@TENSORFLOW.lowering("PRelu", since=9)
def prelu(X: Operand, slope: Operand) -> Operand:
    x = _lowered(X)
    return tf.nn.relu(x) - _broadcastable(constant("slope", slope), _rank(x)) * tf.nn.relu(-x)


@TENSORFLOW.lowering("Elu", since=6)
def elu(X: Operand, *, alpha: float = 1.0) -> Operand:
    require("alpha", alpha, (1.0,))
    return tf.nn.elu(_lowered(X))


@TENSORFLOW.lowering("HardSwish", since=14)
def hard_swish(X: Operand) -> Operand:
    x = _lowered(X)
    return x * tf.nn.relu6(x + np.float32(3)) / np.float32(6)


@TENSORFLOW.lowering("HardSigmoid", since=6)
def hard_sigmoid(X: Operand, *, alpha: float = 0.2, beta: float = 0.5) -> Operand:
    return tf.clip_by_value(_lowered(X) * np.float32(alpha) + np.float32(beta), 0, 1)


@TENSORFLOW.lowering("Softmax", since=13)
def softmax(input: Operand, *, axis: int = -1) -> Operand:
    x = _lowered(input)
    return tf.nn.softmax(x, nhwc_axis(axis, _rank(x)))


@TENSORFLOW.lowering("Identity", since=1)
def identity(input: Operand) -> Operand:
    return _unary(tf.identity)(input)


@TENSORFLOW.lowering("Clip", since=11)
def clip(input: Operand, min: Operand | None = None, max: Operand | None = None) -> Operand:
    low, high = clip_bounds(min, max)
    x = to_nhwc(input) if isinstance(input, np.ndarray) else input
    # These two forms are the activations that TFLite fuses into the op before them.
    if (low, high) == (0, 6):
        return tf.nn.relu6(x)
    if (low, high) == (0, math.inf):
        return tf.nn.relu(x)
    x = x if low == -math.inf else tf.maximum(x, low)
    return x if high == math.inf else tf.minimum(x, high)


@TENSORFLOW.lowering("Sum", since=6)
def sum_(*data_0: Operand) -> Operand:
    add, terms = _binary(tf.add), list(data_0)
    if len(terms) == 1:
        return _unary(tf.identity)(terms[0])
    while len(terms) > 1:
        pairs = [add(a, b) for a, b in zip(terms[::2], terms[1::2], strict=False)]
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
) -> tuple[Pads, Literal["SAME", "VALID"] | None]:
    """Pads of height and width, and TensorFlow's name for them where it has one."""
    sizes = [int(size) for size in x.shape[1:3]]
    wanted = window_pads(sizes, kernel, auto_pad=auto_pad, pads=pads, strides=strides, dilations=dilations)
    if wanted == [(0, 0), (0, 0)]:
        return wanted, "VALID"
    same = [same_upper(*each) for each in zip(sizes, kernel, strides, dilations, strict=True)]
    return wanted, "SAME" if wanted == same else None


def _pad_spatial(x: Operand, pads: Pads, value: float = 0.0) -> Operand:
    return tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)


@TENSORFLOW.lowering("Conv", since=1)
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
    x, weight = _activation(X), constant("W", W)
    strides, dilations = list(strides or (1, 1)), list(dilations or (1, 1))
    wanted, padding = _window(x, weight.shape[2:], auto_pad=auto_pad, pads=pads, strides=strides, dilations=dilations)
    if padding is None:
        # XNNPACK fuses a PAD into the convolution that follows.
        x, padding = _pad_spatial(x, wanted), "VALID"
    kernel_hwio = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    if group > 1 and weight.shape[1] == 1:
        # Depthwise: ONNX's output channel g * multiplier + m is TensorFlow's own order.
        height, width, _, outputs = kernel_hwio.shape
        y = tf.nn.depthwise_conv2d(
            x,
            kernel_hwio.reshape(height, width, group, outputs // group),
            strides=[1, *strides, 1],
            padding=padding,
            dilations=dilations,
        )
    else:
        y = tf.nn.conv2d(x, kernel_hwio, strides=strides, padding=padding, dilations=dilations)
    return y if B is None else tf.nn.bias_add(y, constant("B", B))


def _pool(kind: Literal["AVG", "MAX"], X: Operand, pooling: Pooling, *, pad_counts: bool) -> Operand:
    x, kernel, pads = _activation(X), list(pooling.kernel_shape), pooling.pads
    strides, dilations = list(pooling.strides or (1, 1)), list(pooling.dilations or (1, 1))
    require("dilations", dilations, ([1, 1],))
    wanted, padding = _window(x, kernel, auto_pad=pooling.auto_pad, pads=pads, strides=strides, dilations=dilations)
    sizes = [int(size) for size in x.shape[1:3]]
    reached = ceil_pads(pooling.ceil_mode, sizes, wanted, kernel, strides)
    pool = tf.nn.avg_pool2d if kind == "AVG" else tf.nn.max_pool2d
    if padding is not None and reached == wanted and not (pad_counts and padding == "SAME"):
        return pool(x, kernel, strides, padding)
    y = pool(
        _pad_spatial(x, reached, 0.0 if kind == "AVG" else float(np.finfo(np.float32).min)), kernel, strides, "VALID"
    )
    if kind == "MAX":
        return y
    each = zip(sizes, wanted, reached, kernel, strides, strict=True)
    rows, columns = (averaged(*axis, pad_counts) for axis in each)
    return y * (np.float32(kernel[0] * kernel[1]) / np.multiply.outer(rows, columns))[None, :, :, None]


@TENSORFLOW.lowering("ConvTranspose", since=1)
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
    x, weight = _activation(X), constant("W", W)
    kernel, strides, before = list(weight.shape[2:]), list(strides or (1, 1)), [int(size) for size in x.shape[1:3]]
    transposing = Transposing(auto_pad, dilations, group, output_padding, output_shape, pads)
    sizes, cut = transposing.checked(before, kernel, strides)
    whole = [size + sum(each) for size, each in zip(sizes, cut, strict=True)]
    kernel_hwoi = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    shape = [int(x.shape[0]), *whole, weight.shape[1]]
    y = tf.nn.conv2d_transpose(x, kernel_hwoi, shape, strides, "VALID")
    y = _pad_spatial(y, [(0, max(-after, 0)) for _, after in cut])
    y = tf.slice(y, [0, cut[0][0], cut[1][0], 0], [shape[0], *sizes, shape[3]])
    return y if B is None else tf.nn.bias_add(y, constant("B", B))


@TENSORFLOW.lowering("AveragePool", since=7)
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
    return _pool("AVG", X, pooling, pad_counts=bool(count_include_pad))


@TENSORFLOW.lowering("MaxPool", since=1)
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
    return _pool("MAX", X, Pooling(kernel_shape, auto_pad, ceil_mode, dilations, pads, strides), pad_counts=False)


@TENSORFLOW.lowering("GlobalAveragePool", since=1)
def global_average_pool(X: Operand) -> Operand:
    return _mean(_activation(X), axis=[1, 2], keepdims=True)


@TENSORFLOW.lowering("Resize", since=11)
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
    x = _activation(X)
    resizing = Resizing(mode, antialias, keep_aspect_ratio_policy, coordinate_transformation_mode, nearest_mode)
    after, _, transform = resizing.checked(nchw_shape(x), scales, sizes, axes)
    corners, half_pixel = transform == "align_corners", transform == "half_pixel"
    if mode == "linear":
        return tf.raw_ops.ResizeBilinear(images=x, size=after[2:], align_corners=corners, half_pixel_centers=half_pixel)
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=after[2:], half_pixel_centers=half_pixel)


# Normalisation


@TENSORFLOW.lowering("BatchNormalization", since=9)
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
    x = _activation(X)
    gain = constant("scale", scale) / np.sqrt(constant("input_var", input_var) + np.float32(epsilon))
    return x * gain + (constant("B", B) - constant("input_mean", input_mean) * gain)


@TENSORFLOW.lowering("InstanceNormalization", since=6)
def instance_normalization(input: Operand, scale: Operand, B: Operand, *, epsilon: float = 1e-5) -> Operand:
    # Two-pass variance: as many passes over memory as E[x^2] - E[x]^2, without its cancellation.
    x, gain, shift = _activation(input), constant("scale", scale), constant("B", B)
    centred = x - _mean(x, axis=[1, 2], keepdims=True)
    variance = _mean(centred * centred, axis=[1, 2], keepdims=True)
    factor = tf.math.rsqrt(variance + np.float32(epsilon))
    if (gain != 1).any():
        factor = factor * gain
    y = centred * factor
    return y + shift if shift.any() else y


# Reduction


def _mean(x: Operand, axis: Sequence[int], keepdims: Literal[True]) -> Operand:
    """A mean, over one axis after the other.

    LiteRT adds all numbers of one MEAN in a single float32 sum: of 65,536 numbers its relative error is up to 1.1e-4.
    """
    for each in sorted(axis, reverse=True):
        x = tf.reduce_mean(x, axis=[each], keepdims=keepdims)
    return x


def _reduce(
    function: Callable[..., Any], data: Operand, axes: Operand | None, keepdims: int, noop_with_empty_axes: int
) -> Operand:
    x = to_nhwc(data) if isinstance(data, np.ndarray) else data
    rank = _rank(x)
    reduced = reduced_axes(rank, axes, noop_with_empty_axes)
    if not reduced:
        return tf.identity(x)
    y = function(x, axis=[nhwc_axis(axis, rank) for axis in reduced], keepdims=True)
    if keepdims:
        return y
    kept = [size for axis, size in enumerate(nchw_shape(y)) if axis not in reduced]
    return to_nhwc(tf.reshape(to_nchw(y), kept))


def _reduction(function: Callable[..., Any]) -> Callable[..., Operand]:
    def lower(
        data: Operand, axes: Operand | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Operand:
        return _reduce(function, data, axes, keepdims, noop_with_empty_axes)

    return lower


def _norm(x: Operand, axis: Sequence[int], keepdims: bool) -> Operand:
    return tf.sqrt(tf.reduce_sum(tf.square(x), axis=axis, keepdims=keepdims))


TENSORFLOW.lowering("ReduceSum", since=13)(_reduction(tf.reduce_sum))
for _name, _function in {
    "ReduceMean": _mean,
    "ReduceMax": tf.reduce_max,
    "ReduceMin": tf.reduce_min,
    "ReduceProd": tf.reduce_prod,
    "ReduceL1": lambda x, axis, keepdims: tf.reduce_sum(tf.abs(x), axis=axis, keepdims=keepdims),
    "ReduceL2": _norm,
    "ReduceSumSquare": lambda x, axis, keepdims: tf.reduce_sum(tf.square(x), axis=axis, keepdims=keepdims),
}.items():
    TENSORFLOW.lowering(_name, since=18)(_reduction(_function))


# Matrices


@TENSORFLOW.lowering("Gemm", since=7)
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
    y = tf.matmul(A, B, transpose_a=bool(transA), transpose_b=bool(transB))
    y = y if alpha == 1 else y * np.float32(alpha)
    if C is None or beta == 0:
        return y
    return y + (C if beta == 1 else C * np.float32(beta))


@TENSORFLOW.lowering("MatMul", since=1)
def matmul(A: Operand, B: Operand) -> Operand:
    if min(_rank(A), _rank(B)) < 2:
        raise UnsupportedError("multiplies a vector; supported: matrices")
    return to_nhwc(tf.matmul(to_nchw(A), to_nchw(B)))


# Shape


@TENSORFLOW.lowering("Concat", since=4)
def concat(*inputs: Operand, axis: int) -> Operand:
    rank = _rank(inputs[0])
    return tf.concat([_broadcastable(x, rank) for x in inputs], nhwc_axis(axis, rank))


@TENSORFLOW.lowering("Slice", since=10)
def slice_(
    data: Operand, starts: Operand, ends: Operand, axes: Operand | None = None, steps: Operand | None = None
) -> Operand:
    x = to_nhwc(data) if isinstance(data, np.ndarray) else data
    ranges = slice_ranges(nchw_shape(x), starts, ends, axes, steps)
    if any(len(each) == 0 for each in ranges):
        raise UnsupportedError("gives an empty tensor; supported: at least one element")
    lowered = nhwc_order(ranges)
    if all(each.step == 1 for each in lowered):
        return tf.slice(x, [each.start for each in lowered], [len(each) for each in lowered])
    return tf.strided_slice(
        x, [each.start for each in lowered], [each[-1] + 1 for each in lowered], [each.step for each in lowered]
    )


@TENSORFLOW.lowering("Split", since=13)
def split(
    input: Operand, split: Operand | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> list[Operand]:
    x = to_nhwc(input) if isinstance(input, np.ndarray) else input
    place, size = nhwc_axis(axis, _rank(x)), nchw_shape(x)[axis]
    lengths = split_lengths(size, split, num_outputs)
    starts = np.cumsum([0, *lengths[:-1]])
    # One SLICE per part: XNNPACK runs it for any number of uneven parts, SPLIT_V not at all.
    begin, extent = [0] * _rank(x), [int(size) for size in x.shape]
    return [
        tf.slice(x, [*begin[:place], int(start), *begin[place + 1 :]], [*extent[:place], length, *extent[place + 1 :]])
        for start, length in zip(starts, lengths, strict=True)
    ]


@TENSORFLOW.lowering("Pad", since=11)
def pad(
    data: Operand,
    pads: Operand,
    constant_value: Operand | None = None,
    axes: Operand | None = None,
    *,
    mode: str = "constant",
) -> Operand:
    require("mode", mode, ("constant", "reflect", "edge"))
    x = to_nhwc(data) if isinstance(data, np.ndarray) else data
    around = pad_amounts(_rank(x), pads, axes)
    if mode == "edge":
        for axis, (before, after) in enumerate(nhwc_order(around)):
            if before or after:
                size = int(x.shape[axis])
                x = tf.gather(x, np.arange(-before, size + after).clip(0, size - 1), axis=axis)
        return x
    value = 0 if constant_value is None else constant("constant_value", constant_value).item()
    return tf.pad(x, nhwc_order(around), mode.upper(), constant_values=value)


def _reshaped(x: Operand, shape: Sequence[int]) -> Operand:
    return to_nhwc(tf.reshape(to_nchw(x), list(shape)))


@TENSORFLOW.lowering("Reshape", since=5)
def reshape(data: Operand, shape: Operand, *, allowzero: int = 0) -> Operand:
    return _reshaped(data, semantics.reshaped(nchw_shape(data), shape, allowzero))


@TENSORFLOW.lowering("Flatten", since=1)
def flatten(input: Operand, *, axis: int = 1) -> Operand:
    return _reshaped(input, semantics.flattened(nchw_shape(input), axis))


@TENSORFLOW.lowering("Squeeze", since=13)
def squeeze(data: Operand, axes: Operand | None = None) -> Operand:
    return _reshaped(data, semantics.squeezed(nchw_shape(data), axes))


@TENSORFLOW.lowering("Unsqueeze", since=13)
def unsqueeze(data: Operand, axes: Operand) -> Operand:
    return _reshaped(data, semantics.unsqueezed(nchw_shape(data), axes))


@TENSORFLOW.lowering("Expand", since=8)
def expand(input: Operand, shape: Operand) -> Operand:
    shape_after = semantics.expanded(nchw_shape(input), shape)
    x = _broadcastable(input, len(shape_after))
    return tf.broadcast_to(x, _nhwc_shape(shape_after))


@TENSORFLOW.lowering("Transpose", since=1)
def transpose(data: Operand, *, perm: Sequence[int] | None = None) -> Operand:
    x = to_nhwc(data) if isinstance(data, np.ndarray) else data
    rank = _rank(x)
    order = list(perm) if perm is not None else list(range(rank))[::-1]
    return tf.transpose(x, [nhwc_axis(order[place], rank) for place in nhwc_order(list(range(rank)))])
