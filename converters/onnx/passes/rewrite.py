"""What every pass here is made of: match one pattern, build its replacement, swap them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import constant, static_shape

M = TypeVar("M")


class Builder:
    """Collects the nodes and initializers that replace a match, named after the node they replace."""

    def __init__(self, graph: ir.Graph, name: str) -> None:
        self._graph, self._name, self._tape = graph, name, ir.tape.Tape()

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> ir.Value:
        """A new initializer."""
        name = f"{self._name}/constant_{len(self._graph.initializers) + len(self._tape.initializers)}"
        return self._tape.initializer(ir.tensor(np.array(array, dtype=dtype, order="C"), name=name), name)

    def integers(self, *items: int) -> ir.Value:
        """A new int64 initializer of rank 1."""
        return self.constant(items, np.int64)

    def op(
        self, op_type: str, *inputs: ir.Value | None, output: Sequence[int] | None = None, **attributes: Any
    ) -> ir.Value:
        """A new node of ONNX's own domain; ``output`` is its (float) shape where a caller needs it at once."""
        name = f"{self._name}/{op_type}_{len(self._tape.nodes)}"
        value = self._tape.op(op_type, inputs, attributes, name=name)
        value.name = f"{name}/output"
        if output is not None:
            value.shape, value.dtype = ir.Shape(output), ir.DataType.FLOAT
        return value

    def replace(self, nodes: Sequence[ir.Node], new: ir.Value) -> None:
        """Put the new nodes in the place of ``nodes``; ``new`` takes over the last one's output."""
        for initializer in self._tape.initializers:
            self._graph.register_initializer(initializer)
        old = nodes[-1].outputs[0]
        if new.producer() in self._tape.nodes:
            ir.convenience.replace_nodes_and_values(self._graph, nodes[-1], nodes, self._tape.nodes, [old], [new])
        else:
            # ``new`` is a value that was there before: it keeps its own name.
            self._graph.insert_after(nodes[-1], self._tape.nodes)
            old.replace_all_uses_with(new)
            self._graph.remove(nodes, safe=True)


class RewritePass(ir.passes.InPlacePass, ABC, Generic[M]):
    """Rewrites every match of one pattern, in graph order."""

    @abstractmethod
    def match(self, node: ir.Node) -> M | None:
        """What ``rewrite`` needs when the pattern ends in ``node``; None where it does not apply."""

    @abstractmethod
    def rewrite(self, match: M, build: Builder) -> None:
        """Replace the match."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in tuple(model.graph):
            if node.graph is None:  # an earlier rewrite removed it
                continue
            match = self.match(node)
            if match is not None:
                self.rewrite(match, Builder(model.graph, node.name or node.op_type))
                modified = True
        return ir.passes.PassResult(model, modified)


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that computes ``value`` if it is one of ``op_types`` and nothing else needs the value."""
    node = None if value is None else value.producer()
    if node is None or node.op_type not in op_types or node.domain:
        return None
    assert value is not None
    if value.is_graph_output() or len(value.uses()) != 1:
        return None
    return node


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """An attribute as a Python value (integer lists as tuples)."""
    if name not in node.attributes:
        return default
    value = node.attributes[name].value
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def attributes(node: ir.Node) -> Mapping[str, Any]:
    """All attributes of a node as keyword arguments for Builder.op."""
    return {item.name: item.value for item in node.attributes.values()}


def shape(value: ir.Value | None) -> tuple[int, ...]:
    """The static shape; an empty tuple when unknown, which matches no pattern here."""
    return () if value is None else static_shape(value) or ()


def scalar(value: ir.Value | None) -> float | None:
    """The one number in a constant; None for anything else."""
    array = constant(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def integers(value: ir.Value | None) -> tuple[int, ...] | None:
    """A constant of integers; None for a computed value."""
    array = constant(value)
    return None if array is None else tuple(int(item) for item in array.reshape(-1))


def conv_padding(conv: ir.Node) -> tuple[int, int, int, int] | None:
    """Explicit pads of a 2-D convolution (top, left, bottom, right); None for an automatic choice."""
    if attribute(conv, "auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return None
    top, left, bottom, right = attribute(conv, "pads", (0, 0, 0, 0))
    return top, left, bottom, right
