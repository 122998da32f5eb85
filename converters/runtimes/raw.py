"""Any converter's model as it is: its ports, and a run that takes and gives real numbers in the ports' own shapes.

``open_runtime`` opens what this toolkit writes, whose ports are known. Here nothing is assumed: a port has any layout
and any type, and stands for what its quantization says.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from converters.choices import ComputeUnit, Delegate
from converters.errors import ExportError
from converters.runtimes import opened

if TYPE_CHECKING:
    from converters.coreml.interpreter import Evaluator

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Port:
    """An input or output of a model."""

    name: str
    shape: tuple[int | None, ...]
    """None: free."""
    dtype: str
    """NumPy's name; ``image`` for a picture of Core ML's."""
    scale: float = 1.0
    zero_point: int = 0
    """A stored q stands for scale * (q - zero point)."""
    colour: str = ""
    """Of a picture: RGB, BGR or GRAYSCALE."""

    @property
    def quantized(self) -> bool:
        return self.scale != 1 or self.zero_point != 0

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The least and the greatest number that the port can hold; None for floats."""
        if self.dtype == "image":
            return 0.0, 255.0
        kind = np.dtype(self.dtype)
        if kind.kind not in "iu" or kind.itemsize > 2:
            return None
        limits = np.iinfo(kind)
        return (limits.min - self.zero_point) * self.scale, (limits.max - self.zero_point) * self.scale

    def stored(self, real: Array) -> Array:
        """Real numbers as the port takes them: rounded and clipped where it holds integers."""
        if self.dtype == "image":
            return _levels(real)
        kind = np.dtype(self.dtype)
        if kind.kind not in "iu":
            return np.ascontiguousarray(real, kind)
        limits = np.iinfo(kind)
        steps: Array = np.rint(real / self.scale) + self.zero_point
        return steps.clip(limits.min, limits.max).astype(kind)

    def real(self, stored: Array) -> Float:
        """What the port gave, as real numbers."""
        if self.dtype == "image":
            return _levels(stored)
        if np.dtype(self.dtype).kind in "iu":
            return np.asarray((stored.astype(np.float32) - self.zero_point) * np.float32(self.scale))
        return np.asarray(stored, np.float32)

    def __str__(self) -> str:
        shape = "x".join("?" if item is None else str(item) for item in self.shape)
        quantized = f", {self.scale:.4g} * (q - {self.zero_point})" if self.quantized else ""
        return f"{self.name} ({self.colour + ' ' if self.colour else ''}{self.dtype} {shape}{quantized})"


def _levels(values: Array) -> Float:
    """As Core ML rounds a picture: to the nearest level from 0 to 255."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.float32)


class RawModel(Protocol):
    """A loaded model."""

    engine: str
    inputs: list[Port]
    outputs: list[Port]

    def run(self, real: Array) -> list[Float]:
        """What the only input's real numbers give: one array for each output."""
        ...


def open_raw(
    path: Path,
    *,
    threads: int | None = None,
    delegate: Delegate = "cpu",
    compute_unit: ComputeUnit = "ALL",
) -> RawModel:
    """A .onnx, .tflite or .mlpackage of anybody's; raises ExportError for a file that cannot be loaded."""
    kinds: dict[str, Any] = {
        ".onnx": _Onnx,
        ".tflite": partial(_Tflite, delegate=delegate),
        ".mlpackage": partial(CoreMl, compute_unit=compute_unit),
    }
    if path.suffix.lower() not in kinds:
        raise ExportError(
            f"no engine here runs {path.name}",
            where=path,
            expected="a .onnx or .tflite file, or an .mlpackage",
            next_step="check the path",
        )
    model: RawModel = opened(kinds[path.suffix.lower()], path, threads)
    return model


class _Onnx:
    def __init__(self, path: Path, threads: int | None) -> None:
        from converters.runtimes.onnxruntime import started

        self._session, self.engine, _ = started(path, threads)
        self.inputs, self.outputs = (
            [Port(item.name, tuple(map(_known, item.shape)), _onnx_dtype(item)) for item in ports]
            for ports in (self._session.get_inputs(), self._session.get_outputs())
        )

    def run(self, real: Array) -> list[Float]:
        (port,) = self.inputs
        found = self._session.run(None, {port.name: port.stored(real)})
        return [port.real(np.asarray(value)) for port, value in zip(self.outputs, found, strict=True)]


def _known(size: Any) -> int | None:
    return size if isinstance(size, int) and size > 0 else None


