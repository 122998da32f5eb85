"""Resizes: exact average pools for shrinking, and fewer multiplications around enlarging."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import constant
from converters.onnx.passes.fold_batchnorm import conv_constants
from converters.onnx.passes.rewrite import (
    Builder,
    RewritePass,
    attribute,
    attributes,
    conv_padding,
    is_op,
    producer,
    shape,
)


def resizes_space_only(node: ir.Node) -> bool:
    """Whether a Resize of N x C x H x W changes height and width alone."""
    before, after = shape(node.inputs[0]), shape(node.outputs[0])
    if len(before) != 4 or len(after) != 4 or before[:2] != after[:2]:
        return False
    given = _input(node, 2)
    if given is None:
        return True
    # A scale of 1.1 leaves 5 channels 5 channels, but resamples them.
    scales = constant(given)
    return scales is not None and all(
        scale == 1 for axis, scale in zip(_axes(node), scales, strict=True) if axis in (0, 1)
    )


def _input(node: ir.Node, index: int) -> ir.Value | None:
    """An input of a Resize; None where it is left out, as a constant without elements says too."""
    value = node.inputs[index] if index < len(node.inputs) else None
    array = constant(value)
    return None if array is not None and array.size == 0 else value


def _axes(node: ir.Node) -> list[int]:
    """The axes that the scales or sizes of a Resize are given for, in order."""
    return [axis % 4 for axis in attribute(node, "axes", range(4))]


@dataclass(frozen=True)
class _Bilinear:
    """A bilinear half-pixel resize of height and width, without antialiasing.

    ``scales`` are those of height and width, where it is given scales. It samples by them and not by the sizes that are
    rounded from them: 5 pixels times 1.3 make 6, in steps of 1 / 1.3 and not of 5 / 6. None: it is given sizes, and
    samples by their ratio.
    """

    scales: tuple[float, float] | None


def _bilinear(node: ir.Node) -> _Bilinear | None:
    if not is_op(node, "Resize") or not resizes_space_only(node):
        return None
    if attribute(node, "mode", "nearest") != "linear" or attribute(node, "antialias", 0):
        return None
    if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    transform = attribute(node, "coordinate_transformation_mode", "half_pixel")
    if transform != "half_pixel" and not (transform == "pytorch_half_pixel" and 1 not in shape(node.outputs[0])[2:]):
        return None
    scales = constant(_input(node, 2))
    if scales is None:
        return _Bilinear(None)
    by_axis = dict(zip(_axes(node), scales.tolist(), strict=True))
    return _Bilinear((by_axis.get(2, 1.0), by_axis.get(3, 1.0)))


@dataclass(frozen=True)
class _Shrink:
    resize: ir.Node
    factor: tuple[int, int]


class ResizeToAveragePool(RewritePass[_Shrink]):
    """A bilinear shrink by a whole even factor reads the two middle pixels of each window, in equal parts.

    Given:  Resize(x, linear, half_pixel, scale 1/f), f even and dividing the size
    Result: AveragePool(x, kernel 2, stride 2) for f = 2, and for larger factors
            Conv(x, depthwise, kernel f/2 + 1, stride f), 1/4 in its last 2x2 weights and 0 elsewhere

    Output i samples (i + 1/2) * f - 1/2: halfway between pixels i*f + f/2 - 1 and i*f + f/2. A pool
    that skips pixels (stride above kernel) would say it as well, but XNNPACK does not run one.
    """

    def match(self, node: ir.Node) -> _Shrink | None:
        bilinear = _bilinear(node)
        if bilinear is None:
            return None
        before, after = shape(node.inputs[0])[2:], shape(node.outputs[0])[2:]
        factor = (before[0] // after[0], before[1] // after[1])
        if (after[0] * factor[0], after[1] * factor[1]) != before or any(each % 2 for each in factor):
            return None
        if bilinear.scales is not None and any(s * f != 1 for s, f in zip(bilinear.scales, factor, strict=True)):
            return None
        return _Shrink(node, factor)

    def rewrite(self, match: _Shrink, build: Builder) -> None:
        x = match.resize.inputs[0]
        if match.factor == (2, 2):
            y = build.op("AveragePool", x, kernel_shape=(2, 2), strides=(2, 2))
        else:
            channels, kernel = shape(x)[1], [factor // 2 + 1 for factor in match.factor]
            weight = np.zeros((channels, 1, *kernel))
            weight[:, :, -2:, -2:] = 1 / 4
            y = build.op("Conv", x, build.constant(weight), group=channels, kernel_shape=kernel, strides=match.factor)
        build.replace([match.resize], y)


# What moving one value through memory costs, in multiplications; on two x86-64 CPUs between 100 and 300.
_MACS_PER_ELEMENT = 256


@dataclass(frozen=True)
class _Enlarge:
    resize: ir.Node
    bilinear: _Bilinear
    conv: ir.Node
    pads: tuple[int, int, int, int]


class ConvBeforeResize(RewritePass[_Enlarge]):
    """A convolution of an enlarged map multiplies before it enlarges.

    Given:  Resize(x, bilinear) -> Conv(k x k, stride 1)
    Result: Conv(1x1, k*k*O outputs) -> Resize -> Pad(zeros) -> k*k Slices, one per tap -> Sum
            or, as ``convolutions``, which are two kernels on a GPU and not k*k:
            Conv(1x1, k*k*O outputs) -> Resize -> Conv(k x k, depthwise, one 1 each: its tap) -> Conv(1x1, ones)

    Exact: a resize acts on each channel alone, so it commutes with the sum over channels of each
    tap; what is left of the k x k convolution is the sum of its shifted taps, zero-padded as before.
    The multiplications shrink by the enlargement's area; the k*k*O enlarged maps cost memory
    traffic, so it is done only where the trade pays. No sum is longer than the input has channels: a GPU that adds in
    fp16 loses 3.5 % of a sum of 32,000.
    """

    def __init__(self, taps: Literal["slices", "convolutions"] = "slices") -> None:
        self._taps: Literal["slices", "convolutions"] = taps

    def match(self, node: ir.Node) -> _Enlarge | None:
        if not is_op(node, "Conv"):
            return None
        resize, constants = producer(node.inputs[0], "Resize"), conv_constants(node)
        bilinear = None if resize is None else _bilinear(resize)
        if resize is None or bilinear is None or constants is None:
            return None
        weight, _ = constants
        pads = conv_padding(node)
        if pads is None or len(shape(node.outputs[0])) != 4 or attribute(node, "group", 1) != 1:
            return None
        if set(attribute(node, "strides", (1, 1))) | set(attribute(node, "dilations", (1, 1))) != {1}:
            return None
        low, high = (math.prod(shape(value)[2:]) for value in (resize.inputs[0], resize.outputs[0]))
        outputs, inputs, *kernel = weight.shape
        taps = math.prod(kernel) * outputs
        saved_macs = taps * inputs * (high - low)
        added_elements = (taps - inputs) * high
        pays = saved_macs > max(added_elements, 0) * _MACS_PER_ELEMENT
        return _Enlarge(resize, bilinear, node, pads) if pays else None

    def rewrite(self, match: _Enlarge, build: Builder) -> None:
        constants = conv_constants(match.conv)
        assert constants is not None
        weight, bias = constants
        outputs, inputs, *kernel = weight.shape
        taps = weight.transpose(2, 3, 0, 1).reshape(-1, inputs, 1, 1)
        batch, _, height, width = shape(match.conv.outputs[0])
        low = (batch, len(taps), *shape(match.resize.inputs[0])[2:])
        high = (batch, len(taps), *shape(match.resize.outputs[0])[2:])
        y = build.op("Conv", match.resize.inputs[0], build.constant(taps), kernel_shape=(1, 1), output=low)
        scales = match.bilinear.scales
        to: tuple[ir.Value | None, ...] = (
            (None, None, build.integers(*high)) if scales is None else (None, build.constant([1, 1, *scales]))
        )
        y = build.op("Resize", y, *to, output=high, **attributes(match.resize, "axes"))
        if self._taps == "convolutions":
            build.replace([match.resize, match.conv], _summed(build, y, match, bias))
            return
        if any(match.pads):
            top, left, bottom, right = match.pads
            y = build.op("Pad", y, build.integers(0, 0, top, left, 0, 0, bottom, right))
        axes = build.integers(1, 2, 3)
        terms = [
            build.op(
                "Slice",
                y,
                build.integers(index * outputs, row, column),
                build.integers((index + 1) * outputs, row + height, column + width),
                axes,
            )
            for index, (row, column) in enumerate(np.ndindex(*kernel))
        ]
        build.replace(
            [match.resize, match.conv], build.op("Sum", *terms, build.constant(bias.reshape(1, outputs, 1, 1)))
        )


def _summed(build: Builder, taps: ir.Value, match: _Enlarge, bias: npt.NDArray[Any]) -> ir.Value:
    """The sum of shifted taps (N x k*k*O x H x W, the outputs of each tap together), by convolutions with ones."""
    batch, channels, *size = shape(taps)
    outputs, height, width = len(bias), *shape(match.conv.outputs[0])[2:]
    top, left, bottom, right = match.pads
    kernel = (size[0] + top + bottom - height + 1, size[1] + left + right - width + 1)
    shift = np.eye(math.prod(kernel)).reshape(-1, 1, *kernel).repeat(outputs, axis=0)
    shifted = build.op(
        "Conv",
        taps,
        build.constant(shift),
        group=channels,
        kernel_shape=kernel,
        pads=match.pads,
        output=(batch, channels, height, width),
    )
    ones = np.tile(np.eye(outputs), math.prod(kernel))[:, :, None, None]
    return build.op("Conv", shifted, build.constant(ones), build.constant(bias), kernel_shape=(1, 1))
