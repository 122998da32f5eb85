"""Fold a BatchNormalization into the convolution before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import constant
from converters.onnx.passes.rewrite import Builder, RewritePass, attribute, attributes, is_op, producer

Array = npt.NDArray[Any]

CONVOLUTIONS = ("Conv", "ConvTranspose")


def batchnorm_affine(node: ir.Node) -> tuple[Array, Array] | None:
    """Gain and shift of an inference BatchNormalization, per channel; None unless both are constant.

    y = gain * x + shift, gain = scale / sqrt(var + epsilon), shift = B - mean * gain.
    """
    scale, bias, mean, variance = (constant(value) for value in node.inputs[1:5])
    if scale is None or bias is None or mean is None or variance is None or attribute(node, "training_mode", 0):
        return None
    gain = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + attribute(node, "epsilon", 1e-5))
    return gain, bias - mean * gain


def conv_constants(conv: ir.Node | None) -> tuple[Array, Array] | None:
    """Weight and bias (zeros if absent) of a Conv or ConvTranspose; None unless both are constant."""
    if conv is None or not is_op(conv, *CONVOLUTIONS):
        return None
    weight = constant(conv.inputs[1])
    if weight is None:
        return None
    if len(conv.inputs) < 3 or conv.inputs[2] is None:
        outputs = weight.shape[0] if conv.op_type == "Conv" else weight.shape[1] * attribute(conv, "group", 1)
        return weight, np.zeros(outputs, weight.dtype)
    bias = constant(conv.inputs[2])
    return None if bias is None else (weight, bias)


def scaled_conv(build: Builder, conv: ir.Node, gain: Array, shift: Array) -> ir.Value:
    """A copy of ``conv`` whose output is ``gain * conv(x) + shift`` per output channel."""
    constants = conv_constants(conv)
    assert constants is not None
    weight, bias = constants
    kernel = [1] * (weight.ndim - 2)
    if conv.op_type == "Conv":  # O x I/group x kernel
        factor = gain.reshape(-1, 1, *kernel)
    else:  # I x O/group x kernel: each group's inputs meet the outputs of that group alone
        group = attribute(conv, "group", 1)
        factor = np.repeat(gain.reshape(group, -1), len(weight) // group, axis=0).reshape(*weight.shape[:2], *kernel)
    return build.op(
        conv.op_type,
        conv.inputs[0],
        build.constant(weight * factor),
        build.constant(bias * gain + shift),
        **attributes(conv),
    )


@dataclass(frozen=True)
class _Match:
    conv: ir.Node
    batchnorm: ir.Node
    gain: Array
    shift: Array


class FoldBatchNorm(RewritePass[_Match]):
    """A BatchNormalization after a convolution costs nothing.

    Given:  Conv or ConvTranspose (x, W, b) -> BatchNormalization(scale, B, mean, var)
    Result: the convolution with W * gain and b * gain + shift

    with gain = scale / sqrt(var + epsilon) and shift = B - mean * gain, per output channel.
    """

    def match(self, node: ir.Node) -> _Match | None:
        if not is_op(node, "BatchNormalization"):
            return None
        conv, affine = producer(node.inputs[0], *CONVOLUTIONS), batchnorm_affine(node)
        if conv is None or conv_constants(conv) is None or affine is None:
            return None
        return _Match(conv, node, *affine)

    def rewrite(self, match: _Match, build: Builder) -> None:
        build.replace([match.conv, match.batchnorm], scaled_conv(build, match.conv, match.gain, match.shift))