def _onnx_dtype(port: Any) -> str:
    name = str(port.type).removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)


class _Tflite:
    def __init__(self, path: Path, threads: int | None, *, delegate: Delegate) -> None:
        from converters.tflite.interpreter import interpreter

        if delegate not in ("cpu", "builtin"):
            raise ExportError(
                f"{path.name} has ports that are not this toolkit's, and only such run with {delegate} here",
                where="`delegates`",
                expected="cpu or builtin",
            )
        self._interpreter, self.engine = interpreter(path, threads, xnnpack=delegate == "cpu")
        self._details = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.inputs, self.outputs = ([_tflite_port(item) for item in details] for details in self._details)

    def run(self, real: Array) -> list[Float]:
        (port,), (details,) = self.inputs, self._details[0]
        if tuple(details["shape"]) != real.shape:
            self._interpreter.resize_tensor_input(details["index"], real.shape)
            self._interpreter.allocate_tensors()
            self._details = self._interpreter.get_input_details(), self._details[1]
        self._interpreter.set_tensor(details["index"], port.stored(real))
        self._interpreter.invoke()
        return [
            port.real(self._interpreter.get_tensor(item["index"]))
            for port, item in zip(self.outputs, self._details[1], strict=True)
        ]


def _tflite_port(details: dict[str, Any]) -> Port:
    scale, zero_point = details["quantization"]
    shape = tuple(map(int, details.get("shape_signature", details["shape"])))
    return Port(
        details["name"],
        tuple(item if item > 0 else None for item in (shape or tuple(map(int, details["shape"])))),
        np.dtype(details["dtype"]).name,
        float(scale) or 1.0,
        int(zero_point),
    )


class CoreMl:
    """A package, predicted on a Mac and evaluated elsewhere. What it takes as a picture is given as RGB, NCHW."""

    def __init__(
        self, path: Path, threads: int | None, *, compute_unit: ComputeUnit, evaluator: type[Evaluator] | None = None
    ) -> None:
        """``evaluator``: evaluated by this one, on a Mac too."""
        from converters.coreml.package import Package

        package = Package(path)
        description = package.description
        self.inputs, self.outputs = (
            [_coreml_port(item) for item in ports] for ports in (description.input, description.output)
        )
        self._predicts = sys.platform == "darwin" and evaluator is None
        if self._predicts:
            from converters.runtimes.predicting import Predictor

            self._model = Predictor(path, compute_unit)
            self.engine = f"predicted by Core ML, {compute_unit}"
        else:
            import torch

            from converters.coreml import interpreter

            if threads is not None:
                torch.set_num_threads(threads)
            self._evaluator = (evaluator or interpreter.Evaluator)(package)
            self.engine = "evaluated in PyTorch, not by Core ML"

    def run(self, real: Array) -> list[Float]:
        (port,) = self.inputs
        found = self._predict(port, real) if self._predicts else self._evaluate(port, real)
        return [item.real(np.asarray(found[item.name], np.float32)) for item in self.outputs]

    def _evaluate(self, port: Port, real: Array) -> dict[str, Any]:
        import torch

        # A picture comes to the program in its port's order of colours.
        stored = port.stored(real[:, ::-1] if port.colour == "BGR" else real)
        # The program computes in float32; a port of 16 bits rounds.
        value = torch.from_numpy(np.ascontiguousarray(stored, np.float32))
        return {name: value.numpy() for name, value in self._evaluator.run({port.name: value}).items()}

    def _predict(self, port: Port, real: Array) -> dict[str, Any]:
        from PIL import Image as Picture

        value: Any = port.stored(real)
        if port.dtype == "image":
            value = Picture.fromarray(value[0].transpose(1, 2, 0).astype(np.uint8))
        return self._model.predict({port.name: value})


def _coreml_port(port: Any) -> Port:
    if port.type.WhichOneof("Type") == "imageType":
        image = port.type.imageType
        colour = image.ColorSpace.Name(image.colorSpace)
        return Port(
            port.name,
            (1, 1 if colour.startswith("GRAYSCALE") else 3, image.height, image.width),
            "image",
            colour=colour,
        )
    array = port.type.multiArrayType
    kinds = {"FLOAT16": "float16", "FLOAT32": "float32", "DOUBLE": "float64", "INT32": "int32", "INT8": "int8"}
    kind = kinds.get(array.ArrayDataType.Name(array.dataType), "float32")
    return Port(port.name, tuple(int(size) or None for size in array.shape), kind)
