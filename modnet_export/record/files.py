"""Reading and writing: whenever the process dies, a file is either the old one or the new one."""

from __future__ import annotations

import ctypes
import glob
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

if sys.platform != "win32":
    import fcntl

from pydantic import ValidationError

from converters.errors import ExportError, ExportWarning, reason

T = TypeVar("T")


def cache() -> Path:
    """Where downloads and the states of searches are kept: $MODNET_EXPORT_CACHE, or a folder in the user's cache."""
    named = os.environ.get("MODNET_EXPORT_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "modnet-export"


def real(path: Path) -> Path:
    """A path without symbolic links; unlike ``Path.resolve``, also of a link that leads to itself."""
    return Path(os.path.realpath(path))


def files_in(folder: Path) -> list[Path]:
    """Every file below a folder, sorted."""
    return sorted(item for item in folder.rglob("*") if item.is_file())


def sha256(path: Path) -> str:
    """A file's SHA-256 in hexadecimal; for a folder, that of its sorted relative names and their files' hashes."""
    digest = hashlib.sha256()
    if path.is_dir():
        for item in files_in(path):
            digest.update(f"{item.relative_to(path).as_posix()}\0{sha256(item)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def size_in_bytes(path: Path) -> int:
    """The size of a file, or of all files in a folder."""
    return sum(item.stat().st_size for item in (files_in(path) if path.is_dir() else [path]))


def read_validated(path: Path, validate: Callable[[bytes], T], what: str, expected: str) -> T:
    """A JSON file as a pydantic model or dataclass; raises ExportError for one that is missing or something else."""
    try:
        return validate(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ExportError(
            f"cannot read {path.name} as {what}: {reason(error)}", where=path, expected=expected
        ) from error


@dataclass(frozen=True)
class FileFormat:
    """The format of a JSON object that this tool writes, with its version as ``schema_version``."""

    what: str
    """What messages call such a file, for example ``a manifest``."""
    version: int
    """The version that is written, and the newest one that can be read."""
    expected: str
    """What the reader should have been given."""
    again: str
    """How to make a file of this version."""


def read_versioned(path: Path, validate: Callable[[bytes], T], kind: FileFormat) -> T:
    """A JSON file of a known format, as ``validate`` makes it from the file's bytes.

    A file without a version is from before its format had one, and is read like one of the present version. Raises
    ExportError for a file that is missing, damaged or something else, for one that a newer version of this tool wrote,
    and for one of an older version that can no longer be read.
    """
    try:
        data = path.read_bytes()
        content = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        why = (isinstance(error, OSError) and error.strerror) or reason(error)
        raise ExportError(
            f"cannot read {path.name} as {kind.what}: {why}",
            where=path,
            expected=kind.expected,
            next_step=kind.again,
        ) from error
    found = content.get("schema_version") if isinstance(content, dict) else None
    number = found if isinstance(found, int) and not isinstance(found, bool) else kind.version
    if number > kind.version:
        raise ExportError(
            f"{path.name} was written by a newer version of modnet-export",
            where=path,
            expected=f"{kind.what} in format {kind.version} or older, found format {number}",
            next_step="update modnet-export",
        )
    try:
        return validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        problem = f"{error.error_count()} problem(s), first {place}: {first['msg'].removeprefix('Value error, ')}"
        raise ExportError(
            f"{path.name} was written by an older version of modnet-export, and can no longer be read: {problem}"
            if number < kind.version
            else f"cannot read {path.name} as {kind.what}: {problem}",
            where=path,
            expected=kind.expected,
            next_step=kind.again,
        ) from error


_SCRATCH = "modnet-export-"
"""What the names of all scratch have in common: it is ours, and what a killed process left is removed."""


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A new file beside ``path`` to fill; on success it takes the place of ``path``, on failure it is removed.

    A symbolic link stays one.
    """
    path = real(path)
    _clear_files(path.parent)
    temporary, handle = _locked(lambda: _new_file(path.parent))
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _let_go(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file under a temporary name beside it, then rename it into place; a symbolic link stays one."""
    with replaced_file(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _new_file(folder: Path) -> str:
    handle, name = tempfile.mkstemp(prefix=f".{_SCRATCH}", dir=folder)
    os.close(handle)
    return name


@lru_cache
def _clear_files(folder: Path) -> None:
    """Remove the scratch of killed processes in a folder, once for each process: a folder may hold many files."""
    for item in folder.glob(f".{_SCRATCH}*"):
        held = _hold(item)
        if held is not None:
            item.unlink(missing_ok=True)
            os.close(held)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for intermediate files, removed in the end; what killed processes left of theirs is removed before."""
    place = Path(tempfile.gettempdir())
    folder, handle = _locked(lambda: tempfile.mkdtemp(prefix=_SCRATCH, dir=place))
    try:
        for other in place.glob(f"{_SCRATCH}*"):
            held = None if other == folder else _hold(other)
            if held is not None:
                shutil.rmtree(other, ignore_errors=True)
                os.close(held)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _let_go(handle)


def _locked(make: Callable[[], str]) -> tuple[Path, int | None]:
    """A new file or folder, and the descriptor that locks it; None where there are no locks."""
    while True:
        path = Path(make())
        held = _hold(path)
        if path.exists():  # else another process took it for a dead one's before it was locked
            return path, held
        _let_go(held)


def _let_go(held: int | None) -> None:
    if held is not None:
        os.close(held)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step of the file system; False where there is no such call."""
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(a), os.fsencode(b)
    if hasattr(libc, "renameat2"):  # Linux: AT_FDCWD, RENAME_EXCHANGE
        return bool(libc.renameat2(-100, first, -100, second, 2) == 0)
    if hasattr(libc, "renamex_np"):  # macOS: RENAME_SWAP
        return bool(libc.renamex_np(first, second, 2) == 0)
    return False


@contextmanager
def replaced_folder(folder: Path, *, keep: set[str]) -> Iterator[Path]:
    """A new folder to fill; on success it takes the place of ``folder`` in one step, on failure it is removed.

    ``keep`` names the entries of the present folder that move along (a caller's own files). A symbolic link stays one:
    the folder that it leads to is replaced. Raises ExportError while another process fills the same folder.
    """
    folder = real(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.new-"
    # Fixed widths, so that names sort by when they were made.
    fresh = Path(tempfile.mkdtemp(prefix=f"{prefix}{time.time_ns():020}-{os.getpid()}-", dir=folder.parent))
    fresh.chmod(0o777 & ~_umask())
    held = _hold(fresh)
    try:
        _clear(folder, prefix, fresh)
        yield fresh
        for name in keep:
            source = folder / name
            if (fresh / name).exists():
                continue
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, fresh / name, symlinks=True)
            else:
                shutil.copy2(source, fresh / name, follow_symlinks=False)
        if not folder.exists():
            fresh.rename(folder)
        elif not _exchange(fresh, folder):
            # This file system cannot swap: between the two renames, there is no folder for a moment.
            old = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
            folder.rename(old / folder.name)
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        _let_go(held)


def _hold(path: Path) -> int | None:
    """A descriptor that locks a file or folder until it is closed or the process ends.

    None where another process holds it, where it is gone or somebody else's, and where there are no locks.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _clear(folder: Path, prefix: str, own: Path) -> None:
    """Remove what killed processes left beside ``folder``; raises ExportError where one that began first still runs."""
    for other in folder.parent.glob(f"{glob.escape(prefix)}*"):
        if other == own:
            continue
        free = _hold(other)
        if free is not None:
            shutil.rmtree(other, ignore_errors=True)
            os.close(free)
        elif sys.platform != "win32" and other.name < own.name:
            process = other.name.removeprefix(prefix).split("-")[1]
            raise ExportError(
                f"process {process} is writing {folder} at this moment",
                where=other,
                expected="one process for each folder",
                next_step="wait until it has ended, or choose another folder as `out`",
            )


def writable_file(path: Path | None, setting: str, *suffixes: str) -> None:
    """Raise ExportError unless a file can be written there: before long work, not after. None: nothing is asked.

    It must have one of the suffixes, so that a slip never puts numbers over a photograph.
    """
    if path is None:
        return
    folder = path.absolute().parent
    if path.suffix.lower() not in suffixes:
        raise ExportError(
            f"'{path}' would not match its name",
            where=f"`{setting}`",
            expected=f"a name that ends in {' or '.join(suffixes)}",
            next_step=f"`{setting}={path.parent / (path.stem or setting)}{suffixes[0]}`",
        )
    if path.is_dir():
        problem = "it is a folder"
    elif not folder.is_dir():
        problem = f"there is no folder {folder}"
    elif not os.access(folder, os.W_OK):
        problem = f"nothing may be written in {folder}"
    else:
        return
    raise ExportError(
        f"cannot write {path}: {problem}",
        where=f"`{setting}`",
        expected="a file's name in a folder that is there",
        next_step="make the folder, or choose another place",
    )


def kept_in_cache(name: str) -> Path | None:
    """A folder of the cache, made where it is not there; None, with a warning, where it cannot be written."""
    folder = cache() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        warnings.warn(
            f"nothing can be kept in {folder}, so work that is stopped starts again: {error.strerror}. "
            "The environment variable MODNET_EXPORT_CACHE names another folder",
            ExportWarning,
            stacklevel=2,
        )
        return None


def writable_folder(folder: Path) -> None:
    """Raise ExportError unless files can be made beside ``folder``."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent):
            pass
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError
    except OSError as error:
        raise ExportError(
            f"cannot write to {folder}: {error.strerror or 'it is a file'}",
            where=folder,
            expected="a folder that you may write to",
            next_step="choose another folder as `out`",
        ) from error
