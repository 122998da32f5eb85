"""Faults seeded into exported artefacts: one op of a copy is spoiled, drawn by a seed over kinds, ops and sizes."""

from __future__ import annotations

import shutil
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import helper, numpy_helper

Array = np.ndarray
Rng = np.random.Generator


@dataclass(frozen=True)
class Seeded:
    """What was done to an artefact."""

    kind: str
    op: str
    tensor: str
    group: frozenset[str]
    """The outputs of the op and, of a convolution, of the activation behind it."""


class Ops(ABC):
    """An artefact's ops by index, to put a fault in. Weights are OIHW; what an op does not have is None."""

    kinds: list[str]
    """ONNX's name of each operator."""
    tensors: list[str]
    """The name of each op's output."""
    readers: dict[str, list[int]]

    @abstractmethod
    def read(self, index: int, role: str) -> Array | None: ...

    @abstractmethod
    def store(self, index: int, role: str, values: Array) -> None: ...

    @abstractmethod
    def swap(self, index: int) -> None: ...

    @abstractmethod
    def changeable(self, index: int, kind: str) -> bool:
        """Whether ``change`` has a fault of this kind (activation, padding, attribute) for the op."""

    @abstractmethod
    def change(self, index: int, kind: str) -> None: ...

    @abstractmethod
    def write(self, path: Path) -> None: ...

    def group(self, index: int) -> set[str]:
        found = {self.tensors[index]}
        if self.kinds[index] == "Conv":
            found |= {
                self.tensors[i] for i in self.readers.get(self.tensors[index], []) if self.kinds[i] in ACTIVATIONS
            }
        return found


ACTIVATIONS = ("Relu", "Clip")


def _strongest(weights: Array) -> int:
    return int(np.square(weights).reshape(len(weights), -1).sum(1).argmax())


def _scaled(weights: Array, rng: Rng) -> Array:
    return weights * rng.choice([1.0005, 1.002, 1.01, 1.1, 3.0, -1.0])


def _one_channel(weights: Array, rng: Rng) -> Array:
    weights[_strongest(weights)] *= rng.choice([1.05, 3.0, -1.0, 0.0])
    return weights


def _inputs_swapped(weights: Array, rng: Rng) -> Array:
    pair = rng.choice(weights.shape[1], 2, replace=False)
    weights[:, pair] = weights[:, pair[::-1]]
    return weights


def _outputs_swapped(weights: Array, rng: Rng) -> Array:
    first = _strongest(weights)
    second = (first + 1 + rng.integers(len(weights) - 1)) % len(weights)
    weights[[first, second]] = weights[[second, first]]
    return weights


def _transposed(weights: Array, rng: Rng) -> Array:
    return weights.swapaxes(2, 3)


def _not_finite(weights: Array, rng: Rng) -> Array:
    weights.reshape(-1)[rng.integers(weights.size)] = rng.choice([np.inf, -np.inf, np.nan])
    return weights


def _bias(bias: Array, rng: Rng) -> Array:
    if rng.integers(2):
        bias[int(np.abs(bias).argmax())] *= -1
        return bias
    return bias + rng.choice([0.01, 0.1, 1.0])


def _constant(constant: Array, rng: Rng) -> Array:
    return constant * rng.choice([0.5, 0.9, 1.1, 2.0])


@dataclass(frozen=True)
class _Stored:
    """A fault in numbers that a file holds."""

    role: str
    spoil: Callable[[Array, Rng], Array]
    suits: Callable[[tuple[int, ...]], bool] = lambda shape: True


KINDS: dict[str, _Stored | None] = {
    "weights scaled": _Stored("weights", _scaled),
    "channel scaled": _Stored("weights", _one_channel),
    "inputs swapped": _Stored("weights", _inputs_swapped, lambda shape: shape[1] > 1),
    "outputs swapped": _Stored("weights", _outputs_swapped, lambda shape: shape[0] > 1),
    "kernel transposed": _Stored("weights", _transposed, lambda shape: shape[2] > 1),
    "not finite": _Stored("weights", _not_finite),
    "bias": _Stored("bias", _bias),
    "constant": _Stored("constant", _constant),
    "order": None,
    "activation": None,
    "padding": None,
    "attribute": None,
}


