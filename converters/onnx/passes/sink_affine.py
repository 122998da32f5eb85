"""A constant scale or shift of the input goes into the convolutions that read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from converters.onnx.passes.fold_batchnorm import conv_constants
from converters.onnx.passes.resize import resizes_space_only
from converters.onnx.passes.rewrite import (
    Builder,
    RewritePass,
    attribute,
    attributes,
    conv_padding,
    is_op,
    scalar,
    shape,
)


@dataclass(frozen=True)
class _Reader:
    """Input channels [start, stop) of ``conv`` carry the scaled and shifted value."""

    conv: ir.Node
    start: int
    stop: int


@dataclass(frozen=True)
class _Sink:
    node: ir.Node
    x: ir.Value
    scale: np.float32
    shift: np.float32
    readers: tuple[_Reader, ...]


def _affine(node: ir.Node) -> tuple[ir.Value, np.float32, np.float32] | None:
    """x, scale and shift of a node that computes ``scale * x + shift`` with finite scalar constants."""
    if not is_op(node, "Mul", "Div", "Add", "Sub"):
        return None
    left, right = node.inputs[:2]
    number = scalar(right)
    if number is None and node.op_type in ("Mul", "Add"):
        left, number = right, scalar(left)
    # A constant of more axes than x would add axes to the result.
    if left is None or number is None or len(shape(left)) != 4 or shape(node.outputs[0]) != shape(left):
        return None
    with np.errstate(divide="ignore", over="ignore"):
        scale, shift = {
            "Mul": (np.float32(number), np.float32(0)),
            "Div": (np.float32(1) / np.float32(number), np.float32(0)),
            "Add": (np.float32(1), np.float32(number)),
            "Sub": (np.float32(1), np.float32(-number)),
        }[node.op_type]
    return (left, scale, shift) if np.isfinite([scale, shift]).all() else None


def _passes_through(node: ir.Node, index: int, shifted: bool) -> bool:
    """Whether an op keeps channels apart and commutes with a scale of its input ``index``, and with a shift if any.

    It commutes with a scale where its outputs are weighted sums of its inputs, and with a shift where the weights of
    each output have the sum 1: not where an average counts padding, whose zeros are not shifted.
    """
    if index != 0:
        return False
    if is_op(node, "AveragePool"):
        padded = any(attribute(node, "pads", ())) or attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        counted = attribute(node, "count_include_pad", 0) and (padded or attribute(node, "ceil_mode", 0))
        return not (shifted and counted)
    if is_op(node, "Conv") and not shifted and attribute(node, "group", 1) > 1:
        return all(item is None for item in node.inputs[2:])  # a bias is not scaled
    # tf_crop_and_resize gives its extrapolation value outside the map, scaled or not.
    transform = attribute(node, "coordinate_transformation_mode", "half_pixel")
    return is_op(node, "Resize") and resizes_space_only(node) and transform != "tf_crop_and_resize"


def _readers(value: ir.Value, start: int, stop: int, shifted: bool) -> list[_Reader] | None:
    """Every convolution that channels [start, stop) of ``value`` reach; None when something else reads them."""
    found: list[_Reader] = []
    if value.is_graph_output() or not value.uses():
        return None
    for node, index in value.uses():
        onward: list[_Reader] | None = None
        if is_op(node, "Conv") and index == 0 and conv_constants(node) and attribute(node, "group", 1) == 1:
            # Zero padding commutes with a scale, not with a shift.
            onward = None if shifted and conv_padding(node) != (0, 0, 0, 0) else [_Reader(node, start, stop)]
        elif is_op(node, "Concat") and attribute(node, "axis", 0) % 4 == 1:
            sizes = [shape(item) for item in node.inputs[:index]]
            if all(sizes):
                before = sum(size[1] for size in sizes)
                onward = _readers(node.outputs[0], before + start, before + stop, shifted)
        elif _passes_through(node, index, shifted):
            onward = _readers(node.outputs[0], start, stop, shifted)
        if onward is None:
            return None
        found += onward
    return found


class SinkAffine(RewritePass[_Sink]):
    """Normalisation that costs nothing, wherever that is exact.

    Given:  Mul, Div, Add or Sub (x, scalar) -> AveragePool, Resize, Concat ... -> Conv, on every path
    Result: x -> ... -> Conv(W * scale, b + sum(W) * shift) in the channels that carry x

    A shift is left alone where a convolution pads with zeros: the padding is not shifted. A convolution that the value
    reaches on several paths, each in channels of its own, is rewritten once.
    """

    def match(self, node: ir.Node) -> _Sink | None:
        affine = _affine(node)
        if affine is None:
            return None
        x, scale, shift = affine
        readers = _readers(node.outputs[0], 0, shape(node.outputs[0])[1], bool(shift))
        return None if readers is None else _Sink(node, x, scale, shift, tuple(readers))

    def rewrite(self, match: _Sink, build: Builder) -> None:
        for conv in dict.fromkeys(reader.conv for reader in match.readers):
            constants = conv_constants(conv)
            assert constants is not None
            weight, bias = (array.copy() for array in constants)
            for reader in match.readers:
                if reader.conv is conv:
                    read = weight[:, reader.start : reader.stop]
                    bias += read.sum(axis=(1, 2, 3)) * match.shift
                    read *= match.scale
            each = build.at(conv)
            y = each.op("Conv", conv.inputs[0], each.constant(weight), each.constant(bias), **attributes(conv))
            each.replace([conv], y)
        build.replace([match.node], match.x)
