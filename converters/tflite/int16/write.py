"""Writing a float graph in int16 arithmetic: activations int16 and symmetric, weights int8, biases int64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.convolutions import Convolution, convolutions
from converters.tflite.int8.graph import CONVOLUTIONS, Graph
from converters.tflite.int8.ranges import Spread
from converters.tflite.int8.writer import Writer
from converters.tflite.rounding import Rounding
from converters.tflite.weights import add_weights, check_finite

_SAME_SCALE = ("PAD", "CONCATENATION", "RESIZE_BILINEAR", "SLICE", "AVERAGE_POOL_2D", "RELU")
"""Operators whose int16 kernels do not rescale: their results have the scale of their inputs."""
_BY_CHANNEL = ("ADD", "SUB", "MUL", "MEAN", "RSQRT")
"""Operators whose every channel comes from the same channel of their inputs alone, and which rescale."""
_LEVELS = 32767
# How far beyond what the calibration images show a range reaches. Half a bit of 15 is not missed, and values that an
# unseen image has beyond the range are clipped: 1.0 had twice the largest mean error on the judging portraits.
_MARGIN = 1.5
_SIGMOID = 1 / 32768
"""The only scale that LiteRT's int16 LOGISTIC gives (tflite/kernels/activations.cc, SigmoidPrepare)."""
_LARGEST_BIAS = 2**31 - 1
"""MediaTek's plugin refuses an int64 bias beyond int32 (legalizations/neuron_utils.cc, CastInt64IntoInt32)."""


def int16x8(data: bytes, rounding: Rounding, spreads: Mapping[int, Spread], *, margin: float = _MARGIN) -> bytes:
    """A model that computes in int16 wherever LiteRT has a kernel, with float ports; see ``form.for_int16``.

    Given:  CONV_2D(x, weight: fp32, bias)
    Result: CONV_2D(x: int16, weight: int8, bias': int64)

    ``spreads``: of all of its activations; ranges reach ``margin`` times as far as what was seen. Weights have one
    scale for each output channel, activations one, and every zero point is 0. An op without an int16 kernel stays
    float, between DEQUANTIZE and QUANTIZE. Raises ExportError for weights that are not finite.
    """
    model = fb.read(data)
    graph, builder = Graph(model), fb.Builder(model)
    scales = _scales(graph, spreads, margin)
    for item in convolutions(model):
        if has_int16_form(graph, item.index):
            _quantize_weights(builder, item, rounding, scales[int(item.op.inputs[0])])
    writer = _Writer(graph, builder, scales)
    for index in graph.indices:
        writer.write(index)
    for tensor in builder.graph.outputs:
        writer.in_float(int(tensor))
    builder.graph.operators = writer.operators
    return builder.write()


def has_int16_form(graph: Graph, index: int) -> bool:
    """Whether LiteRT has an int16 kernel for the op, as tried in docs/npu.md."""
    op, name = graph.ops[index], graph.names[index]
    tensors = graph.model.subgraphs[0].tensors
    if any(tensors[item].type != fb.TensorType.FLOAT32 for item in [*graph.inputs(index), graph.output(index)]):
        return False
    if name in CONVOLUTIONS:  # int32 sums of int16 overflow, and int64 ones come with a bias
        return len(op.inputs) > 2 and op.inputs[2] >= 0 and graph.is_constant(op.inputs[1])
    return name in (*_SAME_SCALE, *_BY_CHANNEL, "LOGISTIC")


def _scales(graph: Graph, spreads: Mapping[int, Spread], margin: float) -> dict[int, float]:
    """The scale of every activation: of what ops that do not rescale join, one."""
    root = {tensor: tensor for tensor in graph.activations}

    def top(tensor: int) -> int:
        while root[tensor] != tensor:
            tensor = root[tensor]
        return tensor

    sigmoids = {graph.output(index) for index, name in enumerate(graph.names) if name == "LOGISTIC"}
    for index, name in enumerate(graph.names):
        if name in _SAME_SCALE:
            for tensor in set(graph.inputs(index)) - sigmoids:
                root[top(tensor)] = top(graph.output(index))
    used, largest = _used_channels(graph), dict[int, float]()
    for tensor in graph.activations:
        size = np.maximum(np.abs(spreads[tensor].low), np.abs(spreads[tensor].high))[used[tensor]]
        largest[top(tensor)] = max(largest.get(top(tensor), 1e-9), float(size.max(initial=0)))
    found = {tensor: margin * largest[top(tensor)] / _LEVELS for tensor in graph.activations}
    return found | dict.fromkeys(sigmoids, _SIGMOID)


