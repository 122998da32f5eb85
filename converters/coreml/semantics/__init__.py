"""What the operators of Core ML's ML programs (MIL) compute, in torch: one file per family of operators.

Semantics follow the MIL operator documentation of coremltools 9 (coremltools.converters.mil.mil.ops.defs). Arguments
have MIL's names; tensors come as float32 where the program says float16.
"""

from __future__ import annotations

from converters.coreml.semantics import compression, elementwise, resizing, shapes, windows
from converters.coreml.semantics.table import OPERATORS, Value

__all__ = ["OPERATORS", "Value", "compression", "elementwise", "resizing", "shapes", "windows"]
