"""One small registry: from an ONNX op to the function that lowers it. ``TFLITE`` is an instance."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import onnx_ir as ir

from converters.errors import UnsupportedError, UnsupportedNode

Lowering = Callable[..., Any]


class Registry:
    """Lowerings of one target.

    A lowering takes the op's inputs in schema order (``None`` for one left out) and its
    attributes as keyword-only parameters with the schema's defaults. It returns its output, or
    a list where the op has several, and raises UnsupportedError on a form that it does not cover.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._lowerings: dict[str, Lowering] = {}

    def lowering(self, op_type: str) -> Callable[[Lowering], Lowering]:
        """Register the decorated function for ``op_type``; a second one for the same op is an error."""

        def register(function: Lowering) -> Lowering:
            if op_type in self._lowerings:
                raise ValueError(f"{self.target}: {op_type} already has a lowering, {self._lowerings[op_type]}")
            self._lowerings[op_type] = function
            return function

        return register

    @property
    def lowerings(self) -> dict[str, Lowering]:
        """Every registered lowering by op type (a copy)."""
        return dict(self._lowerings)

    def missing(self, nodes: Iterable[ir.Node]) -> list[UnsupportedNode]:
        """Every node whose op has no lowering at all."""
        return [
            UnsupportedNode(node.op_type, node.name or "?", f"{self.target} has no lowering for this op")
            for node in nodes
            if node.domain or node.op_type not in self._lowerings
        ]

    def lower(self, node: ir.Node, inputs: Sequence[Any]) -> list[Any]:
        """Lower one node; raises UnsupportedError."""
        function = self._lowerings[node.op_type]
        attributes = {attribute.name: attribute.value for attribute in node.attributes.values()}
        accepted = inspect.signature(function).parameters
        for name, value in attributes.items():
            if name not in accepted:
                raise UnsupportedError(f"attribute {name}={value} is not supported")
        outputs = function(*inputs, **attributes)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        wanted = [output.name for output in node.outputs]
        if any(wanted[len(outputs) :]):
            raise UnsupportedError(f"gives {len(wanted)} outputs; supported: {len(outputs)}")
        return outputs


def require(attribute: str, value: object, supported: Sequence[object]) -> None:
    """Raise UnsupportedError unless ``value`` is among ``supported``."""
    if value not in supported:
        accepted = ", ".join(map(str, supported))
        raise UnsupportedError(f"uses {attribute}={value}; supported: {accepted}")
