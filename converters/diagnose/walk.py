"""A graph run op by op on its parent's values, so that every op shows its own error and nobody else's.

An op's inputs are the parent's tensors wherever their counterparts are known. Its output is compared with its own
counterpart, which then takes its place: no error is passed on. An op without a counterpart is *open*: its own result
is passed on. In a sound graph that is an op of a computation that the parent writes differently, and some ops later
there are counterparts again. An open op from which a path of open ops leads to the graph's output is *unresolved*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.diagnose.counterparts import Counterpart, Counterparts
from converters.diagnose.rerun import Graph, Node
from converters.diagnose.tracing import Tensor, tensor
from converters.runtimes.protocol import Image

Array = npt.NDArray[Any]
_LONGEST = 64
"""The most ops that lie between two counterparts in a sound graph: a search for the second one ends here."""
_LEAST = 1e-6  # of the inputs' power, see Judged.floor
_SUMS = ("mean", "reducemean", "reducesum", "sum", "globalaveragepool")
_SUMMING_DB = 25.0
"""How far a sum over a whole map may lie below other ops: LiteRT adds one number after the other, 83 dB at 512x512."""
_MOVERS = (
    "batchtospace", "broadcast", "cast", "concat", "crop", "depthtospace", "expand", "flatten", "gather", "identity",
    "mirrorpad", "pad", "reshape", "reverse", "slice", "spacetobatch", "spacetodepth", "split", "squeeze", "stack",
    "strideslice", "stridedslice", "tile", "transpose", "unsqueeze",
)  # fmt: skip


def only_moves(node: Node) -> bool:
    """Whether an op only moves numbers: a wrong number in its result was wrong before."""
    return node.kind.startswith(_MOVERS) and not node.kind.startswith("transposeconv")


@dataclass
class Judged:
    """One op, run on the parent's values."""

    node: Node
    counterparts: list[Counterpart | None]
    """One for each output."""
    is_open: bool
    """Whether a result of floating point has no counterpart. (Shapes and indices have none either.)"""
    is_finite: bool
    floor: float
    """The least power that a result is taken to have, a millionth of the inputs': where they cancel, or a ReLU lets
    nothing through, what is left has no precision to lose."""
    added: float
    """The noise that it adds itself, as a share of the power of what it should compute."""

    @property
    def own_db(self) -> float:
        """The SNR of its results against their counterparts, the least of them; infinite where they are the same."""
        return -10 * math.log10(self.added) if self.added > 0 else math.inf


