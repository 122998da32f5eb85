"""Engines that run an artefact, behind one protocol; each is imported when it is opened.

The engines stand above the formats: they import ``converters.tflite`` and ``converters.coreml``, which import nothing
from here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from converters.choices import ComputeUnit, Delegate
from converters.errors import ExportError, reason
from converters.runtimes.protocol import Image, Runtime

T = TypeVar("T")

__all__ = ["Image", "Runtime", "open_runtime", "opened"]


def open_runtime(
    path: Path,
    *,
    threads: int | None = None,
    compute_unit: ComputeUnit = "ALL",
    delegate: Delegate = "cpu",
    function: str | None = None,
) -> Runtime:
    """The engine that runs ``path``, chosen by its suffix, with the model loaded.

    ``threads`` None: the engine's choice. ``compute_unit`` is where Core ML may run a package on a Mac; elsewhere the
    evaluator ignores it. ``delegate`` is LiteRT's. ``function``: of a package that has several; None: its default one.

    Raises ExportError when the file cannot be loaded or does not have one image in and one matte out.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from converters.runtimes.onnxruntime import OnnxRuntime

        return opened(OnnxRuntime, path, threads)
    if suffix == ".tflite":
        from converters.runtimes.litert import LiteRt, LiteRtGpu, LiteRtHalf

        if delegate == "gpu":
            return opened(LiteRtGpu, path, threads)
        if delegate == "cpu-fp16":
            return opened(LiteRtHalf, path, threads)
        return opened(partial(LiteRt, xnnpack=delegate == "cpu"), path, threads)
    if suffix == ".mlpackage":
        from converters.runtimes.coreml import CoreMl

        return opened(partial(CoreMl, compute_unit=compute_unit, function=function), path, threads)
    raise ExportError(
        f"no engine here runs {path.name}",
        where=path,
        expected="a .onnx or .tflite file, or an .mlpackage",
        next_step="check the path",
    )


def opened(engine: Callable[[Path, int | None], T], path: Path, threads: int | None) -> T:
    """``engine(path, threads)``; raises ExportError with the file's name for whatever the engine raises."""
    try:
        if not path.exists():
            raise FileNotFoundError("no such file")
        if not (path.is_file() or path.is_dir()):  # opening a pipe would wait for ever
            raise OSError("it is not a regular file")
        return engine(path, threads)
    except ExportError:
        raise
    except Exception as error:  # every engine has its own errors for a broken file
        raise ExportError(
            f"cannot load {path.name}: {reason(error)}",
            where=path,
            expected=f"a whole {path.suffix} model",
            next_step="export or copy it again, and verify its hash",
        ) from error
