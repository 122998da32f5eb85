"""Integer arithmetic in part of a graph: which tensors are quantized decides which ops compute in int8.

A tensor is quantized or stays float. An operator whose result is quantized computes in int8 where it can (see
``static``); the others stay as they are, and QUANTIZE and DEQUANTIZE stand where the two meet. So the statistics of a
norm, a sigmoid or the first layers stay in float without any special case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.int8.ranges import Spread

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D")
# Their int8 kernels do not rescale: results have the scale of the inputs.
# AVERAGE_POOL_2D is not among them: XNNPACK leaves its int8 form to the reference kernel.
SAME_SCALE = ("PAD", "CONCATENATION", "RESIZE_BILINEAR", "SLICE")
# The first versions with int8 kernels (tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc).
_VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ADD": 2, "PAD": 2, "CONCATENATION": 2, "RESIZE_BILINEAR": 3, "SLICE": 2,
    "QUANTIZE": 1, "DEQUANTIZE": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Parameters:
    """int8's: value = scale * (q - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float) -> Parameters:
        """The finest that hold [low, high] and 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / 255, 1e-12)
        return cls(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))

    def rounded(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        q = np.clip(np.rint(values / self.scale) + self.zero_point, -128, 127)
        return np.asarray((q - self.zero_point) * self.scale, np.float32)


@dataclass(frozen=True)
class Group:
    """Tensors that share one scale, because operators between them do not rescale; quantized together or not at all."""

    tensors: tuple[int, ...]
    macs: int
    """Multiplications of the convolutions that read or write one of them."""


class Graph:
    """A float graph, and who makes and reads its tensors."""

    def __init__(self, model: Any) -> None:
        self.model = model
        (self.graph,) = model.subgraphs
        self.names = [fb.operator_name(fb.builtin(model, op)) for op in self.graph.operators]
        self.maker: dict[int, int] = {}
        self.readers: dict[int, list[int]] = {}
        for index, op in enumerate(self.graph.operators):
            for tensor in op.outputs:
                self.maker[int(tensor)] = index
            for tensor in op.inputs:
                if tensor >= 0 and not self.is_constant(int(tensor)):
                    self.readers.setdefault(int(tensor), []).append(index)

    def is_constant(self, tensor: int) -> bool:
        return fb.constant(self.model, self.graph.tensors[tensor]) is not None

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(map(int, self.graph.tensors[tensor].shape))

    def inputs(self, index: int) -> list[int]:
        """An op's activations."""
        return [int(item) for item in self.graph.operators[index].inputs if item >= 0 and not self.is_constant(item)]

    def output(self, index: int) -> int:
        return int(self.graph.operators[index].outputs[0])

    def macs(self, index: int) -> int:
        if self.names[index] not in _WEIGHTED:
            return 0
        op = self.graph.operators[index]
        weight, (_, height, width, channels) = self.shape(op.inputs[1]), self.shape(self.output(index))
        window = weight[1] * weight[2]
        return height * width * channels * window * (1 if self.names[index] == "DEPTHWISE_CONV_2D" else weight[3])

    def integer(self, index: int) -> bool:
        """Whether there is an int8 form of the op, for this writer: on maps, with constant weights and a bias."""
        op, name = self.graph.operators[index], self.names[index]
        shape = self.shape(self.output(index))
        if len(shape) != 4 or shape[1] * shape[2] == 1:
            return False
        if name in _WEIGHTED:
            return len(op.inputs) > 2 and op.inputs[2] >= 0 and self.is_constant(op.inputs[1])
        if name == "ADD":
            maps = self.inputs(index)
            return len(maps) == 2 and all(self.shape(item) == shape for item in maps)
        return name in SAME_SCALE

    def static(self, index: int, quantized: Collection[int]) -> bool:
        """Whether the op computes in int8 when these tensors are quantized."""
        if not self.integer(index) or self.output(index) not in quantized:
            return False
        # One that does not rescale takes its result's scale for an input that is float.
        return self.names[index] in SAME_SCALE or all(item in quantized for item in self.inputs(index))

    def integer_reader(self, tensor: int) -> bool:
        """Whether an op with an int8 form reads the tensor."""
        return any(self.integer(index) for index in self.readers.get(tensor, []))

    def groups(self) -> list[Group]:
        """The tensors that may be quantized: those that an op with an int8 form reads or writes."""
        found = {
            tensor
            for index in range(len(self.names))
            if self.integer(index)
            for tensor in [*self.inputs(index), self.output(index)]
        }
        root = {tensor: tensor for tensor in found}

        def top(tensor: int) -> int:
            while root[tensor] != tensor:
                tensor = root[tensor]
            return tensor

        for index, name in enumerate(self.names):
            if name in SAME_SCALE and self.integer(index):
                # An image beside the features that a concatenation joins to it must not widen them everywhere.
                joined = [item for item in self.inputs(index) if item not in self._wide() or name != "CONCATENATION"]
                for tensor in joined:
                    root[top(tensor)] = top(self.output(index))
        members: dict[int, list[int]] = {}
        for tensor in sorted(found):
            members.setdefault(top(tensor), []).append(tensor)
        result = []
        for tensors in members.values():
            touching = {
                index
                for tensor in tensors
                for index in [*self.readers.get(tensor, []), *([self.maker[tensor]] if tensor in self.maker else [])]
            }
            result.append(Group(tuple(tensors), sum(self.macs(index) for index in touching)))
        return result

    def _wide(self) -> set[int]:
        """Tensors that feed more than one op: they have a scale of their own."""
        return {tensor for tensor, readers in self.readers.items() if len(readers) > 1}


