"""LiteRT's flatbuffer schema, which tflite_runtime does not bring; raises ExportError where it is missing."""

from __future__ import annotations

from typing import Any

from converters.errors import ExportError

try:
    from ai_edge_litert import schema_py_generated
except ImportError:
    raise ExportError(
        "the schema of TFLite files is not installed: tflite_runtime runs them, and cannot read or write them",
        expected="the package ai-edge-litert",
        next_step="pip install ai-edge-litert",
    ) from None

schema: Any = schema_py_generated
