"""LiteRT (TensorFlow Lite's successor) on the CPU; tflite_runtime where LiteRT is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from converters.errors import ExportError
from converters.quiet import native_stderr
from converters.runtimes import Image, one_port


def _interpreter_class() -> tuple[Any, str]:
    from importlib.metadata import version

    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"LiteRT {version('ai-edge-litert')}"
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter

            return Interpreter, f"tflite_runtime {version('tflite-runtime')}"
        except ImportError:
            raise ExportError(
                "no LiteRT is installed",
                expected="the package ai-edge-litert, or tflite-runtime",
                next_step="pip install ai-edge-litert",
            ) from None


def interpreter(path: Path, threads: int | None) -> tuple[Any, str]:
    """An allocated interpreter (XNNPACK applied, as on a phone's CPU) and its engine's name and version."""
    cls, engine = _interpreter_class()
    with native_stderr():
        loaded = cls(model_path=str(path), num_threads=threads)
        loaded.allocate_tensors()
    return loaded, engine


class LiteRt:
    """A TFLite model with an NHWC image in and an NHWC matte out."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._interpreter, self._engine = interpreter(path, threads)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        one_port(path, "output", [(item["name"], item["shape"].tolist()) for item in outputs], 1, 3)
        _, height, width, _ = one_port(path, "input", [(item["name"], item["shape"].tolist()) for item in inputs], 3, 3)
        self._input, self._output, self._size = inputs[0]["index"], outputs[0]["index"], (height, width)

    @property
    def engine(self) -> str:
        return self._engine

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def run(self, image_nhwc: Image) -> Image:
        self._interpreter.set_tensor(self._input, image_nhwc)
        self._interpreter.invoke()
        matte: Image = self._interpreter.get_tensor(self._output)
        return matte
