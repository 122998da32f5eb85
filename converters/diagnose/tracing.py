"""Every intermediate tensor of a model on one input, for .onnx, .tflite and .mlpackage alike.

So that tensors of different graphs can be compared, all are NCHW without axes of size 1 (a vector then equals a 1 x 1
map), and large ones are compared at places that depend on their size alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.diagnose.rerun import Graph, Node, OnnxGraph, Values, open_graph
from converters.runtimes.protocol import Image

Array = npt.NDArray[np.float32]
_SAMPLED = 1 << 16


@dataclass(frozen=True)
class Tensor:
    """What an op computes."""

    whole: npt.NDArray[Any] = field(repr=False)
    """All elements, without axes of size 1."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Without axes of size 1."""
        return self.whole.shape

    @cached_property
    def values(self) -> Array:
        """All elements, or a sample of at most 65536 of them; see ``places``."""
        return np.asarray(self.whole.reshape(-1)[self.places(self.whole.size)], np.float32)

    @staticmethod
    def places(size: int) -> npt.NDArray[np.int64]:
        """Which of ``size`` flattened elements a sample holds."""
        if size <= _SAMPLED:
            return np.arange(size, dtype=np.int64)
        # A stride that is coprime to every axis walks through all rows, columns and channels.
        return (np.arange(_SAMPLED, dtype=np.int64) * 1_000_003) % size


@dataclass(frozen=True)
class Step:
    """One op of a graph, or one of its outputs where it has several."""

    name: str
    op: str
    tensor: str
    """The name of the output."""
    inputs: tuple[int, ...]
    """The indices of the steps that it reads."""
    output: Tensor
    inner: tuple[Tensor, ...] = field(default=(), repr=False)
    """What the op computes on its way: another graph may have an op for it."""

    @property
    def origin(self) -> str:
        """The step's name in the float graph: fp16 programs and integer tensors have a suffix."""
        return origin(self.name)


def origin(name: str) -> str:
    """The name in the float graph of an op or a tensor of a compressed one."""
    return re.sub(r"(_cast_fp16)?(/int8|/int16)?(/float)?$", "", re.sub(r"#\d+$", "", name))


def tensor(array_nchw: npt.NDArray[Any]) -> Tensor:
    """An op's output, to be compared with others."""
    whole = np.asarray(array_nchw, np.float32)
    return Tensor(whole.reshape([size for size in whole.shape if size != 1]))


def image_step(name: str, image_nhwc: Image) -> Step:
    """What stands before all ops: another graph may have an op that gives the image."""
    return Step(name, "Input", name, (), tensor(image_nhwc.transpose(0, 3, 1, 2)))


def trace(model: Path | Graph, image_nhwc: Image) -> list[Step]:
    """The image and all ops in order, run on one image, 1 x H x W x 3 in [0, 1]; what computes only with constants is
    left out.

    Raises ExportError for a file of another format.
    """
    graph = open_graph(model) if isinstance(model, Path) else model
    values: dict[str, npt.NDArray[Any]] = graph.feed(image_nhwc)
    (port,) = values
    steps, made = [image_step(port, image_nhwc)], {port: 0}
    for node in graph.nodes:
        found = graph.run(node, values)
        inputs = tuple(sorted({made[name] for name in node.inputs if name in made}))
        values |= dict(zip(node.outputs, found, strict=True))
        inner = tuple(_inner(graph, node, values)) if isinstance(graph, OnnxGraph) else ()
        for name, value in zip(node.outputs, found, strict=True):
            if name and value.dtype.kind == "f":
                made[name] = len(steps)
                steps.append(Step(node.name, node.op, name, inputs, tensor(value), inner))
    return steps


def _inner(graph: OnnxGraph, node: Node, values: Values) -> Iterator[Tensor]:
    """What an ONNX op computes on its way, in the forms in which other graphs have ops for it.

    A convolution pads its input. An instance norm subtracts the mean and divides by the deviation; where a Concat joins
    its result to other channels, a graph may treat all as one, with a mean of 0 and a deviation of 1 for the others.
    """
    proto = graph.protos[node.outputs[0]]
    attributes = {item.name: list(item.ints) for item in proto.attribute}
    if node.op == "Conv" and any(attributes.get("pads", [])):
        image, pads = values[proto.input[0]], attributes["pads"]
        around = [(0, 0), (0, 0), *zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True)]
        yield tensor(np.pad(image, around))
    norms = {
        name: graph.protos[name]
        for name in proto.input
        if name in graph.protos and graph.protos[name].op_type == "InstanceNormalization"
    }
    if node.op == "Concat" and norms:
        parts = [
            _statistics(norms.get(name), values[norms[name].input[0] if name in norms else name])
            for name in proto.input
        ]
        yield from (tensor(np.concatenate(forms, axis=1)) for forms in zip(*parts, strict=True))


def _statistics(norm: Any, x: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """A norm's input, its mean, the centred input, and the statistics up to the inverse deviation."""
    epsilon = next((item.f for item in norm.attribute if item.name == "epsilon"), 1e-5) if norm is not None else 1.0
    axes = tuple(range(2, x.ndim))
    wide = x.astype(np.float64)
    mean = wide.mean(axes, keepdims=True) * (norm is not None)
    variance = np.square(wide - mean).mean(axes, keepdims=True) * (norm is not None)
    deviation = np.sqrt(variance + epsilon)
    return [wide, mean, wide - mean, variance, variance + epsilon, deviation, 1 / deviation]
