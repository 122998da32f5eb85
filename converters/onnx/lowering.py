"""The walk over a graph that every target shares: check it, lower node by node, list all that cannot be lowered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx_ir as ir

from converters.errors import UnsupportedError, UnsupportedModelError, UnsupportedNode
from converters.onnx.graph import constant, static_shape
from converters.onnx.registry import Registry

COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")


def _is_condition(value: ir.Value) -> bool:
    """Whether a value is a comparison's result that nothing but Where reads."""
    producer = value.producer()
    compares = producer is not None and producer.op_type in COMPARISONS
    return value.dtype == ir.DataType.BOOL and compares and all(use.node.op_type == "Where" for use in value.uses())


def check(registry: Registry, model: ir.Model) -> None:
    """Raise UnsupportedModelError for everything that can be seen without lowering a node.

    That is: nodes without a lowering for their domain and version, and tensors whose type is not float32 (or a
    condition's) or whose shape is unknown, dynamic or empty.
    """
    problems = registry.missing(model)
    for value in [*model.graph.inputs, *(output for node in model.graph for output in node.outputs)]:
        if not value.name:  # an optional output that nobody asked for
            continue
        producer = value.producer()
        origin = ("input", value.name) if producer is None else (producer.op_type, producer.name or "?")
        if not isinstance(value.type, ir.TensorType) or not (value.dtype == ir.DataType.FLOAT or _is_condition(value)):
            problems.append(UnsupportedNode(*origin, f"{value.name} is {value.type}; supported: float32 tensors"))
        elif (shape := static_shape(value)) is None or 0 in shape:
            problems.append(
                UnsupportedNode(*origin, f"{value.name} has the shape {value.shape}; supported: static, not empty")
            )
    if problems:
        raise UnsupportedModelError(registry.target, problems)


def lower(
    registry: Registry,
    model: ir.Model,
    inputs: Mapping[str, Any],
    placeholder: Callable[[tuple[int, ...]], Any],
    named: Callable[[Any, str], None] = lambda value, name: None,
) -> dict[str, Any]:
    """Every graph output by name, as a value of the target; a constant stays a NumPy array.

    ``inputs`` are the target's values of the graph inputs by name. ``placeholder`` makes a value of an ONNX shape, with
    which lowering goes on after a node that failed, so that one run finds every problem. ``named`` is told what ONNX
    calls each value. Raises UnsupportedModelError with all problems.
    """
    check(registry, model)
    values: dict[ir.Value, Any] = {value: inputs[str(value.name)] for value in model.graph.inputs}
    problems: list[UnsupportedNode] = []

    def operand(value: ir.Value | None) -> Any:
        array = constant(value)
        return array if value is None or array is not None else values[value]

    for node in model.graph:
        try:
            outputs = registry.lower(node, [operand(value) for value in node.inputs], model.opset_imports)
        except UnsupportedError as error:
            problems.append(UnsupportedNode(node.op_type, node.name or "?", str(error)))
            outputs = [placeholder(static_shape(value) or ()) for value in node.outputs]
        for value, output in zip(node.outputs, outputs, strict=False):
            named(output, str(value.name))
            values[value] = output
    if problems:
        raise UnsupportedModelError(registry.target, problems)
    return {str(value.name): operand(value) for value in model.graph.outputs}
