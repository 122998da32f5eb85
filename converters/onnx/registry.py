"""One small registry per target: from an ONNX operator of a domain and version to the function that lowers it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import onnx
import onnx_ir as ir

from converters.errors import UnsupportedError, UnsupportedNode
from converters.onnx.graph import opset

Lowering = Callable[..., Any]


class Operator(NamedTuple):
    """An operator in the form that it has had since an opset version of its domain."""

    op_type: str
    since: int
    domain: str = ""


class Registry:
    """Lowerings of one target.

    A lowering takes the op's inputs in schema order (``None`` for one that is left out) and its attributes as
    keyword-only parameters with the schema's defaults. It returns its output, or a list where the op has several, and
    raises UnsupportedError on a form that it does not cover.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._lowerings: dict[Operator, Lowering] = {}

    def lowering(self, op_type: str, *, since: int, domain: str = "") -> Callable[[Lowering], Lowering]:
        """Register the decorated function for ``op_type`` from opset ``since`` of ``domain`` (ONNX's own by default).

        It covers every later version up to that of the op's next lowering. Raises ValueError where the operator has a
        lowering already, or where ONNX defines no version ``since`` of it.
        """
        key = Operator(op_type, since, domain)

        def register(function: Lowering) -> Lowering:
            if key in self._lowerings:
                raise ValueError(f"{self.target}: {key} already has a lowering, {self._lowerings[key]}")
            if not domain and _version(op_type, since, domain) != since:
                raise ValueError(f"{self.target}: ONNX has no version {since} of {op_type}")
            self._lowerings[key] = function
            return function

        return register

    @property
    def lowerings(self) -> dict[Operator, Lowering]:
        """Every registered lowering (a copy)."""
        return dict(self._lowerings)

    def find(self, node: ir.Node, imports: Mapping[str, int]) -> Lowering:
        """The newest lowering that is not newer than the node's form in a model with these opset imports.

        Raises UnsupportedError where there is none.
        """
        known = [key for key in self._lowerings if (key.op_type, key.domain) == (node.op_type, node.domain)]
        if not known:
            domain = f" of the domain {node.domain}" if node.domain else ""
            raise UnsupportedError(f"{self.target} has no lowering for this op{domain}")
        version = _version(node.op_type, opset(imports, node.domain), node.domain)
        fitting = [key for key in known if key.since <= version]
        if not fitting:
            oldest = min(key.since for key in known)
            raise UnsupportedError(f"has the form of opset {version}; supported: opset {oldest} and newer")
        return self._lowerings[max(fitting, key=lambda key: key.since)]

    def missing(self, model: ir.Model) -> list[UnsupportedNode]:
        """Every node that has no lowering, whatever its attributes and inputs.

        Control flow (If, Loop, Scan) has none on any target; nodes inside it are not listed.
        """
        problems: list[UnsupportedNode] = []
        for node in model.graph:
            try:
                self.find(node, model.opset_imports)
            except UnsupportedError as error:
                problems.append(UnsupportedNode(node.op_type, node.name or "?", str(error)))
        return problems

    def lower(self, node: ir.Node, inputs: Sequence[Any], imports: Mapping[str, int]) -> list[Any]:
        """Lower one node of a model with these opset imports; raises UnsupportedError."""
        function = self.find(node, imports)
        parameters = inspect.signature(function).parameters
        positional = [each for each in parameters.values() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        variadic = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in positional)
        if len(inputs) > len(positional) and not variadic:
            raise UnsupportedError(f"has {len(inputs)} inputs; supported: {len(positional)}")
        attributes = {attribute.name: attribute.value for attribute in node.attributes.values()}
        for name, value in attributes.items():
            if name not in parameters:
                raise UnsupportedError(f"attribute {name}={value} is not supported")
        outputs = function(*inputs, **attributes)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        wanted = [output.name for output in node.outputs]
        if any(wanted[len(outputs) :]):
            raise UnsupportedError(f"gives {len(wanted)} outputs; supported: {len(outputs)}")
        return outputs


def _version(op_type: str, opset_version: int, domain: str) -> int:
    """The opset version in which an op got the form that it has in ``opset_version``.

    That is ``opset_version`` itself where ONNX does not know the op.
    """
    try:
        return int(onnx.defs.get_schema(op_type, opset_version, domain).since_version)
    except onnx.defs.SchemaError:
        return opset_version


def require(attribute: str, value: object, supported: Sequence[object]) -> None:
    """Raise UnsupportedError unless ``value`` is among ``supported``."""
    if value not in supported:
        accepted = ", ".join(map(str, supported))
        raise UnsupportedError(f"uses {attribute}={value}; supported: {accepted}")
