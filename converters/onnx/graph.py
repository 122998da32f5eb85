"""Small questions that passes and lowerings ask of an ``onnx_ir`` graph."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import onnx_ir as ir


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The array behind an initializer, in ONNX's layout; None for a value computed in the graph."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def static_shape(value: ir.Value) -> tuple[int, ...] | None:
    """The shape as integers; None when it is unknown or has a symbolic dimension."""
    dims = () if value.shape is None else tuple(value.shape)
    sizes = tuple(dim for dim in dims if isinstance(dim, int))
    return None if value.shape is None or len(sizes) < len(dims) else sizes
