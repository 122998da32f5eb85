"""Which ops of a graph are worth computing in int8: the cheapest placement of all, found by a minimum cut.

An op multiplies faster in int8 and moves a quarter of the bytes, but where it meets float a map is converted, and every
map that is rounded takes something of the matte's exactness. The price of a placement is

    the time of each op where it computes + four times that of each QUANTIZE and DEQUANTIZE
    + a weight * the squared errors of the groups of tensors that are rounded

(errors add like noise: their squares add). Each term is of one op, or of a tensor's maker and its readers, and grows
where these differ; so the least sum is a minimum cut (Kolmogorov and Zabih, "What Energy Functions Can Be Minimized via
Graph Cuts?", PAMI 2004). An op that would save less than its conversions cost stays float by itself: a PAD alone, or a
depthwise convolution between float ones.

Times are estimates from multiplications and bytes, on a phone and on a machine with large caches, each as a share of
what the float graph takes there: a placement that only one of them likes costs the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from converters.tflite.int8.graph import Graph, Group

_FLOAT_BYTES, _INT8_BYTES = 4, 1
_MARGIN = 4
"""A conversion must save so many times what it costs by these estimates, which are rough: about 35 multiplications for
each converted element."""


@dataclass(frozen=True)
class Machine:
    """What one core does in a nanosecond."""

    float_macs: float
    """Multiplications of fp32 convolutions."""
    int8_macs: float
    """Multiplications of int8 convolutions."""
    depthwise_macs: float
    """Multiplications of depthwise convolutions, for which no core has dot products: in fp32 and in int8."""
    bytes: float

    def time_ns(self, graph: Graph, index: int, *, int8: bool) -> float:
        """An estimate of one op's time: what takes longer, multiplying or moving bytes (a roofline).

        Ops that only move values are taken to be no faster in int8: LiteRT's PAD takes as long for each element.
        """
        macs = graph.macs(index)
        rate = self.int8_macs if int8 else self.float_macs
        if graph.names[index] == "DEPTHWISE_CONV_2D":
            rate = self.depthwise_macs
        moved = graph.elements(index) * (_INT8_BYTES if int8 and macs else _FLOAT_BYTES)
        return max(macs / rate, moved / self.bytes)

    def share(self, graph: Graph, tensors: Collection[int]) -> float:
        """An estimate of the graph's time with these tensors in int8, as a share of what it takes in float."""
        whole = sum(self.time_ns(graph, index, int8=False) for index in graph.indices)
        time = sum(self.time_ns(graph, index, int8=graph.in_int8(index, tensors)) for index in graph.indices)
        return (time + sum(self.conversion_ns(graph.size(tensor)) for tensor in graph.converted(tensors))) / whole

    def conversion_ns(self, elements: int) -> float:
        """A QUANTIZE or a DEQUANTIZE: reads one form, and writes the other."""
        return elements * (_FLOAT_BYTES + _INT8_BYTES) / self.bytes


PHONE = Machine(float_macs=15, int8_macs=45, depthwise_macs=8, bytes=12)
"""A large core with int8 dot products, and its share of the memory (10 to 15 GB/s); not measured."""
SERVER = Machine(float_macs=80, int8_macs=400, depthwise_macs=25, bytes=80)
"""A core with AVX-512 VNNI, and maps in its caches: gives the shares that were measured of six placements."""

_MACHINES = (PHONE, SERVER)
_WEIGHTS = np.concatenate([[0.0], np.geomspace(1e-4, 1e8, 120)])
"""Of all squared errors together, against the float graph's time."""
# SciPy's flows are integers of 32 bits: the float graph's time is so many steps, and what may not be cut costs more.
_STEPS, _NEVER = 1 << 24, 1 << 28
_Node = tuple[str, int]
_INT8, _FLOAT = ("source", 0), ("sink", 0)
"""The two sides of a cut: what lies on the side of the source computes, or is stored, in int8."""


@dataclass(frozen=True)
class Placement:
    """Which tensors are int8, and with them the ops of ``Graph.in_int8``."""

    tensors: frozenset[int]
    left_in_float: int
    """How many groups have none of these tensors."""
    price: float
    """Its estimated time as a share of the float graph's, with the margin of conversions."""


