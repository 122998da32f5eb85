"""Where int8 and float meet: what is converted as exported, and by a choice that looks at errors alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from benchmarks.tables import int8
from benchmarks.tables.setting import Setting
from converters.tflite import builder
from converters.tflite.int8.graph import Graph, Group
from converters.tflite.int8.placement import PHONE, SERVER, Placements
from converters.tflite.int8.ranges import parameters
from converters.tflite.int8.search import mattes
from converters.tflite.int8.sensitivity import least_sure, sensitivities

_COLUMNS = (
    "conversions",
    "million elements",
    "islands",
    "fewest multiplications for an element",
    "time on a phone",
    "on a server",
)
_NOISE = (1, 2, 4)
"""Rounding errors that are allowed, as multiples of those of the exported model."""


def islands(setting: Setting) -> str:
    """Both at the same summed error, that of the exported ``int8`` and larger ones."""
    made = int8.parts(setting)
    data, spreads, _ = made.even
    exported = {
        index
        for index, tensor in enumerate(builder.read(data).subgraphs[0].tensors)
        if tensor.name.decode() in made.chosen
    }
    graph = Graph(builder.read(data))
    groups = graph.groups()
    scales = parameters(groups, spreads)
    images = least_sure(made.images, mattes(made.fp32, made.images))
    errors = sensitivities(data, groups, scales, images)
    return compared(graph, groups, errors, exported)


def compared(graph: Graph, groups: list[Group], errors: list[float], exported: Collection[int]) -> str:
    """The table, for a graph and the tensors that an exported model of it has in int8."""
    rows = [int8.head("int8 multiplications", *_COLUMNS)]
    choices = _Choices(graph, groups, errors)
    allowed = choices.noise(exported)
    rows.append(f"| `int8` | {choices.cells(exported)} |")
    for times in _NOISE:
        for name, found in (("by errors alone", choices.by_errors), ("by price", choices.by_price)):
            rows.append(f"| {times} times its errors, {name} | {choices.cells(found(times * allowed))} |")
    return "\n".join(rows)


@dataclass(frozen=True)
class _Choices:
    graph: Graph
    groups: list[Group]
    errors: list[float]

    def noise(self, tensors: Collection[int]) -> float:
        """The root of the summed squared errors of the groups that are rounded."""
        pairs = zip(self.groups, self.errors, strict=True)
        return float(np.sqrt(sum(error**2 for group, error in pairs if set(tensors) & set(group.tensors))))

    def by_errors(self, allowed: float) -> set[int]:
        """Those groups to float first whose squared error is largest for the multiplications that they hold."""
        pairs = sorted(
            zip(self.groups, self.errors, strict=True), key=lambda item: -(item[1] ** 2) / (item[0].macs + 1)
        )
        kept = [group for group, _ in pairs]
        while self.noise({tensor for group in kept for tensor in group.tensors}) > allowed:
            kept.pop(0)
        return {tensor for group in kept for tensor in group.tensors}

    def by_price(self, allowed: float) -> set[int]:
        """The fastest placement of those that are as exact."""
        found = Placements(self.graph, self.groups, self.errors).fastest()
        return set(next(item.tensors for item in found if self.noise(item.tensors) <= allowed))

    def cells(self, tensors: Collection[int]) -> str:
        graph, converted = self.graph, self.graph.converted(tensors)
        elements = sum(map(graph.size, converted))
        found = graph.islands(tensors)
        ratios = [
            sum(map(graph.macs, island)) / sum(map(graph.size, graph.beside(island) & set(converted)))
            for island in found
        ]
        times = [f"{machine.share(graph, tensors):.2f}" for machine in (PHONE, SERVER)]
        cells = [f"{graph.macs_in_int8(tensors):.0%}", str(len(converted)), f"{elements / 1e6:.1f}", str(len(found))]
        return " | ".join([*cells, f"{min(ratios):.0f}" if ratios else "", *times])
