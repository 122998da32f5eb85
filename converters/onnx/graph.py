"""Small questions that passes and lowerings ask of an ``onnx_ir`` graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import onnx_ir as ir


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The array behind an initializer, in ONNX's layout.

    None for a value that is computed in the graph, and for an input: an initializer of the same name is its default,
    which a caller may replace.
    """
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def static_shape(value: ir.Value) -> tuple[int, ...] | None:
    """The shape as integers; None when it is unknown or has a symbolic dimension."""
    dims = () if value.shape is None else tuple(value.shape)
    sizes = tuple(dim for dim in dims if isinstance(dim, int))
    return None if value.shape is None or len(sizes) < len(dims) else sizes


def opset(imports: Mapping[str, int], domain: str = "") -> int:
    """The version of a domain's operators that a model imports; 1 where it imports none (ONNX's own rule)."""
    return imports.get(domain, 1) if domain else imports.get("", imports.get("ai.onnx", 1))