class Placements:
    """The placements of a graph that may be worth it.

    ``errors``: what rounding the tensors of each group alone does to the matte, at least 0; one that is not finite
    counts as 1, all that a matte can be off.
    """

    def __init__(self, graph: Graph, groups: Sequence[Group], errors: Sequence[float]) -> None:
        self._graph, self._groups = graph, groups
        self._squares = np.nan_to_num(np.square(np.asarray(errors, np.float64)), nan=1, posinf=1)
        self._in_float, self._in_int8 = (
            _shares([[item.time_ns(graph, index, int8=int8) for index in graph.indices] for item in _MACHINES], graph)
            for int8 in (False, True)
        )
        tensors = sorted(graph.activations)
        sizes = [[_MARGIN * item.conversion_ns(graph.size(tensor)) for tensor in tensors] for item in _MACHINES]
        self._conversion = dict(zip(tensors, _shares(sizes, graph), strict=True))

    def fastest(self) -> list[Placement]:
        """From the fastest to the one without int8, each the fastest of those that are as exact.

        One for each number of groups that are left in float.
        """
        edges, found = self._edges(), {len(self._groups): self.of(())}
        for weight in reversed(_WEIGHTS / (self._squares.sum() or 1.0)):
            priced = edges.copy()
            for index, square in enumerate(self._squares):
                priced.add(("group", index), _FLOAT, weight * square)
            item = self.of({tensor for kind, tensor in priced.cut() if kind == "rounded"})
            found[item.left_in_float] = item
        return [found[count] for count in sorted(found)]

    def of(self, tensors: Collection[int]) -> Placement:
        """The placement in which these tensors are int8."""
        graph = self._graph
        times = [(self._in_int8 if graph.in_int8(index, tensors) else self._in_float)[index] for index in graph.indices]
        price = sum(times) + sum(self._conversion[tensor] for tensor in graph.converted(tensors))
        left = sum(not any(tensor in tensors for tensor in group.tensors) for group in self._groups)
        return Placement(frozenset(tensors), left, price)

    def _edges(self) -> _Edges:
        """All prices but those of errors."""
        graph, edges = self._graph, _Edges()
        for index in graph.indices:
            op = ("op", index)
            if not graph.has_int8_form(index):
                edges.never(op, _FLOAT)
                continue
            edges.add(op, _FLOAT, self._in_int8[index])
            edges.add(_INT8, op, self._in_float[index])
            for tensor in graph.rounded(index):
                edges.never(op, ("rounded", tensor))
        for tensor, price in self._conversion.items():
            maker = ("op", graph.maker[tensor]) if tensor in graph.maker else _FLOAT
            edges.add(maker, ("dequantized", tensor), price)
            edges.add(("quantized", tensor), maker, price)
            if tensor in graph.outputs:
                edges.never(("dequantized", tensor), _FLOAT)
            for reader in graph.readers.get(tensor, []):
                edges.never(("dequantized", tensor), ("op", reader))
                edges.never(("op", reader), ("quantized", tensor))
        for index, group in enumerate(self._groups):
            for tensor in group.tensors:
                edges.never(("rounded", tensor), ("group", index))
        return edges


def _shares(times_ns: list[list[float]], graph: Graph) -> list[float]:
    """Times on each machine as shares of the float graph's there, the mean over the machines."""
    whole = [sum(machine.time_ns(graph, index, int8=False) for index in graph.indices) for machine in _MACHINES]
    return [float(item) for item in np.mean(np.array(times_ns) / np.array(whole)[:, None], axis=0)]


class _Edges:
    """A graph to be cut, each edge with the price of its start being int8 and its end float."""

    def __init__(self) -> None:
        self._nodes: dict[_Node, int] = {_INT8: 0, _FLOAT: 1}
        self._prices: dict[tuple[int, int], int] = {}

    def copy(self) -> _Edges:
        made = _Edges()
        made._nodes, made._prices = self._nodes.copy(), self._prices.copy()
        return made

    def add(self, start: _Node, end: _Node, price: float) -> None:
        """Price the edge; prices of one edge add up."""
        places = self._place(start), self._place(end)
        self._prices[places] = min(self._prices.get(places, 0) + round(min(price * _STEPS, _NEVER)), _NEVER)

    def never(self, start: _Node, end: _Node) -> None:
        self.add(start, end, _NEVER)

    def _place(self, node: _Node) -> int:
        return self._nodes.setdefault(node, len(self._nodes))

    def cut(self) -> list[_Node]:
        """The nodes on the side of int8 in the cheapest cut; of several, the one with the fewest such nodes."""
        places, prices = np.array(list(self._prices)).T, np.array(list(self._prices.values()), np.int32)
        network = coo_array((prices, places), shape=(len(self._nodes),) * 2).tocsr()
        left = network - maximum_flow(network, 0, 1).flow
        left.eliminate_zeros()
        reached = set(breadth_first_order(left, 0, return_predecessors=False).tolist())
        return [node for node, place in self._nodes.items() if place in reached]
