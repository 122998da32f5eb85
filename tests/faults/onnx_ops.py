"""Faults in ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.faults.seeding import ACTIVATIONS, Array, Ops


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
