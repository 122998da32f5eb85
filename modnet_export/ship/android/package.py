"""An APK or an Android App Bundle: what lies in it, how it is stored, and its manifests.

Both are zips that may come from anywhere: what is read is bounded, and nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from xml.etree.ElementTree import Element

from converters.errors import ExportError, reason
from modnet_export.ship.android import bundle, elf, manifest

T = TypeVar("T")
Kind = Literal["apk", "aab"]

_MANIFEST = "AndroidManifest.xml"
_OF_BUNDLES = "manifest/AndroidManifest.xml"
_DEPENDENCIES = "BUNDLE-METADATA/com.android.tools.build.libraries/dependencies.pb"
_LARGEST_MANIFEST = 8 << 20
_BOMB_BYTES, _BOMB_RATIO = 100 << 20, 100
"""A zip whose files would have more bytes than this, and more than so many times its own, is not read."""


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


class Package:
    """An open APK or bundle; a context manager. Raises ExportError for a file that is none, is damaged or is a bomb."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind: Kind = "aab" if path.suffix.lower() == ".aab" else "apk"
        with self._sound():
            if not path.is_file():  # opening a pipe would wait for ever
                raise ValueError("there is no such file" if not path.exists() else "it is no regular file")
            self._zip = zipfile.ZipFile(path)
            try:
                self._refuse_bombs()
                self.entries = tuple(self._entries())
                self.manifests = self._manifests()
            except BaseException:
                self._zip.close()
                raise

    def __enter__(self) -> Package:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    @contextmanager
    def _sound(self, what: str = "") -> Iterator[None]:
        """Raise one ExportError for all that can be wrong with a file."""
        try:
            yield
        except (
            ValueError, OSError, EOFError, RuntimeError, NotImplementedError, OverflowError, RecursionError,
            zipfile.BadZipFile, zlib.error, struct.error,
        ) as error:  # fmt: skip
            missing = isinstance(error, OSError) and error.strerror
            raise ExportError(
                f"cannot read {what or self.path.name}: {missing or reason(error)}",
                where=self.path,
                expected="a whole .apk, or an .aab (an Android App Bundle)",
                next_step="build it again, or copy it again",
            ) from error

    def _refuse_bombs(self) -> None:
        infos, here = self._zip.infolist(), self.path.stat().st_size
        unpacked = sum(info.file_size for info in infos)
        if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * here):
            raise ValueError(f"{here:,} bytes would unpack to {unpacked:,}: it is a zip bomb")
        if sum(info.compress_size for info in infos) > here:
            raise ValueError("its files lie over each other: it is a zip bomb, or damaged")

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
        found = {entry.module: self._read(entry, read) for entry in self.entries if entry.path == inside}
        if "base" not in found:
            names = self._zip.namelist()
            other = "base/" + _OF_BUNDLES in names or _MANIFEST in names
            raise ValueError(
                f"it is no {self.kind}" + (", though its name says so" if other else f": it has no {inside} in it")
            )
        return found

    def _read(self, entry: Entry, convert: Callable[[bytes], T]) -> T:
        """A small file of ours to interpret; raises ValueError naming it."""
        if entry.info.file_size > _LARGEST_MANIFEST:
            raise ValueError(f"{entry.name} claims {entry.info.file_size:,} bytes")
        try:
            with self._zip.open(entry.info) as file:
                # A size, since one whose header lies would be decompressed whole before it is cut off.
                return convert(file.read(entry.info.file_size + 1))
        except ValueError as error:
            raise ValueError(f"{entry.name}: {error}") from error

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
        return self._read(Entry(info, "", name), bytes)

    def text(self, entry: Entry) -> bytes:
        """A small file's bytes; raises ExportError."""
        with self._sound(entry.name):
            return self._read(entry, bytes)

    def sha256(self, entry: Entry) -> str:
        """A file's SHA-256; raises ExportError for one that is damaged."""
        digest = hashlib.sha256()
        for block in self._blocks(entry):
            digest.update(block)
        return digest.hexdigest()

    def holds(self, entry: Entry, words: bytes) -> bool:
        """Whether some bytes stand in a file; raises ExportError for one that is damaged."""
        rest = b""
        for block in self._blocks(entry):
            if words in rest + block:
                return True
            rest = block[-len(words) :]
        return False

    def _blocks(self, entry: Entry) -> Iterator[bytes]:
        with self._sound(entry.name), self._zip.open(entry.info) as file:
            while block := file.read(1 << 20):
                yield block

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
