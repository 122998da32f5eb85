"""Writing a graph that computes in int8 where its tensors are quantized, and in float elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.tflite import builder as fb
from converters.tflite.convolutions import Convolution, convolutions
from converters.tflite.int8.graph import SAME_SCALE, Graph
from converters.tflite.int8.ranges import Parameters
from converters.tflite.int8.writer import Writer
from converters.tflite.rounding import Rounding
from converters.tflite.weights import add_weights, check_finite, compress, kept_in_float

_PORT = Parameters(1 / 255, 0)
"""Of uint8 ports, as a camera gives and a view takes them."""
_REQUANTIZED = 2.0**-8, 2.0**7
"""XNNPACK's QUANTIZE from int8 to int8 takes scales of these ratios (``VisitQuantizeNode`` in its delegate)."""


def mixed(
    fp32: bytes,
    rounding: Rounding,
    chosen: Mapping[int, Parameters],
    *,
    bytes_in_and_out: bool,
    keep_small: bool = True,
) -> bytes:
    """The same graph computing in int8 where its tensors are ``chosen``, see ``graph``.

    Given:  CONV_2D(x, weight: fp32, bias)
    Result: CONV_2D(x: int8, weight: int8, bias': int32)    both x and the result are chosen
            CONV_2D(x, DEQUANTIZE(weight: int8), bias')     otherwise: float arithmetic, as in ``int8_weights``

    ``bytes_in_and_out``: the ports are uint8 of scale 1/255 and zero point 0. ``keep_small`` as in ``int8_weights``.
    Raises ExportError for weights that are not finite.
    """
    model = fb.read(fp32)
    graph, builder = Graph(model), fb.Builder(model)
    found = convolutions(model)
    in_int8 = {item.index for item in found if graph.in_int8(item.index, chosen)}
    for item in found:
        if item.index in in_int8:
            _quantize_weights(builder, item, rounding, chosen[int(item.op.inputs[0])])
    floats = [item for item in found if item.index not in in_int8]
    kept = kept_in_float(floats, len(fp32)) if keep_small else set[int]()
    _quantize_activations(graph, builder, chosen, bytes_in_and_out=bytes_in_and_out)
    unpacking = compress(builder, floats, kept, rounding, "float")
    builder.graph.operators = unpacking + list(builder.graph.operators)
    return builder.write()


def _quantize_weights(builder: fb.Builder, convolution: Convolution, rounding: Rounding, source: Parameters) -> None:
    """Give a convolution int8 weights and an int32 bias, for an int8 input of the parameters ``source``."""
    check_finite(builder, convolution)
    op, rounded = convolution.op, rounding(convolution)
    weight = add_weights(builder, convolution, rounded)
    assert convolution.bias is not None  # without a bias there is no int8 form, see Graph.has_int8_form
    scale = source.scale * rounded.scale.astype(np.float64)
    limit = np.iinfo(np.int32)
    stored = np.clip(np.rint((convolution.bias + rounded.bias_change) / scale), limit.min, limit.max).astype(np.int32)
    bias = builder.add_constant(builder.tensor(op.inputs[2]).name + b"/int32", stored, fb.quantization(scale))
    op.inputs = [op.inputs[0], weight, bias]


def _quantize_activations(
    graph: Graph, builder: fb.Builder, chosen: Mapping[int, Parameters], *, bytes_in_and_out: bool
) -> None:
    """Rewrite the ops so that ``chosen`` tensors are int8; the weights of convolutions in int8 must be int8 already."""
    writer = _Writer(graph, builder, chosen)
    (image, *_), (matte, *_) = map(int, builder.graph.inputs), map(int, builder.graph.outputs)
    if bytes_in_and_out:
        port = writer.add_tensor(image, b"", fb.TensorType.UINT8, _PORT)
        builder.tensor(image).name += b"/float"
        writer.add_op("DEQUANTIZE", port, image)
        builder.replace_port("inputs", image, port)
    for index in range(len(graph.names)):
        writer.write(index)
    for tensor in builder.graph.outputs:
        writer.in_float(int(tensor))
    if bytes_in_and_out:
        port = writer.add_tensor(matte, b"", fb.TensorType.UINT8, _PORT)
        builder.tensor(matte).name += b"/float"
        writer.add_op("QUANTIZE", matte, port)
        builder.replace_port("outputs", matte, port)
    builder.graph.operators = writer.operators


class _Writer(Writer):
    """Tensors are int8 where they were chosen to be."""

    def __init__(self, graph: Graph, builder: fb.Builder, chosen: Mapping[int, Parameters]) -> None:
        super().__init__(graph, builder)
        self._chosen = chosen
        self._int8: dict[tuple[int, Parameters], int] = {}
        self._computed: dict[int, int] = {}
        """The int8 forms that ops in int8 give of their results."""

    def add_tensor(self, like: int, suffix: bytes, kind: int, found: Parameters) -> int:
        """A quantized form of a tensor."""
        return self._builder.add_like(like, suffix, kind, fb.quantization(found.scale, found.zero_point))

    def in_int8(self, tensor: int, found: Parameters) -> int:
        """The int8 form of a tensor with these parameters, quantized from what its op gives where it is not there.

        A tensor that is int8 with another scale is not unpacked in between: QUANTIZE takes int8 too.
        """
        key = (tensor, found)
        if key not in self._int8:
            computed = self._computed.get(tensor)
            if computed is None or not _REQUANTIZED[0] <= self._chosen[tensor].scale / found.scale <= _REQUANTIZED[1]:
                computed = self.in_float(tensor)
            self._int8[key] = self.add_tensor(tensor, b"/int8", fb.TensorType.INT8, found)
            self.add_op("QUANTIZE", computed, self._int8[key])
        return self._int8[key]

    def _in_integers(self, index: int) -> bool:
        return self._graph.in_int8(index, self._chosen)

    def _computed_form(self, tensor: int) -> int:
        return self._int8[tensor, self._chosen[tensor]]

    def _rewrite(self, index: int, op: Any, maps: set[int]) -> bool:
        name, output = self._graph.names[index], self._graph.output(index)
        found = self._chosen[output]
        op.inputs = [
            self.in_int8(item, found if name in SAME_SCALE else self._chosen[item]) if item in maps else item
            for item in map(int, op.inputs)
        ]
        self._int8[output, found] = self.add_tensor(output, b"/int8", fb.TensorType.INT8, found)
        self._computed[output] = self._int8[output, found]
        op.outputs = [self._computed[output]]
        return True
