"""What is in a model file: ops, shapes, parameters, multiplications, and how many ops XNNPACK runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.errors import ExportError, needs, reason
from converters.placement import Placement


@dataclass(frozen=True)
class Tensor:
    """An input or output."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True)
class Summary:
    """A model at a glance."""

    file: str
    format: str
    bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: dict[str, int]
    """How many there are of each operator, the most frequent first."""
    parameters: int
    weight_types: dict[str, int]
    """Parameters by element type."""
    macs: int | None
    """Multiply-accumulate operations of one run; None where a shape is dynamic."""
    delegate: str | None = None
    delegated_ops: int | None = None
    """How many of ``ops`` the delegate runs; None where no delegate was asked."""
    reduced_precision: str | None = None
    """What a TFLite file lets XNNPACK compute in besides float32, on a CPU that has it; None: nothing."""
    partitions: int | None = None
    """How many parts of the graph it runs in one piece each."""
    functions: tuple[tuple[str, tuple[Tensor, ...]], ...] = ()
    """Of a Core ML package of several functions: each one's name and inputs; all else is of the first, its default."""
    placement: tuple[Placement, ...] = ()
    """What each accelerator of the format may take, as an estimate: for Core ML the Neural Engine."""


def inspect(path: Path) -> Summary:
    """Summarise a .onnx or .tflite file or an .mlpackage; raises ExportError for one that cannot be read."""
    readers = {".onnx": _inspect_onnx, ".tflite": _inspect_tflite, ".mlpackage": _inspect_coreml}
    if path.suffix.lower() not in readers or not (path.is_file() or path.is_dir()):
        raise ExportError(f"cannot inspect {path}", where=path, expected="a .onnx, .tflite or .mlpackage that exists")
    try:
        return readers[path.suffix.lower()](path)
    except ExportError:
        raise
    except Exception as error:  # protobuf and flatbuffers raise whatever a broken file leads them to
        raise ExportError(
            f"cannot read {path.name}: {reason(error)}",
            where=path,
            expected=f"a whole {path.suffix[1:]} model",
            next_step="export or copy the file again",
        ) from error


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _inspect_onnx(path: Path) -> Summary:
    import onnx_ir as ir
    from onnx_ir.passes.common import ShapeInferencePass

    from converters.onnx.graph import constant, static_shape

    model = ir.load(path)
    if not model.graph.num_nodes():
        raise ValueError("it holds no graph")
    ShapeInferencePass()(model)
    types: Counter[str] = Counter()
    for value in model.graph.initializers.values():
        array = constant(value)
        if array is not None:
            types[str(array.dtype)] += array.size
    macs: int | None = 0
    for node in model.graph:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or macs is None:
            continue
        output = static_shape(node.outputs[0])
        second = None if node.inputs[1] is None else static_shape(node.inputs[1])
        if output is None or second is None:
            macs = None
        elif node.op_type == "Conv":
            macs += math.prod(output) * math.prod(second[1:])
        else:
            transposed = node.op_type == "Gemm" and "transB" in node.attributes and node.attributes["transB"].value
            macs += math.prod(output) * second[-1 if transposed else -2]
    ports = [
        tuple(
            Tensor(
                str(value.name),
                tuple(dim if isinstance(dim, int) else str(dim.value) for dim in value.shape or ()),
                "?" if value.dtype is None else value.dtype.name.lower(),
            )
            for value in values
        )
        for values in (model.graph.inputs, model.graph.outputs)
    ]
    return Summary(
        file=path.name,
        format=f"ONNX, opset {model.opset_imports.get('', '?')}",
        bytes=path.stat().st_size,
        inputs=ports[0],
        outputs=ports[1],
        ops=_counted(node.op_type for node in model.graph),
        parameters=sum(types.values()),
        weight_types=dict(types),
        macs=macs,
    )


def _inspect_tflite(path: Path) -> Summary:
    from converters.tflite import builder as fb
    from converters.tflite.placement import ACCELERATORS, estimates
    from converters.tflite.weights import PRECISION_KEY

    data = path.read_bytes()
    model = fb.read(data)
    graph = model.subgraphs[0]
    type_names = {code: name.lower() for name, code in vars(fb.TensorType).items() if isinstance(code, int)}
    types: Counter[str] = Counter()
    for tensor in graph.tensors:
        # By the shape: two weights of 4 bits share a byte.
        if tensor.buffer and model.buffers[tensor.buffer].data is not None:
            types[type_names[tensor.type]] += math.prod(map(int, () if tensor.shape is None else tensor.shape))
    ops: list[str] = []
    macs = 0
    for op in graph.operators:
        ops.append(fb.op_name(model, op))
        if ops[-1] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weight, output = graph.tensors[op.inputs[1]].shape, graph.tensors[op.outputs[0]].shape
            # Weights: O x h x w x I, 1 x h x w x O (depthwise), O x I.
            per_output = math.prod(weight[1:3]) if ops[-1].startswith("DEPTHWISE") else math.prod(weight[1:])
            macs += math.prod(int(size) for size in output) * int(per_output)

    def ports(indices: Sequence[int]) -> tuple[Tensor, ...]:
        tensors = [graph.tensors[index] for index in indices]
        return tuple(
            Tensor(tensor.name.decode(), tuple(map(int, tensor.shape)), type_names[tensor.type]) for tensor in tensors
        )

    delegated, partitions = _xnnpack_share(path, len(ops))
    reduced = fb.read_metadata(model, PRECISION_KEY)
    return Summary(
        file=path.name,
        format=f"TFLite, schema {model.version}",
        bytes=path.stat().st_size,
        inputs=ports(graph.inputs),
        outputs=ports(graph.outputs),
        ops=_counted(ops),
        parameters=sum(types.values()),
        weight_types=dict(types),
        macs=macs,
        delegate="XNNPACK",
        delegated_ops=delegated,
        reduced_precision=None if reduced is None else reduced.decode(),
        partitions=partitions,
        placement=estimates(data, ACCELERATORS),
    )


