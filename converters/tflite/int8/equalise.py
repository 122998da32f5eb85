"""Cross-layer equalisation: give the channels of a tensor one range, so that one int8 scale suits them all.

A tensor has one scale for all channels, so a channel that is much smaller than the largest gets few of the 255 steps.
Scaling the weights that compute a channel by c, and those that read it by 1/c, changes nothing else where only linear
operators that treat every channel alike stand between (Nagel et al., "Data-Free Quantization", ICCV 2019). An instance
norm takes any scale out of its input by itself; there only its epsilon must be scaled too.

The factors are written into the model (``read_factors``), so that whoever compares its tensors with those of the model
that it was made from need not guess what was intended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.int8.graph import CONVOLUTIONS, Graph
from converters.tflite.int8.ranges import Spread

Array = npt.NDArray[np.float64]
# A channel that is smaller than the largest by more than this is nearly silent: its weights would only lose precision.
_LARGEST = 256.0
# Scaled inputs make the weights that read them uneven in turn. Half of the way is the balance (ibid., equation 9).
_SHARE = 0.5
# Operators through which a channel's scale passes unchanged.
_PASSING = ("ADD", "RESIZE_BILINEAR", "PAD", "AVERAGE_POOL_2D")
_METADATA = "equalisation"


@dataclass(frozen=True)
class _Norm:
    """An instance norm, by two of its ops."""

    convolution: int
    """Computes what the norm reads."""
    add_epsilon: int
    """Adds the epsilon to the variance."""
    variance: int
    """The tensor of the variances, before some are replaced by a constant."""


def _norms(graph: Graph) -> list[_Norm]:
    """Instance norms written as y = CONV_2D; d = y - MEAN(y) * mask; d / SQRT(MEAN(d * d) * mask + epsilon)."""
    found = []
    for index, name in enumerate(graph.names):
        if name != "CONV_2D":
            continue
        readers = graph.readers.get(graph.output(index), [])
        if sorted(graph.names[item] for item in readers) != ["MEAN", "SUB"]:
            continue
        (centred,) = (graph.output(item) for item in readers if graph.names[item] == "SUB")
        reached = sorted(_reached(graph, centred, ("MUL", "MEAN")))
        adds = [item for item in reached if graph.names[item] == "ADD"]
        if len(adds) == 1 and [graph.names[item] for item in graph.readers[graph.output(adds[0])]] == ["SQRT"]:
            variance = next(graph.output(item) for item in reversed(reached) if graph.names[item] == "MEAN")
            found.append(_Norm(index, adds[0], variance))
    return found


def _reached(graph: Graph, tensor: int, through: tuple[str, ...]) -> set[int]:
    """The ops that read a tensor, or what operators named in ``through`` make of it."""
    reached: set[int] = set()
    waiting = [tensor]
    while waiting:
        for index in graph.readers.get(waiting.pop(), []):
            if index not in reached:
                reached.add(index)
                # The last MUL ends the norm: what reads its result does not belong to the statistics.
                if graph.names[index] in through and not graph.has_int8_reader(graph.output(index)):
                    waiting.append(graph.output(index))
    return reached


def _factors(low: Array, high: Array, share: float) -> Array:
    """What to multiply every channel with: ``share`` 1 gives all the range of the largest, and 0 changes nothing."""
    size = np.maximum(np.abs(low), np.abs(high))
    factors = (size.max() / np.maximum(size, size.max() / _LARGEST + 1e-30)) ** share
    return np.asarray(factors if size.max() > 0 else np.ones_like(size))


class _Weights:
    """The constants of a graph's ops, replaced where they are scaled."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._builder = graph, fb.Builder(graph.model)
        self._read = [int(item) for op in graph.ops for item in op.inputs]

    def alone(self, tensor: int) -> bool:
        """Whether one op alone reads the tensor."""
        return self._read.count(tensor) == 1

    def store(self, index: int, place: int, values: Array) -> None:
        """Give one input of an op a new constant: other ops may read the old one."""
        op = self._graph.ops[index]
        old = int(op.inputs[place])
        made = self._builder.add_constant(self._builder.tensor(old).name + b"/equalised", values.astype(np.float32))
        op.inputs = [*op.inputs[:place], made, *op.inputs[place + 1 :]]

    def value(self, index: int, place: int) -> Array | None:
        """The constant that an op takes in this place; None where it takes none."""
        op = self._graph.ops[index]
        if place >= len(op.inputs) or op.inputs[place] < 0:
            return None
        found = self._builder.constant(op.inputs[place])
        return None if found is None else found.astype(np.float64)

    def produce(self, index: int, factors: Array) -> None:
        """Scale the channels that a convolution computes."""
        weight, bias = self.value(index, 1), self.value(index, 2)
        assert weight is not None
        depthwise = self._graph.names[index] == "DEPTHWISE_CONV_2D"
        self.store(index, 1, weight * (factors if depthwise else factors[:, None, None, None]))
        if bias is not None:
            self.store(index, 2, bias * factors)

    def consume(self, index: int, factors: Array) -> None:
        """Undo the scaling of the channels that a convolution reads."""
        weight = self.value(index, 1)
        assert weight is not None
        self.store(index, 1, weight / factors)


