"""Graphs whose ops can be run one at a time, on any values: .onnx, .tflite and .mlpackage alike.

So that values can pass from one graph to another, every activation is NCHW, and stands for real numbers: a quantized
tensor's are scale * (q - zero point). What computes only with constants is run once, when a graph is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from converters.eight_bit import to_bytes
from converters.errors import ExportError
from converters.runtimes.protocol import Image

if TYPE_CHECKING:
    from onnx import ModelProto

Array = npt.NDArray[Any]
Values = Mapping[str, Array]


@dataclass(frozen=True)
class Node:
    """One op of a graph."""

    name: str
    op: str
    inputs: tuple[str, ...]
    """The activations that it reads, in order."""
    outputs: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The operator's name, spelled alike in all formats: ``depthwiseconv2d``."""
        return self.op.lower().replace("_", "")


class Graph(ABC):
    """A model's ops in order. Values are named by the tensors that hold them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.outputs: list[str] = []
        self.factors: Mapping[str, Array] = {}
        """What the channels of tensors were multiplied with when the model was compressed, by the tensor's name."""

    @abstractmethod
    def feed(self, image_nhwc: Image) -> dict[str, Array]:
        """The graph's input for an image in [0, 1]."""

    @abstractmethod
    def run(self, node: Node, values: Values) -> list[Array]:
        """What an op makes of its inputs."""


def open_graph(path: Path) -> Graph:
    """The graph of a model file; raises ExportError for a file of another format."""
    kinds: dict[str, Callable[[Path], Graph]] = {".onnx": OnnxGraph, ".tflite": TfliteGraph, ".mlpackage": CoreMlGraph}
    if path.suffix.lower() not in kinds:
        raise ExportError(f"cannot trace {path.name}", where=path, expected=", ".join(kinds))
    return kinds[path.suffix.lower()](path)