class Walk:
    """All ops of a graph, each judged by itself."""

    def __init__(self, graph: Graph, counterparts: Counterparts, image_nhwc: Image) -> None:
        self.graph, self.parent, self._counterparts = graph, counterparts.parent, counterparts
        self.values: dict[str, Array] = graph.feed(image_nhwc)
        """What every tensor should hold: the parent's values where they are known."""
        self.judged: list[Judged] = []
        self.readers: dict[str, list[int]] = {}
        self._makers: dict[str, int] = {}
        for index, node in enumerate(graph.nodes):
            for name in dict.fromkeys(node.inputs):
                self.readers.setdefault(name, []).append(index)
            judged, passed_on = self._judge(node, self.values)
            self.judged.append(judged)
            self._makers |= dict.fromkeys(node.outputs, index)
            self.values |= passed_on

    def result(self, index: int) -> list[Array]:
        """What an op makes of the parent's values. (All results together would take as much memory as the parent.)"""
        return self.graph.run(self.judged[index].node, self.values)

    def _judge(self, node: Node, values: Mapping[str, Array]) -> tuple[Judged, dict[str, Array]]:
        """An op on these values, and what is passed on."""
        outputs = self.graph.run(node, values)
        joins = only_moves(node) and any(self._is_open(name) for name in node.inputs)
        slack_db = _SUMMING_DB if node.kind.startswith(_SUMS) else 0.0
        found = [
            self._counterparts.of(name, tensor(value), each_channel=joins, slack_db=slack_db)
            if name and value.dtype.kind == "f"
            else None
            for name, value in zip(node.outputs, outputs, strict=True)
        ]
        floor = _LEAST * max((_power(values[name]) for name in node.inputs), default=0.0)
        added, is_open, passed_on = 0.0, False, {}
        for name, value, one in zip(node.outputs, outputs, found, strict=True):
            passed_on[name] = value if one is None else like(one.tensor, value)
            is_open |= one is None and value.dtype.kind == "f"
            if one is not None and _finite(value):
                power = max(_power(one.tensor.whole), floor) or 1.0
                added = max(added, _power(value - passed_on[name]) / power)
        return Judged(node, found, is_open, all(map(_finite, outputs)), floor, added), passed_on

    def _is_open(self, name: str) -> bool:
        return name in self._makers and self.judged[self._makers[name]].is_open

    def first_not_finite(self) -> int | None:
        """The first op that makes of finite numbers some that are not, and that no op of the parent makes."""
        masks = [~np.isfinite(step.output.whole) for step in self.parent if not _finite(step.output.whole)]
        for index, item in enumerate(self.judged):
            if item.is_finite or not all(_finite(self.values[name]) for name in item.node.inputs):
                continue
            made = [~np.isfinite(tensor(value).whole) for value in self.result(index) if not _finite(value)]
            if not all(any(np.array_equal(value, mask) for mask in masks) for value in made):
                return index
        return None

    def unresolved(self) -> list[int]:
        """The open ops from which a path of open ops leads to the graph's output, in order."""
        found: set[int] = set()
        for index in reversed(range(len(self.judged))):
            item = self.judged[index]
            if item.is_open and any(
                name in self.graph.outputs or any(reader in found for reader in self.readers.get(name, ()))
                for name in item.node.outputs
            ):
                found.add(index)
        return sorted(found)

    def makers(self, index: int) -> set[int]:
        """The ops that an op reads."""
        return {self._makers[name] for name in self.judged[index].node.inputs if name in self._makers}

    def heals(self, index: int, result: Array) -> bool:
        """Whether counterparts return on every path behind an op when ``result`` takes the place of its own.

        What only moves numbers does not count: a wrong tensor of the parent's is still one after it was moved.
        """
        known: dict[str, Array] = {self.judged[index].node.outputs[0]: result}
        moved, steps = set(known), 0
        for later in range(index + 1, len(self.judged)):
            node = self.judged[later].node
            if not any(name in moved for name in node.inputs):
                continue
            judged, passed_on = self._judge(node, {name: self._healed(name, index, known) for name in node.inputs})
            known |= passed_on
            if judged.is_open:
                steps += 1
                if steps > _LONGEST or any(name in self.graph.outputs for name in node.outputs):
                    return False
            if judged.is_open or only_moves(node):
                moved.update(node.outputs)
        return True

    def _healed(self, name: str, index: int, known: dict[str, Array]) -> Array:
        """A tensor's value when the op of this index has another result; what is found is kept in ``known``."""
        if name not in known:
            maker = self._makers.get(name, -1)
            if maker <= index or not self.judged[maker].is_open:
                return self.values[name]
            node = self.judged[maker].node
            _, passed_on = self._judge(node, {item: self._healed(item, index, known) for item in node.inputs})
            known |= passed_on
        return known[name]

    def effect(self, index: int) -> float:
        """How far an op's own error moves the graph's output: the root of the mean square."""
        own = dict(zip(self.judged[index].node.outputs, self.result(index), strict=True))
        right = {name: self.values[name] for name in own}
        for node in self.graph.nodes[index + 1 :]:
            if any(name in own for name in node.inputs):
                for changed in (own, right):
                    values = {name: changed.get(name, self.values[name]) for name in node.inputs}
                    changed |= dict(zip(node.outputs, self.graph.run(node, values), strict=True))
        name = self.graph.outputs[0]
        return math.sqrt(_power(own[name] - right[name])) if name in own else 0.0


def like(found: Tensor, own: Array) -> Array:
    """The parent's tensor in the shape and type that a graph's own has."""
    return found.whole.reshape(own.shape).astype(own.dtype, copy=False)


def _power(value: Array) -> float:
    """The mean square; 0 where that is not finite."""
    power = float(np.square(value, dtype=np.float64).mean()) if value.dtype.kind == "f" and value.size else 0.0
    return power if math.isfinite(power) else 0.0


def _finite(value: Array) -> bool:
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())