def _used_channels(graph: Graph) -> dict[int, npt.NDArray[np.bool_]]:
    """The channels of every activation that reach an output: those that are only multiplied by 0 need no range."""
    used = {tensor: np.zeros(graph.shape(tensor)[-1:] or (1,), np.bool_) for tensor in graph.activations}
    for tensor in graph.outputs:
        used[tensor][:] = True
    for index in reversed(graph.indices):
        wanted = used[graph.output(index)]
        if graph.names[index] == "MUL":
            for item in map(int, graph.ops[index].inputs):
                values = fb.constant(graph.model, graph.model.subgraphs[0].tensors[item])
                if values is not None and values.shape[-1:] == wanted.shape:
                    wanted = wanted & (values != 0).any(axis=tuple(range(values.ndim - 1)))
        for tensor in graph.inputs(index):
            by_channel = graph.names[index] in _BY_CHANNEL and used[tensor].shape == wanted.shape
            used[tensor] |= wanted if by_channel else True
    return used


def _quantize_weights(builder: fb.Builder, convolution: Convolution, rounding: Rounding, source: float) -> None:
    """Give a convolution int8 weights and an int64 bias, for an int16 input of the scale ``source``."""
    check_finite(builder, convolution)
    op, rounded = convolution.op, rounding(convolution)
    assert convolution.bias is not None  # see ``has_int16_form``
    bias = convolution.bias.astype(np.float64) + rounded.bias_change
    # Beside a bias that int32 cannot hold in its steps, the weights are so small that coarser ones do.
    scale = np.maximum(rounded.scale.astype(np.float64), np.abs(bias) / (source * _LARGEST_BIAS))
    per_channel = (rounded.scale / scale).reshape(-1 if convolution.depthwise else (-1, 1, 1, 1))
    weight = np.rint(rounded.weight * per_channel).astype(np.int8)
    stored = np.rint(bias / (source * scale)).astype(np.int64)
    quantized = fb.quantization(source * scale)
    op.inputs = [
        op.inputs[0],
        add_weights(builder, convolution, replace(rounded, weight=weight, scale=scale.astype(np.float32))),
        builder.add_constant(builder.tensor(op.inputs[2]).name + b"/int64", stored, quantized),
    ]


class _Writer(Writer):
    """Every tensor is int16 that an op with an int16 kernel computes."""

    def __init__(self, graph: Graph, builder: fb.Builder, scales: Mapping[int, float]) -> None:
        super().__init__(graph, builder)
        self._scales = dict(scales)
        self._int16: dict[tuple[int, float], int] = {}
        self._constants: dict[int, int] = {}

    def _in_integers(self, index: int) -> bool:
        return has_int16_form(self._graph, index)

    def _computed_form(self, tensor: int) -> int:
        return self._int16[tensor, self._scales[tensor]]

    def _rewrite(self, index: int, op: Any, maps: set[int]) -> bool:
        name, output = self._graph.names[index], self._graph.output(index)
        if name == "ADD" and self._adds_nothing(op, maps):
            (tensor,) = maps
            scale = self._scales[output] = self._scales[tensor]
            self._int16[output, scale] = self._in_int16(tensor, scale)
            return False
        scale = self._scales[output]
        op.inputs = [
            self._in_int16(item, scale if name in _SAME_SCALE else self._scales[item])
            if item in maps
            else item
            if name in CONVOLUTIONS
            else self._constant(item)
            for item in map(int, op.inputs)
        ]
        self._int16[output, scale] = self._form(output, scale)
        op.outputs = [self._int16[output, scale]]
        if name in ("ADD", "SUB"):  # the default asks for powers of two
            op.builtinOptions.potScaleInt16 = False
        return True

    def _form(self, tensor: int, scale: float) -> int:
        return self._builder.add_like(tensor, b"/int16", fb.TensorType.INT16, fb.quantization(scale))

    def _in_int16(self, tensor: int, scale: float) -> int:
        """The int16 form of a tensor with this scale, quantized from what its op gives where it is not there."""
        if (tensor, scale) not in self._int16:
            computed = self._int16.get((tensor, self._scales[tensor]), tensor)
            self._int16[tensor, scale] = self._form(tensor, scale)
            self.add_op("QUANTIZE", computed, self._int16[tensor, scale])
        return self._int16[tensor, scale]

    def _constant(self, tensor: int) -> int:
        """An operand in int16; what is no float (axes, sizes) as it is."""
        values = self._builder.constant(tensor)
        if values is None or values.dtype != np.float32:
            return tensor
        if tensor not in self._constants:
            scale = max(float(np.abs(values).max(initial=0)), 1e-9) / _LEVELS
            name = self._builder.tensor(tensor).name + b"/int16"
            stored = np.rint(values / scale).astype(np.int16)
            self._constants[tensor] = self._builder.add_constant(name, stored, fb.quantization(scale))
        return self._constants[tensor]

    def _adds_nothing(self, op: Any, maps: set[int]) -> bool:
        """Whether an ADD of a constant changes no step of int16: an epsilon does not."""
        constants = [self._builder.constant(item) for item in map(int, op.inputs) if item not in maps]
        if len(maps) != 1 or len(constants) != 1 or constants[0] is None or op.builtinOptions.fusedActivationFunction:
            return False
        (tensor,) = maps
        same = self._graph.shape(tensor) == self._graph.shape(int(op.outputs[0]))
        return same and float(np.abs(constants[0]).max()) < self._scales[tensor] / 2
