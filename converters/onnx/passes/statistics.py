"""Normalisation statistics, written for the arithmetic that will compute them.

On a CPU sums accumulate in fp32 and the plain two-pass form is exact enough and cheapest. Where every op's result is
fp16, a total or a square of a map may not be larger than 65504 (litert-samples pull request 200 measured what happens
otherwise on a Mali GPU: correlation 0.94 with the true matte). What adds up inside an op is a matter of its kernel:

- LiteRT's GPU accelerator and TFLite's older GPU delegate compute a MEAN in fp32 (google-ai-edge/ml-drift,
  ml_drift/common/kernels/reduce.cc, GetAccumType): ``wide_mean``.
- Core ML's kernels cannot be read: there every sum here (``fp16_mean``, ``fp16_inverse_deviation``) stays within the
  range of its largest term, whatever the size and the values.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from converters.onnx.passes.rewrite import Builder, RewritePass, attribute, integers, is_op, shape

# Each step of the cascade averages a window of at most 4x4: 16 terms, each divided by 16 first.
_WINDOW = 4


def _window_step(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Window, sizes after the step and zero rows and columns to add, for one step of the cascade."""
    window = (min(_WINDOW, size[0]), min(_WINDOW, size[1]))
    after = (math.ceil(size[0] / window[0]), math.ceil(size[1] / window[1]))
    missing = (after[0] * window[0] - size[0], after[1] * window[1] - size[1])
    return window, after, missing


def _average_step(build: Builder, x: ir.Value) -> ir.Value:
    """One step of the cascade: means of windows, as a depthwise convolution with weights 1/16.

    A convolution multiplies before it adds, so no partial sum exceeds the largest |x|; a pool may
    add first. Where a window leaves the map, zeros are added and the whole is scaled back.
    """
    batch, channels, *size = shape(x)
    window, after, missing = _window_step((size[0], size[1]))
    y = build.op(
        "Conv",
        x,
        build.constant(np.full((channels, 1, *window), 1 / math.prod(window))),
        group=channels,
        kernel_shape=window,
        strides=window,
        pads=(0, 0, *missing),
        output=(batch, channels, *after),
    )
    added = math.prod(after) * math.prod(window) / math.prod(size)
    return y if added == 1 else build.op("Mul", y, build.constant(added), output=shape(y))


def fp16_mean(build: Builder, x: ir.Value) -> ir.Value:
    """The mean over height and width (N x C x 1 x 1) as a cascade of small means.

    No intermediate exceeds the largest |x| by more than the zeros added at ragged edges require
    (none for sizes that are powers of two).
    """
    while shape(x)[2:] != (1, 1):
        x = _average_step(build, x)
    return x


def fp16_inverse_deviation(build: Builder, centred: ir.Value, epsilon: float) -> ir.Value:
    """1 / sqrt(mean(centred^2) + epsilon) over height and width, N x C x 1 x 1, safe in fp16.

    Algebra: with p = max(max|c|, sqrt(epsilon)) and u = c / p, mean(c^2) + epsilon =
    p^2 * (mean(u^2) + epsilon / p^2), and u is in [-1, 1]. The mean of u^2 could still sink below
    fp16's smallest normal number (one bright pixel in a large map), so every second step of the
    cascade divides by its largest value m, kept aside as sqrt(m):
    sqrt(mean(u^2)) = sqrt(m1) * sqrt(m2) * ... * sqrt(rest).
    """
    root_epsilon = math.sqrt(epsilon)
    peak = _at_least(build, _spatial_max(build, build.op("Abs", centred, output=shape(centred))), root_epsilon)
    inverse = build.op("Reciprocal", peak)
    u = build.op("Mul", centred, inverse)
    squares = build.op("Mul", u, u, output=shape(centred))
    floor = build.op("Mul", inverse, build.constant(root_epsilon))
    steps = 0
    while shape(squares)[2:] != (1, 1):
        before, squares, steps = shape(squares), _average_step(build, squares), steps + 1
        if steps % 2 == 0 and shape(squares)[2:] != (1, 1):
            # The largest u^2 is 1, so the largest mean of 4x4 windows of 4x4 windows is at least 1/256.
            largest = _at_least(build, _spatial_max(build, squares), _WINDOW**-4.0)
            inverse_root = build.op("Reciprocal", build.op("Sqrt", largest))
            squares = build.op("Mul", squares, build.op("Reciprocal", largest), output=shape(squares))
            inverse = build.op("Mul", inverse, inverse_root)
            floor = build.op("Mul", floor, inverse_root)
        assert shape(squares) != before
    variance = build.op("Add", squares, build.op("Mul", floor, floor))
    return build.op("Mul", inverse, build.op("Reciprocal", build.op("Sqrt", variance)))


def _at_least(build: Builder, x: ir.Value, floor: float) -> ir.Value:
    return build.op("Clip", x, build.constant(floor))


def _spatial_max(build: Builder, x: ir.Value) -> ir.Value:
    return build.op("ReduceMax", x, build.integers(2, 3), keepdims=1)


# A kernel has one group of 64 to 256 threads for four channels of a whole map (reduce.cc, GetMaximumWGTotalSize).
_WHOLE_MAP = 64 * 64


def wide_mean(build: Builder, x: ir.Value) -> ir.Value:
    """The mean over height and width (N x C x 1 x 1), for kernels whose means have fp32 sums.

    A large map is averaged 4x4 by 4x4 first, which all of a GPU works on: by a pool, which adds in fp32 as well
    (pooling.cc). Of the same means by a depthwise convolution, a GPU with fp16 arithmetic made other values at every
    run (NVIDIA H200, LiteRT 2.3.0: docs/gpu.md).
    """
    batch, channels, *size = shape(x)
    if math.prod(size) > _WHOLE_MAP and not any(axis % _WINDOW for axis in size):
        window, after = (_WINDOW, _WINDOW), (axis // _WINDOW for axis in size)
        x = build.op("AveragePool", x, kernel_shape=window, strides=window, output=(batch, channels, *after))
    return build.op("ReduceMean", x, build.integers(2, 3), keepdims=1)


class CascadeMeans(RewritePass[ir.Node]):
    """A mean over a whole map, in steps that fp16 can add up.

    Given:  ReduceMean(x, axes=[2, 3], keepdims=1), or GlobalAveragePool(x)
    Result: Conv(depthwise, 1/16, stride 4) -> ... -> Conv, until 1x1
    """

    def match(self, node: ir.Node) -> ir.Node | None:
        spatial = is_op(node, "GlobalAveragePool") or (
            is_op(node, "ReduceMean")
            and len(node.inputs) == 2
            and sorted(axis % 4 for axis in integers(node.inputs[1]) or ()) == [2, 3]
            and attribute(node, "keepdims", 1) == 1
        )
        size = shape(node.inputs[0]) if spatial else ()
        return node if len(size) == 4 and size[2:] != (1, 1) else None

    def rewrite(self, match: ir.Node, build: Builder) -> None:
        x = match.inputs[0]
        assert x is not None
        build.replace([match], fp16_mean(build, x))
