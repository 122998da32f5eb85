"""The state folder of a verification: finished measurements, and the inputs with the reference's mattes for them.

``state.json`` says what the folder belongs to, ``rows.jsonl`` holds one finished measurement per line, and
``inputs/`` one file for each input. A run that was stopped goes on from there.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from converters.eight_bit import from_bytes, to_bytes
from converters.errors import ExportError, ExportWarning
from converters.runtimes import Image
from modnet_export.images.imaging import Placement
from modnet_export.images.inputs import Input
from modnet_export.model.checkpoint import Source
from modnet_export.record.choices import Convention
from modnet_export.record.contract import Size
from modnet_export.record.files import FileFormat, read_versioned, write_bytes
from modnet_export.record.strict import Strict
from modnet_export.record.versions import MEASURING, system, versions
from modnet_export.verifying.gpu import Sign
from modnet_export.verifying.parity import Sample

_ADVICE = "choose another folder as `state`, or remove this one"
# Workers may be threads. NumPy parses each array's header with ast, which CPython 3.11 does not bear in several threads
# at once (SystemError: AST constructor recursion depth mismatch, seen here; reported in cpython issue 106905).
_ONE_READER = threading.Lock()
FORMAT = FileFormat("the state of a verification", 1, "a folder that an earlier verification used", _ADVICE)
_MEASURING_CODE = ("converters", "modnet_export.images", "modnet_export.model", "modnet_export.verifying")


@dataclass(frozen=True)
class Row:
    """What one model, or the reference, gave on one input; ``error`` says why there is nothing.

    ``candidate`` is the model's identity, ``key`` the input's. ``values`` and ``truth`` are the measures against the
    reference and against the ground truth, by name.
    """

    candidate: str
    key: str
    values: dict[str, float] = field(default_factory=dict)
    truth: dict[str, float] = field(default_factory=dict)
    engine: str = ""
    error: str = ""
    signs: tuple[Sign, ...] = ()
    """Of a run that was asked for the GPU."""


_ROW = TypeAdapter(Row)


class Owner(Strict):
    """What a state folder belongs to, and what decided the numbers in it."""

    schema_version: Literal[1] = 1
    checkpoint: str
    size: str
    measured_by: dict[str, str]
    """The versions of packages and of the system, the hash of the code that measured, and the convention of Grad."""

    @classmethod
    def present(cls, source: Source, size: Size, convention: Convention = "plain") -> Owner:
        """The owner of what would be measured now."""
        ours = {
            "code": code_sha256(_MEASURING_CODE),
            "metrics convention": convention,
            "input range": source.input_range or "its graph's",
        }
        return cls(checkpoint=source.sha256, size=str(size), measured_by={**versions(MEASURING), **system(), **ours})


def code_sha256(packages: Iterable[str]) -> str:
    """One hash of the source files of packages: another one where any number might be another one."""
    digest = hashlib.sha256()
    for package in packages:
        spec = find_spec(package)
        for folder in [] if spec is None else spec.submodule_search_locations or []:
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class Fitted:
    """One input as models take it, 1 x H x W x 3 in [0, 1], and the reference's matte for it, 1 x H x W x 1."""

    image_nhwc: Image
    matte_nhwc: Image
    placement: Placement
    rounded_nhwc: Image | None = None
    """The reference's matte in another arithmetic, where there is one."""

    def sample(self, name: str) -> Sample:
        return Sample(name, self.image_nhwc, self.matte_nhwc, self.placement, self.rounded_nhwc)


@dataclass(frozen=True)
class Cache:
    """The fitted inputs, in a folder that all workers see. Images are kept as the bytes that they were made of."""

    folder: Path

    def _path(self, item: Input) -> Path:
        return self.folder / f"{item.key}.npz"

    def holds(self, item: Input) -> bool:
        return self._path(item).exists()

    def put(self, item: Input, fitted: Fitted) -> None:
        buffer = io.BytesIO()
        place = np.array([getattr(fitted.placement, name) for name in Placement.__dataclass_fields__])
        image = to_bytes(fitted.image_nhwc)
        arrays: dict[str, Any] = {"image": image, "matte": fitted.matte_nhwc, "placement": place}
        if fitted.rounded_nhwc is not None:
            arrays["rounded"] = fitted.rounded_nhwc
        np.savez(buffer, allow_pickle=False, **arrays)
        write_bytes(self._path(item), buffer.getvalue())

    def get(self, item: Input) -> Fitted:
        with _ONE_READER, np.load(self._path(item)) as stored:
            image_nhwc = from_bytes(stored["image"])
            place = Placement(*map(int, stored["placement"]))
            return Fitted(image_nhwc, stored["matte"], place, stored.get("rounded"))


class State:
    """An open state folder. Raises ExportError for one of another checkpoint or size, or of a newer version.

    Where the code or a package has changed since the rows were measured, they are dropped with a warning.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.cache = Cache((folder / "inputs").resolve())
        self.cache.folder.mkdir(parents=True, exist_ok=True)
        self._rows_path, owner_path = folder / "rows.jsonl", folder / "state.json"
        if owner_path.exists():
            self._check(folder, read_versioned(owner_path, _owner, FORMAT), owner)
        write_bytes(owner_path, owner.model_dump_json().encode())
        self.rows: dict[tuple[str, str], Row] = {}
        self._read_rows()

    def _check(self, folder: Path, before: Owner, now: Owner) -> None:
        if (before.checkpoint, before.size) != (now.checkpoint, now.size):
            raise ExportError(
                f"{folder} holds the state of another verification",
                where=folder,
                expected="the same checkpoint and size as when it was written",
                next_step=_ADVICE,
            )
        changed = _changes(before.measured_by, now.measured_by)
        if changed:
            self._rows_path.unlink(missing_ok=True)
            warnings.warn(
                f"{folder} was measured before {', '.join(changed)} changed: everything is measured again",
                ExportWarning,
                stacklevel=2,
            )

    def _read_rows(self) -> None:
        if not self._rows_path.exists():
            return
        text = self._rows_path.read_text(encoding="utf-8")
        for line in text.splitlines():
            try:
                row = _ROW.validate_json(line)
            except ValidationError:  # the line that a killed run was writing
                continue
            if not row.error:  # what failed is tried again
                self.rows[(row.candidate, row.key)] = row
        if text and not text.endswith("\n"):
            with self._rows_path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def add(self, rows: Iterable[Row]) -> None:
        """Keep finished rows, in memory and in the folder."""
        with self._rows_path.open("a", encoding="utf-8") as file:
            for row in rows:
                self.rows[(row.candidate, row.key)] = row
                file.write(json.dumps(vars(row)) + "\n")


def _owner(data: bytes) -> Owner:
    """From the file's bytes; the first version wrote one string and did not say what had measured."""
    content = json.loads(data)
    if isinstance(content, str):
        checkpoint, _, size = content.partition(" ")
        return Owner(checkpoint=checkpoint, size=size, measured_by={})
    return Owner.model_validate(content)


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The packages whose versions differ, and our own code as one more."""
    if not before:
        return ["this tool"]
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ["this tool's code" if name == "code" else name for name in names]
