"""What is known of one accelerator, as data with sources, and the estimate that follows from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from converters.placement import Placement, Rule, counted, excluding
from converters.tflite.placement.graph import Graph, Op, Tensor, read

_BITS = {"INT4": 4, "UINT8": 8, "INT8": 8, "BOOL": 8, "FLOAT16": 16, "BFLOAT16": 16, "INT16": 16, "INT64": 64}


@dataclass(frozen=True)
class Launch:
    """One kernel, of one op or of several that are joined."""

    reads: tuple[Tensor, ...]
    writes: tuple[Tensor, ...]
    added: str | None = None
    """What it does where no op of the file says so; None: an op's kernel."""


def each_by_itself(ops: Sequence[Op], outputs: frozenset[int]) -> list[Launch]:
    """A kernel for every op, for accelerators that join nothing but what the file says."""
    return [Launch(op.moving + op.constants, op.outputs) for op in ops]


def independent_sets(graph: Graph, taken: Sequence[bool]) -> list[list[Op]]:
    """The ops that are taken, in the parts in which TFLite hands them over.

    As google-ai-edge/LiteRT, tflite/graph_info.cc, PartitionGraphIntoIndependentNodeSubsets: it gathers all ops of the
    first one's kind whose inputs are there, again and again, and then those of the other kind.
    """
    waiting = dict(enumerate(graph.ops))
    missing = {item.index for op in graph.ops for item in op.outputs}
    parts: list[list[Op]] = []
    while waiting:
        kind: bool | None = None
        part: list[Op] = []
        found = True
        while found:
            found = False
            for index, op in list(waiting.items()):
                ready = not any(item.index in missing for item in op.moving)
                if ready and kind in (None, taken[index]):
                    kind, found = taken[index], True
                    part.append(op)
                    missing -= {item.index for item in op.outputs}
                    del waiting[index]
        if not part:
            raise ValueError("the graph reads a tensor that nothing makes")
        if kind:
            parts.append(part)
    return parts


def as_stored(tensor: Tensor) -> int:
    """The bytes of a tensor in its own type, without padding."""
    return math.ceil(tensor.elements * _BITS.get(tensor.kind, 32) / 8)


@dataclass(frozen=True)
class Accelerator:
    """An accelerator that runs TFLite models, or a part of them."""

    key: str
    """Its name on the command line and in records."""
    name: str
    operators: Mapping[str, int]
    """The operators that it has, each with the highest version that it takes."""
    source: str
    """Where that list can be read."""
    rules: tuple[Rule[Op], ...] = ()
    """What else excludes an op."""
    join: Callable[[Sequence[Op], frozenset[int]], list[Launch]] = each_by_itself
    """The kernels of ops that it takes, in order; ``outputs`` are tensors that others read as well."""
    size: Callable[[Tensor], int] = as_stored
    """The bytes of a tensor in its memory."""
    parts: Callable[[Graph, Sequence[bool]], list[list[Op]]] = independent_sets
    """The ops that it takes, in the parts in which they are handed over."""

    def excludes(self, op: Op) -> str | None:
        """Why it does not take an op; None where it may."""
        if op.name not in self.operators:
            return f"no {op.name} ({self.source})"
        if op.version > self.operators[op.name]:
            return f"{op.name} of version {op.version}, above {self.operators[op.name]} ({self.source})"
        return excluding(self.rules, op)


def estimates(data: bytes, accelerators: Sequence[Accelerator]) -> tuple[Placement, ...]:
    """What each accelerator takes of a flatbuffer's graph, and the work that is for it; see ``Placement``."""
    graph = read(data)
    return tuple(_estimate(graph, accelerator) for accelerator in accelerators)


def estimate(data: bytes, accelerator: Accelerator) -> Placement:
    """The same for one accelerator."""
    return _estimate(read(data), accelerator)


def _estimate(graph: Graph, accelerator: Accelerator) -> Placement:
    reasons = [accelerator.excludes(op) for op in graph.ops]
    unpacking = [reason for reason in map(accelerator.excludes, graph.unpacking) if reason is not None]
    parts = accelerator.parts(graph, [reason is None for reason in reasons])
    launches = [
        launch for part in parts for launch in accelerator.join(part, graph.outputs | _read_elsewhere(graph, part))
    ]
    moved = sum(accelerator.size(item) for launch in launches for item in (*launch.reads, *launch.writes))
    return Placement(
        accelerator.name,
        len(reasons) + len(unpacking),
        counted([*reasons, *unpacking]),
        len(parts),
        len(launches),
        moved,
        dict(Counter(launch.added for launch in launches if launch.added)),
    )


def _read_elsewhere(graph: Graph, part: Sequence[Op]) -> frozenset[int]:
    inside = set(map(id, part))
    return frozenset(item.index for op in graph.ops if id(op) not in inside for item in op.moving)
