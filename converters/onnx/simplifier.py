"""onnxsim, imported without PyTorch; every other file here imports it from this one.

It loads PyTorch for an optional part of its own (``onnxsim.ppq_integration``, which does without), for more than a
second. Nothing that it does here needs that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["simplify"]


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let imports of a module fail meanwhile, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what Python's import system takes for "there is none"
    try:
        yield
    finally:
        del sys.modules[module]


with _without("torch"):
    from onnxsim import simplify