class OnnxGraph(Graph):
    """Every node as a model of its own, in ONNX Runtime; from a file, or from what was made of one."""

    def __init__(self, model: Path | ModelProto) -> None:
        super().__init__()
        import onnx
        import onnx.inliner

        self._model = onnx.load(model) if isinstance(model, Path) else model
        if self._model.functions:
            self._model = onnx.inliner.inline_local_functions(self._model)
        graph = self._model.graph
        self._initializers = {item.name: item for item in graph.initializer}
        self._port = next(item for item in graph.input if item.name not in self._initializers)
        self.outputs = [item.name for item in graph.output]
        self._constants: dict[str, Array] = {}
        self.protos: dict[str, Any] = {}
        """The node that makes a tensor."""
        self._sessions: dict[str, Any] = {}
        reached = {self._port.name}
        for index, proto in enumerate(graph.node):
            names = _read(proto)
            node = Node(
                proto.name or f"{proto.op_type}_{index}",
                proto.op_type,
                tuple(name for name in names if name in reached),
                tuple(proto.output),
            )
            self.protos |= dict.fromkeys(filter(None, proto.output), proto)
            if node.inputs:
                self.nodes.append(node)
                reached.update(filter(None, node.outputs))
            else:
                self._constants |= dict(zip(node.outputs, self.run(node, {}), strict=True))

    def feed(self, image_nhwc: Image) -> dict[str, Array]:
        import onnx

        dtype = onnx.helper.tensor_dtype_to_np_dtype(self._port.type.tensor_type.elem_type)
        return {self._port.name: np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2)).astype(dtype)}

    def run(self, node: Node, values: Values) -> list[Array]:
        import onnx
        import onnxruntime as ort

        key = next(filter(None, node.outputs))
        proto = self.protos[key]
        feed = {
            name: np.ascontiguousarray(values[name] if name in values else self._constants[name])
            for name in dict.fromkeys(_read(proto))
            if name in node.inputs or name in self._constants
        }
        if key not in self._sessions:
            ports = [
                onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), None)
                for name, value in feed.items()
            ]
            stored = [self._initializers[name] for name in dict.fromkeys(_read(proto)) if name in self._initializers]
            results = [onnx.ValueInfoProto(name=name) for name in node.outputs if name]
            single = onnx.helper.make_model(
                onnx.helper.make_graph([proto], "op", ports, results, stored),
                opset_imports=self._model.opset_import,
                ir_version=self._model.ir_version,
            )
            options = ort.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = 1  # so that no session starts threads of its own
            options.enable_cpu_mem_arena = False  # nor keeps memory
            # As written: an optimiser has nothing to do, and takes most of the time.
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            self._sessions[key] = ort.InferenceSession(
                single.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        found = iter(self._sessions[key].run(None, feed))
        return [np.asarray(next(found)) if name else np.empty(0) for name in node.outputs]


def _read(proto: Any) -> list[str]:
    """The tensors that an ONNX node reads, those that its branches read from outside too."""
    names = [name for name in proto.input if name]
    for attribute in proto.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            made = {name for node in graph.node for name in node.output} | {item.name for item in graph.initializer}
            names += [name for node in graph.node for name in _read(node) if name not in made]
    return names


class TfliteGraph(Graph):
    """Every op as a model of its own, in LiteRT without XNNPACK."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        from converters.tflite import builder
        from converters.tflite.int8.equalise import read_factors

        self._builder = builder
        self._model = builder.read(path.read_bytes())
        (graph,) = self._model.subgraphs
        names = _unique([tensor.name.decode() for tensor in graph.tensors])
        self._tensors = dict(zip(names, graph.tensors, strict=True))
        self._input, self.outputs = names[graph.inputs[0]], [names[index] for index in graph.outputs]
        self._constants: dict[str, Array] = {}
        self._ops: dict[str, Any] = {}
        self._read: dict[str, list[str]] = {}
        """What an op's own model takes: what it reads but for stored constants."""
        self.factors = read_factors(self._model)
        self._models: dict[str, bytes] = {}
        reached = {self._input}
        for op in graph.operators:
            read = [names[index] for index in op.inputs if index >= 0]
            made = tuple(names[index] for index in op.outputs)
            node = Node(made[0], builder.op_name(self._model, op), tuple(n for n in read if n in reached), made)
            self._ops[node.name] = op
            self._read[node.name] = [name for name in dict.fromkeys(read) if name in reached or name in self._constants]
            if node.inputs:
                self.nodes.append(node)
                reached.update(made)
            else:
                self._constants |= dict(zip(made, self._invoke(node, {}), strict=True))

    def feed(self, image_nhwc: Image) -> dict[str, Array]:
        return {self._input: np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))}

    def run(self, node: Node, values: Values) -> list[Array]:
        stored = {name: self._stored(name, values[name]) for name in node.inputs}
        return [self._real(name, value) for name, value in zip(node.outputs, self._invoke(node, stored), strict=True)]

    def _invoke(self, node: Node, stored: Values) -> list[Array]:
        """Run an op on values as its tensors hold them."""
        from converters.tflite.interpreter import interpreter

        if node.name not in self._models:
            self._models[node.name] = self._builder.cut(self._model, [self._ops[node.name]])
        loaded, _ = interpreter(self._models[node.name], 1, xnnpack=False)  # anew: each one keeps its tensors' memory
        values = {**self._constants, **stored}
        given = {
            port["index"]: values[name]
            for port, name in zip(loaded.get_input_details(), self._read[node.name], strict=True)
        }
        shapes = {port["index"]: tuple(port["shape"]) for port in loaded.get_input_details()}
        resized = [index for index, value in given.items() if value.shape != shapes[index]]
        for index in resized:  # an op before has another shape than the file says
            loaded.resize_tensor_input(index, given[index].shape)
        if resized:
            loaded.allocate_tensors()
        for index, value in given.items():
            loaded.set_tensor(index, value)
        loaded.invoke()
        return [np.asarray(loaded.get_tensor(port["index"])) for port in loaded.get_output_details()]

    def _real(self, name: str, stored: Array) -> Array:
        if stored.dtype.kind in "iu" and not _is_quantized(self._tensors[name]):
            return stored
        real = self._builder.real_values(self._tensors[name], stored)
        return real.transpose(0, 3, 1, 2) if real.ndim == 4 else real

    def _stored(self, name: str, real: Array) -> Array:
        tensor = self._tensors[name]
        native = np.ascontiguousarray(real.transpose(0, 2, 3, 1) if real.ndim == 4 else real)
        if not _is_quantized(tensor):
            return native
        (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zeroPoint
        kinds = self._builder.TensorType
        dtype: Any = {kinds.INT8: np.int8, kinds.UINT8: np.uint8, kinds.INT16: np.int16}[tensor.type]
        steps = np.rint(np.nan_to_num(native / np.float32(scale))) + zero_point
        return np.asarray(np.clip(steps, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype))


def _unique(names: Sequence[str]) -> list[str]:
    """The names, a repeated one with its number: a tensor that is quantized a second time has the first one's name."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def _is_quantized(tensor: Any) -> bool:
    found = tensor.quantization
    return found is not None and found.scale is not None and len(found.scale) > 0


class CoreMlGraph(Graph):
    """Every operation in the evaluator. Image ports, which are in 0 to 255, are read as [0, 1] at the outputs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        from converters.coreml.interpreter import Evaluator
        from converters.coreml.package import Package
        from converters.runtimes.coreml import gives_half_image

        package = Package(path)
        self._evaluator = Evaluator(package)
        description = package.description
        self._port = description.input[0]
        self._pictures = {
            item.name
            for item in description.output
            if item.type.WhichOneof("Type") == "imageType" and not gives_half_image(item)
        }
        self.outputs = package.output_names
        self._operations: dict[str, Any] = {}
        reached = {self._port.name}
        for item in package.operations:
            read = tuple(
                binding.name
                for argument in item.inputs.values()
                for binding in argument.arguments
                if binding.WhichOneof("binding") == "name" and binding.name in reached
            )
            if read:
                made = tuple(output.name for output in item.outputs)
                self.nodes.append(Node(made[0], item.type, read, made))
                self._operations[made[0]] = item
                reached.update(made)

    def feed(self, image_nhwc: Image) -> dict[str, Array]:
        is_image = self._port.type.WhichOneof("Type") == "imageType"
        pixels = to_bytes(image_nhwc) if is_image else image_nhwc
        return {self._port.name: np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)}

    def run(self, node: Node, values: Values) -> list[Array]:
        import torch

        given: dict[str, Any] = {name: torch.from_numpy(np.array(values[name])) for name in node.inputs}
        found = self._evaluator.evaluate(self._operations[node.name], given)
        arrays = [value.numpy() for value in found]
        arrays = [array.astype(np.float32) if array.dtype == np.float16 else array for array in arrays]
        return [
            array / np.float32(255) if name in self._pictures else array
            for name, array in zip(node.outputs, arrays, strict=True)
        ]