def parameters(
    groups: Iterable[Group], spreads: Mapping[int, Spread], setting: str = "min-max"
) -> dict[int, Parameters]:
    """The scale of every tensor. ``setting``: how a range is taken from what was seen.

    ``min-max``: all of it. ``percentile``: all but 1 in 10000 at either end. ``mse``: the share of it that rounds the
    seen values with the least mean square error, clipping counted (as OCTAV for symmetric ranges, Sakr et al. 2022).
    """
    result: dict[int, Parameters] = {}
    for group in groups:
        ranges = [spreads[tensor].range() for tensor in group.tensors]
        low, high = min(item[0] for item in ranges), max(item[1] for item in ranges)
        values = np.concatenate([spreads[tensor].values for tensor in group.tensors])
        if setting == "percentile":
            low, high = (float(np.quantile(values, share)) for share in (1e-4, 1 - 1e-4))
        elif setting == "mse":
            tried = [Parameters.of(low * share, high * share) for share in (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)]
            best = min(tried, key=lambda item: float(np.square(item.rounded(values) - values).mean()))
            result |= dict.fromkeys(group.tensors, best)
            continue
        result |= dict.fromkeys(group.tensors, Parameters.of(low, high))
    return result


class _Writer:
    """The operators anew, each tensor in the form that its reader takes."""

    def __init__(self, whole: Graph, chosen: Mapping[int, Parameters]) -> None:
        self._whole, self._chosen = whole, chosen
        self._int8: dict[tuple[int, Parameters], int] = {}
        self._float = {int(item) for item in whole.graph.inputs}
        self.operators: list[Any] = []

    def add(self, name: str, inputs: list[int], output: int) -> None:
        op = fb.schema.OperatorT()
        code = getattr(fb.BuiltinOperator, name)
        op.opcodeIndex = fb.builtin_code(self._whole.model, code, _VERSIONS[name])
        op.inputs, op.outputs = inputs, [output]
        self.operators.append(op)

    def new(self, like: int, suffix: bytes, kind: int, found: Parameters | None) -> int:
        """A tensor of another type beside ``like``."""
        graph = self._whole.graph
        tensor = fb.schema.TensorT()
        tensor.__dict__.update(vars(graph.tensors[like]))
        tensor.name, tensor.type, tensor.quantization = graph.tensors[like].name + suffix, kind, None
        if found is not None:
            tensor.quantization = quantization([found.scale], [found.zero_point])
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def int8(self, tensor: int, found: Parameters) -> int:
        """The int8 form of a tensor, made of its float form where it is not there."""
        key = (tensor, found)
        if key not in self._int8:
            source = self.float(tensor)
            self._int8[key] = self.new(tensor, b"/int8", fb.TensorType.INT8, found)
            self.add("QUANTIZE", [source], self._int8[key])
        return self._int8[key]

    def float(self, tensor: int) -> int:
        if tensor not in self._float:
            self.add("DEQUANTIZE", [self._int8[tensor, self._chosen[tensor]]], tensor)
            self._float.add(tensor)
        return tensor

    def write(self, index: int) -> None:
        whole = self._whole
        op, name = whole.graph.operators[index], whole.names[index]
        output = whole.output(index)
        maps = set(whole.inputs(index))
        if whole.static(index, self._chosen):
            found = self._chosen[output]
            op.inputs = [
                self.int8(item, found if name in SAME_SCALE else self._chosen[item]) if item in maps else item
                for item in map(int, op.inputs)
            ]
            result = self.new(output, b"/int8", fb.TensorType.INT8, found)
            self._int8[output, found] = result
            op.outputs = [result]
            op.opcodeIndex = fb.builtin_code(whole.model, fb.builtin(whole.model, op), _VERSIONS[name])
        else:
            op.inputs = [self.float(item) if item in maps else item for item in map(int, op.inputs)]
            self._float |= set(map(int, op.outputs))
        self.operators.append(op)


def quantization(scale: Any, zero_point: Any, axis: int = 0) -> Any:
    """A tensor's ``quantization``."""
    made = fb.schema.QuantizationParametersT()
    made.scale, made.zeroPoint = np.asarray(scale, np.float32), np.asarray(zero_point, np.int64)
    made.quantizedDimension = axis
    return made


def lower(whole: Graph, chosen: Mapping[int, Parameters], *, bytes_in_and_out: bool) -> None:
    """Rewrite a graph so that ``chosen`` tensors are int8; the weights of static convolutions must be int8 already.

    ``bytes_in_and_out``: ports are uint8 of scale 1/255 and zero point 0, as a camera gives and a view takes them.
    """
    graph = whole.graph
    writer = _Writer(whole, chosen)
    if bytes_in_and_out:
        (image,), (matte,) = graph.inputs, graph.outputs
        byte = Parameters(1 / 255, 0)
        port = writer.new(image, b"", fb.TensorType.UINT8, byte)
        graph.tensors[image].name += b"/float"
        writer.add("DEQUANTIZE", [port], int(image))
        graph.inputs = [port]
    for index in range(len(whole.names)):
        writer.write(index)
    for tensor in graph.outputs:
        writer.float(int(tensor))
    if bytes_in_and_out:
        result = writer.new(matte, b"", fb.TensorType.UINT8, byte)
        graph.tensors[matte].name += b"/float"
        writer.add("QUANTIZE", [int(matte)], result)
        graph.outputs = [result]
        for signature in whole.model.signatureDefs or []:
            for port_map, old, new in ((signature.inputs, image, port), (signature.outputs, matte, result)):
                for item in port_map:
                    if item.tensorIndex == old:
                        item.tensorIndex = new
    graph.operators = writer.operators
