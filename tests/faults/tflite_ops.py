"""Faults in TFLite files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.faults.seeding import Array, Ops

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
