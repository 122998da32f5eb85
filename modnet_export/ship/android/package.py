"""An APK or an Android App Bundle: what lies in it, how it is stored, and its manifests."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element

from modnet_export.ship import archive
from modnet_export.ship.android import bundle, elf, manifest
from modnet_export.ship.archive import Archive

Kind = Literal["apk", "aab"]

_MANIFEST = "AndroidManifest.xml"
_OF_BUNDLES = "manifest/AndroidManifest.xml"
_DEPENDENCIES = "BUNDLE-METADATA/com.android.tools.build.libraries/dependencies.pb"


@dataclass(frozen=True)
class Entry:
    """A file: where it lies in the zip, the bundle's module that it belongs to, and its path in an installed app."""

    info: zipfile.ZipInfo
    module: str
    path: str

    @property
    def name(self) -> str:
        return self.info.filename

    @property
    def stored(self) -> bool:
        return self.info.compress_type == zipfile.ZIP_STORED

    @property
    def abi(self) -> str:
        """The processor that a native library is for."""
        return self.path.split("/")[1]

    @property
    def wide(self) -> bool:
        """Whether it is a library for 64-bit processors."""
        return self.abi in elf.WIDE


class Package(Archive):
    """An open APK or bundle; a context manager. Raises ExportError for a file that is none, is damaged or is a bomb."""

    expected = "a whole .apk, or an .aab (an Android App Bundle)"

    def __init__(self, path: Path) -> None:
        self.kind: Kind = "aab" if path.suffix.lower() == ".aab" else "apk"
        super().__init__(path)

    def _look(self) -> None:
        self.entries = tuple(self._entries())
        self.manifests = self._manifests()

    def _entries(self) -> Iterator[Entry]:
        for info in self._zip.infolist():
            if self.kind == "apk":
                yield Entry(info, "base", info.filename)
            elif "/" in info.filename:
                module, path = info.filename.split("/", 1)
                yield Entry(info, module, path)

    def _manifests(self) -> dict[str, Element]:
        """The manifest of each module; an APK has one module, ``base``."""
        inside, read = (_OF_BUNDLES, bundle.manifest) if self.kind == "aab" else (_MANIFEST, manifest.from_binary)
        found = {entry.module: self._read(entry.info, read) for entry in self.entries if entry.path == inside}
        if "base" not in found:
            names = self._zip.namelist()
            other = "base/" + _OF_BUNDLES in names or _MANIFEST in names
            raise ValueError(
                f"it is not an {self.kind}" + (", though its name says so" if other else f": it has no {inside} in it")
            )
        return found

    @property
    def manifest(self) -> Element:
        """That of the app itself."""
        return self.manifests["base"]

    def in_pack(self, entry: Entry) -> bool:
        """Whether a bundle's file is in an asset pack or an AI pack, and not in the app or a feature of it."""
        return entry.module in self.manifests and manifest.module_type(self.manifests[entry.module]) != "feature"

    @cached_property
    def libraries(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if re.fullmatch(r"lib/[^/]+/[^/]+\.so", entry.path))

    @cached_property
    def models(self) -> tuple[Entry, ...]:
        return tuple(
            entry for entry in self.entries if re.fullmatch(r"assets/.+\.tflite", entry.path, re.IGNORECASE | re.DOTALL)
        )

    @cached_property
    def config(self) -> Any:
        """A bundle's BundleConfig.pb."""
        with self._sound("BundleConfig.pb"):
            return bundle.message("BundleConfig", self._whole("BundleConfig.pb") or b"")

    @cached_property
    def dependencies(self) -> dict[str, str] | None:
        """The version of each library in a bundle; None where the bundle does not say."""
        with self._sound(_DEPENDENCIES):
            data = self._whole(_DEPENDENCIES)
            return None if data is None else bundle.dependencies(data)

    def _whole(self, name: str) -> bytes | None:
        """A small file by its name; None where there is none."""
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            return None
        return self._read(info, bytes)

    def text(self, entry: Entry) -> bytes:
        """A small file's bytes; raises ExportError."""
        with self._sound(entry.name):
            return self._read(entry.info, bytes)

    def sha256(self, entry: Entry) -> str:
        """A file's SHA-256; raises ExportError for one that is damaged."""
        return archive.sha256(self._blocks(entry.info))

    def holds(self, entry: Entry, words: bytes) -> bool:
        """Whether some bytes stand in a file; raises ExportError for one that is damaged."""
        return archive.holds(self._blocks(entry.info), words)

    def offset(self, entry: Entry) -> int:
        """Where a file's bytes begin in the zip; raises ExportError."""
        with self._sound(entry.name), self.path.open("rb") as file:
            file.seek(entry.info.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4))
            return int(entry.info.header_offset + 30 + name + extra)

    def load_alignment(self, entry: Entry) -> int:
        """The smallest alignment of a library's LOAD segments, in bytes; raises ExportError for what is no library."""
        with self._sound(entry.name), self._zip.open(entry.info) as file:
            return elf.load_alignment(file.read(elf.HEAD))
