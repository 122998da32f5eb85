"""What shipping would change in an app's files, and which of them are not its own to change.

A record beside the files says what was shipped, by hashes. A file that is neither that nor what is to be shipped now
was changed by the user, or is theirs.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from converters.errors import CheckFailedError, ExportError, few
from modnet_export.record.files import FileFormat, read_versioned
from modnet_export.record.manifest import Artefact, Sha256
from modnet_export.record.strict import Strict
from modnet_export.record.together import write_together

RECORD = "modnet-ship.json"
_FORMAT = FileFormat(
    "a record of what was shipped", 1, "a file that shipping wrote", "remove it, and ship with `force`"
)
_SHOWN = 5


class Record(Strict):
    """What was shipped: the SHA-256 of each file by its path in the app's module. Line ends do not count in text."""

    schema_version: Literal[1] = 1
    files: dict[str, Sha256]

    @classmethod
    def read(cls, folder: Path) -> Record:
        """A module's record; empty where there is none. Raises ExportError for one that cannot be read."""
        path = folder / RECORD
        if not path.exists():
            return cls(files={})
        return read_versioned(path, cls.model_validate_json, _FORMAT)


@dataclass(frozen=True)
class Shipped:
    """The content of a file. ``exported``: it is of the export; else this tool's own, such as Kotlin sources."""

    data: bytes
    exported: bool = False

    @property
    def sha256(self) -> str:
        return _fingerprint(self.data)


@dataclass(frozen=True)
class Change:
    """One file that is to become another; None: it is not there, or is not to be there."""

    path: Path
    before: bytes | None
    after: bytes | None
    exported: bool = False
    theirs: bool = False
    """Whether what is there was not shipped."""

    @property
    def verb(self) -> str:
        if self.after is None:
            return "removed"
        return "new" if self.before is None else "changed"

    def diff(self, name: str) -> str:
        """As ``diff -u`` shows it; of a file that is no text, its size and hash."""
        texts = [_text(data) for data in (self.before, self.after)]
        if None in texts:
            told = [f"{len(data):,} bytes, SHA-256 {_fingerprint(data)[:12]}..." for data in (self.after,) if data]
            return f"Binary file {name}: {', '.join([self.verb, *told])}\n"
        old, new = (text.splitlines(keepends=True) for text in texts if text is not None)
        names = (
            "/dev/null" if self.before is None else f"a/{name}",
            "/dev/null" if self.after is None else f"b/{name}",
        )
        lines = difflib.unified_diff(old, new, *names)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def require_folder(project: Path, expected: str) -> None:
    """Raise ExportError where a project's folder is not there; ``expected`` says whose it should be."""
    if not project.is_dir():
        raise ExportError(f"there is no folder {project}", where=project, expected=expected, next_step="check the path")


def changes(folder: Path, files: Mapping[str, Shipped]) -> tuple[Change, ...]:
    """What differs from ``files`` in an app module's folder, the record of them last; nothing where all is the same.

    Files that were shipped before and are not any more are to be removed.
    """
    recorded = Record.read(folder).files
    found = []
    for name in sorted({*files, *recorded}):
        path, shipped = folder / name, files.get(name)
        before = _read(path)
        hashed = None if before is None else _fingerprint(before)
        if hashed == (shipped and shipped.sha256):
            continue
        theirs = before is not None and hashed != recorded.get(name)
        after, exported = (None, False) if shipped is None else (shipped.data, shipped.exported)
        found.append(Change(path, before, after, exported, theirs))
    record = (
        Record(files={name: files[name].sha256 for name in sorted(files)}).model_dump_json(indent=2) + "\n"
    ).encode()
    path = folder / RECORD
    before = _read(path)
    if before is None or _fingerprint(before) != _fingerprint(record):
        found.append(Change(path, before, record))
    return tuple(found)


@dataclass(frozen=True)
class Shipment:
    """What shipping comes to; nothing is written yet."""

    root: Path
    """The project's folder: paths are shown from there."""
    folder: Path
    """The folder that has the record, and all that is shipped in it."""
    models: tuple[Artefact, ...]
    changes: tuple[Change, ...]

    def name(self, path: Path) -> str:
        """A path as it is shown: from the project's folder."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    def diff(self) -> str:
        """Every change, as ``diff -u`` shows it."""
        return "".join(item.diff(self.name(item.path)) for item in self.changes)

    def carry_out(self, *, force: bool = False) -> None:
        """Make all changes, or none; raises ExportError where a file is the user's, unless ``force``."""
        if not force:
            self._require_ours()
        if self.changes:
            write_together(self.folder, {item.path: item.after for item in self.changes})

    def require_current(self) -> None:
        """Raise CheckFailedError where the project does not hold what the export holds."""
        old = [item for item in self.changes if item.exported]
        if old:
            words = {"new": "is missing", "changed": "differs"}
            named = [f"{self.name(item.path)} {words[item.verb]}" for item in old]
            raise CheckFailedError(
                f"{len(old)} file(s) are not those of the export: {few(named, _SHOWN)}",
                where=self.root,
                expected="what was exported, unchanged",
                next_step="ship the models again",
            )

    def _require_ours(self) -> None:
        theirs = [self.name(item.path) for item in self.changes if item.theirs]
        if theirs:
            raise ExportError(
                f"{len(theirs)} file(s) would be overwritten, and are not as they were shipped: {few(theirs, _SHOWN)}",
                where=self.root / theirs[0],
                expected="files as they were shipped, or none",
                next_step="move your changes elsewhere, or give them up with `force`; `dry_run` shows them",
            )


def _read(path: Path) -> bytes | None:
    """A file's content; None where there is none. Raises ExportError for what is no file."""
    if not path.exists():
        return None
    if not path.is_file():
        raise ExportError(
            f"{path.name} is in the way", where=path, expected="a file, or nothing", next_step="move it elsewhere"
        )
    return path.read_bytes()


def _text(data: bytes | None) -> str | None:
    """None for what is no text."""
    try:
        return None if data is not None and b"\0" in data else (data or b"").decode()
    except UnicodeDecodeError:
        return None


def _fingerprint(data: bytes) -> str:
    """A SHA-256 that git's change of line ends leaves as it is."""
    return hashlib.sha256(data if _text(data) is None else data.replace(b"\r\n", b"\n")).hexdigest()
