"""A Core ML package on disk: reading its program and weights, and writing it so that equal models are equal bytes."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from converters.coreml.bits import BITS, unpack_bits
from converters.coreml.quiet import MIL_pb2, Model_pb2
from converters.errors import ExportError

NEWEST_SPECIFICATION = 10
"""The newest specification version that is read here: iOS 26 and macOS 26 (Model.proto)."""

_SPECIFICATION = "com.apple.CoreML"
_TYPES: dict[str, npt.DTypeLike] = {
    "BOOL": np.bool_,
    "FLOAT16": np.float16,
    "FLOAT32": np.float32,
    "INT32": np.int32,
    "INT16": np.int16,
    "INT8": np.int8,
    "UINT16": np.uint16,
    "UINT8": np.uint8,
    "UINT32": np.uint32,
}


class Package:
    """A saved ``.mlpackage`` that holds an ML program; of several functions ``function`` is read, or the default one.

    Raises ExportError where a part is missing or damaged, or the specification is newer than ``NEWEST_SPECIFICATION``.
    """

    def __init__(self, path: Path, function: str | None = None) -> None:
        self.path = path
        try:
            manifest = json.loads((path / "Manifest.json").read_text())
            entries = manifest["itemInfoEntries"]
            self._model = path / "Data" / entries[manifest["rootModelIdentifier"]]["path"]
            self.spec = Model_pb2.Model()
            self.spec.ParseFromString(self._model.read_bytes())
        except Exception as error:  # files, JSON and protobuf share no base class
            raise self._broken(f"cannot read {path.name}: {(str(error) or type(error).__name__)[:200]}") from error
        if self.spec.specificationVersion > NEWEST_SPECIFICATION:
            raise self._broken(
                f"{path.name} has specification version {self.spec.specificationVersion}",
                expected=f"at most {NEWEST_SPECIFICATION} (iOS 26)",
                next_step="export it for iOS 26 or older",
            )
        if self.spec.WhichOneof("Type") != "mlProgram":
            raise self._broken(f"{path.name} holds a {self.spec.WhichOneof('Type')}", expected="an ML program")
        self._blobs: dict[str, bytes] = {}
        # A package of several functions (iOS 18) has one that runs unless an app asks for another.
        name = function or self.spec.description.defaultFunctionName or "main"
        if name not in self.spec.mlProgram.functions:
            raise self._broken(f"{path.name} has no function {name}", expected=f"a function {name}")
        self._function = self.spec.mlProgram.functions[name]
        self.description: Any = next(
            (item for item in self.spec.description.functions if item.name == name), self.spec.description
        )
        """Inputs and outputs of the function that runs, as Xcode shows them."""

    def _broken(
        self, what: str, *, expected: str = "a whole .mlpackage", next_step: str = "export it again"
    ) -> ExportError:
        return ExportError(what, where=self.path, expected=expected, next_step=next_step)

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of its functions where it has several, the default one first."""
        default = self.spec.description.defaultFunctionName
        return tuple(sorted((item.name for item in self.spec.description.functions), key=lambda name: name != default))

    @property
    def operations(self) -> list[Any]:
        """The operations of the function that runs, in order."""
        return list(self._function.block_specializations[self._function.opset].operations)

    @property
    def weights(self) -> Path:
        """The folder of the weight files."""
        return Path(self._model.parent, "weights")

    @property
    def inputs(self) -> list[Any]:
        """That function's inputs, with their types."""
        return list(self._function.inputs)

    @property
    def half_inputs(self) -> set[str]:
        """The names of its inputs that are fp16."""
        half = MIL_pb2.DataType.Value("FLOAT16")
        return {item.name for item in self.inputs if item.type.tensorType.dataType == half}

    @property
    def output_names(self) -> list[str]:
        """The names of its outputs, in order."""
        return list(self._function.block_specializations[self._function.opset].outputs)

    def value(self, value: Any) -> Tensor | str:
        """A constant of the program, from the specification or from the weight file.

        Integers narrower than a byte come as int32, unsigned ones of 16 and 32 bits as int64. Raises ExportError where
        the constant is not a tensor or the weight file is damaged.
        """
        tensor_type = value.type.tensorType
        shape = [dimension.constant.size for dimension in tensor_type.dimensions]
        kind = MIL_pb2.DataType.Name(tensor_type.dataType)
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue, kind, shape)
        if value.immediateValue.WhichOneof("value") != "tensor":
            raise self._broken("a constant of the program is not a tensor", expected="tensors")
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        if kind == "STRING":
            return str(tensor.strings.values[0])
        if field == "bytes":
            data = np.frombuffer(tensor.bytes.values, np.uint8)
            return _array(data, kind, shape)
        items = np.array(list(getattr(tensor, field).values), _TYPES[kind])
        return torch.from_numpy(items.reshape(shape) if items.size != 1 or shape else items.reshape(()))

    def _blob(self, reference: Any, kind: str, shape: list[int]) -> Tensor:
        name, offset = str(reference.fileName), int(reference.offset)
        if name not in self._blobs:
            file = (self._model.parent / name.removeprefix("@model_path/")).resolve()
            try:
                if not file.is_relative_to(self.path.resolve()):
                    raise OSError("it lies outside the package")
                self._blobs[name] = file.read_bytes()
            except OSError as error:
                raise self._broken(f"the weight file {name} cannot be read: {error.strerror or error}") from error
        blob = self._blobs[name]
        header = blob[offset : offset + 24]
        # MILBlob format 2: sentinel, type, size in bytes and position of the data; the header takes 64 bytes in all.
        sentinel, _, size, start = struct.unpack("<IIQQ", header) if len(header) == 24 else (0, 0, 0, 0)
        bits = BITS.get(kind) or 8 * np.dtype(_TYPES[kind]).itemsize
        needed = -(-int(np.prod(shape, dtype=np.int64)) * bits // 8)
        if sentinel != 0xDEADBEEF or size < needed or start + size > len(blob):
            raise self._broken(f"the weight file is damaged at byte {offset}", expected=f"{needed} bytes of {kind}")
        return _array(np.frombuffer(blob, np.uint8, int(size), int(start)), kind, shape)


def _array(data: npt.NDArray[np.uint8], kind: str, shape: list[int]) -> Tensor:
    """Raw bytes as a tensor of the element type that MIL.proto calls ``kind``."""
    count = int(np.prod(shape, dtype=np.int64))
    if kind in BITS:
        bits = BITS[kind]
        fields = unpack_bits(data, bits, count).astype(np.int16)
        if kind.startswith("INT"):
            fields = np.where(fields >= 1 << (bits - 1), fields - (1 << bits), fields)
        return torch.from_numpy(fields.astype(np.int32).reshape(shape))
    array = data[: count * np.dtype(_TYPES[kind]).itemsize].view(_TYPES[kind])
    if array.dtype in (np.uint16, np.uint32):
        array = array.astype(np.int64)
    return torch.from_numpy(array.reshape(shape).copy())


@dataclass(frozen=True)
class Metadata:
    """What Xcode shows of a model; ``author``, ``licence`` and ``version`` may be empty.

    ``ports``: a description for every input and output by name. Xcode's previews are for segmentations of multi-arrays,
    depths and poses: none fits a matte, so no preview type is set.

    ``creator_defined``: what an app can read of the compiled model, whose file is no longer this one.
    """

    author: str
    licence: str
    version: str
    description: str
    ports: dict[str, str]
    creator_defined: dict[str, str] = field(default_factory=dict)


# coremltools draws random identifiers. They need only differ within one package: constants keep equal models equal.
_MODEL_ID = "60958556-8D64-58DE-9FD0-323AED3241C1"
_WEIGHTS_ID = "82D1432D-27B2-5A13-805E-9E091BA67D41"


def save(converted: Any, package: Path, metadata: Metadata) -> None:
    """Write a model that coremltools converted to the folder ``package``, which must not exist yet.

    The bytes depend on nothing but the model and its metadata.
    """
    spec = converted.get_spec()
    description = spec.description
    description.metadata.author, description.metadata.license = metadata.author, metadata.licence
    description.metadata.versionString = metadata.version
    description.metadata.shortDescription = metadata.description
    description.metadata.userDefined.update(metadata.creator_defined)
    description.metadata.userDefined.pop("com.github.apple.coremltools.conversion_date", None)  # other bytes each day
    for port in (*description.input, *description.output):
        port.shortDescription = metadata.ports.get(port.name, "")
    data = package / "Data" / _SPECIFICATION
    (data / "weights").mkdir(parents=True)
    weights = Path(converted.weights_dir) / "weight.bin"
    if weights.exists():  # small constants stay in the specification
        (data / "weights" / "weight.bin").write_bytes(weights.read_bytes())
    (data / "model.mlmodel").write_bytes(spec.SerializeToString(deterministic=True))
    items = {
        _MODEL_ID: ("model.mlmodel", "CoreML Model Specification"),
        _WEIGHTS_ID: ("weights", "CoreML Model Weights"),
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {
            key: {
                "author": _SPECIFICATION,
                "description": text,
                "name": name,
                "path": f"{_SPECIFICATION}/{name}",
            }
            for key, (name, text) in items.items()
        },
        "rootModelIdentifier": _MODEL_ID,
    }
    (package / "Manifest.json").write_text(json.dumps(manifest, indent=4) + "\n")