class _Record:
    """By what the channels of tensors were multiplied."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._sets: list[dict[str, Any]] = []

    def add(self, factors: Array, powers: Mapping[int, float]) -> None:
        """``powers``: tensors, and the power of the factors that each was multiplied with."""
        if not np.all(factors == 1):
            names = {
                self._graph.model.subgraphs[0].tensors[item].name.decode(): powers[item] for item in sorted(powers)
            }
            self._sets.append({"factors": [float(f"{value:.9g}") for value in factors], "powers": names})

    def dump(self) -> bytes:
        return json.dumps(self._sets, separators=(",", ":")).encode()


def read_factors(model: Any) -> dict[str, npt.NDArray[np.float64]]:
    """What ``equalise`` multiplied the channels of a model's tensors with, by the tensor's name in the float model."""
    stored = fb.read_metadata(model, _METADATA)
    return {
        name: np.asarray(item["factors"]) ** power
        for item in ([] if stored is None else json.loads(stored))
        for name, power in item["powers"].items()
    }


def _powers(graph: Graph, norm: _Norm) -> dict[int, float]:
    """The tensors of a norm whose channels are scaled with those that it reads, and by which power of the factors."""
    powers = {graph.output(norm.convolution): 1.0}
    for index in range(norm.convolution + 1, len(graph.names)):
        known = [powers[item] for item in graph.inputs(index) if item in powers]
        if known:
            power = {"MUL": sum(known), "SQRT": known[0] / 2, "DIV": -known[0]}.get(graph.names[index], known[0])
            if power:  # the last multiplication takes the factors out
                powers[graph.output(index)] = power
    return powers


def evened_by(graph: Graph) -> list[int]:
    """The tensors whose spreads make ``equalise`` even variances too: those of ``Graph.groups``, and the variances."""
    return [*(tensor for group in graph.groups() for tensor in group.tensors), *(n.variance for n in _norms(graph))]


def _norm_factors(graph: Graph, norm: _Norm, spreads: Mapping[int, Spread]) -> Array:
    """What to multiply the channels with that a norm reads.

    Where the variances were observed, normalised channels get one largest variance, and the others the largest value
    of these: int16 computes the root of a variance with as many steps as it has beside the largest one. Else every
    channel gets one largest value.
    """
    seen = spreads[graph.output(norm.convolution)]
    if norm.variance not in spreads:
        return _factors(seen.low, seen.high, 1.0)
    largest = np.maximum(np.abs(seen.low), np.abs(seen.high))
    deviation = np.sqrt(spreads[norm.variance].high)
    inside = _normalised(graph, norm, len(largest))
    peak = np.max(largest[inside] / np.maximum(deviation[inside], 1e-30))
    size = np.where(inside, deviation, largest / peak)
    return _factors(-size, size, 1.0)


def _normalised(graph: Graph, norm: _Norm, channels: int) -> npt.NDArray[np.bool_]:
    """The channels whose variance is used: where it is multiplied by a constant, those where that is not 0."""
    (reader,) = graph.readers[norm.variance]
    constants = [item for item in map(int, graph.ops[reader].inputs) if graph.is_constant(item)]
    if graph.names[reader] != "MUL" or not constants:
        return np.ones(channels, np.bool_)
    kept = fb.constant(graph.model, graph.model.subgraphs[0].tensors[constants[0]])
    assert kept is not None
    return np.broadcast_to(kept.reshape(-1) != 0, (channels,))


def equalise(data: bytes, spreads: Mapping[int, Spread]) -> bytes:
    """The same function with evened channels, wherever that is exact up to rounding; ``spreads`` are of its tensors."""
    graph = Graph(fb.read(data))
    weights, record = _Weights(graph), _Record(graph)
    for norm in _norms(graph):
        tensor = graph.output(norm.convolution)
        if tensor not in spreads:
            continue
        factors = _norm_factors(graph, norm, spreads)
        inputs = graph.ops[norm.add_epsilon].inputs
        place = next(place for place, item in enumerate(inputs) if graph.is_constant(int(item)))
        epsilon = weights.value(norm.add_epsilon, place)
        assert epsilon is not None
        weights.produce(norm.convolution, factors)
        weights.store(norm.add_epsilon, place, epsilon * np.square(factors))
        record.add(factors, _powers(graph, norm))
    for tensors in _linear(graph, weights):
        known = [spreads[item] for item in tensors if item in spreads]
        if not known:
            continue
        low, high = np.min([item.low for item in known], axis=0), np.max([item.high for item in known], axis=0)
        factors = _factors(low, high, _SHARE)
        for index in {graph.maker[item] for item in tensors}:
            if graph.names[index] in CONVOLUTIONS:
                weights.produce(index, factors)
        for index in {reader for item in tensors for reader in graph.readers[item]}:
            if graph.names[index] in CONVOLUTIONS:
                weights.consume(index, factors)
        record.add(factors, dict.fromkeys(tensors, 1.0))
    builder = fb.Builder(graph.model)
    builder.add_metadata(_METADATA, record.dump())
    return builder.write()


def _linear(graph: Graph, weights: _Weights) -> list[set[int]]:
    """Sets of tensors whose channels can be scaled together.

    Convolutions compute them, without an activation that clips; operators that treat every channel alike join them; and
    only convolutions read them.
    """
    root: dict[int, int] = {}

    def top(tensor: int) -> int:
        while root.setdefault(tensor, tensor) != tensor:
            tensor = root[tensor]
        return tensor

    for index, name in enumerate(graph.names):
        maps = [item for item in graph.inputs(index) if len(graph.shape(item)) == 4]
        if name in _PASSING:
            for item in maps:
                root[top(item)] = top(graph.output(index))
    sets: dict[int, set[int]] = {}
    for index in range(len(graph.names)):
        output = graph.output(index)
        sets.setdefault(top(output), set()).add(output)
        for item in graph.inputs(index):
            sets.setdefault(top(item), set()).add(item)
    return [tensors for tensors in sets.values() if not tensors & graph.ports and _scalable(graph, weights, tensors)]


def _scalable(graph: Graph, weights: _Weights, tensors: set[int]) -> bool:
    """Whether every op that computes or reads one of these tensors lets their channels be scaled."""
    activation: Any = fb.schema.ActivationFunctionType
    makers = {graph.maker.get(item) for item in tensors}
    readers = {reader for item in tensors for reader in graph.readers.get(item, [])}
    if None in makers or any(not graph.readers.get(item) for item in tensors):
        return False
    convolutions = 0
    for index in {*(item for item in makers if item is not None), *readers}:
        op, name = graph.ops[index], graph.names[index]
        if name in CONVOLUTIONS:
            convolutions += 1
            plain = (activation.NONE, activation.RELU)
            if index in makers and op.builtinOptions.fusedActivationFunction not in plain:
                return False
            if not graph.is_constant(int(op.inputs[1])) or not weights.alone(int(op.inputs[1])):
                return False
            if index in makers and index in readers:  # a depthwise convolution within the set: both at once
                return False
        elif name == "ADD":
            if op.builtinOptions.fusedActivationFunction != activation.NONE or len(graph.inputs(index)) != 2:
                return False
        elif name not in _PASSING:
            return False
    return convolutions > 1
