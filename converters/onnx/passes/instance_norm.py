"""Instance normalisation of some channels beside batch normalisation of the others (IBN-Net's IBN-a)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import constant
from converters.onnx.passes.fold_batchnorm import batchnorm_affine, conv_constants, scaled_conv
from converters.onnx.passes.rewrite import Builder, RewritePass, attribute, integers, is_op, producer, shape
from converters.onnx.passes.statistics import fp16_inverse_deviation, fp16_mean, wide_mean

Array = npt.NDArray[Any]
Arithmetic = Literal["fp32", "fp16", "fp16, means in fp32", "runtime's own"]
"""What a norm is written for: fp32 sums, fp16 sums, fp16 but for what a mean adds up, or an engine that has an op for
the norm."""
# Squares are taken of centred values times this. A square fits fp16 up to |c| = 1023, and the mean of squares is a
# normal number of fp16 from a deviation of 0.031 on; the portrait matting network has 106 and 0.81. Being a power of
# two it rounds nothing.
_PRESCALE = 0.25
# A slice and two concatenations are three kernels, some 10 us each on a phone; a map's other half is read twice and
# written once without them, at some 15 GB/s. Below so many elements of fp16 in one half the kernels cost more.
_WORTH_SLICING = 75_000


@dataclass(frozen=True)
class Norm:
    """Channels [start, stop) of ``x`` normalised, then scaled and shifted."""

    start: int
    stop: int
    epsilon: float
    gain: Array
    shift: Array


def write(build: Builder, x: ir.Value, norm: Norm, arithmetic: Arithmetic) -> ir.Value:
    """``x`` with some of its channels normalised and the others as they are."""
    writers = {
        "fp32": _write_fp32, "fp16": _write_fp16, "fp16, means in fp32": _write_wide_means, "runtime's own": _write_op,
    }  # fmt: skip
    return writers[arithmetic](build, x, norm)


def _per_channel(channels: int, norm: Norm, inside: Array | float, outside: float) -> Array:
    """A constant of shape 1 x C x 1 x 1: ``inside`` in the normalised channels, ``outside`` in the others."""
    values = np.full((1, channels, 1, 1), outside, np.float32)
    values[0, norm.start : norm.stop, 0, 0] = inside
    return values


def _shifted(build: Builder, y: ir.Value, channels: int, norm: Norm) -> ir.Value:
    """``y`` with the norm's shift added, where it has one."""
    return build.op("Add", y, build.constant(_per_channel(channels, norm, norm.shift, 0))) if norm.shift.any() else y


def _write_fp32(build: Builder, x: ir.Value, norm: Norm) -> ir.Value:
    """One centring and one scaling of the whole tensor: no slice, no concatenation.

    Outside [start, stop) the mean is multiplied by 0 and the variance replaced by 1, so that those
    channels pass through (x - 0) * 1 / sqrt(1) unchanged, bit for bit.
    """
    channels, axes = shape(x)[1], build.integers(2, 3)
    partial = norm.stop - norm.start < channels
    inside = build.constant(_per_channel(channels, norm, 1, 0)) if partial else None

    def masked(statistic: ir.Value) -> ir.Value:
        return statistic if inside is None else build.op("Mul", statistic, inside)

    centred = build.op("Sub", x, masked(build.op("ReduceMean", x, axes, keepdims=1)))
    variance = masked(build.op("ReduceMean", build.op("Mul", centred, centred), axes, keepdims=1))
    offset = build.constant(_per_channel(channels, norm, norm.epsilon, 1))
    factor = build.op("Reciprocal", build.op("Sqrt", build.op("Add", variance, offset)))
    if (norm.gain != 1).any():
        factor = build.op("Mul", factor, build.constant(_per_channel(channels, norm, norm.gain, 1)))
    return _shifted(build, build.op("Mul", centred, factor), channels, norm)


def _sliced(build: Builder, x: ir.Value, norm: Norm) -> ir.Value:
    """The normalised channels alone."""
    batch, channels, height, width = shape(x)
    if norm.stop - norm.start == channels:
        return x
    bounds = [build.integers(item) for item in (norm.start, norm.stop, 1)]
    return build.op("Slice", x, *bounds, output=(batch, norm.stop - norm.start, height, width))


def _around(build: Builder, x: ir.Value, norm: Norm, statistic: ir.Value, neutral: float) -> ir.Value:
    """A statistic of the normalised channels as one of all channels, ``neutral`` in the others."""
    batch, channels = shape(x)[:2]
    around = [
        build.constant(np.full((batch, count, 1, 1), neutral)) if count else None
        for count in (norm.start, channels - norm.stop)
    ]
    parts = [piece for piece in (around[0], statistic, around[1]) if piece is not None]
    return statistic if len(parts) == 1 else build.op("Concat", *parts, axis=1)


