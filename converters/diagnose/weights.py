"""The weights that a model file holds, and how alike those of one convolution are, whatever wrote the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError

Array = npt.NDArray[np.float32]


def kernels(path: Path) -> list[Array]:
    """Every convolution kernel and matrix of a .onnx, .tflite or .mlpackage as OIHW, float32, in every order of axes
    in which it may be stored."""
    readers = {".onnx": _onnx, ".tflite": _tflite, ".mlpackage": _coreml}
    if path.suffix.lower() not in readers:
        raise ExportError(f"cannot read the weights of {path.name}", where=path, expected=", ".join(readers))
    found: list[Array] = []
    for values in readers[path.suffix.lower()](path):
        if values.ndim == 2:
            found += [values[:, :, None, None], values.T[:, :, None, None]]
        elif values.ndim == 4:
            # OIHW; OHWI; 1HWO of a depthwise convolution; HWIO
            found += [values.transpose(order) for order in ((0, 1, 2, 3), (0, 3, 1, 2), (3, 0, 1, 2), (3, 2, 0, 1))]
    return found


def _onnx(path: Path) -> Iterator[Array]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            stored, scale = (constants[name] for name in node.input[:2])
            axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
            shape = [-1 if index == axis and scale.size > 1 else 1 for index in range(stored.ndim)]
            zero_point = constants[node.input[2]] if len(node.input) > 2 else np.zeros(scale.size)
            real = (stored.astype(np.float32) - zero_point.astype(np.float32).reshape(shape)) * scale.reshape(shape)
            constants[node.output[0]] = real
    yield from (np.asarray(item, np.float32) for item in constants.values() if item.dtype.kind == "f")


def _tflite(path: Path) -> Iterator[Array]:
    from converters.tflite import builder as fb

    model = fb.read(path.read_bytes())
    for tensor in model.subgraphs[0].tensors:
        stored = fb.constant(model, tensor)
        if tensor.type == fb.TensorType.INT4 and tensor.buffer:  # two in a byte, the first in the lower half
            halves = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
            pairs = np.stack([halves << 4, halves & 0xF0], 1).view(np.int8) >> 4
            stored = pairs.reshape(-1)[: np.prod(tensor.shape)].reshape(tensor.shape)
        if stored is not None:
            yield fb.real_values(tensor, stored)


def _coreml(path: Path) -> Iterator[Array]:
    from converters.coreml.interpreter import Evaluator
    from converters.coreml.package import Package

    for value in Evaluator(Package(path)).constants.values():
        if not isinstance(value, (str, list)):
            yield value.float().numpy()


def alikeness(kernel: Array, stored: Sequence[Array]) -> float | None:
    """How much the most similar of some kernels is a kernel, OIHW: 1 where each filter is a multiple of the other's.

    A folded BatchNorm multiplies filters, each by its own factor. The result is the median of |cos| over filters; None
    where none has the kernel's shape.
    """
    own = _directions(kernel)
    found: list[float] = [
        float(np.median(np.abs((own * _directions(other)).sum(1)))) for other in stored if other.shape == kernel.shape
    ]
    return max(found, default=None)


def _directions(kernel: Any) -> npt.NDArray[np.float64]:
    rows = np.nan_to_num(kernel.reshape(len(kernel), -1).astype(np.float64))
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-30))
