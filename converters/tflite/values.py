"""TFLite ops as values that name what they read: ``ops`` makes them, ``fusion`` joins them, ``assembly`` writes them.

So a lowering needs no file to write into, what nobody reads is never written, and ops are joined once all readers are
known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

import numpy.typing as npt

from converters.errors import UnsupportedError
from converters.tflite import builder as fb

Array: TypeAlias = npt.NDArray[Any]
# LiteRT's kernels have room for so many axes, and check that only in debug builds (kernels/internal/reference).
_MOST_AXES = {
    "SLICE": 5, "STRIDED_SLICE": 5, "PAD": 5, "PADV2": 5, "TRANSPOSE": 6, "BATCH_MATMUL": 5, "BROADCAST_TO": 8,
}  # fmt: skip
_MOST_BROADCAST = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM"), 5),
    **dict.fromkeys(("POW", "PRELU", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "SELECT_V2"), 4),
}


@dataclass(eq=False)
class Value:
    """A tensor: the only output of an op, or, where ``op`` is empty, an input of the graph."""

    shape: tuple[int, ...]
    """As TFLite sees it: NHWC where it has rank 4."""
    op: str = ""
    inputs: tuple[Value | Array, ...] = ()
    """What the op reads; an array is a constant, in TFLite's layout."""
    options: Any = None
    name: str = ""
    boolean: bool = False
    """Whether it holds truth values; else float32."""
    order: int = field(default_factory=count().__next__)
    """Ops are written in the order in which they were made."""


def options(kind: str, **values: Any) -> Any:
    """The schema's options of an operator, for example of ``Pool2DOptions``."""
    made = getattr(fb.schema, f"{kind}T")()
    for name, value in values.items():
        if not hasattr(made, name):
            raise AttributeError(f"{kind} has no {name}")
        setattr(made, name, value)
    return made


def op(name: str, shape: Iterable[int], *inputs: Value | Array, options: Any = None) -> Value:
    """A new op. Raises UnsupportedError for more axes than its kernels have room for."""
    shape = tuple(int(size) for size in shape)
    axes = max(len(shape), *(len(item.shape) for item in inputs))
    same = len({tuple(item.shape) for item in inputs}) == 1
    most = (_MOST_AXES if same or name in _MOST_AXES else _MOST_BROADCAST).get(name, axes)
    if axes > most:
        raise UnsupportedError(f"needs {name} with {axes} axes; supported: {most}")
    return Value(shape, name, inputs, options)