def _write_fp16(build: Builder, x: ir.Value, norm: Norm) -> ir.Value:
    """Statistics of the normalised channels alone, in the safe form of ``converters.onnx.passes.statistics``."""
    part = _sliced(build, x, norm)
    mean = fp16_mean(build, part)
    factor = fp16_inverse_deviation(build, build.op("Sub", part, mean, output=shape(part)), norm.epsilon)
    if (norm.gain != 1).any():
        factor = build.op("Mul", factor, build.constant(norm.gain.reshape(1, -1, 1, 1)))
    centred = build.op("Sub", x, _around(build, x, norm, mean, 0))
    scaled = build.op("Mul", centred, _around(build, x, norm, factor, 1))
    return _shifted(build, scaled, shape(x)[1], norm)


def _write_wide_means(build: Builder, x: ir.Value, norm: Norm) -> ir.Value:
    """Squares that fit fp16, and their means; where that is cheaper, of all channels, with the others masked out.

    Algebra: with u = (x - mean) * s, 1 / sqrt(mean((x - mean)^2) + epsilon) = s / sqrt(mean(u^2) + epsilon * s^2).
    Masked channels have mean 0, u = 0 and s / sqrt(0 + s^2) = 1. The subtraction is written twice, as a GPU joins each
    to what follows.
    """
    channels = shape(x)[1]
    partial = norm.stop - norm.start < channels
    slices = partial and (norm.stop - norm.start) * math.prod(shape(x)[2:]) > _WORTH_SLICING
    part = _sliced(build, x, norm) if slices else x

    def number(of_norm: Array | float, elsewhere: float) -> ir.Value:
        """A constant for the channels of ``part``."""
        if partial and not slices:
            return build.constant(_per_channel(channels, norm, of_norm, elsewhere))
        return build.constant(np.reshape(of_norm, (1, -1, 1, 1)))

    mean = wide_mean(build, part)
    if part is x and partial:
        mean = build.op("Mul", mean, number(1, 0))
    u = build.op("Mul", build.op("Sub", part, mean), number(_PRESCALE, 0))
    variance = wide_mean(build, build.op("Mul", u, u, output=shape(part)))
    deviation = build.op("Sqrt", build.op("Add", variance, number(norm.epsilon * _PRESCALE**2, _PRESCALE**2)))
    gain = norm.gain * _PRESCALE if (norm.gain != 1).any() else _PRESCALE
    factor = build.op("Mul", build.op("Reciprocal", deviation), number(gain, _PRESCALE))
    if slices:
        mean, factor = _around(build, x, norm, mean, 0), _around(build, x, norm, factor, 1)
    return _shifted(build, build.op("Mul", build.op("Sub", x, mean), factor), channels, norm)


def _write_op(build: Builder, x: ir.Value, norm: Norm) -> ir.Value:
    """The normalised channels alone through InstanceNormalization, between those that pass it by."""
    widths = [norm.start, norm.stop - norm.start, shape(x)[1] - norm.stop]
    present = [width for width in widths if width]
    parts = build.split(x, present, 1) if len(present) > 1 else [x]
    index = int(norm.start > 0)
    gain, shift = build.constant(norm.gain), build.constant(norm.shift)
    parts[index] = build.op(
        "InstanceNormalization", parts[index], gain, shift, epsilon=norm.epsilon, output=shape(parts[index])
    )
    return parts[0] if len(parts) == 1 else build.op("Concat", *parts, axis=1)


def _instance_norm(node: ir.Node, start: int) -> Norm | None:
    """An InstanceNormalization of channels from ``start`` on; None unless its gain and shift are constant."""
    gain, shift = constant(node.inputs[1]), constant(node.inputs[2])
    if gain is None or shift is None or len(shape(node.inputs[0])) != 4:
        return None
    return Norm(start, start + len(gain), attribute(node, "epsilon", 1e-5), gain, shift)


