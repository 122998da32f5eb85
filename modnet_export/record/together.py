"""Several files written as one: all of them, or none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from modnet_export.record.files import real, write_bytes

_SCRATCH = ".modnet-ship"


def write_together(folder: Path, changes: Mapping[Path, bytes | None]) -> None:
    """Write files that lie in a folder; None: the file is removed, and the folders that are empty without it.

    What takes space is done beside them first. Then they are renamed into place; where that fails, what was renamed
    before is put back. A process that is killed in between leaves each file whole, old or new.
    """
    scratch = folder / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)  # of a killed process
    scratch.mkdir()
    try:
        steps = [_prepared(real(path), data, scratch / str(at)) for at, (path, data) in enumerate(changes.items())]
        _in_place(steps)
        for path in (path for path, data in changes.items() if data is None):
            _remove_empty(path.parent, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _prepared(path: Path, data: bytes | None, place: Path) -> tuple[Path, Path, Path]:
    """The file, the new one and a copy of the old one, where there are such."""
    fresh, old = place.with_suffix(".new"), place.with_suffix(".old")
    if path.exists():
        shutil.copy2(path, old)
    if data is not None:
        write_bytes(fresh, data)
        if old.exists():
            shutil.copymode(old, fresh)
    return path, fresh, old


def _in_place(steps: list[tuple[Path, Path, Path]]) -> None:
    made: list[Path] = []
    begun: list[tuple[Path, Path]] = []
    try:
        for path, fresh, old in steps:
            for folder in reversed([path.parent, *path.parent.parents]):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            begun.append((path, old))
            if fresh.exists():
                fresh.replace(path)
            else:
                path.unlink()
    except BaseException:
        for path, old in reversed(begun):
            if old.exists():
                old.replace(path)
            else:
                path.unlink(missing_ok=True)
        for folder in reversed(made):
            folder.rmdir()
        raise