def seed(ops: Ops, number: int) -> Seeded:
    """Spoil one op. Numbers that follow each other give different kinds; every third of the graph is as likely."""
    rng = np.random.default_rng(number)
    names = list(KINDS)
    for kind in names[number % len(names) :] + names:
        stored = KINDS[kind]
        fit = [index for index in range(len(ops.kinds)) if _suits(ops, index, kind, stored)]
        if fit:
            parts = [part for part in np.array_split(fit, 3) if len(part)]
            index = int(rng.choice(parts[rng.integers(len(parts))]))
            done = Seeded(kind, ops.kinds[index], ops.tensors[index], frozenset(ops.group(index)))
            if stored is not None:
                values = ops.read(index, stored.role)
                assert values is not None
                ops.store(index, stored.role, np.ascontiguousarray(stored.spoil(values.copy(), rng), np.float32))
            elif kind == "order":
                ops.swap(index)
            else:
                ops.change(index, kind)
            return done
    raise AssertionError("no fault fits")


def _suits(ops: Ops, index: int, kind: str, stored: _Stored | None) -> bool:
    if stored is not None:
        values = ops.read(index, stored.role)
        return values is not None and stored.suits(values.shape)
    if kind == "order":
        return ops.kinds[index] == "Concat" or (ops.kinds[index] == "Sub" and ops.read(index, "constant") is None)
    return ops.changeable(index, kind)


def open_ops(path: Path) -> Ops:
    return {".onnx": OnnxOps, ".tflite": TfliteOps, ".mlpackage": CoreMlOps}[path.suffix](path)


class OnnxOps(Ops):
    _ROLES: ClassVar = {"weights": ("Conv", 1), "bias": ("Conv", 2)}
    _CONSTANT: ClassVar = ("Mul", "Add", "Sub", "BatchNormalization")

    def __init__(self, path: Path) -> None:
        self._model = onnx.load(path)
        self._nodes = self._model.graph.node
        self._constants = {item.name: item for item in self._model.graph.initializer}
        self.kinds = [node.op_type for node in self._nodes]
        self.tensors = [node.output[0] for node in self._nodes]
        self.readers = {}
        for index, node in enumerate(self._nodes):
            for name in node.input:
                self.readers.setdefault(name, []).append(index)

    def _place(self, index: int, role: str) -> int | None:
        node = self._nodes[index]
        if role == "constant":
            known = [place for place, name in enumerate(node.input) if name in self._constants]
            return known[0] if node.op_type in self._CONSTANT and known else None
        op, place = self._ROLES[role]
        fits = node.op_type == op and len(node.input) > place and node.input[place] in self._constants
        return place if fits else None

    def read(self, index: int, role: str) -> Array | None:
        place = self._place(index, role)
        return None if place is None else numpy_helper.to_array(self._constants[self._nodes[index].input[place]])

    def store(self, index: int, role: str, values: Array) -> None:
        place = self._place(index, role)
        self._replace(index, place, values)

    def _replace(self, index: int, place: int | None, values: Array) -> None:
        assert place is not None
        self._model.graph.initializer.append(numpy_helper.from_array(values, f"spoiled_{place}"))
        self._nodes[index].input[place] = f"spoiled_{place}"

    def swap(self, index: int) -> None:
        self._nodes[index].input[:] = [*self._nodes[index].input[1::-1], *self._nodes[index].input[2:]]

    def changeable(self, index: int, kind: str) -> bool:
        node = self._nodes[index]
        pads = [list(item.ints) for item in node.attribute if item.name == "pads"]
        return {
            "activation": node.op_type in ACTIVATIONS,
            "padding": node.op_type == "Pad" or (node.op_type == "Conv" and bool(pads) and any(pads[0])),
            "attribute": node.op_type in ("Resize", "Slice") or (node.op_type == "ReduceMean" and _keeps_axes(node)),
        }[kind]

    def change(self, index: int, kind: str) -> None:
        node = self._nodes[index]
        if node.op_type == "Clip":
            self._replace(index, 2, np.array(4, np.float32))
        elif node.op_type == "Relu":
            node.op_type = "Identity"
        elif node.op_type == "Conv":
            (pads,) = [item.ints for item in node.attribute if item.name == "pads"]
            pads[:] = [pads[0] - 1, *pads[1:2], pads[2] + 1, *pads[3:]]
        elif node.op_type == "Pad":
            pads = numpy_helper.to_array(self._constants[node.input[1]]).copy()
            half = len(pads) // 2
            pads[half - 2], pads[-2] = pads[half - 2] - 1, pads[-2] + 1
            self._replace(index, 1, pads)
        elif node.op_type == "Resize":
            kept = [item for item in node.attribute if item.name != "coordinate_transformation_mode"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("coordinate_transformation_mode", "align_corners")])
        elif node.op_type == "ReduceMean":
            self._replace(index, 1, np.array([2], np.int64))
            del self._model.graph.value_info[:]
        else:
            starts, ends = (numpy_helper.to_array(self._constants[node.input[place]]).copy() for place in (1, 2))
            place = int(np.argmax(starts > 0)) if starts.any() else 0
            starts[place], ends[place] = (v - 1 if starts[place] else v + 1 for v in (starts[place], ends[place]))
            self._replace(index, 1, starts)
            self._replace(index, 2, ends)

    def write(self, path: Path) -> None:
        onnx.save(self._model, path)