def _channel_part(node: ir.Node | None, value: ir.Value) -> tuple[ir.Value, int, int] | None:
    """The tensor that ``value`` is channels [start, stop) of, by a Split or a Slice."""
    if node is None:
        return None
    source = node.inputs[0]
    if source is None or len(shape(source)) != 4:
        return None
    channels = shape(source)[1]
    if node.op_type == "Split":
        if attribute(node, "axis", 0) % 4 != 1 or any(not shape(output) for output in node.outputs):
            return None
        widths = [shape(output)[1] for output in node.outputs]
        index = list(node.outputs).index(value)
        return source, sum(widths[:index]), sum(widths[: index + 1])
    starts, ends, axes = (integers(item) for item in (*node.inputs[1:4], None)[:3])
    steps = integers(node.inputs[4]) if len(node.inputs) > 4 else (1,)
    if starts is None or ends is None or axes not in ((1,), (-3,)) or steps != (1,):
        return None
    part = range(channels)[starts[0] : ends[0]]
    return source, part.start, part.stop


@dataclass(frozen=True)
class _Partial:
    conv: ir.Node
    parts: tuple[ir.Node, ...]
    norms: tuple[ir.Node, ...]
    concat: ir.Node
    gain: Array
    shift: Array
    instance: Norm


class FoldPartialInstanceNorm(RewritePass[_Partial]):
    """Batch normalisation of some channels goes into the convolution; the instance norm of the rest stays in place.

    Given:  Conv(x, W, b) -> Split (or one Slice per part) along channels
            -> BatchNormalization on some parts, InstanceNormalization on one -> Concat
    Result: Conv(x, W * gain, b * gain + shift) -> (y - mean) / sqrt(var + epsilon), with mean 0 and
            deviation 1 in the channels of the BatchNormalization parts

    gain and shift are those of FoldBatchNorm in its channels, and 1 and 0 in the others.
    """

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.arithmetic: Arithmetic = arithmetic

    def match(self, node: ir.Node) -> _Partial | None:
        if not is_op(node, "Concat") or len(shape(node.outputs[0])) != 4 or attribute(node, "axis", 0) % 4 != 1:
            return None
        channels = shape(node.outputs[0])[1]
        gain, shift, position = np.ones(channels), np.zeros(channels), 0
        norms: list[ir.Node] = []
        parts: list[ir.Node] = []
        sources: set[ir.Value] = set()
        instance: Norm | None = None
        for value in node.inputs:
            norm = producer(value, "BatchNormalization", "InstanceNormalization")
            part = producer(norm.inputs[0], "Split", "Slice") if norm is not None else None
            found = _channel_part(part, norm.inputs[0]) if norm is not None and norm.inputs[0] is not None else None
            if norm is None or part is None or found is None or found[1] != position:
                return None
            source, start, position = found
            norms.append(norm)
            sources.add(source)
            if part not in parts:
                parts.append(part)
            if norm.op_type == "InstanceNormalization":
                if instance is not None or (instance := _instance_norm(norm, start)) is None:
                    return None
            elif (affine := batchnorm_affine(norm)) is None:
                return None
            else:
                gain[start:position], shift[start:position] = affine
        if instance is None or len(sources) != 1 or position != channels:
            return None
        (source,) = sources
        conv = source.producer()
        if conv is None or conv.graph is not node.graph or conv_constants(conv) is None:
            return None
        if shape(source)[1] != channels:
            return None
        if source.is_graph_output() or {user for user, _ in source.uses()} != set(parts):
            return None
        if any(output.is_graph_output() or len(output.uses()) > 1 for part in parts for output in part.outputs):
            return None
        return _Partial(conv, tuple(parts), tuple(norms), node, gain, shift, instance)

    def rewrite(self, match: _Partial, build: Builder) -> None:
        y = scaled_conv(build, match.conv, match.gain, match.shift)
        y.type, y.shape = match.concat.outputs[0].type, match.concat.outputs[0].shape
        new = write(build, y, match.instance, self.arithmetic)
        build.replace([match.conv, *match.parts, *match.norms, match.concat], new)


class WriteInstanceNorm(RewritePass[tuple[ir.Node, Norm]]):
    """An InstanceNormalization in primitive ops, its statistics safe in the given arithmetic.

    Given:  InstanceNormalization(x, gain, shift)
    Result: (x - mean) * (gain / sqrt(var + epsilon)) + shift
    """

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.arithmetic: Arithmetic = arithmetic

    def match(self, node: ir.Node) -> tuple[ir.Node, Norm] | None:
        if not is_op(node, "InstanceNormalization"):
            return None
        norm = _instance_norm(node, 0)
        return None if norm is None else (node, norm)

    def rewrite(self, match: tuple[ir.Node, Norm], build: Builder) -> None:
        node, norm = match
        x = node.inputs[0]
        assert x is not None
        build.replace([node], write(build, x, norm, self.arithmetic))
