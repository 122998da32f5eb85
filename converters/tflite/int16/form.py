"""A float graph in operators that have int16 kernels, with norms and weights that int16 with int8 serves well.

LiteRT has an int16 RSQRT but no int16 DIV. It adds up a MEAN of int16 in int32, which is exact for 65536 numbers and
overflows beyond; a float one is taken axis by axis to be exact. RSQRT is a table of 256 steps from 0 to the largest
value that its input can hold (tflite/kernels/internal/common.h, LUTPopulate): within 1e-3 of the true value from a
thirtieth of that on, and coarse below. So nothing may widen that range but variances, which ``equalise`` makes alike.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.convolutions import Convolution
from converters.tflite.int8.graph import CONVOLUTIONS, Graph
from converters.tflite.rounding import round_weights

Array = npt.NDArray[Any]
_SUMMED = 1 << 16
"""How many numbers of int16 an int32 can add up."""
_TWICE = 288
"""A convolution of so few weights costs little twice. Of the portrait network's these are 3 of 72, with 0.2 % of the
multiplications, and one of them, the first depthwise one, has most of the error of 8-bit weights (docs/npu.md)."""


def for_int16(data: bytes) -> bytes:
    """The same function, for ``write.int16x8``.

    Given:  MEAN(MEAN(x, width), height)
            DIV(1, SQRT(ADD(MUL(variance, kept), offset)))
    Result: MEAN(x, height and width), of at most 65536 numbers
            ADD(MUL(RSQRT(ADD(variance, epsilon)), kept), elsewhere)

    Given:  CONV_2D(x, weight, bias), at most 288 weights
    Result: ADD(CONV_2D(x, w, bias), CONV_2D(x, weight - w, 0)), where w is what 8 bits hold of the weight

    ``kept`` is 0 in channels that are not normalised and 1 in the others, where ``offset`` is the epsilon;
    ``elsewhere`` is 1 / sqrt(offset) in the former and 0 in the latter. Any other DIV(1, SQRT(x)) becomes RSQRT(x).
    """
    form = _Form(Graph(fb.read(data)))
    for index, name in enumerate(form.graph.names):
        if name == "MEAN":
            form.join_means(index)
        elif name == "DIV":
            form.write_inverse_root(index)
        elif name in CONVOLUTIONS:
            form.split_weight(index)
    return form.write()


class _Form:
    """A graph whose ops are replaced one by one."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self._builder = graph, fb.Builder(graph.model)
        self._new = {index: [op] for index, op in enumerate(graph.ops)}

    def write(self) -> bytes:
        self._builder.graph.operators = [op for index in self.graph.indices for op in self._new[index]]
        return self._builder.write()

    def join_means(self, index: int) -> None:
        """Give a MEAN the axes of the one before it too."""
        before, op = self._before(index, "MEAN"), self.graph.ops[index]
        if before is None or not op.builtinOptions.keepDims:
            return
        (read,) = self.graph.inputs(before)
        if self.graph.size(read) > _SUMMED * self.graph.size(self.graph.output(index)):
            return
        axes = [self._constant_of(item) for item in (before, index)]
        if axes[0] is not None and axes[1] is not None:
            joined = np.sort(np.concatenate([item.reshape(-1) for item in axes if item is not None]))
            op.inputs = [self.graph.ops[before].inputs[0], self._add(self.graph.output(index), b"/axes", joined)]
            self._new[before] = []

    def split_weight(self, index: int) -> None:
        """Compute a small convolution in two: what 8 bits hold of its weights, and what they leave."""
        op, depthwise = self.graph.ops[index], self.graph.names[index] == "DEPTHWISE_CONV_2D"
        weight, bias = (self._builder.constant(int(item)) if item >= 0 else None for item in (*op.inputs, -1)[1:3])
        if weight is None or bias is None or weight.size > _TWICE or weight.dtype != np.float32:
            return
        rounded = round_weights(Convolution(index, op, depthwise, weight, bias), None)
        scale = rounded.scale.reshape(-1 if depthwise else (-1, 1, 1, 1))
        held = (rounded.weight * scale).astype(np.float32)
        output, whole = self.graph.output(index), op.builtinOptions
        options = copy.copy(whole)
        options.fusedActivationFunction = fb.schema.ActivationFunctionType.NONE
        parts = []
        self._new[index] = []
        for suffix, values, added in ((b"/held", held, bias), (b"/left", weight - held, np.zeros_like(bias))):
            parts.append(self._builder.add_like(output, suffix, fb.TensorType.FLOAT32))
            inputs = [int(op.inputs[0]), self._add(output, suffix + b"/weight", values)]
            inputs.append(self._add(output, suffix + b"/bias", added))
            self._new[index].append(self._builder.op(self.graph.names[index], inputs, parts[-1], options))
        self._new[index].append(self._op("ADD", parts, output))
        self._new[index][-1].builtinOptions.fusedActivationFunction = whole.fusedActivationFunction

    def write_inverse_root(self, index: int) -> None:
        """Write 1 / SQRT as RSQRT, of variances alone."""
        root, one = self._before(index, "SQRT"), self._constant_of(index)
        output = self.graph.output(index)
        if root is None or one is None or one.size != 1 or one.item() != 1 or self.graph.is_constant(output):
            return
        (squared,) = self.graph.inputs(root)
        self._new[root] = []
        added = self._before(root, "ADD")
        masked = None if added is None else self._before(added, "MUL")
        kept, offset = (None if item is None else self._constant_of(item) for item in (masked, added))
        if added is None or masked is None or kept is None or offset is None or set(np.unique(kept)) != {0, 1}:
            self._new[index] = [self._builder.op("RSQRT", [squared], output)]
            return
        inside = np.broadcast_to(kept == 1, offset.shape)
        # Where the result is masked any epsilon will do: the smallest keeps it a number.
        epsilon = np.where(inside, offset, offset[inside].min())
        elsewhere = np.where(inside, 0, 1 / np.sqrt(offset))
        deviation, inverse, masked_inverse = (
            self._builder.add_like(output, suffix, fb.TensorType.FLOAT32)
            for suffix in (b"/variance", b"/rsqrt", b"/kept")
        )
        (variance,) = self.graph.inputs(masked)
        self._new[masked], self._new[added] = [], []
        self._new[index] = [
            self._op("ADD", [variance, self._add(output, b"/epsilon", epsilon)], deviation),
            self._op("RSQRT", [deviation], inverse),
            self._op("MUL", [inverse, self._add(output, b"/mask", kept)], masked_inverse),
            self._op("ADD", [masked_inverse, self._add(output, b"/elsewhere", elsewhere)], output),
        ]

    def _before(self, index: int, name: str) -> int | None:
        """The op of this name that makes the one activation that an op reads, where nothing else reads it."""
        read = self.graph.inputs(index)
        if len(read) != 1 or self.graph.readers[read[0]] != [index] or read[0] in self.graph.ports:
            return None
        maker = self.graph.maker.get(read[0])
        return maker if maker is not None and self.graph.names[maker] == name else None

    def _constant_of(self, index: int) -> Array | None:
        """The constant operand of an op that reads one."""
        values = [self._builder.constant(item) for item in map(int, self.graph.ops[index].inputs)]
        return next((item for item in values if item is not None), None)

    def _add(self, near: int, suffix: bytes, values: Array) -> int:
        name = self._builder.tensor(near).name + suffix
        return self._builder.add_constant(name, values.astype(np.float32) if values.dtype.kind == "f" else values)

    def _op(self, name: str, inputs: list[int], output: int) -> Any:
        kinds = {"ADD": fb.schema.AddOptionsT, "MUL": fb.schema.MulOptionsT}
        return self._builder.op(name, inputs, output, kinds[name]() if name in kinds else None)
