"""A model of 16-bit or integer arithmetic, run in float32: what is wrong here too is not its rounding."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from converters.runtimes.raw import Array, Port, RawModel, open_raw

if TYPE_CHECKING:
    from onnx import ModelProto


def open_in_float(path: Path, threads: int | None = None) -> RawModel | None:
    """The model with its own weights and float32 activations; None where it has these already, or a form without them.

    Its ports may have become floats, and stand for the same real numbers.
    """
    suffix = path.suffix.lower()
    if suffix == ".mlpackage":
        return _coreml(path, threads)
    data = _onnx(path) if suffix == ".onnx" else _tflite(path)
    if data is None:
        return None
    with tempfile.TemporaryDirectory(prefix="converters_") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(data)
        return open_raw(copy, threads=threads)


def _coreml(path: Path, threads: int | None) -> RawModel | None:
    """Evaluated here, on a Mac too, without rounding what the program declares as fp16."""
    from converters.coreml.interpreter import Evaluator
    from converters.coreml.package import Package
    from converters.runtimes.raw import CoreMl

    class Unrounded(Evaluator):
        @staticmethod
        def _rounded(item: Any, index: int, value: Any) -> Any:
            return value

    model = CoreMl(path, threads, compute_unit="ALL", evaluator=Unrounded)
    return model if has_fp16(Package(path)) else None


def has_fp16(package: Any) -> bool:
    from converters.coreml.quiet import MIL_pb2

    return any(
        MIL_pb2.DataType.Name(output.type.tensorType.dataType) == "FLOAT16"
        for item in package.operations
        if item.type != "const"
        for output in item.outputs
    )


def _onnx(path: Path) -> bytes | None:
    import onnx

    from converters.onnx.standard import in_float32

    model = onnx.load(path)
    wide, unquantized = in_float32(model), _without_quantization(model)
    return model.SerializeToString() if wide or unquantized else None


def _without_quantization(model: ModelProto) -> bool:
    """Take the pairs of QuantizeLinear and DequantizeLinear around activations away; returns whether there were any."""
    graph = model.graph
    constants = {item.name for item in graph.initializer}
    quantized = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    }
    aliases = {
        node.output[0]: quantized[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in quantized
    }
    outputs = {item.name for item in graph.output}
    for node in graph.node:
        for index, name in enumerate(node.input):
            while name in aliases:
                name = aliases[name]
            node.input[index] = name
        if node.op_type == "DequantizeLinear" and node.output[0] in outputs and node.output[0] in aliases:
            source = aliases[node.output[0]]
            node.op_type = "Identity"
            del node.input[:]
            node.input.append(aliases.get(source, source))
    return bool(aliases)


def _tflite(path: Path) -> bytes | None:
    from converters.tflite import builder as fb

    model = fb.read(path.read_bytes())
    graph = model.subgraphs[0]
    if not any(index in _quantized(model) for op in graph.operators for index in map(int, op.outputs)):
        return None
    floating(model)
    return fb.write(model)


def _quantized(model: Any) -> set[int]:
    """The indices of a TFLite model's quantized tensors."""
    return {
        index
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale)
    }


def floating(model: Any) -> None:
    """Change a TFLite model in place: every quantized tensor becomes float32, and what quantizes goes away.

    Tensors keep their indices.
    """
    from converters.tflite import builder as fb

    graph = model.subgraphs[0]
    for index in _quantized(model):
        tensor = graph.tensors[index]
        stored = fb.constant(model, tensor)
        if stored is not None:
            buffer = fb.schema.BufferT()
            buffer.data = np.ascontiguousarray(fb.real_values(tensor, stored), np.float32).reshape(-1).view(np.uint8)
            model.buffers.append(buffer)
            tensor.buffer = len(model.buffers) - 1
        tensor.type, tensor.quantization = fb.TensorType.FLOAT32, None
    same: dict[int, int] = {}
    kept = []
    for op in graph.operators:
        op.inputs = [same.get(int(index), int(index)) for index in op.inputs]
        source, target = int(op.inputs[0]), int(op.outputs[0])
        moves = fb.op_name(model, op) in ("QUANTIZE", "DEQUANTIZE")
        if moves and graph.tensors[source].type == graph.tensors[target].type:
            same[target] = source
        else:
            kept.append(op)
    graph.operators = kept
    replaced = fb.Builder(model)
    for old in [int(index) for index in graph.outputs]:
        if old in same:
            replaced.replace_port("outputs", old, same[old])


@dataclass(frozen=True)
class PoorRange:
    """A quantized activation whose range does not fit what it has to hold."""

    tensor: str
    op: str
    low: float
    high: float
    """What it can hold."""
    least: float
    greatest: float
    """What it has to hold on the images."""
    clipped: float
    """The share of values beyond its range."""
    snr_db: float
    """Of its values after rounding and clipping."""


def poorest_range(path: Path, given: Sequence[Array]) -> PoorRange | None:
    """The quantized activation of a TFLite model that loses most of its values to its own range, on some images.

    ``given``: each image as the input takes it, in real numbers. None where no activation is quantized.
    """
    return min(_ranges(path, given), key=lambda item: item.snr_db, default=None)


def _ranges(path: Path, given: Sequence[Array]) -> Iterator[PoorRange]:
    from converters.tflite import builder as fb
    from converters.tflite.interpreter import interpreter

    model = fb.read(path.read_bytes())
    graph = model.subgraphs[0]
    ports = {
        index: _port(tensor)
        for index, tensor in enumerate(graph.tensors)
        if index in _quantized(model) and fb.constant(model, tensor) is None and len(tensor.quantization.scale) == 1
    }
    makers = {int(index): fb.op_name(model, op) for op in graph.operators for index in op.outputs}
    floating(model)
    loaded, _ = interpreter(fb.write(model), None, xnnpack=False, preserve=True)
    values: dict[int, list[npt.NDArray[np.float32]]] = {}
    alive = {int(index) for op in graph.operators for index in op.outputs}
    for image in given:
        loaded.set_tensor(loaded.get_input_details()[0]["index"], np.asarray(image, np.float32))
        loaded.invoke()
        for index in ports:
            if index in alive:
                values.setdefault(index, []).append(np.array(loaded.get_tensor(index)))
    for index, found in values.items():
        whole = np.concatenate([item.reshape(-1) for item in found]).astype(np.float64)
        port = ports[index]
        low, high = port.bounds or (0.0, 0.0)
        half = port.scale / 2
        noise = np.square(port.real(port.stored(whole)) - whole).mean()
        yield PoorRange(
            graph.tensors[index].name.decode(errors="replace"),
            makers.get(index, "input"),
            low,
            high,
            float(whole.min()),
            float(whole.max()),
            float(((whole < low - half) | (whole > high + half)).mean()),
            float(10 * np.log10((np.square(whole).mean() + 1e-30) / (noise + 1e-30))),
        )


def _port(tensor: Any) -> Port:
    from converters.tflite import builder as fb

    names = {fb.TensorType.INT8: "int8", fb.TensorType.UINT8: "uint8", fb.TensorType.INT16: "int16"}
    (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zeroPoint
    return Port("", (), names.get(tensor.type, "int32"), float(scale), int(zero_point))
