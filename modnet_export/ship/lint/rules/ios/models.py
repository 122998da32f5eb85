"""The models of a project or of a built app, and what ``modnet.json`` says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from modnet_export.record.contract import SOURCE_KEY
from modnet_export.record.files import files_in
from modnet_export.ship import archive
from modnet_export.ship.exported import CONTRACT
from modnet_export.ship.ios import model
from modnet_export.ship.ios.bundle import App
from modnet_export.ship.ios.model import LFS, Model
from modnet_export.ship.ios.project import Project
from modnet_export.ship.ios.target import source, walked
from modnet_export.ship.lint.finding import Linted

_SUFFIXES = (".mlpackage", ".mlmodelc")
_POINTER_BYTES = 1024


@dataclass(frozen=True)
class Found:
    """A model: where it is shown to lie, its parts with their sizes, and how they are read."""

    name: str
    parts: dict[str, int]
    blocks: Callable[[str], Iterator[bytes]]

    @property
    def compiled(self) -> bool:
        return self.name.endswith(".mlmodelc")

    @property
    def file(self) -> str:
        """Its name as it was exported."""
        return PurePosixPath(self.name).stem + ".mlpackage"

    @property
    def size(self) -> int:
        return sum(self.parts.values())

    @cached_property
    def sha256(self) -> str:
        """As ``record.files.sha256`` has it of a folder."""
        lines = (f"{part}\0{archive.sha256(self.blocks(part))}\n".encode() for part in sorted(self.parts, key=_key))
        return archive.sha256(lines)

    @cached_property
    def said(self) -> Model | str:
        """What it says of itself, or why that cannot be read."""
        try:
            return model.from_compiled(self._read("metadata.json")) if self.compiled else model.from_package(self._read)
        except ValueError as error:
            return str(error)

    @property
    def pointers(self) -> list[str]:
        """Its parts that are Git LFS pointers."""
        small = (part for part, size in self.parts.items() if size < _POINTER_BYTES)
        return [part for part in small if b"".join(self.blocks(part)).startswith(LFS)]

    def _read(self, part: str) -> bytes:
        if part not in self.parts:
            raise ValueError(f"there is no {part}")
        if self.parts[part] > model.LARGEST_SPECIFICATION:
            raise ValueError(f"{part} has {self.parts[part]:,} bytes")
        return b"".join(self.blocks(part))


def _key(part: str) -> tuple[str, ...]:
    """Paths sort by their parts."""
    return PurePosixPath(part).parts


@dataclass(frozen=True)
class Models:
    """What is asked by more than one rule."""

    place: str
    """The app or project itself, where a whole is meant."""
    found: tuple[Found, ...]
    """Of the models that an app has those that are MODNet's, by their names or by what they say; all where none is."""
    outside: tuple[str, ...]
    """Those that lie in a project's folder, and not in its target."""
    contract: dict[str, Any] | None
    """``modnet.json``; None where there is none that can be read."""
    is_there: bool
    """Whether there is a file of that name."""

    @property
    def missing(self) -> list[str]:
        """The models that ``modnet.json`` names and that are not there; a whole manifest names others, too."""
        told = self.contract or {}
        named = {item["file"] for item in told.get("artefacts", ()) if "reference" not in told}
        return sorted(named - {item.file for item in self.found})


def models(given: Linted) -> Models:
    """The models of a project's target, or of a built app."""
    return _models(given.app)


@lru_cache(maxsize=1)
def _models(app: Project | App) -> Models:
    """Looked for once for all rules."""
    return _of_project(app) if isinstance(app, Project) else _of_app(app)


def _of_project(project: Project) -> Models:
    inside = [path for path in project.target.files() if path.suffix == ".mlpackage"]
    contracts = [path for path in project.target.files() if path.name == CONTRACT]
    outside = [
        project.name(path) for path in walked(project.root) if path.suffix == ".mlpackage" and path not in inside
    ]
    contract = _contract(source(contracts[0])) if contracts else None
    found = [
        Found(
            project.name(path),
            {part.relative_to(path).as_posix(): part.stat().st_size for part in files_in(path)},
            lambda part, path=path: _file_blocks(path / part),  # type: ignore[misc]
        )
        for path in inside
    ]
    return Models(project.root.name, _ours(found, contract), tuple(outside), contract, bool(contracts))


def _of_app(app: App) -> Models:
    parts: dict[str, dict[str, int]] = {}
    for name, size in app.sizes.items():
        above = [parent for parent in reversed(PurePosixPath(name).parents) if parent.suffix in _SUFFIXES]
        if above:
            parts.setdefault(str(above[0]), {})[str(PurePosixPath(name).relative_to(above[0]))] = size
    contracts = [name for name in app.sizes if PurePosixPath(name).name == CONTRACT]
    contract = _contract(app.read(contracts[0])) if contracts else None
    found = [
        Found(name, sizes, lambda part, name=name: app.blocks(f"{name}/{part}"))  # type: ignore[misc]
        for name, sizes in parts.items()
    ]
    return Models(app.path.name, _ours(found, contract), (), contract, bool(contracts))


def _file_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from archive.blocks(file)


def _ours(found: list[Found], contract: dict[str, Any] | None) -> tuple[Found, ...]:
    named = {item["file"] for item in (contract or {}).get("artefacts", ())}
    ours = [item for item in found if item.file in named or "modnet" in item.file.lower() or _says_so(item)]
    return tuple(ours or found)


def _says_so(found: Found) -> bool:
    return isinstance(found.said, Model) and SOURCE_KEY in found.said.creator_defined


def _contract(data: bytes) -> dict[str, Any] | None:
    """None for any other file of that name."""
    try:
        content = json.loads(data)
        artefacts = [
            {**item, "file": str(item["file"]), "sha256": str(item["sha256"])} for item in content["artefacts"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = all(isinstance(content.get(key, {}), dict) for key in ("source", "versions", "size"))
    return {**content, "artefacts": artefacts} if sound else None
