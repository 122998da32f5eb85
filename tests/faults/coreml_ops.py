"""Faults in Core ML packages."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tests.faults.seeding import ACTIVATIONS, Array, Ops

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
