"""Linear layers on a 1x1 map (squeeze and excitation) become 1x1 convolutions, without a change of rank.

Three local rewrites carry the flattening down the graph until it meets the unflattening and both vanish.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import constant
from converters.onnx.passes.rewrite import Builder, RewritePass, attribute, attributes, integers, is_op, producer, shape

_FLATTEN = ("Reshape", "Flatten", "Squeeze")
_UNFLATTEN = ("Reshape", "Unsqueeze")
_UNARY = ("Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh")


def _flattened(value: ir.Value | None) -> tuple[ir.Node, ir.Value] | None:
    """The node that takes an N x C x 1 x 1 map to this N x C matrix, and the map."""
    node = producer(value, *_FLATTEN)
    source = None if node is None else node.inputs[0]
    if node is None or source is None or len(shape(value)) != 2 or shape(source) != (*shape(value), 1, 1):
        return None
    return node, source


def _flatten(build: Builder, x: ir.Value, matrix: tuple[int, ...]) -> ir.Value:
    """The N x C matrix of an N x C x 1 x 1 map."""
    return build.op("Reshape", x, build.integers(*matrix), output=matrix)


class KeepMeanDims(RewritePass[ir.Node]):
    """The mean of a map keeps its rank.

    Given:  ReduceMean(x, axes=[2, 3], keepdims=0)
    Result: ReduceMean(x, axes=[2, 3], keepdims=1) -> Reshape(N, C)
    """

    def match(self, node: ir.Node) -> ir.Node | None:
        if not is_op(node, "ReduceMean") or len(node.inputs) != 2 or len(shape(node.inputs[0])) != 4:
            return None
        axes = integers(node.inputs[1]) or ()
        return node if attribute(node, "keepdims", 1) == 0 and sorted(axis % 4 for axis in axes) == [2, 3] else None

    def rewrite(self, match: ir.Node, build: Builder) -> None:
        matrix = shape(match.inputs[0])[:2]
        mean = build.op("ReduceMean", *match.inputs, keepdims=1, output=(*matrix, 1, 1))
        build.replace([match], _flatten(build, mean, matrix))


@dataclass(frozen=True)
class _Linear:
    flatten: ir.Node
    linear: ir.Node
    x: ir.Value
    weight: npt.NDArray[Any]
    bias: npt.NDArray[Any] | None


class LinearToConv(RewritePass[_Linear]):
    """A Linear on a flattened 1x1 map is a 1x1 convolution.

    Given:  Reshape(x: N x C x 1 x 1 -> N x C) -> Gemm or MatMul with a constant matrix
    Result: Conv(x, W: O x C x 1 x 1, b) -> Reshape(N, O)
    """

    def match(self, node: ir.Node) -> _Linear | None:
        if not is_op(node, "Gemm", "MatMul"):
            return None
        found, matrix = _flattened(node.inputs[0]), constant(node.inputs[1])
        if found is None or matrix is None or matrix.ndim != 2 or attribute(node, "transA", 0):
            return None
        weight = (matrix if attribute(node, "transB", 0) else matrix.T) * np.float32(attribute(node, "alpha", 1.0))
        bias: npt.NDArray[Any] | None = None
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            array = constant(node.inputs[2])
            # One number for each output, or one for all: not one for each row.
            if array is None or np.broadcast_shapes(array.shape, (1, len(weight))) != (1, len(weight)):
                return None
            bias = np.broadcast_to(array.reshape(-1) * np.float32(attribute(node, "beta", 1.0)), len(weight))
        flatten, x = found
        return _Linear(flatten, node, x, weight, bias)

    def rewrite(self, match: _Linear, build: Builder) -> None:
        outputs = len(match.weight)
        weight = build.constant(match.weight[:, :, None, None])
        bias = () if match.bias is None else (build.constant(match.bias),)
        batch = shape(match.x)[0]
        y = build.op("Conv", match.x, weight, *bias, kernel_shape=(1, 1), output=(batch, outputs, 1, 1))
        build.replace([match.flatten, match.linear], _flatten(build, y, (batch, outputs)))


@dataclass(frozen=True)
class _Sunk:
    flatten: ir.Node
    node: ir.Node
    x: ir.Value


class SinkFlatten(RewritePass[_Sunk]):
    """A flattening moves below the activation after it, and vanishes at the unflattening.

    Given:  Reshape(x: N x C x 1 x 1 -> N x C) -> Relu (Clip, Sigmoid, ...)
    Result: Relu(x) -> Reshape
    Given:  Reshape(x: N x C x 1 x 1 -> N x C) -> Reshape or Unsqueeze (N x C -> N x C x 1 x 1)
    Result: x
    """

    def match(self, node: ir.Node) -> _Sunk | None:
        if not is_op(node, *_UNARY, *_UNFLATTEN):
            return None
        found = _flattened(node.inputs[0])
        if found is None or (node.op_type in _UNFLATTEN and shape(node.outputs[0]) != shape(found[1])):
            return None
        if node.op_type in _UNFLATTEN and node.outputs[0].is_graph_output():
            return None
        return _Sunk(found[0], node, found[1])

    def rewrite(self, match: _Sunk, build: Builder) -> None:
        if match.node.op_type in _UNFLATTEN:
            build.replace([match.flatten, match.node], match.x)
            return
        y = build.op(
            match.node.op_type, match.x, *match.node.inputs[1:], output=shape(match.x), **attributes(match.node)
        )
        build.replace([match.flatten, match.node], _flatten(build, y, shape(match.node.outputs[0])))