def _keeps_axes(node: onnx.NodeProto) -> bool:
    return all(item.i == 1 for item in node.attribute if item.name == "keepdims")


_TFLITE = {
    "CONV_2D": "Conv", "DEPTHWISE_CONV_2D": "Conv", "ADD": "Add", "SUB": "Sub", "MUL": "Mul", "CONCATENATION": "Concat",
    "RESIZE_BILINEAR": "Resize", "MEAN": "ReduceMean", "SLICE": "Slice", "PAD": "Pad",
}  # fmt: skip


class TfliteOps(Ops):
    def __init__(self, path: Path) -> None:
        from converters.tflite import builder as fb

        self._fb, self._model = fb, fb.read(path.read_bytes())
        self._builder = fb.Builder(self._model)
        self._graph = self._model.subgraphs[0]
        names = [fb.op_name(self._model, op) for op in self._graph.operators]
        self._depthwise = [name == "DEPTHWISE_CONV_2D" for name in names]
        self.kinds = [_TFLITE.get(name, name) for name in names]
        self.tensors = [self._graph.tensors[op.outputs[0]].name.decode() for op in self._graph.operators]
        self.readers = {}

    def _place(self, index: int, role: str) -> int | None:
        op, kind = self._graph.operators[index], self.kinds[index]
        if role == "constant":
            found = [place for place, item in enumerate(op.inputs) if self._builder.constant(item) is not None]
            return found[0] if kind in ("Mul", "Add", "Sub") and found else None
        place = {"weights": 1, "bias": 2}[role]
        fits = kind == "Conv" and len(op.inputs) > place and self._builder.constant(op.inputs[place]) is not None
        return place if fits else None

    def _permuted(
        self, index: int, role: str, values: Array, axes: tuple[int, ...], depthwise: tuple[int, ...]
    ) -> Array:
        return values if role != "weights" else values.transpose(depthwise if self._depthwise[index] else axes)

    def read(self, index: int, role: str) -> Array | None:
        place = self._place(index, role)
        if place is None:
            return None
        values = self._builder.constant(self._graph.operators[index].inputs[place])
        assert values is not None
        return None if values.dtype != np.float32 else self._permuted(index, role, values, (0, 3, 1, 2), (3, 0, 1, 2))

    def store(self, index: int, role: str, values: Array) -> None:
        place = self._place(index, role)
        assert place is not None
        self._replace(index, place, self._permuted(index, role, values, (0, 2, 3, 1), (1, 2, 3, 0)))

    def _replace(self, index: int, place: int, values: Array) -> None:
        op = self._graph.operators[index]
        made = self._builder.add_constant(b"spoiled", np.ascontiguousarray(values))
        op.inputs = [*op.inputs[:place], made, *op.inputs[place + 1 :]]

    def swap(self, index: int) -> None:
        op = self._graph.operators[index]
        op.inputs = [*op.inputs[1::-1], *op.inputs[2:]]

    def changeable(self, index: int, kind: str) -> bool:
        op = self._graph.operators[index]
        return {
            "activation": getattr(op.builtinOptions, "fusedActivationFunction", 0) != 0,
            "padding": self.kinds[index] == "Pad",
            "attribute": self.kinds[index] in ("Resize", "ReduceMean", "Slice"),
        }[kind]

    def change(self, index: int, kind: str) -> None:
        op = self._graph.operators[index]
        activation = self._fb.schema.ActivationFunctionType
        constants = [self._builder.constant(item) for item in op.inputs]
        if kind == "activation":
            six = op.builtinOptions.fusedActivationFunction == activation.RELU6
            op.builtinOptions.fusedActivationFunction = activation.RELU if six else activation.NONE
        elif kind == "padding":
            pads = np.array(constants[1])
            pads[1] += (-1, 1)
            self._replace(index, 1, pads)
        elif self.kinds[index] == "Resize":
            op.builtinOptions.halfPixelCenters, op.builtinOptions.alignCorners = False, True
        elif self.kinds[index] == "ReduceMean":
            self._replace(index, 1, np.array([1], np.int32))
        else:
            begin = np.array(constants[1])
            begin[1] += 1 if begin[1] == 0 else -1
            self._replace(index, 1, begin)

    def write(self, path: Path) -> None:
        path.write_bytes(self._builder.write())


