"""What every pass here is made of: match one pattern, build its replacement, swap them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import constant, opset, static_shape

M = TypeVar("M")

OLDEST_OPSET = 18
"""The opset whose forms the passes write: axes as inputs of the Reduce ops, among others."""
OLDEST_IR = 4
"""Before this version of ONNX's file format every initializer had to be an input too."""


class Names:
    """The names in a model, so that new ones differ from all of them."""

    def __init__(self, model: ir.Model) -> None:
        nodes = list(ir.traversal.RecursiveGraphIterator(model.graph))
        values = [value for node in nodes for value in node.outputs]
        for graph in (model.graph, *model.graph.subgraphs()):
            values += [*graph.inputs, *graph.initializers.values()]
        self._taken = {node.name for node in nodes} | {value.name for value in values}

    def free(self, stem: str, number: int | None = None) -> str:
        """Take ``stem``, or ``stem`` with the next free number (from ``number`` on where that is given)."""
        name = stem if number is None else f"{stem}_{number}"
        while name in self._taken:
            number = 1 if number is None else number + 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name


class Builder:
    """Collects the nodes and initializers that replace a match, named after the node in whose place they come."""

    def __init__(self, node: ir.Node, names: Names) -> None:
        assert node.graph is not None
        self._graph, self._stem, self._names = node.graph, node.name or node.op_type, names
        self._tape = ir.tape.Tape()

    def at(self, node: ir.Node) -> Builder:
        """Another builder, for what comes in the place of another node."""
        return Builder(node, self._names)

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> ir.Value:
        """A new initializer."""
        count = len(self._graph.initializers) + len(self._tape.initializers)
        name = self._names.free(f"{self._stem}/constant", count)
        return self._tape.initializer(ir.tensor(np.array(array, dtype=dtype, order="C"), name=name), name)

    def integers(self, *items: int) -> ir.Value:
        """A new int64 initializer of rank 1."""
        return self.constant(items, np.int64)

    def op(
        self, op_type: str, *inputs: ir.Value | None, output: Sequence[int] | None = None, **attributes: Any
    ) -> ir.Value:
        """A new node of ONNX's own domain; ``output`` is its (float) shape where a caller needs it at once."""
        name = self._names.free(f"{self._stem}/{op_type}", len(self._tape.nodes))
        value = self._tape.op(op_type, inputs, attributes, name=name)
        value.name = self._names.free(f"{name}/output")
        if output is not None:
            value.shape, value.dtype = ir.Shape(output), ir.DataType.FLOAT
        return value

    def split(self, x: ir.Value, sizes: Sequence[int], axis: int) -> list[ir.Value]:
        """The parts of ``x`` along an axis, their (float) shapes set."""
        name = self._names.free(f"{self._stem}/Split", len(self._tape.nodes))
        parts = self._tape.op_multi_out(
            "Split", (x, self.integers(*sizes)), {"axis": axis}, num_outputs=len(sizes), name=name
        )
        for part, size in zip(parts, sizes, strict=True):
            before = shape(x)
            part.name = self._names.free(f"{name}/output")
            part.shape, part.dtype = ir.Shape((*before[:axis], size, *before[axis + 1 :])), ir.DataType.FLOAT
        return list(parts)

    def insert_before(self, node: ir.Node) -> None:
        """Put the new nodes in front of a node of the same graph; who reads them is for the caller to say."""
        for initializer in self._tape.initializers:
            self._graph.register_initializer(initializer)
        self._graph.insert_before(node, self._tape.nodes)

    def replace(self, nodes: Sequence[ir.Node], new: ir.Value) -> None:
        """Put the new nodes in the place of ``nodes``; ``new`` takes over the last one's output.

        The nodes must belong to one graph, and nothing else may read the outputs of those before the last.
        """
        for initializer in self._tape.initializers:
            self._graph.register_initializer(initializer)
        old = nodes[-1].outputs[0]
        if new.producer() in self._tape.nodes:
            ir.convenience.replace_nodes_and_values(self._graph, nodes[-1], nodes, self._tape.nodes, [old], [new])
            return
        # ``new`` is a value that was there before: it keeps its own name unless it becomes an output.
        self._graph.insert_after(nodes[-1], self._tape.nodes)
        output = old.is_graph_output()
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        self._graph.remove(nodes, safe=True)
        if output:
            new.name = old.name


class RewritePass(ir.passes.InPlacePass, ABC, Generic[M]):
    """Rewrites every match of one pattern, in graph order, in the subgraphs of If, Loop and Scan too.

    Before: opset 18 or newer, inferred shapes (nodes whose shapes or types are unknown are left alone).
    After: the same inputs and outputs, by name, type and shape, and the same values but for rounding. ``modified`` says
    whether anything matched, for every match is rewritten and no rewrite gives what was there before.

    A match lies within one graph. Functions of the model are left alone.
    """

    types: ClassVar[tuple[ir.DataType, ...] | None] = (ir.DataType.FLOAT,)
    """Element types of the outputs of nodes that may match; None: any."""

    def requires(self, model: ir.Model) -> None:
        """Raise PreconditionError for a model older than what is written here."""
        for what, version, oldest in (
            ("opset", opset(model.opset_imports), OLDEST_OPSET),
            ("IR version", model.ir_version, OLDEST_IR),
        ):
            if version < oldest:
                raise ir.passes.PreconditionError(
                    f"{type(self).__name__}: the model is of {what} {version}; expected: {oldest} or newer"
                )

    @abstractmethod
    def match(self, node: ir.Node) -> M | None:
        """What ``rewrite`` needs where the pattern ends in ``node``; None where it does not. Changes nothing."""

    @abstractmethod
    def rewrite(self, match: M, build: Builder) -> None:
        """Replace the match."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified, names = False, Names(model)
        for node in tuple(ir.traversal.RecursiveGraphIterator(model.graph)):
            # An earlier rewrite may have removed it.
            if node.graph is None or node.domain or not self._of_a_type(node):
                continue
            match = self.match(node)
            if match is not None:
                self.rewrite(match, Builder(node, names))
                modified = True
        return ir.passes.PassResult(model, modified)

    def _of_a_type(self, node: ir.Node) -> bool:
        return self.types is None or all(value.dtype in self.types for value in node.outputs if value.name)


def is_op(node: ir.Node | None, *op_types: str) -> bool:
    """Whether a node is one of these ops of ONNX's own domain."""
    return node is not None and not node.domain and node.op_type in op_types


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that computes ``value`` if it is one of ``op_types`` and one reader in its own graph needs the value."""
    node = None if value is None else value.producer()
    if value is None or node is None or not is_op(node, *op_types):
        return None
    readers = [user for user, _ in value.uses()]
    return None if value.is_graph_output() or len(readers) != 1 or readers[0].graph is not node.graph else node


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """An attribute as a Python value (integer lists as tuples)."""
    if name not in node.attributes:
        return default
    value = node.attributes[name].value
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def attributes(node: ir.Node, *without: str) -> Mapping[str, Any]:
    """All attributes of a node, but for those in ``without``, as keyword arguments for Builder.op."""
    return {item.name: item for item in node.attributes.values() if item.name not in without}


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