def _inspect_coreml(path: Path) -> Summary:
    needs("coremltools", extra="coreml")
    from converters.coreml.package import Package
    from converters.coreml.placement import estimate

    package = Package(path)
    sizes: dict[str, list[int]] = {}
    stored: dict[str, str] = {}
    ops: list[str] = []
    macs = 0
    for item in package.operations:
        for output in item.outputs:
            sizes[output.name] = _dimensions(output.type)
        if item.type == "const" or item.type.startswith("constexpr_"):
            stored[item.outputs[0].name] = _stored_as(item, stored)
            if item.type != "const":  # what it reads is no weight of its own
                read = {binding.name for argument in item.inputs.values() for binding in argument.arguments}
                stored = {name: kind for name, kind in stored.items() if name not in read}
            continue
        ops.append(item.type)
        if item.type in ("conv", "linear"):
            weight = sizes[item.inputs["weight"].arguments[0].name]
            macs += math.prod(sizes[item.outputs[0].name]) * math.prod(weight[1:])

    def ports(features: Sequence[Any]) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        for feature in features:
            if feature.type.WhichOneof("Type") == "imageType":
                image = feature.type.imageType
                space = image.ColorSpace.Name(image.colorSpace).lower()
                found.append(Tensor(feature.name, (image.height, image.width), f"{space} image"))
            else:
                array = feature.type.multiArrayType
                kind = array.ArrayDataType.Name(array.dataType).lower()
                found.append(Tensor(feature.name, tuple(int(size) for size in array.shape), kind))
        return tuple(found)

    types: Counter[str] = Counter()
    for name, kind in stored.items():
        if kind != "string":
            types[kind] += math.prod(sizes[name])
    return Summary(
        file=path.name,
        format=f"Core ML, specification {package.spec.specificationVersion}",
        bytes=sum(item.stat().st_size for item in path.rglob("*") if item.is_file()),
        inputs=ports(package.description.input),
        outputs=ports(package.description.output),
        ops=_counted(ops),
        parameters=sum(types.values()),
        weight_types=dict(types),
        macs=macs,
        functions=tuple((name, ports(Package(path, name).description.input)) for name in package.functions),
        placement=(estimate(package),),
    )


def _dimensions(value: Any) -> list[int]:
    return [dimension.constant.size for dimension in value.tensorType.dimensions]


def _stored_as(item: Any, stored: Mapping[str, str]) -> str:
    """The type that a constant, or a compressed weight, is stored in; ``stored`` are those of the constants so far."""
    from coremltools.proto import MIL_pb2

    def kind(value: Any) -> str:
        return str(MIL_pb2.DataType.Name(value.type.tensorType.dataType).lower())

    kinds = {name: kind(value) for name, value in item.attributes.items()}
    for name, argument in item.inputs.items():  # from iOS 18 on, a value or the name of one
        (binding,) = argument.arguments
        kinds[name] = kind(binding.value) if binding.WhichOneof("binding") == "value" else stored.get(binding.name, "?")
    if "lut" in item.attributes:  # iOS 16 packs indices of any width into bytes
        return f"uint{max(math.prod(_dimensions(item.attributes['lut'].type)).bit_length() - 1, 1)}"
    names = ("val", "indices", "quantized_data", "data", "nonzero_data", "source_val")
    return next((kinds[name] for name in names if name in kinds), "?")


def _xnnpack_share(path: Path, op_count: int) -> tuple[int, int]:
    """How many of the file's ops XNNPACK runs, and in how many partitions.

    The interpreter lists the file's ops first and then one DELEGATE for each partition, with the tensors that enter and
    leave it. Walking back from those that leave to those that enter visits each op of the partition once.
    """
    from converters.tflite.interpreter import interpreter

    loaded: Any = interpreter(path, 1)[0]
    details = loaded._get_ops_details()
    ops, delegates = details[:op_count], details[op_count:]
    maker = {int(tensor): index for index, op in enumerate(ops) for tensor in op["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        enter = {int(tensor) for tensor in np.ravel(delegate["inputs"])}
        pending = [int(tensor) for tensor in delegate["outputs"]]
        while pending:
            tensor = pending.pop()
            index = maker.get(tensor)
            if tensor in enter or index is None or index in taken:
                continue
            taken.add(index)
            pending += [int(item) for item in ops[index]["inputs"] if item >= 0]
    return len(taken), len(delegates)
