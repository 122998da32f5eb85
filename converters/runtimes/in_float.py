"""A model of 16-bit or integer arithmetic, run in float32: what is wrong here too is not its rounding."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.runtimes.raw import RawModel, open_raw

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
    if not any(index in quantized_tensors(model) for op in graph.operators for index in map(int, op.outputs)):
        return None
    floating(model)
    return fb.write(model)


def quantized_tensors(model: Any) -> set[int]:
    """The indices of a TFLite model's quantized tensors."""
    return {
        index
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale)
    }


def floating(model: Any) -> dict[int, int]:
    """Change a TFLite model in place: every quantized tensor becomes float32, and what quantizes goes away.

    Tensors keep their indices; those that no op makes any more are in the result, each with the one that it equals.
    """
    from converters.tflite import builder as fb

    builder = fb.Builder(model)
    graph = builder.graph
    for index in quantized_tensors(model):
        tensor = builder.tensor(index)
        stored = builder.constant(index)
        if stored is not None:
            builder.set_constant(index, fb.real_values(tensor, stored))
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
    for old in [int(index) for index in graph.outputs]:
        if old in same:
            builder.replace_port("outputs", old, same[old])
    return same
