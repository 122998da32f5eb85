"""A constant scale or shift of the input goes into the convolutions that read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from converters.onnx.passes.fold_batchnorm import conv_constants
from converters.onnx.passes.rewrite import Builder, RewritePass, attribute, attributes, conv_padding, scalar, shape

# Ops that keep channels apart and weigh their inputs with a sum of 1: they commute with a scale and a shift.
_TRANSPARENT = ("Resize", "AveragePool")


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
    scale: float
    shift: float
    readers: tuple[_Reader, ...]


def _affine(node: ir.Node) -> tuple[ir.Value, float, float] | None:
    """x, scale and shift of a node that computes ``scale * x + shift`` with scalar constants."""
    if node.op_type not in ("Mul", "Div", "Add", "Sub") or node.domain:
        return None
    left, right = node.inputs[:2]
    number = scalar(right)
    if number is None and node.op_type in ("Mul", "Add"):
        left, number = right, scalar(left)
    if left is None or number is None or len(shape(left)) != 4:
        return None
    return {
        "Mul": (left, number, 0.0),
        "Div": (left, 1 / number if number else np.inf, 0.0),
        "Add": (left, 1.0, number),
        "Sub": (left, 1.0, -number),
    }[node.op_type]


def _readers(value: ir.Value, start: int, stop: int, shifted: bool) -> list[_Reader] | None:
    """Every convolution that channels [start, stop) of ``value`` reach; None when something else reads them."""
    found: list[_Reader] = []
    if value.is_graph_output() or not value.uses():
        return None
    for node, index in value.uses():
        onward: list[_Reader] | None = None
        if node.op_type == "Conv" and index == 0 and conv_constants(node) and attribute(node, "group", 1) == 1:
            # Zero padding commutes with a scale, not with a shift.
            onward = None if shifted and conv_padding(node) != (0, 0, 0, 0) else [_Reader(node, start, stop)]
        elif node.op_type == "Concat" and attribute(node, "axis", 0) % 4 == 1:
            before = sum(shape(item)[1] for item in node.inputs[:index])
            onward = _readers(node.outputs[0], before + start, before + stop, shifted)
        elif node.op_type in _TRANSPARENT and index == 0 and not any(attribute(node, "pads", ())):
            onward = _readers(node.outputs[0], start, stop, shifted)
        if onward is None:
            return None
        found += onward
    return found


class SinkAffine(RewritePass[_Sink]):
    """Normalisation that costs nothing, wherever that is exact.

    Given:  Mul, Div, Add or Sub (x, scalar) -> AveragePool, Resize, Concat ... -> Conv, on every path
    Result: x -> ... -> Conv(W * scale, b + sum(W) * shift) in the channels that carry x

    A shift is left alone where a convolution pads with zeros: the padding is not shifted.
    """

    def match(self, node: ir.Node) -> _Sink | None:
        affine = _affine(node)
        if affine is None or not np.isfinite(affine[1]):
            return None
        x, scale, shift = affine
        readers = _readers(node.outputs[0], 0, shape(node.outputs[0])[1], shift != 0)
        return None if readers is None else _Sink(node, x, scale, shift, tuple(readers))

    def rewrite(self, match: _Sink, build: Builder) -> None:
        for reader in match.readers:
            constants = conv_constants(reader.conv)
            assert constants is not None
            weight, bias = (array.copy() for array in constants)
            read = weight[:, reader.start : reader.stop]
            bias += read.sum(axis=(1, 2, 3)) * np.float32(match.shift)
            read *= np.float32(match.scale)
            each = Builder(reader.conv.graph, reader.conv.name or "Conv")  # type: ignore[arg-type]
            y = each.op(
                "Conv", reader.conv.inputs[0], each.constant(weight), each.constant(bias), **attributes(reader.conv)
            )
            each.replace([reader.conv], y)
        build.replace([match.node], match.x)
