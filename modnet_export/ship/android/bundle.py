"""The protobuf files of an Android App Bundle: its manifests, BundleConfig.pb and the list of its dependencies.

The numbers of their fields are from bundletool's ``config.proto`` and ``app_dependencies.proto`` and aapt2's
``Resources.proto``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from modnet_export.ship.protobuf import Messages

_MESSAGES = {
    "XmlNode": "element 1 XmlElement",
    "XmlElement": "namespace_uri 2 string, name 3 string, attribute 4 XmlAttribute*, child 5 XmlNode*",
    "XmlAttribute": "namespace_uri 1 string, name 2 string, value 3 string",
    "BundleConfig": "optimizations 2 Optimizations, compression 3 Compression",
    "Optimizations": "splits_config 1 SplitsConfig, uncompress_native_libraries 2 NativeLibraries",
    "SplitsConfig": "split_dimension 1 SplitDimension*",
    "SplitDimension": "value 1 int32, negate 2 bool",
    "NativeLibraries": "enabled 1 bool, alignment 2 int32",
    "Compression": "uncompressed_glob 1 string*, install_time_asset_module_default_compression 2 int32",
    "AppDependencies": "library 1 Library*",
    "Library": "maven_library 1 MavenLibrary",
    "MavenLibrary": "group_id 1 string, artifact_id 2 string, version 5 string",
}
ABI = 1
"""``SplitDimension.value`` of the split by processor."""
ALIGNED_TO_16_KB = (2, 3)
"""``UncompressNativeLibraries.alignment``: 16 and 64 KB. Unspecified is 4 KB (bundletool's ApkSerializerModule)."""
COMPRESSED = 2
"""``Compression.install_time_asset_module_default_compression``: asset packs are deflated."""


@lru_cache
def _messages() -> Messages:
    return Messages("bundle", _MESSAGES)


def message(name: str, data: bytes = b"") -> Any:
    """One of the messages above, from its bytes; raises ValueError for what is none."""
    return _messages().read(name, data)


def manifest(data: bytes) -> Element:
    """aapt2's protobuf form of a manifest as a tree of elements; raises ValueError for anything else."""

    def made(node: Any) -> Element:
        attributes = {_qualified(item): item.value for item in node.attribute}
        element = Element(_qualified(node), attributes)
        element.extend(made(child.element) for child in node.child if child.HasField("element"))
        return element

    return made(message("XmlNode", data).element)


def _qualified(item: Any) -> str:
    return f"{{{item.namespace_uri}}}{item.name}" if item.namespace_uri else str(item.name)


def dependencies(data: bytes) -> dict[str, str]:
    """The version of each ``group:artifact`` in a bundle's dependencies.pb; raises ValueError for anything else."""
    libraries = [item.maven_library for item in message("AppDependencies", data).library]
    return {f"{item.group_id}:{item.artifact_id}": item.version for item in libraries}
