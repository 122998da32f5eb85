"""Engines that run an artefact, behind one protocol; each is imported when it is opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from converters.choices import ComputeUnit, Delegate
from converters.errors import ExportError

Image = npt.NDArray[np.float32]


class Runtime(Protocol):
    """A loaded model with one image input and one matte output."""

    @property
    def engine(self) -> str:
        """Name and version of the engine."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels that the model takes."""
        ...

    def run(self, image_nhwc: Image) -> Image:
        """RGB in [0, 1], 1 x H x W x 3, to a matte in [0, 1], 1 x H x W x 1."""
        ...


def open_runtime(
    path: Path, *, threads: int | None = None, compute_unit: ComputeUnit = "ALL", delegate: Delegate = "cpu"
) -> Runtime:
    """The engine for ``path`` by its suffix; None threads: the engine's choice.

    ``compute_unit`` is where Core ML may run a package (on a Mac; the evaluator has no choice);
    ``delegate`` is LiteRT's.

    Raises ExportError when the file cannot be loaded or does not have one image in and one matte out.
    """
    if path.suffix == ".onnx":
        from converters.runtimes.onnxruntime import OnnxRuntime

        return _opened(OnnxRuntime, path, threads)
    if path.suffix == ".tflite":
        from converters.runtimes.litert import LiteRt, LiteRtGpu

        return _opened(LiteRtGpu if delegate == "gpu" else partial(LiteRt, xnnpack=delegate == "cpu"), path, threads)
    if path.suffix == ".mlpackage":
        from converters.runtimes.coreml import CoreMl

        return _opened(partial(CoreMl, compute_unit=compute_unit), path, threads)
    raise ExportError(
        f"no engine here runs {path.name}",
        where=path,
        expected="a .onnx or .tflite file, or an .mlpackage",
        next_step="check the path",
    )


def _opened(engine: Any, path: Path, threads: int | None) -> Runtime:
    try:
        if not path.exists():
            raise FileNotFoundError("no such file")
        runtime: Runtime = engine(path, threads)
    except ExportError:
        raise
    except Exception as error:  # every engine has its own errors for a broken file
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise ExportError(
            f"cannot load {path.name}: {reason}",
            where=path,
            expected=f"a whole {path.suffix} model",
            next_step="export it again, and check its hash with `modnet-export verify`",
        ) from error
    return runtime


def one_port(path: Path, kind: str, found: list[tuple[str, list[Any]]], channels: int, axis: int) -> list[int]:
    """The static shape of a model's only input or output; raises ExportError for any other model."""
    if len(found) == 1:
        shape = found[0][1]
        if len(shape) == 4 and all(isinstance(item, int) and item > 0 for item in shape) and shape[axis] == channels:
            return [int(item) for item in shape]
    listing = ", ".join(f"{name} {shape}" for name, shape in found) or "none"
    raise ExportError(
        f"{path.name} has the {kind}s: {listing}",
        where=path,
        expected=f"one {kind} of static shape with {channels} channel(s)",
        next_step="export your checkpoint with `modnet-export export`",
    )
