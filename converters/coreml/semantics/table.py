"""The table of MIL operators, and how their arguments are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

Value: TypeAlias = Any
"""A torch tensor, or a Python string."""
Operator: TypeAlias = Callable[..., Value]
"""Takes a MIL operator's arguments by name; returns its output, or a list where it has several."""

OPERATORS: dict[str, Operator] = {}
"""What each MIL operator computes, by its name."""


def operator(*names: str) -> Callable[[Operator], Operator]:
    """Enter the decorated function into the table under each of ``names``."""

    def register(function: Operator) -> Operator:
        for name in names:
            assert name not in OPERATORS, name
            OPERATORS[name] = function
        return function

    return register


def integers(value: Value) -> list[int]:
    """A number, list or tensor of numbers as a flat list."""
    return [int(item) for item in torch.as_tensor(value).reshape(-1).tolist()]


def torch_pads(pad: Value, dims: int) -> list[int]:
    """MIL's (before, after) per axis as torch's pad list, last axis first."""
    flat = integers(pad)
    return [flat[2 * axis + side] for axis in reversed(range(dims)) for side in (0, 1)]