_COREML = {
    "conv": "Conv", "add": "Add", "sub": "Sub", "mul": "Mul", "batch_norm": "BatchNormalization", "concat": "Concat",
    "resize_bilinear": "Resize", "reduce_mean": "ReduceMean", "slice_by_index": "Slice", "pad": "Pad",
    "relu": "Relu", "relu6": "Clip",
}  # fmt: skip


class CoreMlOps(Ops):
    _ROLES: ClassVar = {"weights": "weight", "bias": "bias"}

    def __init__(self, path: Path) -> None:
        from converters.coreml.package import Package

        self._package = Package(path)
        self._consts = {item.outputs[0].name: item for item in self._package.operations if item.type == "const"}
        self._items = [item for item in self._package.operations if item.type != "const"]
        self.kinds = [_COREML.get(item.type, item.type) for item in self._items]
        self.tensors = [item.outputs[0].name for item in self._items]
        self._blobs: list[tuple[int, bytes]] = []
        self.readers = {}
        for index, item in enumerate(self._items):
            for argument in item.inputs.values():
                for binding in argument.arguments:
                    self.readers.setdefault(binding.name, []).append(index)

    def _const(self, index: int, role: str) -> Any:
        item = self._items[index]
        if role == "constant":
            key = "variance" if item.type == "batch_norm" else "y"
            if item.type not in ("mul", "add", "sub", "batch_norm"):
                return None
        else:
            key = self._ROLES.get(role, role)
            if role in self._ROLES and item.type != "conv":
                return None
        return self._consts.get(item.inputs[key].arguments[0].name) if key in item.inputs else None

    def read(self, index: int, role: str) -> Array | None:
        const = self._const(index, role)
        return None if const is None else self._package.value(const.attributes["val"]).numpy()

    def store(self, index: int, role: str, values: Array) -> None:
        value = self._const(index, role).attributes["val"]
        if value.WhichOneof("value") == "blobFileValue":
            self._blobs.append((value.blobFileValue.offset, values.astype(np.float32).tobytes()))
            return
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        getattr(tensor, field).values[:] = values.reshape(-1).tolist()

    def swap(self, index: int) -> None:
        item = self._items[index]
        if item.type == "concat":
            names = [binding.name for binding in item.inputs["values"].arguments]
            for binding, name in zip(item.inputs["values"].arguments, [*names[1::-1], *names[2:]], strict=True):
                binding.name = name
        else:
            first, second = (item.inputs[key].arguments[0] for key in "xy")
            first.name, second.name = second.name, first.name

    def changeable(self, index: int, kind: str) -> bool:
        item = self._items[index]
        pads = self.read(index, "pad") if item.type in ("conv", "pad") else None
        return {
            "activation": self.kinds[index] in ACTIVATIONS,
            "padding": pads is not None and bool(pads.any()),
            "attribute": self.kinds[index] in ("Resize", "ReduceMean", "Slice"),
        }[kind]

    def change(self, index: int, kind: str) -> None:
        item = self._items[index]
        if kind == "activation":
            item.type = "relu" if item.type == "relu6" else "identity"
        elif kind == "padding":
            pads = self.read(index, "pad")
            assert pads is not None
            pads[-2:] += np.array((-1, 1))
            self.store(index, "pad", pads)
        elif item.type == "resize_bilinear":
            const = self._const(index, "sampling_mode")
            const.attributes["val"].immediateValue.tensor.strings.values[0] = "STRICT_ALIGN_CORNERS"
        elif item.type == "reduce_mean":
            tensor = self._const(index, "axes").attributes["val"].immediateValue.tensor
            tensor.ints.values[:] = [tensor.ints.values[0]] * 2
        else:
            begin, end = self.read(index, "begin"), self.read(index, "end")
            assert begin is not None
            assert end is not None
            change = 1 if begin[2] == 0 else -1
            begin[2] += change
            self.store(index, "begin", begin)
            if end[2]:
                end[2] += change
                self.store(index, "end", end)

    def write(self, path: Path) -> None:
        shutil.copytree(self._package.path, path)
        (spec,) = path.rglob("model.mlmodel")
        spec.write_bytes(self._package.spec.SerializeToString(deterministic=True))
        (blob,) = path.rglob("weight.bin")
        data = bytearray(blob.read_bytes())
        for offset, values in self._blobs:
            _, _, size, start = struct.unpack_from("<IIQQ", data, offset)
            assert size == len(values)
            data[start : start + size] = values
        blob.write_bytes(data)
