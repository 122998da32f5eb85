"""Every intermediate tensor of a model on one input, for .onnx, .tflite and .mlpackage alike.

So that tensors of different graphs can be compared, all are NCHW without axes of size 1 (a vector then equals a 1 x 1
map), and large ones are sampled at places that depend on their size alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.eight_bit import to_bytes
from converters.errors import ExportError
from converters.runtimes.protocol import Image

Array = npt.NDArray[np.float32]
_SAMPLED = 1 << 16
# ONNX Runtime keeps every output that it is asked for, so it is asked for this many at a time.
_BATCH = 24


@dataclass(frozen=True)
class Tensor:
    """One op's output."""

    shape: tuple[int, ...]
    """Of the whole tensor, without axes of size 1."""
    values: Array
    """All elements, or a sample of them; see ``places``."""

    @staticmethod
    def places(size: int) -> npt.NDArray[np.int64]:
        """Which of ``size`` flattened elements a sample holds."""
        if size <= _SAMPLED:
            return np.arange(size, dtype=np.int64)
        # A stride that is coprime to every axis walks through all rows, columns and channels.
        return (np.arange(_SAMPLED, dtype=np.int64) * 1_000_003) % size


@dataclass(frozen=True)
class Step:
    """One op of a graph."""

    name: str
    op: str
    tensor: str
    """The name of its first output."""
    inputs: tuple[int, ...]
    """The indices of the steps that it reads."""
    output: Tensor

    @property
    def origin(self) -> str:
        """The step's name in the float graph: fp16 programs and int8 tensors have a suffix."""
        return self.name.removesuffix("_cast_fp16").removesuffix("/int8").removesuffix("/float")


def sample(array_nchw: npt.NDArray[Any]) -> Tensor:
    """At most 65536 elements, spread over the whole tensor and the same for every tensor of its shape."""
    shape = tuple(size for size in array_nchw.shape if size != 1)
    flat = np.ascontiguousarray(array_nchw, np.float32).reshape(-1)
    return Tensor(shape, flat[Tensor.places(flat.size)])


def _nchw(array_nhwc: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array_nhwc.transpose(0, 3, 1, 2) if array_nhwc.ndim == 4 else array_nhwc


def _steps(items: Iterable[tuple[str, str, Sequence[str], str, Tensor]]) -> list[Step]:
    """From (name, op, inputs, output, value) in the graph's order."""
    made: dict[str, int] = {}
    steps: list[Step] = []
    for name, op, inputs, output, value in items:
        steps.append(Step(name, op, output, tuple(sorted({made[item] for item in inputs if item in made})), value))
        made[output] = len(steps) - 1
    return steps


def trace(path: Path, image_nhwc: Image) -> list[Step]:
    """All ops in order, run on one image, 1 x H x W x 3 in [0, 1]; what computes only with constants is left out.

    Raises ExportError for a file of another format.
    """
    tracers: dict[str, Callable[[Path, Image], Iterator[tuple[str, str, Sequence[str], str, Tensor]]]] = {
        ".onnx": _trace_onnx,
        ".tflite": _trace_tflite,
        ".mlpackage": _trace_coreml,
    }
    if path.suffix.lower() not in tracers:
        raise ExportError(f"cannot trace {path.name}", where=path, expected=", ".join(tracers))
    return _steps(tracers[path.suffix.lower()](path, image_nhwc))


def _trace_onnx(path: Path, image_nhwc: Image) -> Iterator[tuple[str, str, Sequence[str], str, Tensor]]:
    import onnx
    import onnxruntime as ort

    model = onnx.load(path)
    del model.graph.value_info[:]
    nodes, ports = list(model.graph.node), [output.name for output in model.graph.output]
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # As written: what ONNX Runtime fuses has no output of its own.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    feed = {model.graph.input[0].name: np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))}
    for start in range(0, len(nodes), _BATCH):
        batch = [node for node in nodes[start : start + _BATCH] if node.output]
        names = [node.output[0] for node in batch]
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys([*names, *ports]))
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for node, value in zip(batch, session.run(names, feed), strict=True):
            yield node.name or node.output[0], node.op_type, list(node.input), node.output[0], sample(np.asarray(value))


def _trace_tflite(path: Path, image_nhwc: Image) -> Iterator[tuple[str, str, Sequence[str], str, Tensor]]:
    from converters.runtimes.litert import Ports
    from converters.tflite import builder as fb
    from converters.tflite.interpreter import interpreter

    model = fb.read(path.read_bytes())
    graph = model.subgraphs[0]
    loaded, _ = interpreter(path, None, xnnpack=False, preserve=True)
    ports = Ports(path, loaded.get_input_details(), loaded.get_output_details())
    loaded.set_tensor(loaded.get_input_details()[0]["index"], ports.encode(image_nhwc))
    loaded.invoke()
    for op in graph.operators:
        operator = fb.op_name(model, op)
        if fb.reads_only_constants(model, graph, op):
            continue
        index = op.outputs[0]
        tensor = graph.tensors[index]
        value = fb.real_values(tensor, loaded.get_tensor(index))
        name = tensor.name.decode()
        inputs = [graph.tensors[item].name.decode() for item in op.inputs if item >= 0]
        yield name, operator, inputs, name, sample(_nchw(value))


def _trace_coreml(path: Path, image_nhwc: Image) -> Iterator[tuple[str, str, Sequence[str], str, Tensor]]:
    import torch

    from converters.coreml.interpreter import Evaluator
    from converters.coreml.package import Package

    package = Package(path)
    port = package.spec.description.input[0]
    rgb = to_bytes(image_nhwc) if port.type.WhichOneof("Type") == "imageType" else image_nhwc
    found: dict[str, Tensor] = {}

    # An image port is in 0 to 255; in other graphs the tensor that it corresponds to is in [0, 1].
    pictures = {item.name for item in package.spec.description.output if item.type.WhichOneof("Type") == "imageType"}

    def observe(name: str, value: Any) -> None:
        found[name] = sample(value.float().numpy() / (255 if name in pictures else 1))

    feed = torch.from_numpy(np.ascontiguousarray(rgb.transpose(0, 3, 1, 2), np.float32))
    Evaluator(package).run({port.name: feed}, observe)
    for item in package.operations:
        output = item.outputs[0].name
        if output in found:
            inputs = [
                binding.name
                for argument in item.inputs.values()
                for binding in argument.arguments
                if binding.WhichOneof("binding") == "name"
            ]
            yield output, item.type, inputs, output, found[output]
