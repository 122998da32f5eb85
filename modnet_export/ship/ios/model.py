"""A Core ML model as an app has it: an .mlpackage, or the .mlmodelc that Xcode compiles it to. What it says of itself.

A package's specification is protobuf (``Model.proto`` of coremltools 9). A compiled model has ``metadata.json``, whose
schema coremltools writes in ``InterfacePrinting``: one list of one object, its numbers as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from modnet_export.ship.protobuf import Messages

LFS = b"version https://git-lfs.github.com/spec/"
"""How a Git LFS pointer begins, which lies where the file should be until ``git lfs pull``."""
_MESSAGES = {
    "Model": "specificationVersion 1 int32, description 2 ModelDescription",
    "ModelDescription": "input 1 FeatureDescription*, output 10 FeatureDescription*, metadata 100 Metadata",
    "FeatureDescription": "name 1 string, type 3 FeatureType",
    "FeatureType": "imageType 4 ImageFeatureType, multiArrayType 5 ArrayFeatureType",
    "ImageFeatureType": "width 1 int64, height 2 int64",
    "ArrayFeatureType": "shape 1 int64*",
    "Metadata": "userDefined 100 Entry*",
    "Entry": "key 1 string, value 2 string",
}
_IOS = {6: 15, 7: 16, 8: 17, 9: 18, 10: 26}
"""The oldest iOS that runs a specification (Model.proto); 5 and older run wherever MattingKit does."""
LARGEST_SPECIFICATION = 64 << 20
"""Bytes of a specification that are read; weights lie beside it."""


@dataclass(frozen=True)
class Port:
    """An input or output: an image, which is a pixel buffer, or an array. Sizes in pixels; 0 where there is none."""

    name: str
    is_image: bool
    height: int = 0
    width: int = 0

    def __str__(self) -> str:
        return f"{self.name} (image of {self.height}x{self.width})" if self.is_image else f"{self.name} (array)"


@dataclass(frozen=True)
class Model:
    """What a model says of itself."""

    specification: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    creator_defined: Mapping[str, str]

    @property
    def ios(self) -> int:
        """The oldest iOS that runs it."""
        return _IOS.get(self.specification, max(_IOS.values()) + 1 if self.specification > max(_IOS) else 14)


def from_package(read: Callable[[str], bytes]) -> Model:
    """The model of an .mlpackage whose files ``read`` gives by their paths in it.

    Raises ValueError for one that is not whole, naming the file; what ``read`` raises passes through.
    """
    name = "Manifest.json"
    try:
        manifest = json.loads(_no_pointer(name, read(name)))
        name = f"Data/{manifest['itemInfoEntries'][manifest['rootModelIdentifier']]['path']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(name, error) from error
    if ".." in PurePosixPath(name).parts:
        raise ValueError(f"Manifest.json leads out of the package, to {name}")
    try:
        spec = _messages().read("Model", _no_pointer(name, read(name)))
        described = spec.description
        return Model(
            spec.specificationVersion,
            tuple(map(_port, described.input)),
            tuple(map(_port, described.output)),
            {item.key: item.value for item in described.metadata.userDefined},
        )
    except ValueError as error:
        raise _broken(name, error) from error


def from_compiled(metadata: bytes) -> Model:
    """The model of an .mlmodelc, by its ``metadata.json``; raises ValueError for anything else."""
    try:
        (content,) = json.loads(_no_pointer("metadata.json", metadata))
        return Model(
            int(content["specificationVersion"]),
            tuple(map(_described, content["inputSchema"])),
            tuple(map(_described, content["outputSchema"])),
            {str(key): str(value) for key, value in content.get("userDefinedMetadata", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken("metadata.json", error) from error


def _no_pointer(name: str, data: bytes) -> bytes:
    if data.startswith(LFS):
        raise ValueError("it is a Git LFS pointer: `git lfs pull` brings the file")
    return data


def _broken(name: str, error: Exception) -> ValueError:
    why = str(error) if isinstance(error, ValueError) and str(error).startswith("it is ") else "it is not whole"
    return ValueError(f"{name}: {why}")


def _port(item: Any) -> Port:
    image = item.type.imageType
    return Port(item.name, item.type.HasField("imageType"), image.height, image.width)


def _described(item: Mapping[str, Any]) -> Port:
    """Where ``type`` is ``Image``, ``width`` and ``height`` are numbers as text."""
    is_image = str(item["type"]).startswith("Image")
    return Port(str(item["name"]), is_image, *((int(item["height"]), int(item["width"])) if is_image else ()))


@lru_cache
def _messages() -> Messages:
    return Messages("coreml", _MESSAGES)
