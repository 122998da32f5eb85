"""Cross-layer equalisation: give the channels of a tensor one range, so that one int8 scale suits them all.

A tensor has one scale for all channels; a channel that is much smaller than the largest gets few of the 255 steps.
Scaling a channel's producers by c and its consumers by 1/c changes nothing else where only linear, per-channel
operators stand between (Nagel et al., "Data-Free Quantization", ICCV 2019). An instance norm takes any scale out of its
input by itself: there c costs nothing, but its epsilon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.int8.graph import Graph
from converters.tflite.int8.ranges import Spread

Array = npt.NDArray[np.float64]
# Beyond this a channel is nearly silent, and its weights would only lose precision.
_LARGEST = 256.0
# Scaled inputs make the consumer's weights uneven in turn: half of the way is the balance (ibid., equation 9).
_SHARE = 0.5
# Operators through which a channel's scale passes unchanged.
_PASSING = ("ADD", "RESIZE_BILINEAR", "PAD", "AVERAGE_POOL_2D")


@dataclass(frozen=True)
class _Norm:
    """An instance norm: where its input comes from and the constant that is added to its variance."""

    convolution: int
    epsilon: int
    """The op that adds it."""


def _norms(whole: Graph) -> list[_Norm]:
    """CONV -> y; d = y - MEAN(y) * mask; d * 1 / SQRT(MEAN(d * d) * mask + epsilon)."""
    found = []
    for index, name in enumerate(whole.names):
        if name != "CONV_2D":
            continue
        readers = whole.readers.get(whole.output(index), [])
        if sorted(whole.names[item] for item in readers) != ["MEAN", "SUB"]:
            continue
        (centred,) = (whole.output(item) for item in readers if whole.names[item] == "SUB")
        adds = [item for item in _reached(whole, centred, ("MUL", "MEAN")) if whole.names[item] == "ADD"]
        if len(adds) == 1 and [whole.names[item] for item in whole.readers[whole.output(adds[0])]] == ["SQRT"]:
            found.append(_Norm(index, adds[0]))
    return found


def _reached(whole: Graph, tensor: int, through: tuple[str, ...]) -> set[int]:
    """The ops that read a tensor or what these operators make of it."""
    reached: set[int] = set()
    waiting = [tensor]
    while waiting:
        for index in whole.readers.get(waiting.pop(), []):
            if index not in reached:
                reached.add(index)
                # The norm's last MUL ends it: its activation, or what reads it, is no part of the statistics.
                if whole.names[index] in through and not whole.integer_reader(whole.output(index)):
                    waiting.append(whole.output(index))
    return reached


def _factors(low: Array, high: Array, share: float) -> Array:
    size = np.maximum(np.abs(low), np.abs(high))
    factors = (size.max() / np.maximum(size, size.max() / _LARGEST + 1e-30)) ** share
    return np.asarray(factors if size.max() > 0 else np.ones_like(size))


class _Weights:
    """Constant weights of a graph, scaled in place; those that several ops share are left alone."""

    def __init__(self, whole: Graph) -> None:
        self._whole = whole
        self._shared = [int(item) for op in whole.graph.operators for item in op.inputs]

    def alone(self, tensor: int) -> bool:
        return self._shared.count(tensor) == 1

    def store(self, index: int, place: int, values: Array, name: bytes) -> None:
        """A new constant for one op's input: the old one may be another op's too."""
        op = self._whole.graph.operators[index]
        old = self._whole.graph.tensors[op.inputs[place]]
        made = fb.add_constant(self._whole.model, self._whole.graph, old.name + name, values.astype(np.float32))
        before = int(op.inputs[place])
        op.inputs = [*op.inputs[:place], made, *op.inputs[place + 1 :]]
        if all(before not in item.inputs for item in self._whole.graph.operators):
            fb.make_activation(self._whole.model, self._whole.graph, old)  # so that its data goes

    def value(self, index: int, place: int) -> Array | None:
        op = self._whole.graph.operators[index]
        if place >= len(op.inputs) or op.inputs[place] < 0:
            return None
        found = fb.constant(self._whole.model, self._whole.graph.tensors[op.inputs[place]])
        return None if found is None else found.astype(np.float64)

    def produce(self, index: int, factors: Array) -> None:
        """Scale the channels that a convolution gives."""
        weight, bias = self.value(index, 1), self.value(index, 2)
        assert weight is not None
        depthwise = self._whole.names[index] == "DEPTHWISE_CONV_2D"
        self.store(index, 1, weight * (factors if depthwise else factors[:, None, None, None]), b"/equalised")
        if bias is not None:
            self.store(index, 2, bias * factors, b"/equalised")

    def consume(self, index: int, factors: Array) -> None:
        """Take the scale of the channels that a convolution reads out again."""
        weight = self.value(index, 1)
        assert weight is not None
        self.store(index, 1, weight / factors, b"/equalised")


def equalise(data: bytes, spreads: Mapping[int, Spread]) -> bytes:
    """The same function with evened channels, where that is exact up to rounding; ``spreads`` of its tensors."""
    model = fb.read(data)
    whole = Graph(model)
    weights = _Weights(whole)
    for norm in _norms(whole):
        tensor = whole.output(norm.convolution)
        if tensor not in spreads:
            continue
        factors = _factors(spreads[tensor].low, spreads[tensor].high, 1.0)
        place = next(
            place
            for place, item in enumerate(whole.graph.operators[norm.epsilon].inputs)
            if whole.is_constant(int(item))
        )
        epsilon = weights.value(norm.epsilon, place)
        assert epsilon is not None
        weights.produce(norm.convolution, factors)
        weights.store(norm.epsilon, place, epsilon * np.square(factors), b"/equalised")
    for tensors in _linear(whole, weights):
        known = [spreads[item] for item in tensors if item in spreads]
        if not known:
            continue
        low, high = np.min([item.low for item in known], axis=0), np.max([item.high for item in known], axis=0)
        factors = _factors(low, high, _SHARE)
        for index in {whole.maker[item] for item in tensors}:
            if whole.names[index] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                weights.produce(index, factors)
        for index in {reader for item in tensors for reader in whole.readers[item]}:
            if whole.names[index] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                weights.consume(index, factors)
    return fb.write(model)


def _linear(whole: Graph, weights: _Weights) -> list[set[int]]:
    """Sets of tensors whose channels can be scaled together: made by convolutions without a clipping activation,
    joined by per-channel linear operators, read by convolutions only."""
    root: dict[int, int] = {}

    def top(tensor: int) -> int:
        while root.setdefault(tensor, tensor) != tensor:
            tensor = root[tensor]
        return tensor

    for index, name in enumerate(whole.names):
        maps = [item for item in whole.inputs(index) if len(whole.shape(item)) == 4]
        if name in _PASSING:
            for item in maps:
                root[top(item)] = top(whole.output(index))
    sets: dict[int, set[int]] = {}
    for index in range(len(whole.names)):
        output = whole.output(index)
        sets.setdefault(top(output), set()).add(output)
        for item in whole.inputs(index):
            sets.setdefault(top(item), set()).add(item)
    ports = {*map(int, whole.graph.inputs), *map(int, whole.graph.outputs)}
    return [tensors for tensors in sets.values() if not tensors & ports and _scalable(whole, weights, tensors)]


def _scalable(whole: Graph, weights: _Weights, tensors: set[int]) -> bool:
    activation: Any = fb.schema.ActivationFunctionType
    makers = {whole.maker.get(item) for item in tensors}
    readers = {reader for item in tensors for reader in whole.readers.get(item, [])}
    if None in makers or any(not whole.readers.get(item) for item in tensors):
        return False
    convolutions = 0
    for index in {*(item for item in makers if item is not None), *readers}:
        op, name = whole.graph.operators[index], whole.names[index]
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            convolutions += 1
            plain = (activation.NONE, activation.RELU)
            if index in makers and op.builtinOptions.fusedActivationFunction not in plain:
                return False
            if not whole.is_constant(int(op.inputs[1])) or not weights.alone(int(op.inputs[1])):
                return False
            if index in makers and index in readers:  # a depthwise convolution within the set: both at once
                return False
        elif name == "ADD":
            if op.builtinOptions.fusedActivationFunction != activation.NONE or len(whole.inputs(index)) != 2:
                return False
        elif name not in _PASSING:
            return False
    return convolutions > 1
