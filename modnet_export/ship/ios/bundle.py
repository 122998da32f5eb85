"""A built iOS app: an .app folder, or an .ipa, which is a zip with one. What lies in it, and its Info.plist."""

from __future__ import annotations

import os
import plistlib
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal
from xml.parsers.expat import ExpatError

from converters.errors import ExportError
from modnet_export.ship.archive import LARGEST_SMALL, Archive, blocks

_PAYLOAD = re.compile(r"Payload/[^/]+\.app/")
_EXPECTED = "a whole .app folder for iOS, or an .ipa"


class App(ABC):
    """Files by their paths in the app; raises ExportError for one that is damaged. Symbolic links are no files."""

    kind: Literal["app", "ipa"]
    path: Path
    sizes: dict[str, int]
    """The bytes of each file."""
    info: dict[str, Any]
    """Info.plist."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A small file."""

    @abstractmethod
    def blocks(self, name: str) -> Iterator[bytes]:
        """A file's bytes, a part at a time."""


class AppFolder(App):
    """An .app folder."""

    kind = "app"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes = {
            Path(folder, name).relative_to(path).as_posix(): Path(folder, name).lstat().st_size
            for folder, _, names in os.walk(path)
            for name in sorted(names)
            if stat.S_ISREG(Path(folder, name).lstat().st_mode)
        }
        try:
            self.info = property_list(self.read("Info.plist")) if "Info.plist" in self.sizes else {}
            if not self.info:
                raise ValueError("it has no Info.plist" + (" beside Contents: it is for macOS" * self._is_mac()))
        except ValueError as error:
            raise self._damaged(f"cannot read {path.name}: {error}") from error

    def _is_mac(self) -> bool:
        return "Contents/Info.plist" in self.sizes

    def read(self, name: str) -> bytes:
        if self.sizes[name] > LARGEST_SMALL:
            raise self._damaged(f"{name} has {self.sizes[name]:,} bytes")
        return (self.path / name).read_bytes()

    def blocks(self, name: str) -> Iterator[bytes]:
        with (self.path / name).open("rb") as file:
            yield from blocks(file)

    def _damaged(self, what: str) -> ExportError:
        return ExportError(what, where=self.path, expected=_EXPECTED, next_step="build it again, or copy it again")


class Ipa(Archive, App):
    """An open .ipa; a context manager."""

    kind = "ipa"
    expected = _EXPECTED

    def _look(self) -> None:
        roots = {found[0] for name in self._zip.namelist() if (found := _PAYLOAD.match(name))}
        if len(roots) != 1:
            raise ValueError(
                f"it has {len(roots)} apps in Payload" if roots else "it has no Payload with an .app in it"
            )
        (root,) = roots
        self._infos = {
            info.filename.removeprefix(root): info
            for info in self._zip.infolist()
            if info.filename.startswith(root) and not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
        }
        self.sizes = {name: info.file_size for name, info in self._infos.items()}
        if "Info.plist" not in self._infos:
            raise ValueError("it has no Info.plist")
        self.info = self._read(self._infos["Info.plist"], property_list)

    def read(self, name: str) -> bytes:
        with self._sound(name):
            return self._read(self._infos[name], bytes)

    def blocks(self, name: str) -> Iterator[bytes]:
        return self._blocks(self._infos[name])


def property_list(data: bytes) -> dict[str, Any]:
    """A dictionary in XML or binary; raises ValueError for anything else."""
    try:
        found = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, KeyError, IndexError, OverflowError, RecursionError,
            TypeError, AttributeError, MemoryError) as error:  # fmt: skip
        raise ValueError("it is not a whole property list") from error
    if not isinstance(found, dict):
        raise ValueError("it is not a dictionary")
    return found


def opened(path: Path) -> AbstractContextManager[App]:
    """An .app folder or an .ipa, by its suffix."""
    return Ipa(path) if path.suffix.lower() == ".ipa" else nullcontext(AppFolder(path))
