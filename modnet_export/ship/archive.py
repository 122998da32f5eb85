"""A built app that is a zip, and may come from anywhere: what is read is bounded, and nothing is unpacked."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from converters.errors import ExportError, reason

T = TypeVar("T")
Own = TypeVar("Own", bound="Archive")

LARGEST_SMALL = 8 << 20
"""Bytes of a file that is read whole."""
_BOMB_BYTES, _BOMB_RATIO = 100 << 20, 100
"""A zip whose files would have more bytes than this, and more than so many times its own, is not read."""


class Archive:
    """An open zip; a context manager. Raises ExportError for a file that is none, is damaged or is a bomb."""

    expected: str
    """What it should have been, for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._sound():
            if not path.is_file():  # opening a pipe would wait for ever
                raise ValueError("there is no such file" if not path.exists() else "it is not a regular file")
            self._zip = zipfile.ZipFile(path)
            try:
                self._refuse_bombs()
                self._look()
            except BaseException:
                self._zip.close()
                raise

    def _look(self) -> None:
        """Find what it must hold; raises ValueError where that is not there."""
        raise NotImplementedError

    def __enter__(self: Own) -> Own:
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
                expected=self.expected,
                next_step="build it again, or copy it again",
            ) from error

    def _refuse_bombs(self) -> None:
        infos, here = self._zip.infolist(), self.path.stat().st_size
        unpacked = sum(info.file_size for info in infos)
        if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * here):
            raise ValueError(f"{here:,} bytes would unpack to {unpacked:,}: it is a zip bomb")
        if sum(info.compress_size for info in infos) > here:
            raise ValueError("its files lie over each other: it is a zip bomb, or damaged")

    def _read(self, info: zipfile.ZipInfo, convert: Callable[[bytes], T]) -> T:
        """A small file of ours to interpret; raises ValueError naming it."""
        if info.file_size > LARGEST_SMALL:
            raise ValueError(f"{info.filename} claims {info.file_size:,} bytes")
        try:
            with self._zip.open(info) as file:
                # A size, since one whose header lies would be decompressed whole before it is cut off.
                return convert(file.read(info.file_size + 1))
        except ValueError as error:
            raise ValueError(f"{info.filename}: {error}") from error

    def _blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """A file's bytes, a part at a time; raises ExportError for one that is damaged."""
        with self._sound(info.filename), self._zip.open(info) as file:
            yield from blocks(file)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """An open file's bytes, a part at a time."""
    while block := file.read(1 << 20):
        yield block


def sha256(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def holds(parts: Iterator[bytes], *words: bytes) -> bool:
    """Whether any of these bytes stand in a file."""
    rest, longest = b"", max(map(len, words))
    for part in parts:
        if any(item in rest + part for item in words):
            return True
        rest = part[-longest:]
    return False
